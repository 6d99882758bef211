"""Argument transforms: what the agent sends ↔ what the upstream receives. Pure and reversible.

Each rule concerns one argument by the upstream's own name. An argument that is hidden, fixed or bound does not
exist for the agent: sending it is refused, even where the schema allows additional properties, and so is
sending the upstream's name of a renamed argument, or what a careless upstream could take for either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mcp_gateway.core.call import Json
from mcp_gateway.core.errors import InvalidArguments
from mcp_gateway.core.frozen import thaw
from mcp_gateway.core.lookalike import folded, lookalike
from mcp_gateway.core.metadata import NO_METADATA
from mcp_gateway.core.principal import Principal, claim_at

Getter = Callable[[Principal, Mapping[str, str]], object]
"""Reads a value from the caller's identity or the request's metadata; None where there is none."""


class Unset:
    """The type of `UNSET`: no value given, which is not the same as null."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to the upstream's argument `name`.

    `exposed` is the agent's name for it, None when it is hidden. A hidden argument has `value` (fixed),
    `getter` (bound to the caller, described by `label`), or neither, when it is never sent.
    A visible one may have `default`, sent when the agent leaves it out, and `description`.
    """

    name: str
    exposed: str | None
    value: object = UNSET
    getter: Getter | None = field(default=None, compare=False)
    label: str = ""
    default: object = UNSET
    description: str | None = None

    @property
    def hidden(self) -> bool:
        return self.exposed is None

    @property
    def supplied(self) -> bool:
        """True when the gateway itself always sends this argument."""
        return self.value is not UNSET or self.getter is not None

    @property
    def reshapes(self) -> bool:
        """True when the agent's object has other keys than the upstream's."""
        return self.exposed != self.name


class ArgumentMap:
    """The compiled rules of one tool."""

    __slots__ = ("_alike", "_bound", "_defaults", "_exposed", "_filled", "_hidden", "_refused", "_shown", "_upstream")

    def __init__(self, rules: Sequence[Rule], *, declared: Iterable[str] = ()) -> None:
        """`declared` are the arguments that the agent's schema names: never mistaken for one it may not set."""
        self._upstream: dict[str, str] = {r.exposed: r.name for r in rules if r.exposed is not None and r.reshapes}
        self._exposed = {theirs: ours for ours, theirs in self._upstream.items()}
        self._hidden = frozenset(r.name for r in rules if r.hidden)
        self._refused = (self._hidden | self._exposed.keys()) - self._upstream.keys()
        self._alike = frozenset(map(folded, self._refused))
        self._shown = frozenset(declared) | self._upstream.keys()
        self._filled: Json = {r.name: r.value for r in rules if r.value is not UNSET}
        self._bound = tuple((r.name, r.getter, r.label) for r in rules if r.getter is not None)
        self._defaults = tuple((r.name, r.default) for r in rules if r.default is not UNSET)

    def bind(self, arguments: Json, principal: Principal, metadata: Mapping[str, str] = NO_METADATA) -> Json:
        """The upstream's arguments for the agent's.

        Raises `InvalidArguments` for an argument the agent may not set, and for one that is bound to what this
        caller or this request does not have.
        """
        if not self._refused.isdisjoint(arguments):
            name = next(key for key in arguments if key in self._refused)
            raise InvalidArguments(f"argument {name!r} cannot be set", pointer="/params/arguments")
        alike = lookalike(arguments, self._shown, self._alike) if self._alike else None
        if alike is not None:
            message = f"argument {alike!r} looks like one that cannot be set"
            raise InvalidArguments(message, pointer="/params/arguments")
        names = self._upstream
        bound = {names.get(key, key): value for key, value in arguments.items()} if names else dict(arguments)
        for name, default in self._defaults:
            if name not in bound:
                bound[name] = default
        bound.update(self._filled)
        for name, getter, label in self._bound:
            value = getter(principal, metadata)
            if value is None:
                message = f"argument {name!r} is filled from {label}, which this caller does not have"
                raise InvalidArguments(message, pointer="/params/arguments")
            bound[name] = value
        return bound

    def unbind(self, arguments: Json) -> Json:
        """The agent's view of the upstream's arguments: hidden ones gone, names mapped."""
        names = self._exposed
        return {names.get(key, key): value for key, value in arguments.items() if key not in self._hidden}


_FIELDS: Final[Mapping[str, Getter]] = {
    "id": lambda principal, _: principal.id,
    "subject": lambda principal, _: principal.subject,
    "email": lambda principal, _: principal.email,
    "issuer": lambda principal, _: principal.issuer or None,
}


def getter_for(source: str) -> Getter | None:
    """The getter of a ``from:`` expression, None if there is no such source.

    ``principal.{id,subject,email,issuer}``, ``principal.claims.X`` (a claim called ``X``, else the path ``X``
    through nested claims), ``metadata.X``.
    """
    kind, _, rest = source.partition(".")
    if kind == "metadata" and rest:
        return lambda _, metadata: metadata.get(rest)
    if kind != "principal":
        return None
    if rest.startswith("claims."):
        claim = rest.removeprefix("claims.")
        return (lambda principal, _: thaw(claim_at(principal.claims, claim))) if claim else None
    return _FIELDS.get(rest)
