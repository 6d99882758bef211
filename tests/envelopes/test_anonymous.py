"""Who may come without credentials: peers on loopback only."""

from __future__ import annotations

import pytest

from mcp_gateway.envelopes.identity.anonymous import on_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_here(host: str) -> None:
    assert on_loopback({"client": (host, 1)})


def test_a_peer_without_an_address_is_here() -> None:
    assert on_loopback({"client": None}) and on_loopback({})


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "128.0.0.1", "::", "0.0.0.0", "::ffff:10.0.0.1", "localhost.evil.test", ""]
)
def test_everybody_else_is_elsewhere(host: str) -> None:
    assert not on_loopback({"client": (host, 1)})
