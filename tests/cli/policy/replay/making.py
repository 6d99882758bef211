"""Records as a gateway makes them, without one: the same stages, over tools that are made up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from mcp_gateway.calls.note import NoteQuestions
from mcp_gateway.calls.subjects import Subjects
from mcp_gateway.cli.policy.replay.again import Again, DecideAgain
from mcp_gateway.cli.policy.replay.inferred import Inference
from mcp_gateway.cli.policy.replay.recorded import decided, identity
from mcp_gateway.core.call import Trail
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.observability.record import decided as noted
from mcp_gateway.envelopes.policy.cedar.compiled import Compiled
from mcp_gateway.envelopes.policy.cedar.engine import Engine, Verdict
from mcp_gateway.envelopes.policy.cedar.model import Facts, Output, PolicyText, Question, Source, Subject, ToolFacts
from mcp_gateway.envelopes.policy.cedar.read_policies import read_policies
from tests.calls import making

PAY = ToolFacts(
    "bank",
    "pay",
    {
        "type": "object",
        "properties": {"sum": {"type": "integer"}, "to": {"type": "string"}, "deep": {"type": "object"}},
        "required": ["sum"],
    },
    {"type": "object", "properties": {"result": {"type": "string"}}, "required": ["result"]},
)
FACTS = Facts(("bank",), (PAY,))
SUBJECT = Subject(PAY.action, PAY.uid, "bank", "desk", PAY)
SUBJECTS = {"desk": Subjects("desk", {"pay": SUBJECT}, {})}
ALICE = Principal(id="corp|alice", subject="alice", issuer="https://login/", teams=("finance",), claims={"dept": "ops"})


def text(*policies: str) -> PolicyText:
    read = read_policies([Source("a.cedar", "\n".join(policies))], folder="policies")
    assert not [each for each in read.remarks if each.severity == "error"], read.remarks
    return read


class Past:
    """A gateway of the policies `old`, in which calls were made; `values` as the configuration says."""

    def __init__(self, *old: str, values: bool = False) -> None:
        self.text = text(*old)
        compiled = Compiled(self.text)
        self._engine = Engine(compiled, FACTS)
        self._note = NoteQuestions(self._engine, compiled.tags, self.text.digest, values=values)

    def lines(
        self, arguments: Mapping[str, Any], result: Mapping[str, Any] | None = None, who: Principal = ALICE
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The two lines of a call, through JSON: who, and what was decided."""
        question = Question(who, SUBJECT, datetime.now(UTC), "10.1.2.3", arguments)
        trail = Trail()
        self._note(trail, question)
        first = self._engine.decide(question)
        words = {"decision": _word(first)}
        policies, outcome = first.policies, "refused"
        if first.allowed:
            outcome = "ok"
            output = Output(None if result is None else dict(result), False, 10, ("text",))
            if self._engine.reads_output(who, SUBJECT):
                call = making.call(principal=who, trail=trail)
                self._note.output(call, SUBJECT, output)
                then = self._engine.decide(Question(who, SUBJECT, question.now, question.ip, arguments, output=output))
                words["release"] = _word(then)
                policies += then.policies
        record = {
            "time": "2026-11-24T10:00:00.000Z",
            "event": "call",
            "request_id": "r-1",
            "server": "desk",
            "principal": who.id,
            "upstream": "bank",
            "target": "pay",
            "policies": policies,
            "outcome": outcome,
            **noted({"asked": trail.notes["asked"]}),
            **words,
        }
        facts: Any = trail.notes["who"]
        introduced = {"time": "", "event": "principal", "who": facts.digest, **facts.facts}
        return orjson.loads(orjson.dumps(introduced)), orjson.loads(orjson.dumps(record))

    def word(self, arguments: Mapping[str, Any], result: Mapping[str, Any] | None, who: Principal = ALICE) -> str:
        """What the policies say in the end."""
        _, record = self.lines(arguments, result, who)
        return "allow" if {record["decision"], record.get("release", "allow")} == {"allow"} else "deny"

    def replayed(
        self,
        new: PolicyText,
        arguments: Mapping[str, Any],
        result: Mapping[str, Any] | None = None,
        *,
        who: Principal = ALICE,
        inferring: bool = True,
    ) -> Again:
        """The call, recorded here and decided again by `new`."""
        introduced, record = self.lines(arguments, result, who)
        made = decided(record)
        assert made is not None
        again = DecideAgain(Engine(Compiled(new), FACTS), SUBJECTS, Inference(self.text if inferring else None, new))
        return again(made, identity(introduced))


def _word(verdict: Verdict) -> str:
    return "allow" if verdict.allowed else "deny" if verdict.failure is None else "error"
