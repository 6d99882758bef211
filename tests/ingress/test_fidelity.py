"""What a client sends reaches the terminal, and what the terminal answers reaches the client, untouched."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.calls.kinds import Invocation
from mcp_gateway.core.lookalike import folded
from tests.ingress.agent import opened
from tests.ingress.rig import META, Rig, offer

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
_keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_json = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3), max_leaves=8
)
_taken = {"_meta", "name", "arguments", "uri", "ref", "argument", "context", "task", "requeststate", "resulttype"}
_free_keys = _keys.filter(lambda key: folded(key) not in {folded(taken) for taken in _taken})

WHATEVER = {"name": "whatever", "inputSchema": {"type": "object"}}


def exact(value: object) -> str:
    """Text that differs when types, values or the order of keys differ."""
    return json.dumps(value, sort_keys=False)


async def _through(params: dict[str, Any], answer: dict[str, Any], modern: bool) -> tuple[Invocation, dict[str, Any]]:
    rig = Rig(inventories=[offer("up", [WHATEVER])])
    rig.terminal.answers("whatever", answer)
    if modern:
        meta = params.pop("_meta", {})
        exchange = rig.modern("tools/call", params, meta=meta)
    else:
        exchange = (await opened(rig)).request("tools/call", params)
    result = await exchange.result()
    return rig.terminal.calls[0], result


@pytest.mark.parametrize("modern", [True, False])
@given(arguments=st.dictionaries(_keys, _json, max_size=4), extra=st.dictionaries(_free_keys, _json, max_size=3))
def test_params_reach_the_upstream_with_every_key_in_its_place(
    modern: bool, arguments: dict[str, Any], extra: dict[str, Any]
) -> None:
    params = {"name": "whatever", **extra, "arguments": arguments, "zz": 1, "aa": 2}
    invocation, _ = asyncio.run(_through(dict(params), {"resultType": "complete", "content": []}, modern))
    assert exact(invocation.params) == exact(params)


@pytest.mark.parametrize("modern", [True, False])
@given(extra=st.dictionaries(_free_keys.filter(lambda key: key not in {"ttlMs", "cacheScope"}), _json, max_size=4))
def test_results_reach_the_client_with_every_key_in_its_place(modern: bool, extra: dict[str, Any]) -> None:
    extra.pop("structuredContent", None)
    answer = {"resultType": "complete", "content": [{"type": "hologram", "x": None}], **extra, "zz": 1, "aa": 2}
    _, result = asyncio.run(_through({"name": "whatever", "arguments": {}}, dict(answer), modern))
    result.pop("_meta", None)
    expected = answer if modern else {key: value for key, value in answer.items() if key != "resultType"}
    assert exact(result) == exact(expected)


@given(_json)
def test_any_structured_content_passes_in_the_modern_era_null_too(value: Any) -> None:
    answer = {"resultType": "complete", "content": [], "structuredContent": value}
    _, result = asyncio.run(_through({"name": "whatever"}, answer, True))
    assert "structuredContent" in result and exact(result["structuredContent"]) == exact(value)


@pytest.mark.parametrize("modern", [True, False])
async def test_meta_of_the_caller_goes_on_and_that_of_the_hop_does_not(modern: bool) -> None:
    mine = {"traceparent": "00-1-2-01", "tracestate": "a=b", "vendor.example/key": {"deep": [None]}}
    hop = {"progressToken": 5, "baggage": "c=d", META + "logLevel": "debug", META + "whatever": 1}
    params = {"name": "whatever", "arguments": {}, "_meta": {**hop, **mine}}
    invocation, _ = await _through(params, {"resultType": "complete", "content": []}, modern)
    assert invocation.meta == mine and "_meta" not in invocation.params


@pytest.mark.parametrize("modern", [True, False])
async def test_meta_of_a_result_is_kept(modern: bool) -> None:
    answer = {"resultType": "complete", "content": [], "_meta": {"vendor/x": None, META + "serverInfo": {"name": "up"}}}
    _, result = await _through({"name": "whatever"}, answer, modern)
    assert result["_meta"]["vendor/x"] is None
    if modern:
        assert result["_meta"][META + "serverInfo"]["name"] == "desk"


@pytest.mark.parametrize(
    "arguments",
    [
        {"Name": 1, "name": 2, "NAME": 3},
        {"é": 1, "e\u0301": 2},
        {"__proto__": {"x": 1}, "constructor": 1},
        {"a": 1, "a\0": 2},
        {"": 1},
        {"big": 2**64 - 1, "small": -(2**64) + 1, "float": 1e-300, "minus": -0.0},
    ],
)
async def test_keys_that_resemble_each_other_stay_apart(arguments: dict[str, Any]) -> None:
    params = {"name": "whatever", "arguments": arguments}
    invocation, _ = await _through(params, {"resultType": "complete", "content": []}, True)
    assert exact(invocation.params["arguments"]) == exact(arguments)


async def test_notifications_pass_as_they_are() -> None:
    rig = Rig()
    params = {"progressToken": "p", "progress": 1.5, "vendor": None, "_meta": {"x": 1}}

    async def script(invocation: Invocation) -> dict[str, Any]:
        invocation.call.link.notify("notifications/progress", params)
        return {"resultType": "complete", "content": []}

    rig.terminal.scripts["echo"] = script
    first, _ = await rig.call("echo").messages()
    assert exact(first) == exact({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
