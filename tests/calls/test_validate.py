"""Arguments: checked against the exposed schema, then bound to the upstream's."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.calls.validate import ValidateArguments
from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import Invalid, InvalidArguments
from mcp_gateway.core.principal import Principal
from tests.calls.making import binding, invocation
from tests.ingress.agent import opened
from tests.ingress.rig import Rig, composition


async def passed(call: Invocation) -> Invocation:
    seen: list[Invocation] = []

    async def terminal(got: Invocation) -> Result:
        seen.append(got)
        return {}

    await ValidateArguments()(call, terminal)
    return seen[0]


async def test_arguments_that_need_no_binding_go_on_as_the_same_call() -> None:
    call = invocation({"name": "echo", "arguments": {"a": 1}})
    assert await passed(call) is call


async def test_absent_arguments_are_checked_as_none_and_stay_absent() -> None:
    checked: list[Json] = []

    def check(arguments: Json) -> tuple[str, str] | None:
        checked.append(arguments)
        return None

    assert "arguments" not in (await passed(invocation({"name": "echo"}, tool=binding(check=check)))).params
    assert checked == [{}]


@pytest.mark.parametrize("arguments", [None, [], "x", 5, False])
async def test_arguments_are_an_object(arguments: Any) -> None:
    with pytest.raises(Invalid) as caught:
        await passed(invocation({"name": "echo", "arguments": arguments}))
    assert not isinstance(caught.value, InvalidArguments) and caught.value.pointer == "/params/arguments"


async def test_what_does_not_fit_is_refused_before_it_is_bound() -> None:
    def bind(arguments: Json, principal: Principal) -> Json:
        raise AssertionError("bound")

    tool = binding(check=lambda arguments: ("/params/arguments/a", "must be a string"), bind=bind)
    with pytest.raises(InvalidArguments) as caught:
        await passed(invocation({"name": "echo", "arguments": {"a": 1}}, tool=tool))
    assert (caught.value.pointer, caught.value.message) == ("/params/arguments/a", "must be a string")


async def test_binding_sees_the_principal_and_keeps_the_place_of_the_arguments() -> None:
    tool = binding(bind=lambda arguments, principal, metadata: {**arguments, "who": principal.id})
    params = {"name": "echo", "arguments": {"a": 1}, "zz": 1}
    call = invocation(params, tool=tool, user="alice")
    bound = await passed(call)
    assert list(bound.params.items()) == [("name", "echo"), ("arguments", {"a": 1, "who": "alice"}), ("zz", 1)]
    assert call.params["arguments"] == {"a": 1}


async def test_other_kinds_have_no_arguments_to_check() -> None:
    call = invocation({"name": "greet", "arguments": "whatever"}, kind=Kind.PROMPT, tool=None)
    assert await passed(call) is call


@pytest.mark.parametrize("modern", [True, False])
async def test_the_model_is_told_where_its_arguments_do_not_fit(modern: bool) -> None:
    rig = Rig()
    arguments = {"text": "fine", "count": "three"}
    exchange = rig.call("echo", arguments) if modern else (await opened(rig)).call("echo", arguments)
    result = await exchange.result()
    assert result["isError"] is True and "/count" in result["content"][0]["text"] and exchange.status == 200
    assert rig.terminal.calls == []
    assert rig.audit[-1]["outcome"] == "refused" and rig.audit[-1]["reason"] == "invalid_arguments"


async def test_fixed_hidden_and_renamed_arguments_reach_the_upstream_in_its_own_words() -> None:
    arguments = {"text": {"name": "words"}, "count": {"value": 3}}
    rig = Rig(composition(tools={"echo": {"arguments": arguments}}))
    await rig.call("echo", {"words": "hi"}).result()
    assert rig.terminal.calls[0].params["arguments"] == {"text": "hi", "count": 3}
    for forbidden in ({"words": "hi", "count": 4}, {"text": "hi", "words": "x"}):
        result = await rig.call("echo", forbidden).answer()
        refused = "error" in result or result["result"].get("isError") is True
        unharmed = rig.terminal.calls[-1].params["arguments"]["count"] == 3
        assert refused or unharmed
