"""Several guardrails over one message."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.content import PASSED, Content, Examined
from mcp_gateway.envelopes.safety.engine import Engine, GuardTallies
from mcp_gateway.envelopes.safety.verdict import Action, Hook, Mode, Operation, Verdict
from tests.envelopes.safety.content import Texts
from tests.envelopes.safety.test_guard import finds, guard, passes, throws

HOOK = Hook.PRE_INVOKE


class Appends:
    """Rewrites a message by adding a letter to its text."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def __call__(self, content: Content, *, rewrite: bool) -> Examined:
        return Examined(True, {"letter": 1}, content.rewritten({0: next(iter(content.carriers)).text + self.letter}))


def mutating(letter: str, priority: int, **changes: Any) -> Any:
    return guard(Appends(letter), operation=Operation.MUTATE, priority=priority, name=f"g/{letter}", **changes)


async def test_those_that_only_refuse_are_asked_side_by_side() -> None:
    met = asyncio.Barrier(3)

    async def meets(content: Content, *, rewrite: bool) -> Examined:
        await met.wait()  # passes only when all are here
        return PASSED

    checked = await Engine(GuardTallies()).check(HOOK, [guard(meets, name=f"g/{n}") for n in range(3)], Texts.of("x"))
    assert [each.verdict for each in checked.judgements] == [Verdict.PASS] * 3


@given(st.permutations("abcde"))
def test_those_that_rewrite_come_in_the_order_of_their_priorities(letters: list[str]) -> None:
    guards = [mutating(letter, ord(letter)) for letter in letters]
    checked = asyncio.run(Engine(GuardTallies()).check(HOOK, guards, Texts.of("")))
    assert [carrier.text for carrier in checked.content.carriers] == ["abcde"]
    assert checked.changed is not None and checked.changed.guardrail == "g/e"


async def test_those_that_refuse_see_the_message_as_it_came() -> None:
    seen: list[str] = []

    def looks(content: Content, *, rewrite: bool) -> Examined:
        seen.append(next(iter(content.carriers)).text)
        return PASSED

    await Engine(GuardTallies()).check(HOOK, [mutating("a", 1), guard(looks)], Texts.of("x"))
    assert seen == ["x"]


async def test_nothing_is_rewritten_once_something_is_blocked() -> None:
    tallies = GuardTallies()
    checked = await Engine(tallies).check(HOOK, [mutating("a", 1), guard(finds)], Texts.of("x"))
    assert checked.blocked is not None and checked.blocked.guardrail == "g/one"
    assert dict(tallies.judged) == {("g/one", HOOK, Verdict.DENY, Action.BLOCK): 1}


async def test_every_judgement_is_counted_also_one_that_only_audits() -> None:
    tallies = GuardTallies()
    guards = [guard(finds, Mode.AUDIT, name="g/a"), guard(throws, Mode.ENFORCE_BUT_IGNORE_ON_ERROR, name="g/b")]
    checked = await Engine(tallies).check(HOOK, [*guards, guard(passes, name="g/c")], Texts.of("x"))
    assert checked.blocked is None and checked.changed is None
    assert dict(tallies.judged) == {
        ("g/a", HOOK, Verdict.DENY, Action.ALLOW): 1,
        ("g/b", HOOK, Verdict.ERROR, Action.ALLOW): 1,
        ("g/c", HOOK, Verdict.PASS, Action.ALLOW): 1,
    }


async def test_in_audit_mode_nothing_is_rewritten() -> None:
    checked = await Engine(GuardTallies()).check(HOOK, [mutating("a", 1, mode=Mode.AUDIT)], Texts.of("x"))
    assert [carrier.text for carrier in checked.content.carriers] == ["x"]
    assert checked.judgements[0].verdict is Verdict.DENY
