"""What policies and guardrails said of a request, as events of its span."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.traces.span import SpanEvent, Value, text, texts

_STAGES: Final = ("decision", "release")
_HOOKS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "llm_input_guardrails": ("input", "llm"),
        "llm_output_guardrails": ("output", "llm"),
        "mcp_tool_pre_invoke_guardrails": ("input", "tool_call"),
        "mcp_tool_post_invoke_guardrails": ("output", "tool_call"),
    }
)
_VERDICTS: Final[Mapping[str, str]] = MappingProxyType(
    {"pass": "allow", "deny": "deny", "error": "warn", "timeout": "warn"}
)
_ACTIONS: Final[Mapping[str, str]] = MappingProxyType({"allow": "allow", "block": "block", "mutate": "modify"})


def events(notes: Mapping[str, object], at: int) -> list[SpanEvent]:
    """The decisions and judgements on a trail. `at`, in nanoseconds since 1970, is when they are known."""
    found: list[SpanEvent] = []
    if "decision" in notes or "release" in notes:
        _add_decisions(found, notes, at)
    if "guardrails" in notes:
        found += _guardrails(notes, at)
    return found


def _add_decisions(found: list[SpanEvent], notes: Mapping[str, object], at: int) -> None:
    policies, failure = texts(notes.get("policies")), notes.get("policy_failure")
    for stage in _STAGES:
        word = notes.get(stage)
        if not isinstance(word, str):
            continue
        attributes: dict[str, Value] = {names.DECISION_STAGE: stage, names.DECISION: word}
        if policies:
            attributes[names.DECISION_POLICIES] = policies
        if isinstance(failure, str):
            attributes[names.DECISION_FAILURE] = text(failure)
        found.append(SpanEvent(names.DECIDED, at, attributes))


def _guardrails(notes: Mapping[str, object], at: int) -> Iterator[SpanEvent]:
    noted = notes.get("guardrails")
    for each in noted if isinstance(noted, tuple) else ():
        where, what = _HOOKS.get(str(each["hook"]), ("input", "llm"))
        name = text(str(each["name"]))
        yield SpanEvent(
            f"{names.RUN_GUARDRAIL} {name}",
            at,
            {
                names.OPERATION: names.RUN_GUARDRAIL,
                names.GUARDRAIL_NAME: name,
                names.GUARDRAIL_TARGET: where,
                names.GUARDRAIL_SUBTYPE: what,
                names.GUARDRAIL_VERDICT: _VERDICTS.get(str(each["verdict"]), "warn"),
                names.GUARDRAIL_ACTION: _ACTIONS.get(str(each["action"]), "allow"),
            },
        )
