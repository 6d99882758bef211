"""Addresses: what an operator may write and what a stranger may not make the gateway call."""

import asyncio
import socket
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.egress.addresses import AddressPolicy, Allowed, Kind, classify
from mcp_gateway.core.egress.guard import AddressGuard
from mcp_gateway.core.egress.origin import Origin
from mcp_gateway.core.errors import Unreachable

TABLE = {
    Kind.PUBLIC: ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1", "192.0.1.1"],
    Kind.LOOPBACK: ["127.0.0.1", "127.255.255.254", "::1"],
    Kind.PRIVATE: ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.127.255.255", "fd00::1"],
    Kind.LINK_LOCAL: ["169.254.169.254", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0"],
    Kind.NAT64: ["64:ff9b::808:808"],
    Kind.EMBEDDED: [
        "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808", "2002:7f00:1::", "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2606:4700::5efe:7f00:1",
    ],
    Kind.RESERVED: [
        "0.0.0.0", "0.1.2.3", "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
        "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::127.0.0.1", "ff02::1",
        "fec0::1", "100::1", "2001:db8::1", "2001:20::1", "3fff::1", "5f00::1", "4000::1",
    ],
}  # fmt: skip
ROWS = [(address, kind) for kind, addresses in TABLE.items() for address in addresses]


@pytest.mark.parametrize(("address", "kind"), ROWS)
def test_kinds(address: str, kind: Kind) -> None:
    assert classify(ip_address(address)) is kind


@pytest.mark.parametrize(("address", "kind"), ROWS)
def test_a_learned_address_must_be_public_and_an_operators_must_be_plain(address: str, kind: Kind) -> None:
    learned, operator = AddressPolicy.learned(), AddressPolicy.operator()
    assert learned.permits("x.example", ip_address(address), secure=True) is (kind is Kind.PUBLIC)
    assert operator.permits("x.example", ip_address(address), secure=True) is (
        kind in {Kind.PUBLIC, Kind.LOOPBACK, Kind.PRIVATE, Kind.NAT64}
    )


@given(st.ip_addresses())
def test_nothing_that_the_standard_library_calls_local_is_public(address: Any) -> None:
    if classify(address) is Kind.PUBLIC:
        assert not (address.is_private or address.is_loopback or address.is_link_local or address.is_multicast)
        assert not (address.is_reserved or address.is_unspecified)


@pytest.mark.parametrize(("address", "kind"), ROWS)
def test_plain_http_goes_to_loopback_only(address: str, kind: Kind) -> None:
    assert AddressPolicy.operator().permits("x", ip_address(address), secure=False) is (kind is Kind.LOOPBACK)
    assert not AddressPolicy.learned().permits("x", ip_address(address), secure=False)


def test_what_is_allowed_is_let_through() -> None:
    allowed = Allowed.parse(["10.1.0.0/16", "192.168.7.7", "fd00::/8", "Vllm.Internal"])
    policy = AddressPolicy.learned(allowed)
    for address in ("10.1.2.3", "192.168.7.7", "fd12::1"):
        assert policy.permits("any", ip_address(address), secure=False)
    for address in ("10.2.0.1", "192.168.7.8", "::ffff:10.1.2.3", "127.0.0.1"):
        assert not policy.permits("any", ip_address(address), secure=True)
    assert policy.permits("vllm.internal", ip_address("10.9.9.9"), secure=False)
    assert not policy.permits("vllm.internal", ip_address("169.254.169.254"), secure=True)
    assert not policy.permits("x.vllm.internal", ip_address("10.9.9.9"), secure=True)


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "10.0.0.0/33", "", "x/y"])
def test_an_entry_that_is_neither_network_nor_host_is_refused(entry: str) -> None:
    with pytest.raises(ValueError):
        Allowed.parse([entry])


class Resolver:
    """Stands in for the loop's resolver; answers change with every question, as a rebinding name's do."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def __call__(self, host: str, port: int, **options: int) -> list[Any]:
        addresses = self.answers.pop(0)
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


def resolver(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> Resolver:
    stub = Resolver(*answers)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", stub)
    return stub


LEARNED = AddressGuard(AddressPolicy.learned())
NAME = Origin("https", "idp.example", 443)


async def test_the_addresses_that_were_judged_are_the_ones_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    stub = resolver(monkeypatch, ["1.1.1.1", "1.1.1.1", "2606:4700::1111"], ["127.0.0.1"])
    assert await LEARNED.resolve(NAME) == ("1.1.1.1", "2606:4700::1111")
    assert len(stub.answers) == 1


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["fe80::1%eth0"], ["::ffff:8.8.8.8"]])
async def test_one_bad_address_refuses_the_name_without_telling(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    resolver(monkeypatch, addresses)
    with pytest.raises(Unreachable) as caught:
        await LEARNED.resolve(NAME)
    assert caught.value.sent is False
    assert not any(address in caught.value.message for address in (*addresses, NAME.host))


async def test_a_name_that_does_not_resolve_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver(monkeypatch, [])
    with pytest.raises(Unreachable, match="does not resolve"):
        await LEARNED.resolve(NAME)


async def test_a_literal_address_is_judged_without_asking_a_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver(monkeypatch)
    with pytest.raises(Unreachable, match="not permitted"):
        await LEARNED.resolve(Origin("https", "169.254.169.254", 443))
    assert await LEARNED.resolve(Origin("https", "8.8.8.8", 443)) == ("8.8.8.8",)
