"""Other spellings of what stands in `guardrails.yaml`, read as the ones that the gateway has. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from mcp_gateway.settings.base import refusal

_PATH: Final = "integration/guardrail-config/"
_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tfy-pii": "pii",
        "secret-detection": "secrets",
        "tfy-prompt-injection": "prompt_injection",
        "sql-sanitizer": "sql",
        "code-safety-linter": "code_safety",
        "custom": "webhook",
    }
)
_NOTHING: Final = ("",)
"""A glob that no name fits."""


def kind(value: object) -> object:
    """The type of a guardrail by the gateway's own word for it."""
    if not isinstance(value, str):
        return value
    bare = value.removeprefix(_PATH)
    return _KINDS.get(bare, bare)


def renamed(value: object, names: Mapping[str, str]) -> object:
    """A mapping with its keys in the gateway's spelling; both spellings of one key are refused."""
    if not isinstance(value, Mapping):
        return value
    for other, own in names.items():
        if other in value and own in value:
            raise refusal(f"`{other}` is another spelling of `{own}`: write one of them", at=(other,))
    return {names.get(key, key): held for key, held in value.items()}


def conditions(value: object) -> object:
    """`when` with `target` and with conditions on subjects, as lists of what it is about."""
    if not isinstance(value, Mapping):
        return value
    when = dict(value)
    if isinstance(when.get("subjects"), Mapping):
        subjects = _inside(when["subjects"], ("subjects",), ("in",))
        when["subjects"] = _listed(subjects.get("in", ()), ("subjects", "conditions", "in"))
    if "target" in when:
        for own in ("servers", "tools", "models"):
            if own in when:
                raise refusal(f"`target` says what `{own}` says: write one of them", at=("target",))
        when |= _target(when.pop("target"))
    return when


def _target(target: object) -> dict[str, Any]:
    """A rule whose target says nothing of tools is about none, and so it is with models."""
    found = _inside(target, ("target",), ("model", "mcpServers", "mcpTools"))
    models = _values(found.get("model"), "model")
    servers = _values(found.get("mcpServers"), "mcpServers")
    tools = [name if ":" in name or name == "*" else f"{name}:*" for name in map(str, servers)]
    for each in _values(found.get("mcpTools"), "mcpTools"):
        if not isinstance(each, Mapping) or not isinstance(each.get("name"), str):
            raise refusal("expected a mapping with the name of a server", at=("target", "conditions", "mcpTools"))
        every = each.get("enable_all_tools") is True
        tools += [f"{each['name']}:{tool}" for tool in (("*",) if every else each.get("enabled_tools") or ())]
    return {"tools": tools or _NOTHING, "models": [str(model) for model in models] or _NOTHING}


def _inside(value: object, at: tuple[str, ...], known: tuple[str, ...]) -> Mapping[str, Any]:
    """The `conditions` of a mapping with an `operator`, in which only `known` may stand."""
    inner = value.get("conditions", {}) if isinstance(value, Mapping) else None
    if not isinstance(inner, Mapping):
        raise refusal("expected a mapping of conditions", at=at)
    for name in inner:
        if name not in known:
            raise refusal(f"expected only {', '.join(known)}", "say what the rule is about", (*at, "conditions", name))
    return inner


def _values(condition: object, name: str) -> list[Any]:
    if condition is None:
        return []
    at = ("target", "conditions", name)
    if not isinstance(condition, Mapping) or condition.get("condition", "in") != "in":
        raise refusal("only the condition `in` is known", "say what the rule is about", at)
    return _listed(condition.get("values", ()), (*at, "values"))


def _listed(values: object, at: tuple[str, ...]) -> list[Any]:
    if not isinstance(values, (list, tuple)):
        raise refusal("expected a list", at=at)
    return list(values)
