"""The door of a gateway without issuers: loopback peers only."""

from __future__ import annotations

import pytest

from mcp_gateway.core.errors import Unauthenticated
from mcp_gateway.core.principal import ANONYMOUS
from mcp_gateway.envelopes.identity.anonymous import anonymous_on_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_anonymous(host: str) -> None:
    assert anonymous_on_loopback({"client": (host, 1)}) is ANONYMOUS


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "128.0.0.1", "::", "0.0.0.0", "::ffff:10.0.0.1", "localhost.evil.test", ""]
)
def test_everybody_else_is_nobody(host: str) -> None:
    with pytest.raises(Unauthenticated):
        anonymous_on_loopback({"client": (host, 1)})
