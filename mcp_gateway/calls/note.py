"""What the policies were asked, left on a call's trail so that its record can be decided again by other policies."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from mcp_gateway.core.call import Call, Trail
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.observability.identities import IdentityFacts, printable
from mcp_gateway.envelopes.policy.cedar.engine import Engine
from mcp_gateway.envelopes.policy.cedar.excerpt import excerpt
from mcp_gateway.envelopes.policy.cedar.model import Output, Question, Subject

MAX_HELD: Final = 4096
"""Most principals of whom the facts are kept ready."""

MAX_ID: Final = 2048
"""Most characters of what is acted upon. Names of tools are shorter; a longer URI cannot be decided again."""

DIGEST: Final = 16
"""Characters of a digest of policies that are recorded."""


class NoteQuestions:
    """Leaves on a trail who (`who`), and all else that is no content (`asked`); with `values` what policies read of it.

    `tags` are the claims that policies in force read: no others are recorded. `digest` names these policies.
    """

    __slots__ = ("_digest", "_engine", "_held", "_tags", "_values")

    def __init__(self, engine: Engine, tags: frozenset[str], digest: str, *, values: bool) -> None:
        self._engine = engine
        self._digest = digest[:DIGEST]
        self._tags = tags
        self._values = values
        self._held: OrderedDict[int, tuple[Principal, IdentityFacts]] = OrderedDict()

    def __call__(self, trail: Trail, question: Question) -> None:
        who = self._who(question.principal)
        subject = question.subject
        asked: dict[str, Any] = {
            "who": who.digest,
            "action": subject.action,
            "type": subject.resource.type,
            "resource": printable(subject.resource.id[:MAX_ID]),
            "now": question.now,
            "ip": question.ip,
            "rules": self._digest,
        }
        if question.metadata:
            asked["metadata"] = dict(question.metadata)
        if self._values:
            read = self._engine.reads(question.principal, subject)
            asked["input"] = excerpt(read, "input", question.input).json()
        trail.notes["who"] = who
        trail.notes["asked"] = asked

    def output(self, call: Call, subject: Subject, output: Output) -> None:
        """Add what came back to the question that `call` was."""
        asked = call.trail.notes.get("asked")
        if not isinstance(asked, dict):
            return
        asked["output_info"] = {
            "structured": output.structured is not None,
            "is_error": output.is_error,
            "bytes": output.bytes,
            "kinds": output.kinds,
        }
        if self._values:
            read = self._engine.reads(call.principal, subject)
            asked["output"] = excerpt(read, "output", output.structured or {}).json()

    def _who(self, principal: Principal) -> IdentityFacts:
        # By identity, as the engine's entities: a verified token keeps its principal.
        held = self._held.get(id(principal))
        if held is not None and held[0] is principal:
            return held[1]
        facts = IdentityFacts.of(principal, self._tags)
        self._held[id(principal)] = (principal, facts)
        if len(self._held) > MAX_HELD:
            self._held.popitem(last=False)
        return facts
