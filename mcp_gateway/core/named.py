"""A principal made up from its name, to ask what somebody of that name would see or be allowed. Proves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from mcp_gateway.core.principal import ANONYMOUS, Principal

ACCOUNT: Final = "virtual_account:"
TEAM: Final = "team:"
ANYBODY: Final = "anybody"
"""A person whom no team has and no policy names."""


class UnknownPrincipal(ValueError):
    """Nobody can be called that. The message is public."""


def named(
    name: str,
    issuers: Mapping[str, str],
    *,
    teams: tuple[str, ...] = (),
    scopes: tuple[str, ...] = (),
    email: str | None = None,
    claims: Mapping[str, object] | None = None,
    client_id: str | None = None,
    anonymous: bool = True,
    accounts: bool = True,
) -> Principal:
    """The principal called `name`: ``<issuer name>|<sub>``, ``virtual_account:<name>`` or ``anonymous``.

    ``team:<name>`` is a person in just that team, ``anybody`` one in none: of the only issuer, where there is one.
    `issuers` are the configured ones, each short name with its identifier; `anonymous` and `accounts` tell whether
    there are callers of these kinds. Raises `UnknownPrincipal` for a name of none of these forms and where there can
    be nobody of that name.
    """
    if name == ANONYMOUS.id:
        if not anonymous:
            raise UnknownPrincipal("there are no anonymous callers")
        return ANONYMOUS
    short, bar, subject = name.partition("|")
    told = Principal(
        id=name,
        subject=subject,
        issuer=issuers.get(short, short),
        email=email,
        teams=teams,
        scopes=frozenset(scopes),
        claims=claims or {},
        client_id=client_id,
    )
    if name.startswith(ACCOUNT) and name != ACCOUNT:
        if not accounts:
            raise UnknownPrincipal("there are no virtual accounts")
        return replace(told, subject=name.removeprefix(ACCOUNT), issuer="", email=None, kind="virtual_account")
    if name == ANYBODY or (name.startswith(TEAM) and name != TEAM):
        (issuer,) = issuers.values() if len(issuers) == 1 else ("",)
        own = () if name == ANYBODY else (name.removeprefix(TEAM),)
        return replace(told, subject=name, issuer=issuer, teams=(*own, *teams))
    if not bar or not subject:
        raise UnknownPrincipal(
            f"{name!r} is no principal: write `issuer name|sub`, `virtual_account:name`, `team:name`, `anybody`"
            " or `anonymous`"
        )
    if issuers and short not in issuers:
        raise UnknownPrincipal(f"there is no issuer {short!r}; known: {', '.join(sorted(issuers))}")
    return told
