"""How hard a model shall think, and what may be said about sampling: by the generation of the model. Pure.

Anthropic changed both with its models, so the version in a model's name decides. A name without one is of the newest;
a model of somebody else that speaks this wire is treated like the oldest.

* to 4.5: an effort is `thinking.budget_tokens`, minimal 1024, low 2048, medium 8192, high 16384, at most half of
  `max_tokens`;
* from 4.6: it is `thinking.type: adaptive` with `output_config.effort`, minimal as low;
* from 4.7: besides, nothing may be said about sampling, and `temperature`, `top_p` and `top_k` are left out.

`none` is `thinking.type: disabled` everywhere. Thinking is left out where the wire does not allow it: when one certain
tool or any tool must be called, after a turn of the model that is continued, and, with budgets, when less than 1024
tokens remain or when tool results follow a turn that shows no thinking (other dialects do not carry it back).
While a model thinks, `temperature` and `top_k` are left out and `top_p` stays only from 0.95. `temperature` is at most
1, and from 4.1 on it displaces `top_p`, which may not stand beside it.

Backwards, a budget below 2048 is minimal, below 8192 low, below 16384 medium, else high; `xhigh` and `max` are high;
`disabled` is none; `adaptive` without an effort leaves it to the provider.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from llm_proxy.completion.request import Completion, Effort

Json = dict[str, Any]

_VERSION: Final = re.compile(r"claude-(?:[a-z]+-)?([0-9]{1,2})(?:[.-]([0-9]{1,2}))?(?![0-9])")
_NEWEST: Final = (99, 0)
_FOREIGN: Final = (0, 0)
_ADAPTIVE: Final = (4, 6)
_NO_SAMPLING: Final = (4, 7)
_ONE_SAMPLING: Final = (4, 1)

_LEAST_BUDGET: Final = 1024
_LEAST_TOP_P_WHILE_THINKING: Final = 0.95
_BUDGETS: Final[Mapping[Effort, int]] = MappingProxyType(
    {"minimal": _LEAST_BUDGET, "low": 2048, "medium": 8192, "high": 16384}
)
_EFFORTS: Final[Mapping[str, Effort]] = MappingProxyType(
    {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
)


def generation(model: str) -> tuple[int, int]:
    """The version in a model's name: (4, 5) of `claude-sonnet-4-5-20250929`, (5, 0) of `claude-opus-5`."""
    found = _VERSION.search(model)
    if found is not None:
        return int(found[1]), int(found[2] or 0)
    return _NEWEST if "claude-" in model else _FOREIGN


def steer(body: Json, completion: Completion, model: str) -> None:
    """Adds to a request what it says about thinking and sampling. Everything else must be in `body` already."""
    version = generation(model)
    thinks = False
    if completion.effort == "none":
        body["thinking"] = {"type": "disabled"}
    elif completion.effort is not None:
        thinks = _think(body, completion.effort, adaptive=version >= _ADAPTIVE)
    if version >= _NO_SAMPLING:
        return
    if completion.temperature is not None and not thinks:
        body["temperature"] = min(completion.temperature, 1)
    if completion.top_k is not None and not thinks:
        body["top_k"] = completion.top_k
    alone = "temperature" not in body or version < _ONE_SAMPLING
    if completion.top_p is not None and alone and (not thinks or completion.top_p >= _LEAST_TOP_P_WHILE_THINKING):
        body["top_p"] = completion.top_p


def _think(body: Json, effort: Effort, *, adaptive: bool) -> bool:
    turns: list[Json] = body["messages"]
    allowed = turns[-1]["role"] == "user" and body.get("tool_choice", {}).get("type") not in ("any", "tool")
    if adaptive:
        body.setdefault("output_config", {})["effort"] = "low" if effort == "minimal" else effort
        if allowed:
            body["thinking"] = {"type": "adaptive"}
        return allowed
    budget = min(_BUDGETS[effort], body["max_tokens"] // 2)
    if not allowed or budget < _LEAST_BUDGET or hides_thinking(turns):
        return False
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return True


def hides_thinking(turns: list[Json]) -> bool:
    """Whether the last turn brings results of tools that a turn without thinking had called. Never raises."""
    if _first_kind(turns[-1]) != "tool_result" or len(turns) == 1:
        return False
    return _first_kind(turns[-2]) not in ("thinking", "redacted_thinking")


def _first_kind(turn: Json) -> object:
    """The type of a turn's first block; None if it has none."""
    content = turn.get("content")
    first = content[0] if type(content) is list and content else None
    return first.get("type") if type(first) is dict else None


def effort_of(kind: str | None, budget: int | None, level: str | None) -> Effort | None:
    """What a request asks for: its `thinking.type`, `thinking.budget_tokens` and `output_config.effort`."""
    if kind == "disabled":
        return "none"
    if level is not None:
        return _EFFORTS.get(level)
    if kind != "enabled" or budget is None:
        return None
    least: Effort = "minimal"
    for effort, tokens in _BUDGETS.items():
        if budget >= tokens:
            least = effort
    return least
