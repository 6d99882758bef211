"""The Cedar schema, made of what upstreams really offer, in Cedar's JSON form: any name is a name there.

One action for each tool, in the group of its upstream, in `call_tool`; a policy about a group is held against every
action in it. The group of an upstream of which no tool is known stands for the tools it may have, so that policies
about it as a whole are right before it has been reached; they may read nothing of its arguments.
"""

from __future__ import annotations

from typing import Any, Final

from mcp_gateway.envelopes.policy.cedar.fit import COMPLETION, NOTHING, tool_records
from mcp_gateway.envelopes.policy.cedar.model import (
    ACCOUNT,
    ACTION,
    CALL_TOOL,
    COMPLETE,
    EMBED,
    GET_PROMPT,
    READ_RESOURCE,
    SERVER,
    TEAM,
    UPSTREAM,
    USE_MODEL,
    USER,
    Facts,
    ToolFacts,
    groups_of,
)
from mcp_gateway.envelopes.policy.cedar.shape import Attribute, Record, Scalar, SetOf, Shape, prompt_record

Schema = dict[str, Any]

OTHERS: Final = frozenset({GET_PROMPT, READ_RESOURCE, COMPLETE, USE_MODEL, EMBED})
"""The actions that are not those of tools."""

_STRINGS: Final = SetOf(Scalar.STRING)
_PRINCIPAL: Final = Record(
    (
        Attribute("subject", Scalar.STRING, required=True),
        Attribute("issuer", Scalar.STRING, required=True),
        Attribute("email", Scalar.STRING, required=False),
        Attribute("scopes", _STRINGS, required=True),
    )
)
_TOOL: Final = Record(
    (
        *(Attribute(hint, Scalar.BOOLEAN, True) for hint in ("read_only", "destructive", "idempotent", "open_world")),
        Attribute("tags", _STRINGS, required=True),
    )
)
_AGENT: Final = Record(
    (Attribute("client_id", Scalar.STRING, required=False), Attribute("actors", _STRINGS, required=True))
)
_OUTPUT_INFO: Final = Record(
    (
        Attribute("is_error", Scalar.BOOLEAN, required=True),
        Attribute("bytes", Scalar.LONG, required=True),
        Attribute("kinds", _STRINGS, required=True),
    )
)


def cedar_schema(facts: Facts) -> Schema:
    """The schema of `facts`. A tool of `unspeakable` has no action, so that every call of it is denied."""
    skipped = {tool.uid for tool in unspeakable(facts)}
    prompts = {each.name: each for prompt in facts.prompts for each in prompt_record(prompt).attributes}
    actions: Schema = {CALL_TOOL: {}}
    for upstream in _upstreams(facts):
        near, far = groups_of(upstream)
        actions[near] = {"memberOf": [_in(far)]}
    for upstream in set(_upstreams(facts)) - {tool.upstream for tool in facts.tools}:
        actions[groups_of(upstream)[0]]["appliesTo"] = _applies(["Tool"], NOTHING)
    for tool in facts.tools:
        if tool.uid not in skipped:
            taken, given = tool_records(tool)
            actions[tool.action] = {
                "memberOf": [_in(groups_of(tool.upstream)[0])],
                "appliesTo": _applies(["Tool"], taken, given),
            }
    actions[GET_PROMPT] = {"appliesTo": _applies(["Prompt"], Record(tuple(prompts.values())))}
    actions[READ_RESOURCE] = {"appliesTo": _applies(["Resource"], NOTHING)}
    actions[COMPLETE] = {"appliesTo": _applies(["Prompt", "Resource"], COMPLETION)}
    actions[USE_MODEL] = {"appliesTo": _applies(["Model"], NOTHING)}
    actions[EMBED] = {"appliesTo": _applies(["Model"], NOTHING)}
    metadata = Record(tuple(Attribute(key, Scalar.STRING, required=False) for key in dict.fromkeys(facts.metadata)))
    types = {"Agent": _AGENT, "Metadata": metadata, "OutputInfo": _OUTPUT_INFO}
    return {
        "": {
            "commonTypes": {name: _type(shape) for name, shape in types.items()},
            "entityTypes": entity_types(),
            "actions": actions,
        }
    }


def actions_of(facts: Facts) -> frozenset[str]:
    """The actions that something can be asked with, groups not among them."""
    return frozenset({tool.action for tool in facts.tools} - {tool.action for tool in unspeakable(facts)} | OTHERS)


def unspeakable(facts: Facts) -> tuple[ToolFacts, ...]:
    """The tools whose action would be another's: one that is called ``*``, as is the group of its upstream."""
    groups = {group for upstream in _upstreams(facts) for group in groups_of(upstream)}
    return tuple(tool for tool in facts.tools if tool.action in groups)


def _upstreams(facts: Facts) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*facts.upstreams, *(tool.upstream for tool in facts.tools))))


def _in(action: str) -> Schema:
    return {"type": ACTION, "id": action}


def entity_types() -> Schema:
    """The types of entities, by name."""
    person: Schema = {"memberOfTypes": [TEAM], "shape": _type(_PRINCIPAL), "tags": _type(_STRINGS)}
    offered: Schema = {"memberOfTypes": [UPSTREAM, SERVER]}
    return {
        TEAM: {},
        USER: person,
        ACCOUNT: person,
        UPSTREAM: {},
        SERVER: {},
        "Tool": {**offered, "shape": _type(_TOOL)},
        "Prompt": offered,
        "Resource": offered,
        "Model": offered,
    }


def _applies(resources: list[str], taken: Record, given: Record | None = None) -> Schema:
    attributes: Schema = {
        "input": _type(taken),
        "input_omitted": _type(_STRINGS),
        "metadata": {"type": "Metadata"},
        "agent": {"type": "Agent"},
        "now": {"type": "Extension", "name": "datetime"},
        "ip": {"type": "Extension", "name": "ipaddr"},
        "output_info": {"type": "OutputInfo", "required": False},
    }
    if given is not None:
        attributes["output"] = {**_type(given), "required": False}
    context = {"type": "Record", "attributes": attributes}
    return {"principalTypes": [USER, ACCOUNT], "resourceTypes": resources, "context": context}


def _type(shape: Shape) -> Schema:
    match shape:
        case Record(attributes):
            members = {
                each.name: _type(each.shape) if each.required else {**_type(each.shape), "required": False}
                for each in attributes
            }
            return {"type": "Record", "attributes": members}
        case SetOf(of):
            return {"type": "Set", "element": _type(of)}
        case Scalar.DECIMAL:
            return {"type": "Extension", "name": shape.value}
    return {"type": shape.value}
