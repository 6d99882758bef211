"""The tables of errors are complete: every code the gateway renders is explained on both pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mcp_gateway.core.asgi.body import BodyTooLarge
from mcp_gateway.core.errors import (
    AuditUnavailable,
    Blocked,
    BudgetExhausted,
    ConnectionRequired,
    Forbidden,
    GatewayError,
    HeaderMismatch,
    IdentityUnavailable,
    InsufficientScope,
    LimitExceeded,
    MetadataRequired,
    MissingCapability,
    Overloaded,
    ProtocolViolation,
    TimedOut,
    ToolQuarantined,
    Unauthenticated,
    UnknownMethod,
    UnknownName,
    Unreachable,
    UnsupportedVersion,
    UrlElicitation,
)
from mcp_gateway.core.strictjson import JsonError
from mcp_gateway.ingress.envelope import BadEnvelope, NotAcceptable, SessionUnknown, UnsupportedMedia
from mcp_gateway.ingress.render import render
from tests.support import ROOT

ERRORS: tuple[GatewayError, ...] = (
    JsonError("x"),
    BadEnvelope("x"),
    NotAcceptable("x"),
    UnsupportedMedia("x"),
    SessionUnknown("x"),
    BodyTooLarge(1),
    UnknownMethod("x"),
    UnknownName("x"),
    HeaderMismatch("x"),
    MissingCapability("x", required={}),
    UnsupportedVersion("x", supported=(), requested="x"),
    GatewayError("x"),
    Unauthenticated("x"),
    InsufficientScope("x"),
    IdentityUnavailable("x"),
    ConnectionRequired("x", upstream="x", link="x"),
    Forbidden("x"),
    Blocked("x", guardrail="x"),
    MetadataRequired("x"),
    ToolQuarantined("x"),
    LimitExceeded("x", limit="x"),
    BudgetExhausted("x", limit="x"),
    Overloaded("x"),
    AuditUnavailable("x"),
    Unreachable("x", sent=False),
    ProtocolViolation("x"),
    TimedOut("x"),
)
_ROW = re.compile(r"^\| (?P<code>[−\d]+) \|(?P<rest>.*)\|$", re.MULTILINE)


def rows(page: Path) -> dict[int, str]:
    """The rest of each row that begins with a code."""
    return {int(row["code"].replace("−", "-")): row["rest"] for row in _ROW.finditer(page.read_text())}


@pytest.mark.parametrize("page", ["docs/protocol.md", "docs/troubleshooting.md"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_is_explained(error: GatewayError, page: str) -> None:
    status, rendered = render(error, modern=True, request_id="r")
    row = rows(ROOT / page)[rendered["code"]]
    if rendered["code"] > 0:
        assert f"`{error.reason}`" in row
    if status != 200:
        assert str(status) in row or "troubleshooting" in page or rendered["code"] == -32600


def test_the_pages_explain_nothing_that_does_not_exist() -> None:
    rendered = {render(error, modern=True, request_id="r")[1]["code"] for error in ERRORS}
    asking = UrlElicitation("x", upstream="x", link="x", elicitation="x")
    rendered.add(render(asking, modern=False, request_id="r")[1]["code"])
    for page in ("docs/protocol.md", "docs/troubleshooting.md"):
        assert set(rows(ROOT / page)) == rendered
