"""Links to the consent page: `{base_url}/connect/{ticket}`.

A ticket says who called, through which agent, and what has to be connected. It is sealed, so that nothing of it can
be read in the address, and it is no credential: whoever opens the page has to be the person it was made for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Final

import orjson

from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.core.seal import SealBroken, Sealer
from mcp_gateway.envelopes.identity.stores import GrantKey

TICKET_SECONDS: Final = 600
"""How long a link works."""

PURPOSE: Final = "connect"
"""Of the sealer of tickets."""

_SHOWN: Final = 64
_SEPARATOR: Final = "|"


class BadTicket(Exception):
    """The ticket was not made here or was changed."""


class ExpiredTicket(BadTicket):
    """The ticket was good once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a link is for.

    `principal` is who called, whose grant it will be; `person` is the id of who may open the link: the same, or the
    owner of a virtual account. `client_id` is the agent's OAuth client, `agent` what it calls itself: words for
    people, cleaned and short. `issued_at` is Unix time.
    """

    principal: str
    person: str
    upstream: str
    server: str
    scopes: tuple[str, ...] = ()
    client_id: str = ""
    agent: str = ""
    issued_at: int = 0

    @property
    def key(self) -> GrantKey:
        return GrantKey(self.principal, self.upstream)

    @property
    def issuer(self) -> str:
        """The name of the issuer at which the person signs in; empty for the anonymous one."""
        return issuer_of(self.person)

    def dump(self) -> bytes:
        """For sealing and storing; `load` is the way back."""
        return orjson.dumps(asdict(self))

    @classmethod
    def load(cls, raw: bytes) -> Ticket:
        """The ticket that `dump` wrote."""
        fields = orjson.loads(raw)
        return cls(**{**fields, "scopes": tuple(fields["scopes"])})


class Tickets:
    """Makes and reads links, and knows who can be sent one."""

    __slots__ = ("_anonymous", "_base", "_clock", "_login", "_sealer")

    def __init__(
        self,
        sealer: Sealer,
        base_url: str,
        *,
        login: Callable[[], Collection[str]],
        anonymous: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`login` gives the names of the issuers at which people can sign in now.

        `anonymous` tells whether callers without a credential are served: they connect accounts without signing in.
        """
        self._sealer = sealer
        self._base = base_url
        self._login = login
        self._anonymous = anonymous
        self._clock = clock

    def hindrance(self, principal: Principal, upstream: str) -> str | None:
        """Why nobody can connect an account for `principal`, in words that say who must do what; None if one can."""
        if principal.kind == "anonymous" and self._anonymous:
            return None
        if principal.kind == "virtual_account" and principal.owner is None:
            return (
                f"{upstream} needs an account of a person, and this virtual account has no owner who could connect "
                "one: an administrator creates it anew with --owner"
            )
        person = _person(principal)
        if person is not None and issuer_of(person) in self._login():
            return None
        return (
            f"{upstream} needs an account to be connected, and there is no page to do it: an administrator "
            "configures `login` for the issuer"
        )

    def link(
        self, principal: Principal, *, upstream: str, server: str, scopes: Collection[str] = (), agent: object = None
    ) -> str:
        """The address of a page on which an account at `upstream` can be connected for `principal`.

        `agent` is what the agent calls itself. Call it only where `hindrance` is None.
        """
        ticket = Ticket(
            principal=principal.id,
            person=_person(principal) or principal.id,
            upstream=upstream,
            server=server,
            scopes=tuple(scopes),
            client_id=_shown(principal.client_id),
            agent=_shown(agent),
            issued_at=int(self._clock()),
        )
        return f"{self._base}/connect/{self._sealer.seal(ticket.dump())}"

    def read(self, token: str) -> Ticket:
        """What `token`, the last part of a link, says; raises `BadTicket`."""
        try:
            ticket = Ticket.load(self._sealer.open(token))
        except SealBroken:
            raise BadTicket from None
        if not 0 <= self._clock() - ticket.issued_at + 60 <= TICKET_SECONDS + 60:  # a minute: clocks of replicas
            raise ExpiredTicket
        return ticket


def issuer_of(person: str) -> str:
    """The name of the issuer in the id of a person: ``<issuer name>|<sub>``."""
    name, separator, _ = person.partition(_SEPARATOR)
    return name if separator else ""


def _person(principal: Principal) -> str | None:
    match principal.kind:
        case "user":
            return principal.id
        case "virtual_account":
            return principal.owner
        case "anonymous":
            return ANONYMOUS.id
        case _:
            return None


def _shown(words: object) -> str:
    """Foreign words for display: what has no glyph (line breaks, direction marks) is gone, and they are short."""
    if not isinstance(words, str):
        return ""
    return "".join(char for char in words[: 4 * _SHOWN] if char.isprintable()).strip()[:_SHOWN]
