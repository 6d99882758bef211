"""Where commands look for the control plane, and what they send there."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest

from mcp_gateway.cli.control import TOKEN, ControlPlane, Unreadable, control_of
from tests.settings.files import GATEWAY, loaded

ADMIN = "auth: {roles: {admin: ['team:a']}}"


@pytest.mark.parametrize(
    ("admin", "where"),
    [
        ("port: 9000", "http://127.0.0.1:9000"),
        ("port: 0", None),
        ("host: '::1'", "http://[::1]:8081"),
        (f"host: 0.0.0.0, public_url: 'https://gw.example.com', {ADMIN}", "http://127.0.0.1:8081"),
        (f"host: '::', public_url: 'https://gw.example.com', {ADMIN}", "http://[::1]:8081"),
        (f"host: 10.0.0.7, public_url: 'https://gw.example.com', {ADMIN}", "https://gw.example.com"),
        (f"host: 10.0.0.7, {ADMIN}", "http://10.0.0.7:8081"),
    ],
)
def test_it_is_where_the_configuration_says(tmp_path: Path, admin: str, where: str | None) -> None:
    assert control_of(loaded(tmp_path, f"{GATEWAY}server: {{admin: {{{admin}}}}}")) == where


@pytest.mark.parametrize("base", ["http://10.0.0.7:8081", "http://gateway.example.com", "http://127.0.0.1.example.com"])
def test_a_token_is_not_sent_in_the_clear_over_a_network(base: str) -> None:
    with pytest.raises(Unreadable, match="over https or to this machine only"):
        ControlPlane(base, {TOKEN: "secret-token"})
    ControlPlane(base, {})


@pytest.mark.parametrize("token", ["a b", "a\r\nX: y", "é", "x" * 20_000])
def test_what_is_no_token_is_not_sent_and_not_shown(token: str) -> None:
    with pytest.raises(Unreadable) as refused:
        ControlPlane("http://127.0.0.1:1", {TOKEN: token})
    assert token not in str(refused.value)


def test_https_is_spoken_where_the_address_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int]] = []

    def secure(host: str, port: int, **_: object) -> http.client.HTTPConnection:
        made.append((host, port))
        raise ConnectionRefusedError

    monkeypatch.setattr(http.client, "HTTPSConnection", secure)
    with pytest.raises(ConnectionRefusedError):
        ControlPlane("https://gw.example.com", {TOKEN: "t"})._get("/healthz", ())
    assert made == [("gw.example.com", 443)]
