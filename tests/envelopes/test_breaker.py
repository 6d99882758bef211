"""The circuit against a reference, and what teaches it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.errors import (
    ConnectionRequired,
    Invalid,
    MissingCapability,
    Overloaded,
    ProtocolViolation,
    Rejected,
    TimedOut,
    Unreachable,
)
from mcp_gateway.core.pipeline import Handler
from mcp_gateway.envelopes.policy.authorize import Authorize, Permitted, unrestricted
from mcp_gateway.envelopes.policy.breaker import Breaker, Circuit
from tests.calls.making import invocation


class Reference(RuleBasedStateMachine):
    """Calls one at a time: what the words of the module say, in the plainest way."""

    FAILURES = 3
    COOLDOWN = 10

    def __init__(self) -> None:
        super().__init__()
        self.circuit = Circuit(failures=self.FAILURES, cooldown=self.COOLDOWN)
        self.now = 100.0
        self.in_a_row = 0
        self.opened_at: float | None = None
        self.times_opened = 0

    @property
    def expected(self) -> str:
        if self.opened_at is None:
            return "closed"
        return "open" if self.now < self.opened_at + self.COOLDOWN else "half-open"

    @rule(seconds=st.integers(1, 12))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @precondition(lambda self: self.expected == "open")
    @rule()
    def is_refused_while_open(self) -> None:
        assert not self.circuit.admit(self.now)

    @precondition(lambda self: self.expected != "open")
    @rule()
    def succeeds(self) -> None:
        assert self.circuit.admit(self.now)
        self.circuit.succeeded()
        self.in_a_row, self.opened_at = 0, None

    @precondition(lambda self: self.expected != "open")
    @rule()
    def fails(self) -> None:
        assert self.circuit.admit(self.now)
        self.circuit.failed(self.now)
        self.in_a_row += 1
        if self.in_a_row >= self.FAILURES:
            self.opened_at = self.now
            self.times_opened += 1

    @precondition(lambda self: self.expected != "open")
    @rule()
    def says_nothing(self) -> None:
        assert self.circuit.admit(self.now)
        self.circuit.undecided()

    @precondition(lambda self: self.expected == "half-open")
    @rule()
    def lets_one_probe_through(self) -> None:
        assert self.circuit.admit(self.now)
        assert not self.circuit.admit(self.now)
        self.circuit.undecided()

    @invariant()
    def agrees(self) -> None:
        assert self.circuit.state(self.now) == self.expected
        assert self.circuit.opened == self.times_opened


TestReference = Reference.TestCase


def test_calls_under_way_when_it_opened_open_it_no_further() -> None:
    circuit = Circuit(failures=2, cooldown=10)
    assert all(circuit.admit(0) for _ in range(50))
    for moment in range(5):
        circuit.failed(moment)
    assert circuit.opened == 1 and circuit.state(10.5) == "open" and circuit.state(11) == "half-open"


def around(error: BaseException | None, circuit: Circuit) -> Handler[Invocation, Result]:
    breaker: Breaker[Invocation, Result] = Breaker({"up": circuit, "other": Circuit()})

    async def terminal(permitted: Permitted[Invocation]) -> Result:
        if error is not None:
            raise error
        return {"isError": True}

    def behind(permitted: Permitted[Invocation]) -> asyncio.Future[Result]:
        return asyncio.ensure_future(breaker(permitted, terminal))

    return Authorize[Invocation](unrestricted).guarding(behind)


def failing_once() -> Circuit:
    """A circuit one failure away from opening."""
    circuit = Circuit(failures=2, cooldown=1e9)
    circuit.failed(0)
    return circuit


@pytest.mark.parametrize(
    "error",
    [Unreachable("m", sent=False), Unreachable("m", sent=True), TimedOut("m"), ProtocolViolation("m")],
)
async def test_failures_of_the_transport_count(error: Exception) -> None:
    circuit = failing_once()
    with pytest.raises(type(error)):
        await around(error, circuit)(invocation())
    assert circuit.opened == 1
    with pytest.raises(Unreachable) as caught:
        await around(None, circuit)(invocation())
    assert caught.value.sent is False and caught.value.upstream == "up"
    await around(None, circuit)(invocation(upstream="other"))


@pytest.mark.parametrize("error", [None, Rejected(-32603, "m")])
async def test_an_answer_proves_that_the_upstream_lives(error: Exception | None) -> None:
    circuit = failing_once()
    try:
        await around(error, circuit)(invocation())
    except Rejected:
        assert error is not None
    circuit.failed(0)
    assert circuit.opened == 0


@pytest.mark.parametrize(
    "error",
    [
        Overloaded("full"),
        ConnectionRequired("m", upstream="up", link="https://x"),
        MissingCapability("m", required={}),
        Invalid("m"),
        ValueError("defect"),
        asyncio.CancelledError(),
    ],
)
async def test_what_went_wrong_on_this_side_says_nothing(error: BaseException) -> None:
    circuit = failing_once()
    with pytest.raises(type(error)):
        await around(error, circuit)(invocation())
    circuit.failed(0)
    assert circuit.opened == 1


async def test_a_cancelled_probe_leaves_room_for_another() -> None:
    circuit = Circuit(failures=1, cooldown=0)
    circuit.failed(asyncio.get_running_loop().time())
    with pytest.raises(asyncio.CancelledError):
        await around(asyncio.CancelledError(), circuit)(invocation())
    await around(None, circuit)(invocation())
    assert circuit.state(0) == "closed"
