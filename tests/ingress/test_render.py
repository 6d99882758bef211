"""The table from errors to the wire: complete, and no code in the wrong era."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcp_gateway.core import errors, strictjson
from mcp_gateway.core.asgi import body
from mcp_gateway.core.errors import GatewayError, Rejected
from mcp_gateway.ingress import envelope
from mcp_gateway.ingress.exchange import failure
from mcp_gateway.ingress.render import render

Row = tuple[GatewayError, int, int, int, Mapping[str, object] | None]
"""The error; its code, HTTP status in the modern era, status before; its data without reason and request id."""

PLAIN: Mapping[str, object] = {}

ROWS: tuple[Row, ...] = (
    (errors.GatewayError("m"), -32603, 200, 200, PLAIN),
    (errors.Refusal("m"), -32603, 200, 200, PLAIN),
    (errors.Unauthenticated("m"), 40101, 401, 401, PLAIN),
    (errors.Forbidden("m", policies=["a", "b"]), 40300, 200, 200, {"policies": ["a", "b"]}),
    (errors.Blocked("m", guardrail="pii"), 40301, 200, 200, {"guardrail": "pii"}),
    (errors.MetadataRequired("m", faults=["team"]), 40302, 200, 200, {"metadata": ["team"]}),
    (errors.ToolQuarantined("m"), 40900, 200, 200, PLAIN),
    (errors.BudgetExhausted("m", limit="b"), 42901, 200, 200, {"limit": "b"}),
    (errors.LimitExceeded("m", limit="l", retry_after=1.5), 42900, 200, 200, {"limit": "l", "retryAfterMs": 1500}),
    (errors.Overloaded("m", retry_after=2), 50300, 200, 200, {"retryAfterMs": 2000}),
    (errors.AuditUnavailable("m"), 50301, 200, 200, {}),
    (errors.InsufficientScope("m"), 40303, 403, 403, PLAIN),
    (errors.IdentityUnavailable("m", retry_after=1.5), 50302, 503, 503, {"retryAfterMs": 1500}),
    (errors.ConnectionRequired("m", upstream="u", link="https://x"), 40100, 200, 200, {"link": "https://x"}),
    (errors.Invalid("m", pointer="/p"), -32602, 400, 200, None),
    (errors.UnknownMethod("m"), -32601, 404, 200, None),
    (errors.UnknownName("m"), -32602, 400, 200, None),
    (errors.UnknownResource("m", uri="u://x"), -32602, 400, 200, None),
    (errors.InvalidArguments("m"), -32602, 400, 200, None),
    (errors.HeaderMismatch("m"), -32020, 400, 400, None),
    (errors.MissingCapability("m", required={"roots": {}}), -32021, 400, 200, None),
    (errors.UnsupportedVersion("m", supported=["1"], requested="2"), -32022, 400, 400, None),
    (errors.UpstreamError("m"), -32603, 200, 200, PLAIN),
    (errors.Unreachable("m", sent=False), 50200, 200, 200, PLAIN),
    (errors.TimedOut("m"), 50400, 200, 200, PLAIN),
    (errors.ProtocolViolation("m"), 50201, 200, 200, PLAIN),
    (errors.ConfigurationError([]), -32603, 200, 200, PLAIN),
    (envelope.BadEnvelope("m"), -32600, 400, 400, None),
    (envelope.NotAcceptable("m"), -32600, 406, 406, None),
    (envelope.UnsupportedMedia("m"), -32600, 415, 415, None),
    (envelope.SessionUnknown("m"), -32600, 404, 404, None),
    (strictjson.JsonError("m"), -32700, 400, 400, None),
    (strictjson.JsonLimitError("m"), -32700, 400, 400, None),
    (body.BodyTooLarge(1), -32600, 413, 413, None),
)
SPECIFIC: Mapping[type[GatewayError], Mapping[str, object]] = {
    errors.UnknownResource: {"uri": "u://x"},
    errors.MissingCapability: {"requiredCapabilities": {"roots": {}}},
    errors.UnsupportedVersion: {"supported": ["1"], "requested": "2"},
}
NEVER_RENDERED = {Rejected, body.ClientDisconnected}
TWO_FACED = {errors.UrlElicitation}
"""Another code in each era: see below."""
MODERN_ONLY = {-32020, -32021, -32022}


def defined() -> Iterator[type[GatewayError]]:
    for module in (errors, envelope, strictjson, body):
        for _, found in inspect.getmembers(module, inspect.isclass):
            if issubclass(found, GatewayError) and found.__module__ == module.__name__:
                yield found


def test_every_error_class_has_its_row_here() -> None:
    assert set(defined()) - NEVER_RENDERED - TWO_FACED == {type(row[0]) for row in ROWS}


@pytest.mark.parametrize(
    ("error", "code", "modern_status", "status", "extra"), ROWS, ids=lambda row: type(row).__name__
)
def test_errors_look_as_the_contract_says(
    error: GatewayError, code: int, modern_status: int, status: int, extra: Mapping[str, object] | None
) -> None:
    for modern, expected in ((True, modern_status), (False, status)):
        got, rendered = render(error, modern=modern, request_id="r-1")
        assert got == expected
        assert rendered["code"] == (code if modern or code not in MODERN_ONLY else -32600)
        assert rendered["message"] == error.message
        data = SPECIFIC.get(type(error)) if extra is None else {"reason": error.reason, "requestId": "r-1", **extra}
        assert rendered.get("data") == data and ("data" in rendered) == (data is not None)


def test_reasons_are_different_words() -> None:
    reasons = [found.reason for found in set(defined()) - TWO_FACED]
    shared = {errors.UpstreamError.reason}  # the base and `Unreachable`, which is how a broken connection is told
    assert sorted(reason for reason in reasons if reason not in shared) == sorted(set(reasons) - shared)


@given(st.integers(-33_000, 60_000), st.booleans(), st.sampled_from([None, {"a": 1}, "x", []]))
def test_an_upstreams_own_error_passes_but_for_codes_of_the_other_era(code: int, modern: bool, data: object) -> None:
    assume(not (modern and code in {-32020, -32022}))  # those speak of the gateway's own headers: see below
    status, rendered = render(Rejected(code, "said", data), modern=modern, request_id="r")
    assert rendered["message"] == "said" and (rendered.get("data") == data or code == 50200)
    assert rendered["code"] not in ({-32002, -32042} if modern else MODERN_ONLY)
    if code not in {-32002, -32042, *MODERN_ONLY}:
        assert rendered["code"] == code
    assert modern or status == 200


def test_an_upstream_that_refused_by_a_bare_status_is_told_in_our_words() -> None:
    refused = Rejected(50200, "HTTP 429")
    refused.retry_after = 1.5
    _, rendered = render(refused, modern=True, request_id="r")
    assert rendered["data"] == {"reason": "upstream_unavailable", "requestId": "r", "retryAfterMs": 1500}
    _, rendered = render(Rejected(50200, "said", {"own": 1}), modern=True, request_id="r")
    assert rendered["data"] == {"own": 1}


@pytest.mark.parametrize(("has_data", "expected"), [(True, {"data": None}), (False, {})])
def test_null_data_is_not_the_same_as_none(has_data: bool, expected: dict[str, object]) -> None:
    _, rendered = render(Rejected(1, "m", has_data=has_data), modern=True, request_id="r")
    assert {key: rendered[key] for key in rendered if key == "data"} == expected


@pytest.mark.parametrize(("code", "status"), [(-32601, 404), (-32602, 400), (-32002, 400), (-32603, 200), (-5, 200)])
def test_an_upstreams_error_has_the_status_of_its_code_in_the_modern_era(code: int, status: int) -> None:
    assert render(Rejected(code, "m"), modern=True, request_id="r")[0] == status


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("identifier", [0, "0", "", None, 2**60])
def test_ids_are_echoed_with_their_type(identifier: str | int | None, modern: bool) -> None:
    for error, *_ in ROWS:
        _, message, _ = failure(error, identifier, modern=modern, request_id="r")
        assert message["id"] == identifier and type(message["id"]) is type(identifier)


@pytest.mark.parametrize("modern", [True, False])
def test_arguments_that_do_not_fit_are_a_result_the_model_can_read(modern: bool) -> None:
    error = errors.InvalidArguments("must be a string", pointer="/params/arguments/text")
    status, message, _ = failure(error, 1, modern=modern, request_id="r")
    assert status == 200 and message["result"]["isError"] is True
    assert message["result"]["content"][0]["text"] == "Invalid arguments at /text: must be a string"


@pytest.mark.parametrize("code", [-32020, -32022])
def test_a_refusal_of_the_gateways_own_headers_is_not_the_clients_to_mend(code: int) -> None:
    status, error = render(Rejected(code, "headers differ"), modern=True, request_id="r1")
    assert (status, error["code"]) == (200, 50201)
    assert error["data"] == {"reason": "upstream_protocol_error", "requestId": "r1"}
    assert "headers differ" not in error["message"]


def test_a_link_to_open_is_an_elicitation_before_and_a_link_in_the_modern_era() -> None:
    error = errors.UrlElicitation("connect it", upstream="up", link="https://gw/connect/t", elicitation="e-1")
    status, before = render(error, modern=False, request_id="r")
    asked = {"mode": "url", "elicitationId": "e-1", "url": "https://gw/connect/t", "message": "connect it"}
    assert (status, before) == (200, {"code": -32042, "message": "connect it", "data": {"elicitations": [asked]}})
    status, modern = render(error, modern=True, request_id="r")
    data = {"reason": "connection_required", "requestId": "r", "link": "https://gw/connect/t"}
    assert (status, modern) == (200, {"code": 40100, "message": "connect it", "data": data})


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("kind", [errors.Unauthenticated, errors.InsufficientScope])
def test_a_challenge_goes_into_its_header(
    kind: type[errors.Unauthenticated | errors.InsufficientScope], modern: bool
) -> None:
    error = kind("m", challenge='Bearer scope="a b"')
    _, message, headers = failure(error, 1, modern=modern, request_id="r")
    assert headers == [(b"www-authenticate", b'Bearer scope="a b"')]
    assert "Bearer" not in str(message)


def test_an_outage_says_when_to_come_back_in_whole_seconds() -> None:
    _, _, headers = failure(errors.IdentityUnavailable("m", retry_after=0.2), 1, modern=True, request_id="r")
    assert headers == [(b"retry-after", b"1")]
