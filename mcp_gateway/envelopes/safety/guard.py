"""One guardrail as it is configured: what looks, what its word counts for, and when it is left alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic

from mcp_gateway.core.circuit import Circuit
from mcp_gateway.core.errors import TimedOut
from mcp_gateway.envelopes.safety.content import PASSED, Content, Examined, Examiner
from mcp_gateway.envelopes.safety.verdict import Action, Judgement, Mode, Operation, Verdict, enforced


@dataclass(frozen=True, slots=True)
class Guard:
    """A guardrail. `timeout` is in seconds. Of several that rewrite, those with a lower `priority` come first."""

    name: str
    operation: Operation
    mode: Mode
    priority: int
    timeout: float
    examine: Examiner
    circuit: Circuit
    rewrites: bool = field(init=False)
    """Whether it takes out what it finds; in audit mode nothing is."""

    _passed: Judgement = field(init=False, repr=False, compare=False)
    """What it says most often."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rewrites", self.operation is Operation.MUTATE and self.mode is not Mode.AUDIT)
        object.__setattr__(self, "_passed", Judgement(self.name, Verdict.PASS, Action.ALLOW))

    async def judge(self, content: Content) -> tuple[Judgement, Content]:
        """What it says of `content`, and what is left of that. Never raises for anything that the examiner does."""
        if not self.circuit.admit(monotonic()):
            return self._failed(Verdict.ERROR, "open"), content
        try:
            examined = self.examine(content, rewrite=self.rewrites)
            if not isinstance(examined, Examined):
                async with asyncio.timeout(self.timeout):
                    examined = await examined
                if not isinstance(examined, Examined):
                    raise TypeError("not the answer of an examiner")
        except (TimeoutError, TimedOut):
            self.circuit.failed(monotonic())
            return self._failed(Verdict.TIMEOUT), content
        except asyncio.CancelledError:
            self.circuit.undecided()
            raise
        except Exception as failure:  # whatever goes wrong in a guardrail is for its mode to decide
            self.circuit.failed(monotonic())
            return self._failed(Verdict.ERROR, type(failure).__name__), content
        self.circuit.succeeded()
        return self._settled(examined, content)

    def _settled(self, examined: Examined, content: Content) -> tuple[Judgement, Content]:
        if examined is PASSED:
            return self._passed, content
        verdict = Verdict.DENY if examined.denied else Verdict.PASS
        rewritten = examined.content if self.rewrites and examined.denied else None
        action = enforced(verdict, self.mode, rewritten=rewritten is not None)
        left = content if rewritten is None or action is not Action.MUTATE else rewritten
        return Judgement(self.name, verdict, action, examined.findings), left

    def _failed(self, verdict: Verdict, failure: str | None = None) -> Judgement:
        return Judgement(self.name, verdict, enforced(verdict, self.mode, rewritten=False), failure=failure)
