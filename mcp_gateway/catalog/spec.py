"""What the catalog reads of a virtual server's specification, as protocols.

The settings room's models satisfy them; the catalog does not know that room. The four argument protocols are
told apart by the attribute that only one of them has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from mcp_gateway.catalog.arguments import UNSET, Rule, getter_for
from mcp_gateway.catalog.findings import LeftOut, Severity


@runtime_checkable
class Fixed(Protocol):
    """An argument that always has this value and that the agent does not see."""

    @property
    def value(self) -> object: ...


@runtime_checkable
class Bound(Protocol):
    """An argument read from the caller (``principal.email``, ``metadata.team``) that the agent does not see."""

    @property
    def source(self) -> str: ...


@runtime_checkable
class Hidden(Protocol):
    """With `hidden` true: an argument that is never sent and that the agent does not see."""

    @property
    def hidden(self) -> bool: ...


@runtime_checkable
class Shown(Protocol):
    """An argument that the agent sees, perhaps under another name, with another description or a default."""

    @property
    def name(self) -> str | None: ...

    @property
    def description(self) -> str | None: ...

    @property
    def default(self) -> object: ...

    @property
    def has_default(self) -> bool: ...


class AnnotationSpec(Protocol):
    """The admin's word on a tool; None leaves the upstream's."""

    @property
    def title(self) -> str | None: ...

    @property
    def readOnlyHint(self) -> bool | None: ...

    @property
    def destructiveHint(self) -> bool | None: ...

    @property
    def idempotentHint(self) -> bool | None: ...

    @property
    def openWorldHint(self) -> bool | None: ...


class ToolSpec(Protocol):
    """Changes to one tool; None and empty leave what the upstream says."""

    @property
    def name(self) -> str | None: ...

    @property
    def title(self) -> str | None: ...

    @property
    def description(self) -> str | None: ...

    @property
    def annotations(self) -> AnnotationSpec | None: ...

    @property
    def arguments(self) -> Mapping[str, Fixed | Bound | Hidden | Shown]: ...

    @property
    def scopes(self) -> Sequence[str]: ...

    @property
    def tags(self) -> Sequence[str]: ...

    @property
    def cost(self) -> float: ...


class SourceSpec(Protocol):
    """What is taken from one upstream. Globs are over the upstream's own names and URIs."""

    @property
    def upstream(self) -> str: ...

    @property
    def prefix(self) -> str: ...

    @property
    def enabled_tools(self) -> Sequence[str]: ...

    @property
    def disabled_tools(self) -> Sequence[str]: ...

    @property
    def tags(self) -> Sequence[str]: ...

    @property
    def enabled_prompts(self) -> Sequence[str]: ...

    @property
    def enabled_resources(self) -> Sequence[str]: ...

    @property
    def tools(self) -> Mapping[str, ToolSpec]: ...


class ServerSpec(Protocol):
    """One virtual server. `conflicts` is ``error``, ``prefix`` or ``priority``."""

    @property
    def name(self) -> str: ...

    @property
    def scopes(self) -> Sequence[str]: ...

    @property
    def title(self) -> str | None: ...

    @property
    def instructions(self) -> str | None: ...

    @property
    def sources(self) -> Sequence[SourceSpec]: ...

    @property
    def conflicts(self) -> str: ...

    @property
    def best_effort(self) -> bool: ...


def rules(tool: ToolSpec) -> tuple[Rule, ...]:
    """The argument rules of a tool's specification. Raises `LeftOut` for a source that does not exist."""
    made: list[Rule] = []
    for name, argument in tool.arguments.items():
        if isinstance(argument, Bound):
            getter = getter_for(argument.source)
            if getter is None:
                raise LeftOut(f"argument {name!r} is bound to an unknown source", Severity.ERROR)
            made.append(Rule(name, None, getter=getter, label=argument.source))
        elif isinstance(argument, Fixed):
            made.append(Rule(name, None, value=argument.value))
        elif isinstance(argument, Shown):
            if isinstance(argument, Hidden) and argument.hidden:
                made.append(Rule(name, None))
                continue
            default = argument.default if argument.has_default else UNSET
            made.append(Rule(name, argument.name or name, default=default, description=argument.description))
        elif argument.hidden:
            made.append(Rule(name, None))
    return tuple(made)
