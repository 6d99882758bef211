"""Two entries that want the same name.

``error``: every entry that wants it is left out and the finding names all origins, so that a source which starts
to offer a taken name can never take the place of another, only be noticed. ``prefix``: each gets ``<upstream>_``
in front; those that still collide are left out. ``priority``: the first keeps the name, in order of sources.
URIs cannot be prefixed: there ``prefix`` works as ``priority``.
"""

from __future__ import annotations

from collections.abc import Sequence

from mcp_gateway.calls.inventory import Listing
from mcp_gateway.catalog.draft import B, Draft
from mcp_gateway.catalog.findings import Finding, Severity, clip
from mcp_gateway.catalog.names import fit


def settle(
    drafts: Sequence[Draft[B]], conflicts: str, kind: Listing, findings: list[Finding]
) -> list[tuple[Draft[B], str]]:
    """The drafts that get a name, in their order, each with it. What happened to others goes to `findings`."""
    named = kind in {Listing.TOOLS, Listing.PROMPTS}
    wanted = [exposable(draft) if named else draft.name for draft in drafts]
    for draft, name in zip(drafts, wanted, strict=True):
        if name != draft.name:
            message = f"its name does not fit and is shortened or cleaned to {name!r}"
            findings.append(Finding(Severity.NOTICE, draft.upstream, kind, clip(draft.upstream_name), message))
    holders = _holders(drafts, wanted)
    colliding = {name for name, held in holders.items() if len(held) > 1}
    if not colliding:
        return list(zip(drafts, wanted, strict=True))
    if conflicts == "prefix" and named:
        return _prefixed(drafts, wanted, colliding, kind, findings)
    settled: list[tuple[Draft[B], str]] = []
    for draft, name in zip(drafts, wanted, strict=True):
        if name not in colliding:
            settled.append((draft, name))
        elif conflicts == "error":
            origins = ", ".join(clip(_origin(other)) for other in holders[name])
            message = f"left out, since the name {clip(name)!r} is wanted by {origins}"
            findings.append(_left_out(Severity.ERROR, draft, kind, message))
        elif draft is holders[name][0]:
            settled.append((draft, name))
        else:
            message = f"left out, since {clip(_origin(holders[name][0]))} has the name {clip(name)!r} already"
            findings.append(_left_out(Severity.NOTICE, draft, kind, message))
    return settled


def exposable(draft: Draft[B]) -> str:
    """The name that a tool or prompt asks for, in a form that every client takes."""
    return fit(draft.name, _origin(draft))


def _prefixed(
    drafts: Sequence[Draft[B]], wanted: Sequence[str], colliding: set[str], kind: Listing, findings: list[Finding]
) -> list[tuple[Draft[B], str]]:
    held = {name for name in wanted if name not in colliding}
    names = [
        fit(f"{draft.upstream}_{name}", _origin(draft)) if name in colliding else name
        for draft, name in zip(drafts, wanted, strict=True)
    ]
    again = {name for name, holders in _holders(drafts, names).items() if len(holders) > 1}
    settled: list[tuple[Draft[B], str]] = []
    for draft, name, first in zip(drafts, names, wanted, strict=True):
        if name == first and name in held:
            settled.append((draft, name))
        elif name in again:
            message = f"left out, since {clip(name)!r} is taken even with the upstream's name in front"
            findings.append(_left_out(Severity.ERROR, draft, kind, message))
        else:
            message = f"exposed as {name!r}, since another source has {clip(first)!r} too"
            findings.append(Finding(Severity.NOTICE, draft.upstream, kind, clip(draft.upstream_name), message))
            settled.append((draft, name))
    return settled


def _holders(drafts: Sequence[Draft[B]], names: Sequence[str]) -> dict[str, list[Draft[B]]]:
    holders: dict[str, list[Draft[B]]] = {}
    for draft, name in zip(drafts, names, strict=True):
        holders.setdefault(name, []).append(draft)
    return holders


def _left_out(severity: Severity, draft: Draft[B], kind: Listing, message: str) -> Finding:
    return Finding(severity, draft.upstream, kind, clip(draft.upstream_name), message, left_out=True)


def _origin(draft: Draft[B]) -> str:
    return f"{draft.upstream}/{draft.upstream_name}"
