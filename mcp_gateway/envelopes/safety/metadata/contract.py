"""The contract for what callers say about a request: what must be there, what it may be, what identity says. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, Protocol

from mcp_gateway.core.linear import full_match
from mcp_gateway.core.metadata import no_metadata
from mcp_gateway.core.principal import Principal, subjects_of
from mcp_gateway.envelopes.safety.metadata.claims import NOTHING as CLAIMED_NOTHING
from mcp_gateway.envelopes.safety.metadata.claims import Claims, Fault

UNKNOWN: Final = "unknown_keys"
"""Where keys are at fault that the contract does not have; they are not named, since a caller made them up."""

_NAMED: Final = 12
"""The most words of a list that a refusal names."""


class KeySpec(Protocol):
    """What one key may hold."""

    @property
    def required(self) -> bool: ...
    @property
    def allowed(self) -> Sequence[str]: ...
    @property
    def pattern(self) -> str | None: ...


class WhenSpec(Protocol):
    """Whose calls; empty is everybody's."""

    @property
    def subjects(self) -> Sequence[str]: ...


class StampSpec(Protocol):
    """What the gateway says itself."""

    @property
    def when(self) -> WhenSpec: ...
    @property
    def set(self) -> Mapping[str, str]: ...


class ContractSpec(Protocol):
    """The contract as an admin writes it. What is stamped satisfies it: settings see to that."""

    @property
    def keys(self) -> Mapping[str, KeySpec]: ...
    @property
    def unknown_keys(self) -> Literal["allow", "reject"]: ...
    @property
    def mode(self) -> Literal["enforce", "audit"]: ...
    @property
    def stamp(self) -> Sequence[StampSpec]: ...


@dataclass(frozen=True, slots=True)
class Settled:
    """The metadata of one request.

    `values` are all of it, `shown` those that may be recorded: of keys that an admin named, and as the contract has it.
    Neither can be changed: requests share them.
    """

    values: Mapping[str, str] = field(default_factory=no_metadata)
    shown: Mapping[str, str] = field(default_factory=no_metadata)
    faults: tuple[Fault, ...] = ()


NOTHING: Final = Settled()

_NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class _Key:
    """One key, compiled. `expected` says what its value has to be."""

    required: bool
    fits: Callable[[str], bool]
    expected: str

    @classmethod
    def of(cls, name: str, spec: KeySpec) -> _Key:
        allowed = frozenset(spec.allowed)
        matches = full_match(spec.pattern) if spec.pattern is not None else None

        def fits(value: str) -> bool:
            return (not allowed or value in allowed) and (matches is None or matches(value))

        words = [f"one of {_listed(spec.allowed)}"] if allowed else []
        words += [f"of the form {spec.pattern}"] if spec.pattern is not None else []
        return cls(spec.required, fits, f"`{name}` must be {' and '.join(words)}" if words else "")

    def fault(self, name: str, value: str | None) -> Fault | None:
        """What is wrong with `value`; an empty one says no more than none."""
        if self.required and not value:
            return Fault(name, f"{self.expected} (required)" if self.expected else f"`{name}` is required")
        return None if value is None or self.fits(value) else Fault(name, self.expected)


@dataclass(frozen=True, slots=True)
class Contract:
    """A compiled contract. Without one everything that can be read is taken, and nothing is required."""

    audit: bool = False
    _keys: tuple[tuple[str, _Key], ...] = ()
    _stamps: tuple[tuple[frozenset[str], Mapping[str, str]], ...] = ()
    _subjects: frozenset[str] = _NOBODY
    _named: tuple[str, ...] = ()
    _only: Fault | None = None

    @classmethod
    def of(cls, spec: ContractSpec | None) -> Contract:
        """The contract `spec`. Raises `ValueError` for a pattern that is none, which settings refuse before."""
        if spec is None:
            return cls()
        only = f"no other keys are taken than {_listed(tuple(spec.keys))}" if spec.keys else "no keys are taken"
        return cls(
            audit=spec.mode == "audit",
            _keys=tuple((name, _Key.of(name, key)) for name, key in spec.keys.items()),
            _stamps=tuple((frozenset(stamp.when.subjects), stamp.set) for stamp in spec.stamp),
            _subjects=_NOBODY.union(*(stamp.when.subjects for stamp in spec.stamp)),
            _named=named(spec),
            _only=Fault(UNKNOWN, only) if spec.unknown_keys == "reject" else None,
        )

    def marks(self, principal: Principal) -> frozenset[str]:
        """The subjects of `principal` that stamps name: whoever has the same ones is stamped the same."""
        return subjects_of(principal) & self._subjects if self._subjects else _NOBODY

    def settle(self, claims: Claims, principal: Principal) -> Settled:
        """The metadata of a request of `principal` who says `claims`, and what of it breaks the contract."""
        if claims is CLAIMED_NOTHING and not self._keys and not self._stamps:
            return NOTHING
        stamped = self._stamped(self.marks(principal)) if self._stamps else {}
        values = {**claims.values, **stamped}
        faults = list(claims.faults)
        broken = set()
        for name, key in self._keys:
            fault = key.fault(name, values.get(name))
            if fault is not None:
                faults.append(fault)
                broken.add(name)
        if self._only is not None and not claims.values.keys() <= {name for name, _ in self._keys} | stamped.keys():
            faults.append(self._only)
        if not values and not faults:
            return NOTHING
        shown = {name: values[name] for name in self._named if name in values and name not in broken}
        return Settled(MappingProxyType(values), MappingProxyType(shown), tuple(faults))

    def _stamped(self, mine: frozenset[str]) -> dict[str, str]:
        """What identity says. Of several stamps that set a key the first counts."""
        found: dict[str, str] = {}
        for subjects, values in self._stamps:
            if not subjects or not subjects.isdisjoint(mine):
                found = {**values, **found}
        return found


def named(spec: ContractSpec) -> tuple[str, ...]:
    """The keys that an admin named: declared, or stamped."""
    return tuple(dict.fromkeys((*spec.keys, *(name for stamp in spec.stamp for name in stamp.set))))


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:_NAMED]) + (", …" if len(words) > _NAMED else "")
