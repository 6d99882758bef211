"""The types of errors by their status."""

import pytest

from llm_proxy.ingress.messages.dialect import Messages
from mcp_gateway.core.errors import ConnectionRequired, GatewayError, IdentityUnavailable, MetadataRequired

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    415: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@pytest.mark.parametrize(("status", "kind"), TYPES.items())
def test_types(status: int, kind: str) -> None:
    assert Messages().error(GatewayError("m"), status, "r") == {
        "type": "error",
        "error": {"type": kind, "message": "m", "reason": "internal_error"},
        "request_id": "r",
    }


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MetadataRequired("m", faults=["team"]), {"metadata": ["team"]}),
        (ConnectionRequired("m", upstream="u", link="https://l"), {"link": "https://l"}),
        (IdentityUnavailable("m", retry_after=0.5), {"retry_after_ms": 500}),
    ],
)
def test_what_an_error_knows(error: GatewayError, said: dict[str, object]) -> None:
    assert said.items() <= Messages().error(error, 403, "r")["error"].items()
