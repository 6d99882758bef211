"""From an invocation to a question for the policies, and from their verdict to the door's decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from mcp_gateway.calls.kinds import Invocation, Kind, Result
from mcp_gateway.calls.note import NoteQuestions
from mcp_gateway.calls.subjects import Subjects
from mcp_gateway.core import strictjson
from mcp_gateway.core.call import Call, Trail
from mcp_gateway.envelopes.policy.authorize import Decision
from mcp_gateway.envelopes.policy.cedar.engine import Engine, Verdict
from mcp_gateway.envelopes.policy.cedar.model import Output, Question, Subject

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_KNOWN_KINDS: Final = frozenset({"text", "image", "audio", "resource", "resource_link"})
_HOLDERS: Final = ("content", "contents", "messages")
_ALLOWED: Final = Decision(allowed=True)


class DecideByPolicy:
    """The engine of a configuration with policies, for the invocations of all its virtual servers.

    What was decided, by which policies and what those in audit mode would have changed is left on the call's trail.
    With `audit` nothing is denied, only recorded.
    """

    __slots__ = ("_audit", "_engine", "_note", "_subjects")

    def __init__(self, engine: Engine, subjects: Mapping[str, Subjects], note: NoteQuestions, *, audit: bool) -> None:
        self._engine = engine
        self._note = note
        self._subjects = subjects
        self._audit = audit

    def __call__(self, call: Invocation) -> Decision:
        question = _question(call.call, self._subject(call), _input(call))
        trail = call.call.trail
        self._note(trail, question)
        return self._settle(trail, self._engine.decide(question), "decision")

    def release(self, call: Invocation) -> Callable[[Result], Decision] | None:
        """How the result is judged, None where no policy reads it."""
        subject = self._subject(call)
        if not self._engine.reads_output(call.call.principal, subject):
            return None

        def judge(result: Result) -> Decision:
            if result.get("resultType") == "input_required":
                return _ALLOWED  # nothing came out yet: the call will be made, and judged, again
            output = _output(result)
            self._note.output(call.call, subject, output)
            verdict = self._engine.decide(_question(call.call, subject, _input(call), output))
            return self._settle(call.call.trail, verdict, "release")

        return judge

    def permits(self, call: Invocation, result: Result | None) -> bool:
        """Whether the policies permit the call, and `result` if there is one, without a word on the trail."""
        output = None if result is None else _output(result)
        return self._engine.decide(_question(call.call, self._subject(call), _input(call), output)).allowed

    def may_read(self, call: Call, upstream: str, uri: str) -> bool:
        """Whether the resource may be read now, for doors other than reading: to follow it is to learn of it."""
        subject = self._subjects[call.server].resource(upstream, uri)
        question = _question(call, subject, _NOTHING)
        self._note(call.trail, question)
        verdict = self._engine.decide(question)
        return self._settle(call.trail, verdict, "decision").allowed

    def _subject(self, call: Invocation) -> Subject:
        subjects = self._subjects[call.call.server]
        if call.tool is not None:
            return subjects.tools[call.tool.name]
        match call.kind:
            case Kind.TOOL:
                raise AssertionError("a tool's invocation has its binding")
            case Kind.PROMPT:
                return subjects.prompts[call.upstream, call.target]
            case Kind.RESOURCE:
                return subjects.resource(call.upstream, call.target)
            case Kind.COMPLETION:
                prompt = call.params["ref"].get("type") == "ref/prompt"
                return subjects.completion(call.upstream, call.target, prompt=prompt)

    def _settle(self, trail: Trail, verdict: Verdict, note: str) -> Decision:
        word = "allow" if verdict.allowed else "deny" if verdict.failure is None else "error"
        notes = trail.notes
        notes["policies"] = (*_noted(notes.get("policies")), *verdict.policies)
        notes[note] = f"would_{word}" if self._audit and not verdict.allowed else word
        if verdict.failure is not None:
            notes["policy_failure"] = verdict.failure
        if verdict.would is not None:
            notes["would"] = "allow" if verdict.would else "deny"
            notes["would_policies"] = verdict.would_policies
        return Decision(verdict.allowed or self._audit, verdict.policies)


def _noted(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()


def _question(call: Call, subject: Subject, given: Mapping[str, Any], output: Output | None = None) -> Question:
    return Question(call.principal, subject, datetime.now(UTC), call.ip, given, call.metadata, output)


def _input(call: Invocation) -> Mapping[str, Any]:
    match call.kind:
        case Kind.TOOL | Kind.PROMPT:
            arguments = call.params.get("arguments")
            return arguments if isinstance(arguments, dict) else _NOTHING
        case Kind.COMPLETION:
            argument = call.params.get("argument")
            if not isinstance(argument, dict):
                return _NOTHING
            return {"argument": argument.get("name"), "value": argument.get("value")}
    return _NOTHING


def _output(result: Result) -> Output:
    structured = result.get("structuredContent")
    return Output(
        structured=structured if isinstance(structured, dict) else None,
        is_error=result.get("isError") is True,
        bytes=len(strictjson.dumps(result)),
        kinds=tuple(sorted(_kinds(result))),
    )


def _kind(kind: object) -> str:
    """A type of content that the protocol knows; what an upstream invents must not crowd those out."""
    return kind if isinstance(kind, str) and kind in _KNOWN_KINDS else "unknown"


def _kinds(result: Result) -> set[str]:
    kinds = set()
    for key in _HOLDERS:
        blocks = result.get(key)
        for block in blocks if isinstance(blocks, list) else ():
            if isinstance(block, dict):
                within = block.get("content")
                inner = within if isinstance(within, dict) else block
                kind = inner.get("type")
                kinds.add("resource" if kind is None and inner is block and "uri" in block else _kind(kind))
    return kinds
