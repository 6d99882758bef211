"""What is measured: cells of era, shape and connections, each through every system. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.bench.asking import Method, Target
from tests.bench.models import LLM, LLM_GOVERNED, ModelScenario, model_scenarios
from tests.bench.sites import FULL, SITES, Era, Site

DIRECT: Final = "direct"
FORWARDER: Final = "forwarder"
OPEN: Final = "open"
IDENTITY: Final = "identity"
"""The gateway where agents sign in and upstreams get a token of the person who calls."""
GOVERNED: Final = "governed"
"""The same gateway with policies before each call and on results, and a limit for each person."""
GUARDED: Final = "guarded"
"""That one with the bundled guardrails for personal data and secrets on arguments and on results."""
OBSERVED: Final = "observed"
"""The governed one that writes the audit chain and sends the spans of every call to a collector."""
PEER: Final = "fastmcp"

_OURS: Final = (OPEN, IDENTITY, GOVERNED, GUARDED, OBSERVED)
SIGNED_IN: Final = (IDENTITY, GOVERNED, GUARDED, OBSERVED, LLM_GOVERNED)
"""Where agents need a token."""

_SITES: Final[Mapping[tuple[str, str, int], Site]] = {
    (site.era, site.shape, site.tools): site for site in SITES if not site.full
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of load. `label` is the part of a scenario's name that its systems share."""

    label: str
    era: Era
    site: Site
    connections: int
    method: Method = "tools/call"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A cell through a system. `era` is the client's."""

    name: str
    system: str
    cell: Cell
    era: Era

    @property
    def label(self) -> str:
        """The part of the name that systems share."""
        return self.cell.label

    @property
    def connections(self) -> int:
        return self.cell.connections

    @property
    def yardsticks(self) -> tuple[str, str]:
        """The same without a gateway, and through a forwarder."""
        return f"{DIRECT}_{self.cell.label}", f"{FORWARDER}_{self.cell.label}"

    def target(self, ports: Mapping[str, int], token: str = "") -> Target:
        """Where its load goes, given the ports of the systems (a peer has one for each site) and a person's token."""
        site = self.cell.site
        path = f"/servers/{site.name}/mcp" if self.system in _OURS else "/mcp" if self.system == PEER else site.path
        port = ports[f"{PEER}-{site.name}" if self.system == PEER else self.system]
        return Target(port, path, self.era, site, self.cell.method, token if self.system in SIGNED_IN else "")


Measured = Scenario | ModelScenario


def cells() -> Iterator[Cell]:
    """Both eras, JSON and event streams, one connection and 32; the list of 200 tools from the cache; calls with a
    payload."""
    for shape in ("json", "sse"):
        for era in ("new", "old"):
            for connections in (1, 32):
                yield Cell(f"{era}_{shape}_c{connections}", era, _SITES[era, shape, 20], connections)
    yield Cell("tools_list_200", "new", _SITES["new", "json", 200], 32, "tools/list")
    for connections in (1, 32):
        yield Cell(f"{FULL.era}_full_c{connections}", FULL.era, FULL, connections)


def scenarios(*, peer: bool = False) -> Iterator[Scenario]:
    """All scenarios, in the order in which a round runs them: what is compared stands together."""
    for cell in cells():
        listing = cell.method == "tools/list"
        for system in (DIRECT, FORWARDER):
            yield Scenario(f"{system}_{cell.label}", system, cell, cell.era)
        if cell.site.full:
            for system in (GOVERNED, GUARDED):
                yield Scenario(f"{system}_{cell.label}", system, cell, cell.era)
            continue
        yield Scenario(cell.label if listing else f"{OPEN}_{cell.label}", OPEN, cell, cell.era)
        if cell.site.shape == "json" and not listing:
            yield Scenario(f"{IDENTITY}_{cell.label}", IDENTITY, cell, cell.era)
        if cell.site.shape == "json":
            yield Scenario(f"{GOVERNED}_{cell.label}", GOVERNED, cell, cell.era)
        if cell.site.shape == "json" and cell.era == "new" and not listing:
            yield Scenario(f"{OBSERVED}_{cell.label}", OBSERVED, cell, cell.era)
        if cell.site.shape == "json" and cell.connections == 32 and not listing:
            other: Era = "old" if cell.era == "new" else "new"
            yield Scenario(f"{OPEN}_{other}_to_{cell.label}", OPEN, cell, other)
        if peer and cell.site.shape == "json" and not listing:
            yield Scenario(f"{PEER}_{cell.label}", PEER, cell, cell.era)


def chosen(names: Iterable[str], *, peer: bool = False, peers: Iterable[str] = ()) -> list[Measured]:
    """The scenarios with these names and those they are compared with; all without names. The name of a system is
    that of all its scenarios, and `llm` that of all requests to models, also through those `peers` that are installed.

    Raises `ValueError` for a name that no scenario has.
    """
    known: list[Measured] = [*scenarios(peer=peer), *model_scenarios(peers)]
    names = {one for name in names for one in [each.name for each in known if _is_of(each, name)] or [name]}
    if unknown := names - {one.name for one in known}:
        raise ValueError(f"no scenario {', '.join(sorted(unknown))}; there are: {', '.join(one.name for one in known)}")
    yardsticks = {yardstick for one in known if one.name in names for yardstick in one.yardsticks}
    labels = {one.label for one in known if one.name in names}
    yardsticks |= {name.replace(IDENTITY, OPEN, 1) for name in names if name.startswith(IDENTITY)}
    yardsticks |= {f"{OPEN}_{label}" for label in labels} if any(name.startswith(GOVERNED) for name in names) else set()
    yardsticks |= labels if any(name.startswith(GOVERNED) for name in names) else set()
    for system in (GUARDED, OBSERVED):
        yardsticks |= {name.replace(system, GOVERNED, 1) for name in names if name.startswith(system)}
    return [one for one in known if not names or one.name in names or one.name in yardsticks]


def _is_of(one: Measured, system: str) -> bool:
    return one.system == system or (system == LLM and isinstance(one, ModelScenario))
