"""Which paths are kept as they came, and that no ticket is."""

from __future__ import annotations

import pytest

from mcp_gateway.envelopes.observability.paths import shown

TICKET = "v1.canary-" + "x" * 300


@pytest.mark.parametrize(
    "path",
    [
        "/connect",
        "/connect/",
        "/connect/callback",
        "/connect/style.css",
        "/servers/connect/mcp",
        "/servers/desk/mcp",
        "/connections/of",
        "/api/connections/corp|https://id/connect/alice/tickets",
    ],
)
def test_what_opens_nothing_is_kept(path: str) -> None:
    assert shown(path) == path


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        (f"/connect/{TICKET}", "/connect/…"),
        (f"/connect//{TICKET}", "/connect/…"),
        (f"/connect/callback/{TICKET}", "/connect/…"),
        (f"/connect/{TICKET}/mcp", "/connect/…"),
        (f"/CONNECT/{TICKET}", "/CONNECT/…"),
        (f"/connect%2F{TICKET}", "/connect%2F…"),
        (f"/behind/a/proxy/connect/{TICKET}", "/behind/a/proxy/connect/…"),
        (f"/connect/a\n{TICKET}", "/connect/…"),
        (f"/a\n/connect/{TICKET}", "/a\\n/connect/…"),
    ],
)
def test_no_ticket_is(path: str, kept: str) -> None:
    assert shown(path) == kept and shown(path).isprintable()


def test_a_long_path_is_cut() -> None:
    assert len(shown("/" + "y" * 9_000)) == 256
