"""Records of requests as the control plane lists them: one by one, and refusals by what they have in common. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from mcp_gateway.admin.explain.story import ENDINGS, Fields
from mcp_gateway.envelopes.observability.audit.backwards import needle
from mcp_gateway.envelopes.policy.budgets.rules import NANO

PLANES: Final[Mapping[str, str]] = MappingProxyType({"call": "mcp", "completion": "llm", "control": "control"})
"""By the event of a record, the plane that the request came by. Others say it themselves."""

BODIES: Final = "bodies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which decisions are asked for; what is None does not matter."""

    server: str | None = None
    principal: str | None = None
    upstream: str | None = None
    outcome: str | None = None
    reason: str | None = None

    def needles(self) -> list[bytes]:
        """What the line of a record has in it that fits."""
        return [
            needle(name, value)
            for name in ("principal", "upstream", "outcome", "reason")
            if (value := getattr(self, name)) is not None
        ]

    def fits(self, fields: Fields) -> bool:
        """Whether a record is the end of a request that is asked for."""
        if fields.get("event") not in ENDINGS:
            return False
        if self.server is not None and self.server != (fields.get("server") or fields.get("dialect")):
            return False
        names = ("principal", "upstream", "outcome", "reason")
        return all(getattr(self, name) in (None, fields.get(name)) for name in names)


def decision(fields: Fields) -> dict[str, Any]:
    """A record in short, as `shapes.Decision` has it. Whatever the file holds, the types are those."""
    cost = _cost(fields)
    return {
        "request_id": str(fields.get("request_id")),
        "time": str(fields.get("time")),
        "plane": _plane(fields) or "mcp",
        "principal": _text(fields.get("principal")),
        "agent": _text(fields.get("agent")),
        "server": _text(fields.get("server") or fields.get("dialect")),
        "method": _method(fields),
        "upstream": _text(fields.get("upstream")),
        "target": _text(fields.get("target") or fields.get("model") or fields.get("path")),
        "outcome": str(fields.get("outcome")),
        "reason": _text(fields.get("reason")),
        "decision": _text(fields.get("decision")),
        "policies": _texts(fields.get("policies")),
        "limit": _text(fields.get("limit")),
        "guardrails": _acted(fields, "block", "mutate"),
        "duration_ms": _number(fields.get("duration_ms")),
        "upstream_ms": _number(fields.get("upstream_ms")),
        "cost_usd": None if cost is None else cost / NANO,
        "snapshot": _text(fields.get("snapshot")),
    }


def without_bodies(records: Iterable[Fields]) -> list[Fields]:
    """The same records without the bodies that some may hold."""
    return [{name: value for name, value in each.items() if name != BODIES} for each in records]


def _plane(fields: Fields) -> str | None:
    return PLANES.get(str(fields.get("event"))) or _text(fields.get("plane"))


def _method(fields: Fields) -> str | None:
    """That of MCP, or of HTTP where the record has no other."""
    return _text(fields.get("method") or fields.get("http_method"))


def _tool(fields: Fields) -> str | None:
    if fields.get("method") != "tools/call" or not fields.get("target"):
        return None
    return f"{fields.get('upstream')}/{fields['target']}" if fields.get("upstream") else _text(fields["target"])


_BY: Final[Mapping[str, Callable[[Fields], str | None]]] = MappingProxyType(
    {
        "reason": lambda fields: _text(fields.get("reason")),
        "plane": _plane,
        "server": lambda fields: _text(fields.get("server") or fields.get("dialect")),
        "method": _method,
        "upstream": lambda fields: _text(fields.get("upstream")),
        "tool": _tool,
        "model": lambda fields: _text(fields.get("model")),
        "policy": lambda fields: ",".join(_texts(fields.get("policies"))) or None,
        "limit": lambda fields: _text(fields.get("limit")),
        "guardrail": lambda fields: ",".join(_acted(fields, "block")) or None,
    }
)
REFUSAL_KEYS: Final = tuple(_BY)
"""What refusals can be grouped by."""


@dataclass(slots=True)
class Tally:
    """How often, when last, and the last of them."""

    count: int = 0
    last: str = ""
    request_id: str = ""


def tally(records: Iterable[Fields], by: Sequence[str]) -> dict[tuple[str | None, ...], Tally]:
    """Refusals, the newest first, by what `by` says of them."""
    read = [_BY[name] for name in by]
    found: dict[tuple[str | None, ...], Tally] = {}
    for fields in records:
        each = found.setdefault(tuple(value(fields) for value in read), Tally())
        if not each.count:
            each.last, each.request_id = str(fields.get("time")), str(fields.get("request_id"))
        each.count += 1
    return found


def _cost(fields: Fields) -> int | None:
    tried = fields.get("attempts")
    if not isinstance(tried, list):
        cost = fields.get("cost_nano_usd")
        return cost if isinstance(cost, int) else None
    costs = [each.get("cost_nano_usd") for each in tried if isinstance(each, Mapping)]
    known = [cost for cost in costs if isinstance(cost, int)]
    return sum(known) if known else None


def _acted(fields: Fields, *actions: str) -> list[str]:
    """The guardrails that did one of `actions`, each once."""
    judged = fields.get("guardrails")
    listed = judged if isinstance(judged, list) else []
    names = (each.get("name") for each in listed if isinstance(each, Mapping) and each.get("action") in actions)
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
