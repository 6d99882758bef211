"""The terminal: which target answers, how often it is tried, who is next; and what each attempt cost."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from llm_proxy.asking import Ask, Attempt, Reply
from llm_proxy.faults import NoProvider, UnknownModel
from llm_proxy.providers.attempt import AttemptFailed, Patience, attempt
from llm_proxy.providers.provider import Provider
from llm_proxy.routing.choose import Candidates, choose
from llm_proxy.routing.health import Healths
from llm_proxy.routing.policy import Retry
from llm_proxy.routing.routes import Routes
from llm_proxy.routing.targets import Route, Sticky, Target
from llm_proxy.spend.bound import bound
from llm_proxy.spend.price import Price
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.call import Trail
from mcp_gateway.core.errors import UnknownName
from mcp_gateway.core.principal import subjects_of
from mcp_gateway.envelopes.observability.ending import ended
from mcp_gateway.envelopes.policy.authorize import Permitted
from mcp_gateway.envelopes.policy.budgets.budgets import Reservation
from mcp_gateway.envelopes.policy.budgets.rules import NANO, Amount, Spending

BYTES_PER_TOKEN: Final = 4
"""Of a text whose usage nobody told. What is charged so is marked as an estimate."""


_NOBODY: Final[frozenset[str]] = frozenset()
"""Where nobody asks who it is."""


class Hold(Protocol):
    """Budgets at work; `envelopes.policy.budgets.budgets.Budgets` is the real one."""

    async def reserve(self, spending: Spending, amount: Amount, trail: Trail) -> Reservation: ...

    def settle(self, reservation: Reservation, amount: Amount) -> None: ...


Told = Callable[[Ask], None]
"""Is told of every request that was sent to a provider, when it is over; never waits, never raises."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the configuration says about answering. `price` knows what a target (`provider/model`) costs, if anybody
    does. `output` is how many tokens are held back for an answer for which the client sets no limit."""

    routes: Routes
    providers: Mapping[str, Provider]
    patience: Patience
    price: Callable[[str], Price | None]
    output: int


class Complete:
    """Answers what is permitted. Raises `UnknownModel`, `NoProvider`, `ProviderRefused` and what attempts raise."""

    __slots__ = ("_budgets", "_healths", "_loop", "_plan", "_told")

    def __init__(self, plan: Plan, healths: Healths, budgets: Hold | None, told: Told) -> None:
        """Make it inside the running loop: in CPython 3.11 finding that costs a system call each time."""
        self._loop = asyncio.get_running_loop()
        self._plan = plan
        self._healths = healths
        self._budgets = budgets
        self._told = told

    async def __call__(self, permitted: Permitted[Ask]) -> Reply:
        ask = permitted.call
        route = self._route(ask)
        if route.id:
            ask.trail.notes["rule"] = route.id
            ask.out.tell("rule", route.id)
        candidates = choose(
            route,
            self._healths,
            self._loop.time,
            random.random,
            ask.metadata,
            None if route.sticky is None else _session(route.sticky, ask),
        )
        failures: list[tuple[str, AttemptFailed]] = []
        try:
            for target in candidates:
                retried = 0
                while True:
                    try:
                        return await self._attempt(ask, target)
                    except AttemptFailed as failed:
                        failures.append((target.name, failed))
                        delay = self._delay(ask, target, candidates, failed, retried)
                    if delay is None:
                        break
                    retried += 1
                    await asyncio.sleep(delay)
        finally:
            self._told(ask)
        raise _exhausted(failures)

    def _route(self, ask: Ask) -> Route:
        try:
            routes = self._plan.routes
            subjects = subjects_of(ask.principal) if routes.rules else _NOBODY
            return routes.find(ask.asked.model, subjects, ask.metadata)
        except UnknownName:
            raise UnknownModel(ask.asked.model) from None

    def _delay(
        self, ask: Ask, target: Target, candidates: Candidates, failed: AttemptFailed, retried: int
    ) -> float | None:
        """After how many seconds `target` is tried again, as its policy says; None where the next one is to be tried.

        Raises what the client is told where neither is to happen.
        """
        left = ask.deadline - self._loop.time()
        verdict = target.policy.after(failed.failure, retried=retried, others=candidates.others, left=left)
        if ask.out.gone or verdict == "fail":
            raise failed.error from failed
        return verdict.delay if isinstance(verdict, Retry) else None

    async def _attempt(self, ask: Ask, target: Target) -> Reply:
        loop = self._loop
        health = self._healths.of(target.name)
        provider = self._plan.providers[target.provider]
        price = self._plan.price(target.name)
        noted = Attempt(target.name, target.provider, len(ask.flow.attempts) + 1, started=time.time())
        decided = False
        reservation: Reservation | None = None
        try:
            exchange = provider.exchange(ask, target)
            if self._budgets is None:
                reservation = Reservation(())
            else:
                spending = Spending(ask.principal, ask.asked.model, target.name, metadata=ask.metadata)
                reservation = await self._budgets.reserve(spending, self._most(ask, price), ask.trail)
            ask.flow.attempts.append(noted)
            ask.out.tell("model", target.name)
            ask.out.tell("attempts", str(noted.number))
            reply = await attempt(loop, ask, provider, target, exchange, noted, self._plan.patience)
            output = 0 if noted.usage is None else noted.usage.output
            health.answered(loop.time(), duration=noted.duration, first_token=noted.first_token, output_tokens=output)
            decided = True
            return reply
        except AttemptFailed as failed:
            noted.error, noted.reason = failed.why, failed.error.reason
            health.failed(loop.time(), failed.failure)
            decided = True
            raise
        except BaseException as error:
            noted.error, noted.reason = type(error).__name__, ended(error)[1]
            raise
        finally:
            if not decided:
                health.undecided()
            if reservation is not None:
                self._settle(ask, noted, reservation, price)

    def _most(self, ask: Ask, price: Price | None) -> Amount:
        """What is held back for an attempt."""
        most = bound(
            ask.body,
            ask.size,
            output_limit=ask.asked.output_limit,
            choices=ask.asked.choices,
            default_output=self._plan.output,
        )
        return Amount(most.cost(price), most.total)

    def _settle(self, ask: Ask, noted: Attempt, reservation: Reservation, price: Price | None) -> None:
        """What flowed is charged, whatever way the attempt ended; an error answer is none."""
        used = noted.usage
        if used is None and noted.status == 200 and (noted.written or not noted.error):
            used = Usage(-(-ask.size // BYTES_PER_TOKEN), -(-noted.written // BYTES_PER_TOKEN))
            noted.usage, noted.estimated = used, True
        spent = used or Usage()
        noted.cost = None if price is None else price.cost(spent)
        if noted.cost is not None:
            ask.out.tell("cost-usd", f"{noted.cost / NANO:.9f}")
        if self._budgets is not None:
            self._budgets.settle(reservation, Amount(noted.cost or 0, spent.total))


def _session(sticky: Sticky, ask: Ask) -> bytes | None:
    headers = {name: values[0] for name, values in ask.headers.items() if values}
    return sticky.session(headers, ask.metadata, time.time())


def _exhausted(failures: list[tuple[str, AttemptFailed]]) -> Exception:
    """All that could be asked was: what the client is told of it."""
    told = [(name, failed.why) for name, failed in failures]
    found = [failed.failure for _, failed in failures]
    if found and all(failure.status == 429 or failure.kind == "rate_limit" for failure in found):
        waits = [failure.retry_after for failure in found if failure.retry_after is not None]
        return NoProvider(told, status=429, retry_after=min(waits, default=None))
    if found and all(failure.lost == "timeout" for failure in found):
        return NoProvider(told, status=504)
    return NoProvider(told)
