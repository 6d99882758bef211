"""requestState: sealed on the way out, opened on the way in, good for one principal and one request only."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.calls import state
from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.calls.state import SealState
from mcp_gateway.core.errors import Invalid, ProtocolViolation
from mcp_gateway.core.seal import Sealer
from tests.calls.making import invocation
from tests.ingress.rig import Rig

KEY = b"k" * 32
PARAMS: dict[str, Any] = {"name": "echo", "arguments": {"a": 1, "b": [1, {"c": None}]}, "vendor": True}


def stage(key: bytes = KEY) -> SealState:
    return SealState(Sealer((key,), "request-state"))


async def asked(call: Invocation, inner: object = "upstream's own", *, by: SealState | None = None) -> str:
    """The state that a client gets when the upstream answers `call` with input_required."""

    async def terminal(_: Invocation) -> Result:
        return {"resultType": "input_required", "requestState": inner}

    token: str = (await (by or stage())(call, terminal))["requestState"]
    return token


async def returned(call: Invocation, token: object, *, by: SealState | None = None) -> object:
    """What the upstream sees when the client comes back with `token`."""
    seen: list[Invocation] = []

    async def terminal(got: Invocation) -> Result:
        seen.append(got)
        return {"resultType": "complete"}

    await (by or stage())(invocation({**call.params, "requestState": token}, **_rest(call)), terminal)
    return seen[0].params["requestState"]


def _rest(call: Invocation) -> dict[str, Any]:
    return {
        "kind": call.kind,
        "upstream": call.upstream,
        "user": call.call.principal.id,
        "server": call.call.server,
    }


async def test_it_comes_back_as_it_was() -> None:
    for inner in ("upstream's own", "", "ünï\0", "x" * 10_000):
        token = await asked(invocation(PARAMS), inner)
        assert inner == "" or inner not in token
        assert await returned(invocation(PARAMS), token) == inner


async def test_the_answers_the_metadata_and_the_order_of_keys_may_differ() -> None:
    token = await asked(invocation(PARAMS))
    shuffled = dict(reversed(PARAMS.items()))
    params = {**shuffled, "inputResponses": {"k": {}}, "_meta": {"traceparent": "x"}}
    assert await returned(invocation(params), token) == "upstream's own"


@pytest.mark.parametrize(
    "other",
    [
        invocation(PARAMS, user="mallory"),
        invocation(PARAMS, server="other"),
        invocation(PARAMS, upstream="elsewhere"),
        invocation(PARAMS, kind=Kind.PROMPT),
        invocation({**PARAMS, "name": "admin"}),
        invocation({**PARAMS, "arguments": {**PARAMS["arguments"], "a": 2}}),
        invocation({**PARAMS, "arguments": {}}),
        invocation({**PARAMS, "more": 1}),
    ],
)
async def test_it_is_good_for_its_own_request_only(other: Invocation) -> None:
    token = await asked(invocation(PARAMS))
    with pytest.raises(Invalid) as caught:
        await returned(other, token)
    assert caught.value.pointer == "/params/requestState"


@pytest.mark.parametrize("token", ["", "x", "x" * 200, None, 5, [], {}, "ü"])
async def test_a_made_up_state_is_refused(token: object) -> None:
    with pytest.raises(Invalid):
        await returned(invocation(PARAMS), token)


async def test_a_changed_state_is_refused_at_every_character() -> None:
    token = await asked(invocation(PARAMS))
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(Invalid):
            await returned(invocation(PARAMS), changed)


async def test_an_expired_state_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "STATE_SECONDS", -5)
    token = await asked(invocation(PARAMS))
    with pytest.raises(Invalid):
        await returned(invocation(PARAMS), token)


async def test_a_state_of_other_keys_is_refused() -> None:
    with pytest.raises(Invalid):
        await returned(invocation(PARAMS), await asked(invocation(PARAMS), by=stage(b"x" * 32)))


async def test_integers_beyond_64_bits_do_not_break_it() -> None:
    params = {"name": "echo", "arguments": {"n": -(2**64) + 1}}
    assert await returned(invocation(params), await asked(invocation(params))) == "upstream's own"


@pytest.mark.parametrize("inner", [None, 5, {}, ["x"]])
async def test_an_upstream_whose_state_is_no_string_breaks_the_protocol(inner: object) -> None:
    with pytest.raises(ProtocolViolation):
        await asked(invocation(PARAMS), inner)


@pytest.mark.parametrize(
    "result",
    [
        {"resultType": "complete", "content": [], "requestState": "mine"},
        {"resultType": "input_required", "inputRequests": {}},
        {"content": []},
    ],
)
async def test_other_results_pass_as_they_are(result: Result) -> None:
    async def terminal(_: Invocation) -> Result:
        return result

    assert await stage()(invocation(PARAMS), terminal) is result


async def test_through_the_whole_plane_it_is_bound_too() -> None:
    rig = Rig()
    demand = {"resultType": "input_required", "inputRequests": {"k": {"method": "roots/list"}}, "requestState": "inner"}
    rig.terminal.answers("echo", demand)
    first = await rig.call("echo", {"text": "a"}, user="alice").result()
    token = first["requestState"]
    assert first["inputRequests"] == demand["inputRequests"] and "inner" not in token
    retry = {"requestState": token, "inputResponses": {"k": {"roots": []}}}

    def again(name: str, text: str, user: str) -> Any:
        return rig.modern("tools/call", {"name": name, "arguments": {"text": text}, **retry}, id=2, user=user)

    rig.terminal.scripts.clear()
    rig.terminal.calls.clear()
    for name, text, user in (("echo", "a", "mallory"), ("echo", "b", "alice"), ("region", "a", "alice")):
        assert (await again(name, text, user).error())["code"] == -32602
    assert rig.terminal.calls == []
    await again("echo", "a", "alice").result()
    assert rig.terminal.calls[0].params["requestState"] == "inner"
    assert rig.terminal.calls[0].params["inputResponses"] == {"k": {"roots": []}}
