"""What is recorded of the contents of calls: nothing, a keyed digest, or the content without what is sensitive."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from mcp_gateway.settings.governance import AuditSettings
from mcp_gateway.telling import MAX_BODY, body_of

KEYS = [b"k" * 32]
CARD = "4111 1111 1111 1111"
CANARIES = (CARD, "alice@example.com", "AKIAIOSFODNN7EXAMPLQ", "hunter2-is-my-secret-9Xk")


def test_none() -> None:
    assert body_of(AuditSettings(path=Path("/x")), KEYS) is None


def test_hashes_depend_on_the_key_and_the_content() -> None:
    one, other = (body_of(AuditSettings(path=Path("/x"), bodies="hashes"), [key * 32]) for key in (b"a", b"b"))
    assert one is not None and other is not None
    assert len({str(made({"a": value})) for made in (one, other) for value in ("x", "y")}) == 4
    assert CARD not in str(one({"a": CARD}))


@pytest.mark.parametrize("canary", CANARIES)
def test_redacted(canary: str) -> None:
    body = body_of(AuditSettings(path=Path("/x"), bodies="redacted"), KEYS)
    assert body is not None
    value = {
        "note": f"see {canary}",
        "list": [canary, 1, True, None, 2.5],
        "password": canary,
        f"k {canary}": {"a": "b"},
    }
    told = orjson.dumps(body(value)).decode()
    if canary in CANARIES[:3]:
        assert canary not in told
    assert orjson.loads(told)["password"] != canary
    assert orjson.loads(told)["list"][1:] == [1, True, None, 2.5]


def test_what_is_long_is_a_digest() -> None:
    body = body_of(AuditSettings(path=Path("/x"), bodies="redacted"), KEYS)
    assert body is not None
    assert str(body({"a": "x" * MAX_BODY})).startswith("hmac-sha256:")
    assert body({"a": "x"}) == {"a": "x"}
