"""An entry on its way into the catalog: everything is decided except the name it will be exposed under."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from mcp_gateway.calls.kinds import PromptBinding, ResourceBinding, TemplateBinding, ToolBinding

B = TypeVar("B", ToolBinding, PromptBinding, ResourceBinding, TemplateBinding)


@dataclass(frozen=True, slots=True)
class Draft(Generic[B]):
    """One candidate. `name` is what it asks to be called (for resources its URI, which never changes).

    `make` turns the settled name into the binding. `facts` are what the binding does beyond its definition,
    as JSON; `hiding` tells that something of the upstream's definition is kept from the agent; `warnings` are
    messages about parts of the specification that miss their aim; `weight` orders templates, heaviest first.
    What is `quarantined` keeps its name, so that nothing else takes it, and is not offered.
    """

    upstream: str
    upstream_name: str
    name: str
    available: bool
    make: Callable[[str], B]
    facts: object = None
    hiding: bool = False
    warnings: tuple[str, ...] = ()
    weight: int = 0
    quarantined: bool = False
