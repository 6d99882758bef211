"""The inner list: its order, and the door that nobody goes round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.calls.pipeline import Invoke, inner
from mcp_gateway.calls.state import SealState
from mcp_gateway.core.errors import Forbidden, GatewayError, Invalid, InvalidArguments, Overloaded, Unreachable
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.core.seal import Sealer
from mcp_gateway.envelopes.policy.authorize import Authorize, Decide, Decision, Permitted, unrestricted
from mcp_gateway.envelopes.policy.breaker import Breaker, Circuit
from mcp_gateway.envelopes.policy.bulkhead import Bulkhead, Places
from tests.calls.making import binding, invocation


async def _ok(permitted: Permitted[Invocation]) -> Result:
    return {"resultType": "complete"}


def pipeline(
    decide: Decide[Invocation] = unrestricted,
    *,
    circuit: Circuit | None = None,
    places: Places | None = None,
    own: Places | None = None,
    invoke: Invoke = _ok,
) -> Handler[Invocation, Result]:
    return inner(
        seal_state=SealState(Sealer((b"k" * 32,), "request-state")),
        authorize=Authorize(decide),
        server_places=None if own is None else Bulkhead({"desk": own}, lambda invocation: invocation.call.server),
        breaker=Breaker({"up": circuit or Circuit()}),
        bulkhead=Bulkhead({"up": places or Places(1)}),
        invoke=invoke,
    )


def opened_circuit() -> Circuit:
    circuit = Circuit(failures=1, cooldown=1e9)
    circuit.failed(0.0)
    return circuit


def full() -> Places:
    return Places(0, queue=0)


def denied(call: Invocation) -> Decision:
    return Decision(False, ("no-refunds",))


async def test_a_call_that_nothing_stops_reaches_the_terminal_permitted() -> None:
    seen: list[Permitted[Invocation]] = []

    async def invoke(permitted: Permitted[Invocation]) -> Result:
        seen.append(permitted)
        return {"resultType": "complete"}

    call = invocation()
    await pipeline(invoke=invoke)(call)
    assert seen[0].call is call and seen[0].decision.allowed


async def test_each_stage_stands_before_the_next() -> None:
    """Everything is wrong at first; as each fault is mended, the next stage speaks."""
    faulty = {"name": "echo", "arguments": {}}
    misfit = binding(check=lambda arguments: ("/params/arguments", "no"))
    states: list[tuple[type[GatewayError], Invocation, Any, Circuit, Places]] = [
        (Invalid, invocation({**faulty, "requestState": "x"}, tool=misfit), denied, opened_circuit(), full()),
        (InvalidArguments, invocation(faulty, tool=misfit), denied, opened_circuit(), full()),
        (Forbidden, invocation(faulty), denied, opened_circuit(), full()),
        (Unreachable, invocation(faulty), unrestricted, opened_circuit(), full()),
        (Overloaded, invocation(faulty), unrestricted, Circuit(), full()),
    ]
    for expected, call, decide, circuit, places in states:
        with pytest.raises(GatewayError) as caught:
            await pipeline(decide, circuit=circuit, places=places)(call)
        assert type(caught.value) is expected


async def test_who_waits_for_a_place_of_the_virtual_server_holds_nothing_that_others_share() -> None:
    circuit, upstream, own = opened_circuit(), Places(1), full()
    cooled = Circuit(failures=1, cooldown=-1e9)
    cooled.failed(0.0)
    for each in (circuit, cooled, Circuit()):
        with pytest.raises(Overloaded):
            await pipeline(circuit=each, places=upstream, own=own)(invocation())
    assert cooled.admit(1.0), "the one probe is still to be made"
    assert upstream.in_use == 0
    with pytest.raises(Forbidden):
        await pipeline(denied, own=own)(invocation())
    assert await pipeline(own=own)(invocation(server="other")) == {"resultType": "complete"}


async def test_the_door_sees_what_will_be_executed() -> None:
    seen: list[Invocation] = []

    def decide(call: Invocation) -> Decision:
        seen.append(call)
        return Decision(True)

    tool = binding(bind=lambda arguments, principal, metadata: {"fixed": 1})
    await pipeline(decide)(invocation(tool=tool))
    assert seen[0].params["arguments"] == {"fixed": 1}


async def test_a_denial_names_its_policies_and_reaches_nothing() -> None:
    def explode(permitted: Permitted[Invocation]) -> Any:
        raise AssertionError("reached")

    with pytest.raises(Forbidden) as caught:
        await pipeline(denied, invoke=explode)(invocation())
    assert caught.value.policies == ("no-refunds",)


def test_only_the_door_makes_permits() -> None:
    for door in (None, object(), "door"):
        with pytest.raises(TypeError):
            Permitted(invocation(), Decision(True), door=door)


async def test_the_place_is_given_back_whatever_happens() -> None:
    places = Places(1)
    outcomes: list[Callable[[], Result]] = [dict, _raise(ValueError()), _raise(Unreachable("x", sent=True)), dict]

    async def invoke(permitted: Permitted[Invocation]) -> Result:
        return outcomes.pop(0)()

    handler = pipeline(places=places, invoke=invoke)
    for _ in range(4):
        try:
            await handler(invocation())
        except (ValueError, Unreachable):
            continue
    assert places.try_take() and not places.try_take()


def _raise(error: Exception) -> Callable[[], Result]:
    def outcome() -> Result:
        raise error

    return outcome
