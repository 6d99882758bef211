"""Our decoder of the modern era against the official SDK's: the same verdict on every envelope."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from mcp.shared.inbound import InboundModernRoute, classify_inbound_request

from mcp_gateway.core.errors import GatewayError
from mcp_gateway.ingress.envelope import Notification
from mcp_gateway.ingress.head import read_head
from mcp_gateway.ingress.modern import decode
from mcp_gateway.ingress.render import render
from tests.ingress.rig import META

_odd: st.SearchStrategy[Any] = st.sampled_from([None, 1, True, [], {}, "", "x"])
_versions = st.sampled_from(["2026-07-28", "2026-07-28", "2099-01-01", "2025-11-25", ""])
_methods = st.sampled_from(["tools/call", "prompts/get", "resources/read", "tools/list", "no/such", "Tools/Call"])
_names = st.sampled_from(["echo", "admin", "=?base64?ZWNobw==?=", "=?base64?!?=", "ünï", " echo"])


@st.composite
def _metas(draw: st.DrawFn) -> Any:
    """A `_meta` that is right more often than not. Values of the wrong type are left to the test below."""
    if draw(st.integers(0, 9)) == 0:
        return draw(_odd)
    meta: dict[str, Any] = {"vendor/key": 1}
    if draw(st.integers(0, 9)):
        meta[META + "protocolVersion"] = draw(_versions)
    if draw(st.integers(0, 9)):
        meta[META + "clientCapabilities"] = draw(st.sampled_from([{}, {"sampling": {}}]))
    if draw(st.booleans()):
        meta[META + "clientInfo"] = draw(_odd)
    return meta


@st.composite
def _requests(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, str]]:
    params: dict[str, Any] = {"name": draw(_names), "uri": draw(_names)}
    if draw(st.integers(0, 9)):
        params["_meta"] = draw(_metas())
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": draw(_methods), "params": params}
    headers: dict[str, str] = {}
    if draw(st.integers(0, 9)):
        headers["mcp-protocol-version"] = draw(_versions)
    if draw(st.integers(0, 9)):
        headers["mcp-method"] = body["method"] if draw(st.integers(0, 4)) else draw(_methods)
    if draw(st.integers(0, 9)):
        headers["mcp-name"] = params["name"] if draw(st.integers(0, 4)) else draw(_names)
    headers["mcp-name"] = headers.get("mcp-name", "echo").encode().decode("latin-1")
    if draw(st.integers(0, 9)) == 0:
        del headers["mcp-name"]
    return body, headers


def ours(body: dict[str, Any], headers: dict[str, str]) -> int | None:
    """The code of our refusal, None for a request that passes."""
    head = read_head([(name.encode(), value.encode("latin-1")) for name, value in headers.items()])
    try:
        decoded = decode(head, body)
    except GatewayError as error:
        code: int = render(error, modern=True, request_id="r")[1]["code"]
        return code
    assert not isinstance(decoded, Notification)
    return None


def theirs(body: dict[str, Any], headers: dict[str, str]) -> int | None:
    verdict = classify_inbound_request(body, headers=headers, supported_modern_versions=("2026-07-28",))
    return None if isinstance(verdict, InboundModernRoute) else verdict.code


_GOOD = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}}


@given(_requests())
@example(
    (
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "uri": "u", "_meta": _GOOD}},
        {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "=?base64?ZWNobw==?="},
    )
)
def test_the_verdict_is_that_of_the_sdk(pair: tuple[dict[str, Any], dict[str, str]]) -> None:
    body, headers = pair
    assert ours(body, headers) == theirs(body, headers)


@given(st.dictionaries(st.sampled_from([*_GOOD, META + "clientInfo"]), _odd), _versions)
def test_what_the_sdk_refuses_is_never_let_through(meta: dict[str, Any], version: str) -> None:
    """With values of the wrong type we are stricter: the SDK checks presence only."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    headers = {"mcp-protocol-version": version, "mcp-method": "tools/list"}
    if theirs(body, headers) is not None:
        assert ours(body, headers) in {-32602, -32020, -32022}


@given(st.recursive(_odd, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=8))
def test_any_json_value_is_decided_and_nothing_crashes(body: Any) -> None:
    assert ours(body, {}) in {-32600, -32602}
