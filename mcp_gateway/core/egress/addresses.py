"""Which addresses may be called: pure judgement over IP addresses, no resolver and no socket.

Two kinds of trust. An address an operator wrote into the configuration may be private or loopback. One that
was learned (from metadata, a document, a header) must be public, or any server could steer the gateway at
its own neighbours (SSRF). `Allowed` lists what the operator grants beyond either.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, Self


class Kind(Enum):
    """What an address is, as far as reaching it is concerned (RFC 6890 and its registries)."""

    PUBLIC = "public"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    LINK_LOCAL = "link-local"
    NAT64 = "public IPv4 behind NAT64"
    EMBEDDED = "IPv4 inside IPv6"
    RESERVED = "reserved"


_V4: Final = tuple(
    (IPv4Network(network), kind)
    for network, kind in (
        ("127.0.0.0/8", Kind.LOOPBACK),
        ("10.0.0.0/8", Kind.PRIVATE),
        ("172.16.0.0/12", Kind.PRIVATE),
        ("192.168.0.0/16", Kind.PRIVATE),
        ("100.64.0.0/10", Kind.PRIVATE),  # carrier-grade NAT, also used inside clusters and overlays
        ("169.254.0.0/16", Kind.LINK_LOCAL),  # cloud metadata lives here
        ("0.0.0.0/8", Kind.RESERVED),
        ("192.0.0.0/24", Kind.RESERVED),
        ("192.0.2.0/24", Kind.RESERVED),
        ("192.88.99.0/24", Kind.RESERVED),
        ("198.18.0.0/15", Kind.RESERVED),
        ("198.51.100.0/24", Kind.RESERVED),
        ("203.0.113.0/24", Kind.RESERVED),
        ("224.0.0.0/3", Kind.RESERVED),  # multicast, class E and broadcast
    )
)

_V6: Final = tuple(
    (IPv6Network(network), kind)
    for network, kind in (
        ("::1/128", Kind.LOOPBACK),
        ("fc00::/7", Kind.PRIVATE),
        ("fe80::/10", Kind.LINK_LOCAL),
        ("::ffff:0:0/96", Kind.EMBEDDED),  # IPv4-mapped
        ("::ffff:0:0:0/96", Kind.EMBEDDED),  # IPv4-translated (SIIT)
        ("64:ff9b:1::/48", Kind.EMBEDDED),  # NAT64 with a local prefix
        ("2001::/32", Kind.EMBEDDED),  # Teredo
        ("2002::/16", Kind.EMBEDDED),  # 6to4
        ("2001::/23", Kind.RESERVED),
        ("2001:db8::/32", Kind.RESERVED),
        ("3fff::/20", Kind.RESERVED),
        ("2000::/3", Kind.PUBLIC),
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})

_LEARNED: Final = frozenset({Kind.PUBLIC})
_OPERATOR: Final = frozenset({Kind.PUBLIC, Kind.LOOPBACK, Kind.PRIVATE, Kind.NAT64})


def classify(address: IPv4Address | IPv6Address) -> Kind:
    """The kind of one address. Everything that no registry calls public is something else."""
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in _V4 if address in network), Kind.PUBLIC)
    if address.scope_id is not None:
        return Kind.LINK_LOCAL
    if address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
        return Kind.NAT64 if classify(inner) is Kind.PUBLIC else Kind.EMBEDDED
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return Kind.EMBEDDED
    return next((kind for network, kind in _V6 if address in network), Kind.RESERVED)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What an operator granted in `egress.allow`: hosts by exact name, addresses by network."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Self:
        """Read entries as they are written: `10.0.0.0/8`, `10.1.2.3`, `fd00::/8` or `login.internal`.

        Raises:
            ValueError: an entry with a slash that is not a network (host bits set, bad length).
        """
        hosts: set[str] = set()
        networks: list[IPv4Network | IPv6Network] = []
        for entry in entries:
            try:
                networks.append(ip_network(entry))
            except ValueError:
                if "/" in entry or not entry:
                    raise
                hosts.add(entry.lower())
        return cls(frozenset(hosts), tuple(networks))

    def plus(self, other: Allowed | None) -> Allowed:
        """What either grants."""
        if other is None:
            return self
        return Allowed(self.hosts | other.hosts, self.networks + other.networks)

    def covers(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Decides about one resolved address. Built by `operator()` or `learned()`.

    An address inside an allowed network passes. An allowed host counts as written by the operator. Plain
    http goes to loopback and to what is allowed, nowhere else: anyone on the way could read the credentials.
    """

    kinds: frozenset[Kind]
    allowed: Allowed = field(default_factory=Allowed)

    @classmethod
    def operator(cls, allowed: Allowed | None = None) -> Self:
        """For addresses from the configuration: public, private and loopback."""
        return cls(_OPERATOR, allowed or Allowed())

    @classmethod
    def learned(cls, allowed: Allowed | None = None) -> Self:
        """For addresses from anywhere else: public only."""
        return cls(_LEARNED, allowed or Allowed())

    def permits(self, host: str, address: IPv4Address | IPv6Address, *, secure: bool) -> bool:
        """Whether `host`, resolved to `address`, may be called, with TLS if `secure`."""
        if self.allowed.covers(address):
            return True
        listed = host in self.allowed.hosts
        kind = classify(address)
        return kind in (_OPERATOR if listed else self.kinds) and (secure or listed or kind is Kind.LOOPBACK)
