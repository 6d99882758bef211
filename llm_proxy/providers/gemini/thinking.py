"""How much a Gemini model is to think. Pure.

Models before the third generation take a budget of tokens, later ones a level. Google's own translation of
`reasoning_effort` uses the same figures.

    effort     budget (2.x)                level (3 and later)
    none       0 (2.5 Pro: 128, its least)  minimal (Pro: low)
    minimal    1024                        minimal (Pro: low)
    low        1024                        low
    medium     8192                        medium
    high       24576                       high

Models of the first generation do not think; nothing is said to them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from llm_proxy.completion.request import Effort

Json = dict[str, Any]

_GENERATION: Final = re.compile(r"gemini-(\d{1,3})\b")
_BUDGETS: Final[Mapping[Effort, int]] = MappingProxyType(
    {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
)
_LEAST_OF_PRO: Final = 128


def thinking(effort: Effort | None, model: str) -> Json | None:
    """The `thinkingConfig`; None leaves it to the model. Thoughts are asked for along with any effort but none."""
    found = _GENERATION.search(model)
    generation = int(found[1]) if found else 3
    if effort is None or generation < 2:
        return None
    config: Json = {"includeThoughts": True} if effort != "none" else {}
    pro = "pro" in model.split("-")
    if generation == 2:
        budget = _BUDGETS[effort]
        return {**config, "thinkingBudget": max(budget, _LEAST_OF_PRO) if pro else budget}
    level = "minimal" if effort == "none" else effort
    return {**config, "thinkingLevel": "low" if pro and level == "minimal" else level}
