"""Which names look secret, which addresses are loopback."""

from __future__ import annotations

import pytest

from mcp_gateway.settings.addresses import is_loopback
from mcp_gateway.settings.words import holds_password, looks_secret


@pytest.mark.parametrize(
    "name",
    [
        "TOKEN",
        "GITHUB_TOKEN",
        "API_KEY",
        "apiKey",
        "X-Api-Key",
        "DB_PASSWORD",
        "dbPasswd",
        "CLIENT_SECRET",
        "Authorization",
        "Cookie",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "OPENAIKEY",
        "AUTH",
        "PGPASSWORD",
        "SENTRY_DSN",
    ],
)
def test_names_that_look_secret(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "LANG",
        "TOKEN_FILE",
        "AWS_ACCESS_KEY_ID",
        "MAX_TOKENS",
        "TOKENIZERS_PARALLELISM",
        "KEYBOARD_LAYOUT",
        "AUTHOR",
        "SSH_AUTH_SOCK",
        "SECRET_NAME",
        "TZ",
        "",
    ],
)
def test_names_that_do_not(name: str) -> None:
    assert not looks_secret(name)


@pytest.mark.parametrize("text", ["postgres://u:p@h/db", "--dsn=redis://:pw@host:1/0"])
def test_urls_with_passwords(text: str) -> None:
    assert holds_password(text)


@pytest.mark.parametrize("text", ["postgres://u@h/db", "http://h:80/a@b", "git@host:repo"])
def test_urls_without(text: str) -> None:
    assert not holds_password(text)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1"]
)
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com", "2130706433"]
)
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)
