"""Two states of a gateway that a plan is made of: a configuration on disk, and a gateway that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from pydantic import TypeAdapter

from mcp_gateway.cli.control import ControlPlane, Unreadable
from mcp_gateway.cli.plan.who import Who
from mcp_gateway.cli.policy.world import World, require_parsed, require_sound, world_of
from mcp_gateway.govern import govern, policies_of, policy_text
from mcp_gateway.methods.access import Access, Rules, seen
from mcp_gateway.settings.settings import Settings

_ACCESS: Final[TypeAdapter[Access]] = TypeAdapter(Access)
_FACTS: Final[TypeAdapter[dict[str, Any]]] = TypeAdapter(dict[str, Any])
_NAMES: Final[TypeAdapter[list[str]]] = TypeAdapter(list[str])


class State(Protocol):
    """One state of a gateway."""

    @property
    def label(self) -> str:
        """What it is called in front of people."""
        ...

    @property
    def mentioned(self) -> Sequence[str]:
        """The principals and teams that its policies name."""
        ...

    def access(self, who: Who) -> Access | None:
        """What `who` sees; None where nobody can be called that. Raises `Unreadable`."""
        ...


class Proposed:
    """The configuration of `settings`, whose upstreams were asked."""

    def __init__(self, settings: Settings, label: str) -> None:
        """Where policies could not be loaded, says why and leaves with 2."""
        text = policy_text(settings)
        if text is not None:
            require_parsed(text)
        self.label = label
        self.settings = settings
        self.world: World = world_of(settings)
        self.mentioned: Sequence[str] = ()
        self._rules: Rules | None = None
        policies = policies_of(settings)
        if policies is not None:
            require_sound(self.world, policies.text)
            self.mentioned = policies.compiled.identities
            self._rules = govern(policies, self.world.facts, self.world.catalogs).rules

    def access(self, who: Who) -> Access | None:
        principal = who.principal(self.settings)
        if principal is None:
            return None
        return Access(who.name, self.label, asyncio.run(seen(self.world.catalogs, self._rules, principal)))


class Running:
    """A gateway that serves, as its control plane tells."""

    def __init__(self, control: ControlPlane, mentioned: Sequence[str], snapshot: str) -> None:
        self._control = control
        self.mentioned = mentioned
        self.label = f"the running snapshot {snapshot}"

    @classmethod
    def found(cls, base: str) -> Running | None:
        """The gateway whose control plane is at `base`; None where nothing listens. Raises `Unreadable`."""
        control = ControlPlane(base)
        if not control.listens():
            return None
        names, snapshot = control.ask("/api/identities", _NAMES), control.ask("/api/snapshot", _FACTS)
        if names is None or snapshot is None:
            raise Unreadable(f"the control plane at {base} is that of another version")
        return cls(control, names, str(snapshot.get("version", "")))

    def access(self, who: Who) -> Access | None:
        found: Access | None = self._control.ask("/api/access", _ACCESS, who.query())
        return found


def at(path: Path) -> Path:
    """The configuration file that `path` is, or is in."""
    return path / "gateway.yaml" if path.is_dir() else path
