"""The key ring, and the key that is made on loopback."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.settings.keys import key_ring
from tests.settings.files import loaded

GOOD = "b3XrT9pLq0Zs8VnW5kYdHc2JmEu7fGaR"


def test_an_absent_key_is_made_once_and_kept(tmp_path: Path) -> None:
    first = key_ring(loaded(tmp_path).state)
    path = tmp_path / "data/keys/k1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)] == [0o700, 0o700]
    assert [each.name for each in path.parent.iterdir()] == ["k1"]
    assert len(first[0]) >= 32
    assert key_ring(loaded(tmp_path).state) == first


def test_who_comes_second_takes_the_key_of_the_first(tmp_path: Path) -> None:
    one, two = loaded(tmp_path).state, loaded(tmp_path).state
    assert key_ring(one) == key_ring(two)


def test_keys_keep_their_order(tmp_path: Path) -> None:
    (tmp_path / "k2").write_text(GOOD[::-1] + "\n")
    state = loaded(tmp_path, "state: {encryption_keys: [env:K, 'file:k2']}", {"K": GOOD}).state
    assert key_ring(state) == (GOOD.encode(), GOOD[::-1].encode())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    state = loaded(tmp_path, "state: {encryption_keys: ['file:gateway.yaml/k']}").state
    with pytest.raises(ConfigurationError, match="cannot make the encryption key"):
        key_ring(state)
