"""Names in policies that nothing has. The engine takes them as they are: the policy then never applies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cedarpy import pst

from mcp_gateway.envelopes.policy.cedar.model import (
    ACTION,
    CALL_TOOL,
    SERVER,
    UPSTREAM,
    Facts,
    Policy,
    Remark,
    groups_of,
)
from mcp_gateway.envelopes.policy.cedar.remarks import nearest, remark
from mcp_gateway.envelopes.policy.cedar.schema import actions_of


def unknown_actions(parsed: Sequence[tuple[Policy, pst.Template]], facts: Facts) -> Iterator[Remark]:
    """Actions that no tool has: errors, but for those of an upstream that has not told its tools yet."""
    known = {*actions_of(facts), *(group for name in facts.upstreams for group in groups_of(name)), CALL_TOOL}
    reached = {tool.upstream for tool in facts.tools}
    for policy, template in parsed:
        for action in _ids(template, ACTION):
            if action in known:
                continue
            upstream, _, tool = action.partition("/")
            if tool and upstream in facts.upstreams and upstream not in reached:
                why = f'the tools of the upstream `{upstream}` are not known, Action::"{action}" was not checked'
                yield remark(policy, (action,), "warning", "unreached-action", why)
            else:
                why = f'there is no Action::"{action}"{nearest(action, sorted(known))}'
                yield remark(policy, (action,), "error", "unknown-action", why)


def unknown_entities(
    parsed: Sequence[tuple[Policy, pst.Template]], facts: Facts, servers: Sequence[str]
) -> Iterator[Remark]:
    """Upstreams, virtual servers, tools and prompts that are not configured or offered: warnings.

    Who users and teams are is the issuers' business.
    """
    tools = {tool.uid.id: tool.upstream for tool in facts.tools}
    prompts = {prompt.uid.id: prompt.upstream for prompt in facts.prompts}
    for policy, template in parsed:
        yield from _missing(policy, template, UPSTREAM, facts.upstreams)
        yield from _missing(policy, template, SERVER, servers)
        yield from _missing(policy, template, "Tool", _offered(template, "Tool", tools, facts))
        yield from _missing(policy, template, "Prompt", _offered(template, "Prompt", prompts, facts))


def _missing(policy: Policy, template: pst.Template, kind: str, known: Sequence[str]) -> Iterator[Remark]:
    for name in _ids(template, kind):
        if name not in known:
            why = f'there is no {kind}::"{name}"{nearest(name, known)}'
            yield remark(policy, (name,), "warning", "unknown-entity", why)


def _offered(template: pst.Template, kind: str, offered: dict[str, str], facts: Facts) -> list[str]:
    """What is offered, and what an upstream could offer of which nothing of that kind is known."""
    told = set(offered.values())
    silent = {name for name in facts.upstreams if name not in told}
    return [*offered, *(each for each in _ids(template, kind) if each.partition("/")[0] in silent)]


def _ids(template: pst.Template, kind: str) -> list[str]:
    return sorted(uid.id for uid in pst.entity_uids(template) if str(uid.type) == kind)
