"""The engine behind the door: one question in, one verdict out, without waiting.

It fails closed. Cedar skips a policy that errors and says so beside its decision; here any error denies. A request
that does not fit the schema, a principal of whom not everything is known, a value that a policy would read and that
Cedar cannot hold exactly: each denies, and is told apart from a policy's own no.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cedarpy import AuthzResult, Decision, Entities, PolicySet, is_authorized_batch

from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.cedar.compiled import Compiled, Slice
from mcp_gateway.envelopes.policy.cedar.entities import IncompleteIdentity, entities_text, principal_uid
from mcp_gateway.envelopes.policy.cedar.fit import Fit, Fitted
from mcp_gateway.envelopes.policy.cedar.model import Facts, Path, Question, Subject, Uid
from mcp_gateway.envelopes.policy.cedar.possible import AFTERWARDS, Known, Told
from mcp_gateway.envelopes.policy.cedar.reads import touches
from mcp_gateway.envelopes.policy.cedar.schema import actions_of

MAX_HELD: Final = 4096
"""Most entity sets kept: one for each principal and what it acts upon, a few KiB each."""

MAX_NAME: Final = 2048
"""Characters of the name of what is acted upon, beyond which nothing is kept: clients may name any model or URI."""

MAX_VERDICTS: Final = 16
MAX_TEXT: Final = 256
"""Most verdicts kept for one principal and thing, and the longest context (characters) of which one is."""

UNTOLD: Final = Told()

_VALUES: Final = frozenset({"input", "output"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policies say.

    `policies` are the ids of the determining ones, none where nothing permits. `failure` says why no policy could
    decide; the verdict is no then. `would` is what the verdict would be if the policies in audit mode counted,
    None where they change nothing, with `would_policies` as its determining ones.
    """

    allowed: bool
    policies: tuple[str, ...] = ()
    failure: str | None = None
    would: bool | None = None
    would_policies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """What the policies say of a call that is known in part: None where it depends on the rest.

    `policies` are the determining ones where it does not, `unknown` the paths below `context` that would tell.
    """

    allowed: bool | None
    policies: tuple[str, ...] = ()
    unknown: frozenset[Path] = frozenset()


@dataclass(frozen=True, slots=True)
class _Known:
    """What is the same for every call of one principal to one thing.

    So is the `verdict` before the call, where no policy reads anything of it but what comes back. `verdicts` are
    those on the contexts that were met lately: policies read little of a call, and calls are often alike in that.
    """

    principal: Principal
    entities: Entities
    slice: Slice
    verdict: Verdict | None = None
    verdicts: dict[str, Verdict] = field(default_factory=dict)


class Engine:
    """Decides by one set of policies, over what upstreams offer. Immutable but for its caches.

    What a schema would say is held before the evaluation instead of during it: actions that nothing has are denied
    here, and `Fit` writes every value by its type, so that a context always conforms. What no policy in question
    reads is not written at all.
    """

    def __init__(self, compiled: Compiled, facts: Facts) -> None:
        self._compiled = compiled
        self._actions = actions_of(facts)
        self._fits: dict[Uid, Fit] = {tool.uid: Fit.of(tool, facts.metadata) for tool in facts.tools}
        self._fits |= {prompt.uid: Fit.of(prompt, facts.metadata) for prompt in facts.prompts}
        self._untyped = Fit.of(None, facts.metadata)
        self._held: OrderedDict[tuple[int, str, Uid, str], _Known] = OrderedDict()

    def decide(self, question: Question) -> Verdict:
        """Whether the call may be made; with an `output`, whether the result may be handed out."""
        subject = question.subject
        try:
            known = self._known(question.principal, subject)
        except _Undecidable as error:
            return Verdict(False, failure=str(error))
        if known.verdict is not None and (question.output is None or not known.slice.late):
            return known.verdict
        cut = known.slice
        fitted = self._fits.get(subject.resource, self._untyped).fit(question, cut.roots, cut.info)
        if fitted.omitted or fitted.all_omitted:
            failure = self._blind(_request(question.principal, subject), known, fitted)
            if failure is not None:
                return Verdict(False, failure=failure)
        return self._remembered(known, subject, fitted.text)

    def reads_output(self, principal: Principal, subject: Subject) -> bool:
        """Whether a result has to be asked about again."""
        try:
            return self._known(principal, subject).slice.late
        except _Undecidable:
            return True

    def reads(self, principal: Principal, subject: Subject) -> frozenset[Path]:
        """The paths below `context` that the policies in question read, those in audit mode too."""
        try:
            return self._known(principal, subject).slice.paths
        except _Undecidable:
            return frozenset()

    def bounded(self, question: Question, known: Known, told: Told = UNTOLD) -> Bound:
        """What can be said of `question` where only the part `known` of its context is as it was.

        `told` is what is known of the policies themselves. Whatever is not known counts as something that Cedar can
        hold.
        """
        subject = question.subject
        try:
            who = self._known(question.principal, subject)
        except _Undecidable:
            return Bound(False)
        part = self._compiled.bounded(who.slice, known, told)
        fitted = self._fits.get(subject.resource, self._untyped).fit(question, who.slice.roots, who.slice.info)
        seen = frozenset(path for path in fitted.omitted if known.covers(path))
        request = _request(question.principal, subject)
        if seen and self._blind(request, who, fitted._replace(omitted=seen, all_omitted=False)) is not None:
            return Bound(False)
        request["context"] = fitted.text
        could = self._ask(request, part.could, who.entities)
        if not part.unknown or (not could.allowed and could.failure is None):
            return Bound(could.allowed, could.policies)
        must = self._ask(request, part.must, who.entities)
        if must.allowed and could.allowed:
            return Bound(True, must.policies)
        return Bound(None, unknown=part.unknown)

    def possible(self, principal: Principal, subjects: Sequence[Subject]) -> list[bool]:
        """For each of `subjects`, all addressed through one virtual server, whether some call could be permitted.

        One evaluation in part for all: see `possible.py`. Where not everything is known of the principal, none is.
        """
        return self._without_context(self._compiled.possible, principal, subjects)

    def certain(self, principal: Principal, subjects: Sequence[Subject]) -> list[bool]:
        """The same: whether every call is permitted and its result let out, as far as Cedar can hold what they say."""
        return self._without_context(self._compiled.certain, principal, subjects)

    def _without_context(self, policies: PolicySet, principal: Principal, subjects: Sequence[Subject]) -> list[bool]:
        known = [subject for subject in subjects if subject.action in self._actions]
        try:
            entities = Entities.from_json_str(entities_text(principal, known))
        except (IncompleteIdentity, ValueError):
            return [False] * len(subjects)
        requests = [_request(principal, subject) | {"context": "{}"} for subject in known]
        answers = iter(is_authorized_batch(requests, policies, entities))
        found: list[bool] = []
        for subject in subjects:
            answer = next(answers) if subject.action in self._actions else None
            found.append(answer is not None and answer.allowed and not answer.diagnostics.errors)
        return found

    def _remembered(self, known: _Known, subject: Subject, context: str) -> Verdict:
        """The verdict on `context`: the same text, of the same principal about the same thing, has the same verdict."""
        kept = len(context) <= MAX_TEXT and "now" not in known.slice.roots
        verdict = known.verdicts.get(context) if kept else None
        if verdict is None:
            request = _request(known.principal, subject) | {"context": context}
            verdict = self._judge(request, known.slice, known.entities)
            if not kept:
                return verdict
            if len(known.verdicts) >= MAX_VERDICTS:
                known.verdicts.clear()
            known.verdicts[context] = verdict
        return verdict

    def _judge(self, request: dict[str, Any], cut: Slice, entities: Entities) -> Verdict:
        verdict = self._ask(request, cut.enforced, entities)
        if cut.shadow is None:
            return verdict
        shadow = self._ask(request, cut.shadow, entities)
        if shadow.allowed == verdict.allowed:
            return verdict
        return replace(verdict, would=shadow.allowed, would_policies=shadow.policies)

    def _ask(self, request: dict[str, Any], policies: PolicySet, entities: Entities) -> Verdict:
        answer = is_authorized_batch([request], policies, entities)[0]
        if answer.diagnostics.errors or answer.decision is Decision.NoDecision:
            # Not the engine's words: they may quote what the caller sent.
            return Verdict(False, self._ids(answer), failure="a policy could not be evaluated")
        return Verdict(answer.allowed, self._ids(answer))

    def _blind(self, request: dict[str, Any], known: _Known, fitted: Fitted) -> str | None:
        """Why the call is refused if a policy that could apply reads what the context cannot show."""
        reading = {
            key
            for key, read in known.slice.reads.items()
            if any(
                path[0] in _VALUES
                and (fitted.all_omitted or any(touches(path, left_out) for left_out in fitted.omitted))
                for path in read
            )
        }
        if not reading:
            return None
        answer = is_authorized_batch([request | {"context": "{}"}], self._compiled.relevant, known.entities)[0]
        if answer.diagnostics.errors or reading.intersection(answer.diagnostics.reasons):
            return "a policy reads a value that cannot be represented exactly"
        return None

    def _ids(self, answer: AuthzResult) -> tuple[str, ...]:
        return tuple(sorted(self._compiled.ids.get(key, key) for key in answer.diagnostics.reasons))

    def _known(self, principal: Principal, subject: Subject) -> _Known:
        # By identity: a verified token keeps its principal, and comparing claims would cost more than the decision.
        key = (id(principal), subject.action, subject.resource, subject.server)
        held = self._held.get(key)
        if held is not None and held.principal is principal:
            self._held.move_to_end(key)
            return held
        fresh = self._learn(principal, subject)
        if len(subject.resource.id) <= MAX_NAME:
            self._held[key] = fresh
            if len(self._held) > MAX_HELD:
                self._held.popitem(last=False)
        return fresh

    def _learn(self, principal: Principal, subject: Subject) -> _Known:
        if subject.action not in self._actions:
            raise _Undecidable("the schema does not know this action")
        try:
            entities = Entities.from_json_str(entities_text(principal, (subject,)))
        except IncompleteIdentity as error:
            raise _Undecidable(str(error)) from error
        except ValueError as error:
            raise _Undecidable("the identity is unusable") from error
        request = _request(principal, subject) | {"context": "{}"}
        answer = is_authorized_batch([request], self._compiled.scopes, entities)[0]
        if answer.diagnostics.errors or answer.decision is Decision.NoDecision:
            return _Known(principal, entities, self._compiled.whole())
        cut = self._compiled.slice(frozenset(answer.diagnostics.reasons))
        # What reads nothing of a call says the same of each; time and address are of a call, too.
        verdict = self._judge(request, cut, entities) if cut.roots <= AFTERWARDS else None
        return _Known(principal, entities, cut, verdict)


class _Undecidable(Exception):
    """There is nothing to hold policies against. The message is public."""


def _request(principal: Principal, subject: Subject) -> dict[str, Any]:
    return {
        "principal": principal_uid(principal).json(),
        "action": {"type": "Action", "id": subject.action},
        "resource": subject.resource.json(),
    }
