"""Whether policies make sense over what there is: types by the engine's validator, and what it does not look at."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from cedarpy import Schema, policies_to_pst, pst, validate_policies

from mcp_gateway.envelopes.policy.cedar.lint_entities import unknown_actions, unknown_entities
from mcp_gateway.envelopes.policy.cedar.lint_never import never
from mcp_gateway.envelopes.policy.cedar.lint_shadow import shadowed
from mcp_gateway.envelopes.policy.cedar.lint_values import absent_input, overflow
from mcp_gateway.envelopes.policy.cedar.model import Facts, Policy, PolicyText, Remark
from mcp_gateway.envelopes.policy.cedar.reads import ROOTS
from mcp_gateway.envelopes.policy.cedar.remarks import nearest, remark
from mcp_gateway.envelopes.policy.cedar.schema import cedar_schema, entity_types

Parsed = Sequence[tuple[Policy, pst.Template]]

_OPTIONAL: Final = re.compile(r"unable to guarantee safety of access to optional attribute `([^`]+)`(.*)", re.DOTALL)
_TAG: Final = re.compile(r"unable to guarantee safety of access to tag `\"?([^`\"]+)\"?`")
_ATTRIBUTE: Final = re.compile(
    r"attribute `([^`]+)` (?:in context for (Action::\".*\")|on entity type `(\w+)`) not found"
)
_TYPE: Final = re.compile(r"unrecognized entity type `([^`]+)`")
_ACTION: Final = "unrecognized action"
_NOWHERE: Final = "unable to find an applicable action"
_PREFIX: Final = re.compile(r"^for policy `[^`]*`, ")


def check(text: PolicyText, facts: Facts, servers: Sequence[str]) -> list[Remark]:
    """What is wrong with `text`, which holds no error so far, over the schema of `facts`.

    `servers` are the virtual servers. The remarks of reading stay with `text`. An error keeps
    the policies from being loaded. Sorted by place.
    """
    if not text.policies:
        return []
    handle = Schema.from_json_str(orjson.dumps(cedar_schema(facts)).decode())
    templates = policies_to_pst(text.text).static_policies
    parsed = [(policy, templates[policy.key]) for policy in text.policies]
    said = [*unknown_actions(parsed, facts), *unknown_entities(parsed, facts, servers)]
    unknown = {each.policy for each in said if each.rule in ("unknown-action", "unreached-action")}
    said += _typed(parsed, text.text, handle, facts, unknown)
    failed = unknown | {each.policy for each in said if each.severity == "error"}
    said += never([each for each in parsed if each[0].id not in failed], handle)
    dead = failed | {each.policy for each in said if each.severity == "error"}
    said += shadowed([each for each in parsed if each[0].id not in dead])
    said += overflow(parsed)
    said += absent_input(parsed, facts)
    return sorted(said, key=lambda each: (each.file, each.line, each.column, each.rule, each.message))


def _typed(parsed: Parsed, text: str, schema: Schema, facts: Facts, unknown: set[str]) -> list[Remark]:
    """The validator's errors, one for each thing: it says everything again for every action of a group."""
    by_key = {policy.key: policy for policy, _ in parsed}
    found: dict[tuple[str, str, str], list[Remark]] = {}
    for error in validate_policies(text, schema).errors:
        policy = by_key[error.policy_id]
        message = _PREFIX.sub("", error.error)
        if message.startswith(_ACTION) or (policy.id in unknown and message.startswith(_NOWHERE)):
            continue
        made = _remark(policy, message, facts)
        if made is not None:
            about = made.message.partition(" of the context of ")[0]
            found.setdefault((policy.id, made.rule, about), []).append(made)
    typed = {policy for policy, rule, _ in found if rule == "unknown-type"}
    return [
        remarks[0] for (policy, rule, _), remarks in found.items() if not (rule == "never-applies" and policy in typed)
    ]


def _remark(policy: Policy, message: str, facts: Facts) -> Remark | None:
    if match := _OPTIONAL.match(message):
        name = match[1]
        owner, _, last = f"context.{name}".rpartition(".") if "in context" in match[2] else ("principal", "", name)
        if any(name.startswith(f"{above}.") for above in _optional_above(policy, name)):
            return None
        why = f"`{owner}.{last}` may be absent: write `{owner} has {last} && …` before it is read"
        return remark(policy, name.split("."), "error", "unguarded-optional", why)
    if match := _TAG.match(message):
        why = f'the tag "{match[1]}" may be absent: write `.hasTag("{match[1]}") && …` before it is read'
        return remark(policy, (match[1],), "error", "unguarded-optional", why)
    if match := _ATTRIBUTE.match(message):
        return _unknown_attribute(policy, match[1], match[2], match[3], facts)
    if match := _TYPE.match(message):
        why = f"there is no entity type `{match[1]}`{nearest(match[1], entity_types())}"
        return remark(policy, (match[1],), "error", "unknown-type", why)
    if message.startswith(_NOWHERE):
        why = "it never applies: no action is called by such a principal on such a resource"
        return remark(policy, (), "error", "never-applies", why)
    return remark(policy, (), "error", "type", message)


def _optional_above(policy: Policy, name: str) -> tuple[str, ...]:
    """The root of a path below a part of the context that is optional as a whole and never tested for.

    Its absence is an error of its own; that what is below may be absent, too, is the same mistake.
    """
    root = name.partition(".")[0]
    return (root,) if root in ("output", "metadata") and f"has {root}" not in policy.text else ()


def _unknown_attribute(policy: Policy, name: str, action: str | None, kind: str | None, facts: Facts) -> Remark:
    steps = name.split(".")
    if kind is not None:
        known = entity_types().get(kind, {}).get("shape", {}).get("attributes", ())
        why = f"`{kind}` has no attribute `{name}`{nearest(name, known)}"
        return remark(policy, (name,), "error", "unknown-attribute", why)
    known = _known(steps[:-1], action or "", facts)
    hint = "" if steps[-1] in known else nearest(steps[-1], known)
    why = f"`context.{name}` is no attribute of the context of {action}{hint}"
    return remark(policy, steps, "error", "unknown-attribute", why)


def _known(above: Sequence[str], action: str, facts: Facts) -> tuple[str, ...]:
    """The names below a path of the context of `action`."""
    if not above:
        return ROOTS
    if above[0] == "metadata":
        return facts.metadata
    for tool in facts.tools:
        if action == f'Action::"{tool.action}"':
            schema: Any = tool.input_schema if above[0] == "input" else tool.output_schema
            for step in above[1:]:
                schema = _properties(schema).get(step)
            return tuple(_properties(schema))
    return ()


def _properties(schema: object) -> Mapping[str, Any]:
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    return properties if isinstance(properties, Mapping) else {}
