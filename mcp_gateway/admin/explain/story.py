"""The story of one request, told by its records: what was asked, decided, tried, and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_gateway.admin.explain import controlled, refused
from mcp_gateway.admin.explain.attempts import attempts, dollars
from mcp_gateway.core.plural import count

Fields = Mapping[str, Any]
Step = tuple[str, str]
"""What a part of the story is about, and what there is to say."""

REFUSED: Final = "refused"
"""The event of a request that no pipeline saw."""

CONTROL: Final = "control"
"""The event of a request over the control plane that may have changed something."""

ENDINGS: Final = frozenset({"call", "completion", REFUSED, CONTROL})

_REASONS: Final[Mapping[str, str]] = {
    "audit_unavailable": "the record could not be written, and nothing is changed without it",
    "budget_exhausted": "a budget had no room for it",
    "cancelled": "the client took it back",
    "client_disconnected": "the client went away before the end",
    "connection_required": "the principal has to connect an account at the upstream first",
    "guardrail_blocked": "a guardrail stopped it",
    "internal_error": "a defect of the gateway: the log has the traceback",
    "invalid_arguments": "the arguments do not fit the tool's schema",
    "metadata_required": "it did not say about itself what it must",
    "overloaded": "there was no capacity for it",
    "policy_denied": "policies did not allow it",
    "rate_limited": "a limit was used up",
    "tool_error": "the tool ran and said that it failed",
    "tool_quarantined": "the tool is not the one that was accepted",
    "unknown_model": "there is no such model, or not for this principal",
    "unknown_name": "there is no such tool or prompt, or not for this principal",
    "upstream_protocol_error": "the other side sent what the protocol does not allow",
    "upstream_rejected": "the upstream answered with an error of its own",
    "upstream_timeout": "the other side did not answer in time: whether it acted is not known",
    "upstream_unavailable": "the other side could not be reached",
}


_WORDS: Final = (_REASONS, refused.REASONS, controlled.REASONS)


@dataclass(frozen=True, slots=True)
class Story:
    """`ended` is false where what became of the request was never recorded."""

    request_id: str
    ended: bool
    steps: Sequence[Step]
    records: Sequence[Fields]


def tell(request_id: str, records: Sequence[Fields], who: Fields | None = None) -> Story:
    """The story that `records`, all of one request, tell. `who` is the record of the principal, if there is one."""
    ending = next((each for each in reversed(records) if each.get("event") in ENDINGS), None)
    intents = [each for each in records if each.get("event") == "intent"]
    known = ending or (intents[-1] if intents else {})
    return Story(request_id, ending is not None, [*_steps(known, intents, who, ended=ending is not None)], records)


def _steps(known: Fields, intents: Sequence[Fields], who: Fields | None, *, ended: bool) -> Iterator[Step]:
    yield "Outcome", _outcome(known) if ended else _unknown(intents)
    yield "When", str(known.get("time", "unknown"))
    if known.get("event") == REFUSED:
        yield from refused.refused(known)
        return
    if known.get("event") == CONTROL:
        yield from controlled.controlled(known)
        return
    yield from _who(known, who)
    yield "Asked", _asked(known)
    yield from _said(known)
    yield from _limits(known)
    yield from _policies(known)
    yield from _guardrails(known)
    for each in intents:
        yield "Intent", f"recorded {each.get('time')}, before the call was made"
    if ended:
        yield from _tried(known, intents)
        yield from _cost(known)
        yield "Time", _time(known)
    yield from _bodies(known, intents)
    yield "Snapshot", f"{known.get('snapshot')}: the configuration that decided"


def _outcome(known: Fields) -> str:
    outcome, reason = str(known.get("outcome")), str(known.get("reason"))
    if outcome == "ok":
        return "allowed, and done"
    told = next((words[reason] for words in _WORDS if reason in words), "")
    word = {"tool_error": "done, with an error"}.get(outcome, outcome)
    return f"{word}: {reason}" + (f" ({told})" if told else "")


def _unknown(intents: Sequence[Fields]) -> str:
    if intents:
        return "not known: the process ended, or is still waiting for the upstream, which may have acted"
    return "not known: the record does not say"


def _who(known: Fields, who: Fields | None) -> Iterator[Step]:
    told = [str(known.get("principal"))]
    if known.get("agent"):
        told.append(f"agent {known['agent']}")
    if who is not None:
        told += [f"{name} {', '.join(who[name])}" for name in ("teams", "scopes") if who.get(name)]
    yield "Who", "; ".join(told)


def _asked(known: Fields) -> str:
    if "dialect" in known:
        kind = "a stream" if known.get("stream") else "one answer"
        return f"model {known.get('model')} ({known['dialect']}, {kind})"
    what = str(known.get("method"))
    if known.get("target"):
        what += f" {known.get('upstream')}/{known['target']}"
    client = f", by the client {known['client']}" if known.get("client") else ""
    version = f", MCP {known['version']}" if known.get("version") else ""
    return f"{what} at the virtual server {known.get('server')}{client}{version}"


def _said(known: Fields) -> Iterator[Step]:
    if known.get("metadata"):
        yield "Metadata", ", ".join(f"{key}={value}" for key, value in known["metadata"].items())
    for name, told in (("metadata_faults", "refused for"), ("would_metadata_faults", "would be refused for")):
        if known.get(name):
            yield "Metadata", f"{told} {_listed(known[name])}"


def _limits(known: Fields) -> Iterator[Step]:
    notes = (
        ("limit", "refused by"),
        ("would_limit", "in audit mode, would be refused by"),
        ("would_exhaust", "in audit mode, no room in"),
        ("uncounted_limits", "the store did not answer; let through without"),
        ("uncounted_budgets", "the store did not answer; let through without"),
    )
    for name, told in notes:
        if known.get(name):
            kind = "Budgets" if name.endswith(("budgets", "exhaust")) or _is_budget(known, name) else "Limits"
            yield kind, f"{told} {_listed(known[name])}"


def _is_budget(known: Fields, name: str) -> bool:
    return name == "limit" and known.get("reason") == "budget_exhausted"


def _policies(known: Fields) -> Iterator[Step]:
    decision = known.get("decision")
    if decision is not None:
        by = _listed(known.get("policies") or ()) or "no policy: what none permits is denied"
        release = known.get("release")
        told = f"{_word(decision)} by {by}"
        yield "Policies", told if release is None else f"{told}; asked again about the result: {_word(release)}"
    if known.get("policy_failure"):
        yield "Policies", f"a policy could not be evaluated, which denies: {known['policy_failure']}"
    if known.get("would"):
        yield "Policies", f"those in audit mode would {known['would']} it: {_listed(known.get('would_policies') or ())}"


def _word(decision: object) -> str:
    text = str(decision)
    return f"would {text.removeprefix('would_')} (audit mode)" if text.startswith("would_") else text


def _guardrails(known: Fields) -> Iterator[Step]:
    for each in known.get("guardrails") or ():
        if not isinstance(each, Mapping):
            continue
        found = ", ".join(f"{kind} {number}" for kind, number in (each.get("findings") or {}).items())
        told = f"{each.get('name')} at {each.get('hook')}: {each.get('verdict')}, {each.get('action')}"
        failed = f"; it failed: {each['failure']}" if each.get("failure") else ""
        yield "Guardrail", told + (f"; found {found}" if found else "") + failed


def _tried(known: Fields, intents: Sequence[Fields]) -> Iterator[Step]:
    if "attempts" in known:
        if known.get("rule"):
            yield "Route", f"by the rule {known['rule']}"
        if known.get("cache"):
            yield "Cache", str(known["cache"])
        yield from attempts(known["attempts"])
        return
    upstream, spent = known.get("upstream"), known.get("upstream_ms") or 0
    if not upstream:
        return
    if spent or known.get("outcome") in ("ok", "tool_error"):
        yield "Upstream", f"{upstream} was asked once and took {spent} ms"
    elif known.get("outcome") == "refused":
        yield "Upstream", f"{upstream} was not asked"
    elif intents:
        yield "Upstream", f"{upstream} was about to be asked"


def _cost(known: Fields) -> Iterator[Step]:
    cost = known.get("cost_nano_usd")
    if isinstance(cost, int) and known.get("outcome") != "refused":
        yield "Cost", f"{dollars(cost)} for a call that the upstream has seen"


def _time(known: Fields) -> str:
    whole, upstream = float(known.get("duration_ms") or 0), float(known.get("upstream_ms") or 0)
    return f"{whole:.3f} ms, {upstream:.3f} of it waiting for the other side, {max(0.0, whole - upstream):.3f} here"


def _bodies(known: Fields, intents: Sequence[Fields]) -> Iterator[Step]:
    held = {name: value for each in (*intents, known) for name, value in (each.get("bodies") or {}).items()}
    for name, value in held.items():
        yield "Body", f"{name}: {value}"


def _listed(names: object) -> str:
    if isinstance(names, str):
        return names
    return ", ".join(map(str, names)) if isinstance(names, list | tuple) else str(names)


def records_told(story: Story) -> str:
    """Where the records stand."""
    places = [f"{each.get('chain')} seq {each.get('seq')}" for each in story.records]
    return f"{count(len(places), 'record')}: {', '.join(places)}"


def lines(story: Story) -> list[str]:
    """The story as people read it."""
    steps = [("Request", story.request_id), *story.steps, ("Record", records_told(story))]
    width = max(len(about) for about, _ in steps)
    return [f"{about:<{width}}  {told}" for about, told in steps]


def facts(story: Story) -> dict[str, Any]:
    """The story as programs read it, with the records that tell it."""
    steps = [{"about": about, "said": told} for about, told in story.steps]
    return {"request_id": story.request_id, "ended": story.ended, "steps": steps, "records": list(story.records)}
