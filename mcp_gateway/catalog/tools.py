"""One tool: the upstream's definition and the admin's changes, compiled to a binding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mcp_gateway.calls.kinds import ToolBinding
from mcp_gateway.catalog.arguments import UNSET, ArgumentMap, Rule
from mcp_gateway.catalog.bounds import Limits, measure
from mcp_gateway.catalog.draft import Draft
from mcp_gateway.catalog.findings import LeftOut, Severity, nearest
from mcp_gateway.catalog.rewrite import expose
from mcp_gateway.catalog.schema import compile_check, encoded_size, property_validators
from mcp_gateway.catalog.spec import SourceSpec, ToolSpec, rules
from mcp_gateway.catalog.walk import header_map
from mcp_gateway.core.call import Json
from mcp_gateway.envelopes.policy.budgets.rules import nano

_HINTS: Final = ("title", "readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")


def draft_tool(
    definition: Json, source: SourceSpec, available: bool, limits: Limits, server_scopes: Sequence[str] = ()
) -> Draft[ToolBinding]:
    """The draft of one well-shaped tool definition. Raises `LeftOut` when it cannot be exposed."""
    upstream_name = definition["name"]
    spec = source.tools.get(upstream_name)
    original = definition["inputSchema"]
    if encoded_size(original) > limits.schema:
        raise LeftOut(f"its inputSchema is larger than {limits.schema} bytes")
    if "outputSchema" in definition:
        _bound_output(definition["outputSchema"], limits)
    changes, missed = _applicable(rules(spec) if spec is not None else (), original)
    exposed = original
    if changes:
        compile_check(original, limits)  # only a schema known to be sound is rewritten
        exposed = expose(original, changes)
        _require_fitting(original, changes)
    check = compile_check(exposed, limits)
    composed = _composed(definition, exposed, spec)
    if composed is not definition:
        encoded_size(composed)  # what the admin added must be writable too
    moving = any(rule.reshapes or rule.supplied or rule.default is not UNSET for rule in changes)
    declared = exposed.get("properties")
    shown = declared if isinstance(declared, dict) else {}
    bind = ArgumentMap(changes, declared=shown).bind if moving else None
    headers, upstream_headers = header_map(exposed), header_map(original)
    told = hints(composed)
    cost = spec.cost if spec is not None else 0.0
    scopes = tuple(dict.fromkeys((*server_scopes, *spec.scopes))) if spec is not None and spec.scopes else ()
    tags = tuple(sorted({*source.tags, *(spec.tags if spec is not None else ())}))

    def make(name: str) -> ToolBinding:
        final = composed if composed["name"] == name else {**composed, "name": name}
        return ToolBinding(
            name=name,
            upstream=source.upstream,
            upstream_name=upstream_name,
            definition=final,
            check=check,
            bind=bind,
            headers=headers,
            upstream_headers=upstream_headers,
            read_only=told["readOnlyHint"],
            destructive=told["destructiveHint"],
            idempotent=told["idempotentHint"],
            open_world=told["openWorldHint"],
            cost=nano(cost) if cost else 0,
            scopes=scopes,
            tags=tags,
        )

    wanted = spec.name if spec is not None and spec.name else source.prefix + upstream_name
    facts = [[_facts(rule) for rule in changes], cost, scopes, tags]
    hiding = any(rule.hidden for rule in changes)
    return Draft(source.upstream, upstream_name, wanted, available, make, facts, hiding, missed)


def _applicable(configured: Sequence[Rule], schema: Json) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """The rules whose argument the schema declares, and a warning for each of the others.

    Raises `LeftOut` where an argument that the agent must not set is not declared: the upstream may have
    renamed it, and the tool would be open.
    """
    properties = schema.get("properties")
    declared = properties if isinstance(properties, dict) else {}
    missed: list[str] = []
    for rule in configured:
        if rule.name not in declared:
            message = f"its schema declares no argument {rule.name!r} to be configured{nearest(rule.name, declared)}"
            if rule.hidden:
                raise LeftOut(message, Severity.ERROR)
            missed.append(message)
    return tuple(rule for rule in configured if rule.name in declared), tuple(missed)


def _bound_output(schema: Json, limits: Limits) -> None:
    try:
        measure(schema, limits)
    except LeftOut as error:
        raise LeftOut(error.message.replace("its schema", "its outputSchema", 1)) from error


def _composed(definition: Json, exposed: Json, spec: ToolSpec | None) -> Json:
    """The definition as the agent sees it but for the name; the upstream's own object where nothing changes."""
    changes: Json = {}
    if exposed is not definition["inputSchema"]:
        changes["inputSchema"] = exposed
    if spec is not None:
        if spec.title is not None:
            changes["title"] = spec.title
        if spec.description is not None:
            changes["description"] = spec.description
        if spec.annotations is not None:
            given = {key: getattr(spec.annotations, key) for key in _HINTS}
            told = {key: value for key, value in given.items() if value is not None}
            changes["annotations"] = {**definition.get("annotations", {}), **told}
    return {**definition, **changes} if changes else definition


def hints(definition: Json) -> dict[str, bool]:
    """The four hints with the protocol's defaults; a read-only tool that says no more is not destructive."""
    given = definition.get("annotations")
    annotations = given if isinstance(given, dict) else {}

    def hint(key: str, default: bool) -> bool:
        value = annotations.get(key)
        return value if isinstance(value, bool) else default

    read_only = hint("readOnlyHint", False)
    return {
        "readOnlyHint": read_only,
        "destructiveHint": hint("destructiveHint", not read_only),
        "idempotentHint": hint("idempotentHint", False),
        "openWorldHint": hint("openWorldHint", True),
    }


def _require_fitting(schema: Json, changes: Sequence[Rule]) -> None:
    """Values that the admin wrote must fit what the upstream's schema says of their argument."""
    validators = property_validators(schema)
    for rule in changes:
        if rule.name not in validators:
            continue
        validator, _ = validators[rule.name]
        for what, value in (("value", rule.value), ("default", rule.default)):
            if value is not UNSET and not validator.is_valid({rule.name: value}):
                message = f"the configured {what} of argument {rule.name!r} does not fit the upstream's schema"
                raise LeftOut(message, Severity.ERROR)


def _facts(rule: Rule) -> Json:
    facts: Json = {"name": rule.name, "exposed": rule.exposed, "from": rule.label}
    if rule.value is not UNSET:
        facts["value"] = rule.value
    if rule.default is not UNSET:
        facts["default"] = rule.default
    return facts
