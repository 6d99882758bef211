"""Sealed tokens: unread, unchanged, for one purpose, one binding and the keys of this gateway."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.seal import SealBroken, Sealer

OLD, NEW = b"o" * 32, b"n" * 32


def broken(sealer: Sealer, token: str, bound: bytes = b"") -> bool:
    try:
        sealer.open(token, bound)
    except SealBroken:
        return True
    return False


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_what_is_sealed_opens_again(payload: bytes, bound: bytes) -> None:
    sealer = Sealer((NEW,), "test")
    assert sealer.open(sealer.seal(payload, bound), bound) == payload


@given(st.binary(max_size=50), st.binary(max_size=20), st.binary(max_size=20))
def test_a_token_is_good_for_its_binding_only(payload: bytes, bound: bytes, other: bytes) -> None:
    sealer = Sealer((NEW,), "test")
    assert broken(sealer, sealer.seal(payload, bound), other) == (bound != other)


@given(st.binary(min_size=1, max_size=50), st.data())
def test_a_changed_token_does_not_open(payload: bytes, data: st.DataObject) -> None:
    sealer = Sealer((NEW,), "test")
    token = sealer.seal(payload)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from(string.ascii_letters + string.digits + "-_+/=. "))
    changed = token[:place] + letter + token[place + 1 :]
    assert broken(sealer, changed) == (changed != token)


@given(st.text(max_size=120))
def test_any_other_text_does_not_open(text: str) -> None:
    assert broken(Sealer((NEW,), "test"), text)


def test_cut_and_lengthened_tokens_do_not_open() -> None:
    sealer = Sealer((NEW,), "test")
    token = sealer.seal(b"payload")
    assert all(broken(sealer, token[:length]) for length in range(len(token)))
    assert all(broken(sealer, token + more) for more in ("A", "=", "==", "\n", " ", token))


def test_one_sealed_value_has_one_spelling() -> None:
    sealer = Sealer((NEW,), "test")
    for _ in range(50):
        token = sealer.seal(b"payload-of-some-length")
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        spellings = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode(), f"{token}="} - {token}
        assert all(broken(sealer, spelling) for spelling in spellings)


def test_the_same_value_is_never_sealed_the_same_way() -> None:
    sealer = Sealer((NEW,), "test")
    assert len({sealer.seal(b"x") for _ in range(100)}) == 100


@given(st.binary(max_size=100))
def test_tokens_are_visible_ascii(payload: bytes) -> None:
    token = Sealer((NEW,), "test").seal(payload)
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")


def test_the_payload_cannot_be_read_in_the_token() -> None:
    token = Sealer((NEW,), "test").seal(b"canary-canary-canary")
    assert b"canary" not in base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def test_the_first_key_seals_and_all_open() -> None:
    before = Sealer((OLD,), "test").seal(b"x")
    rotated = Sealer((NEW, OLD), "test")
    assert rotated.open(before) == b"x"
    after = rotated.seal(b"y")
    assert broken(Sealer((OLD,), "test"), after) and Sealer((NEW,), "test").open(after) == b"y"


def test_a_token_of_one_purpose_is_none_of_another() -> None:
    assert broken(Sealer((NEW,), "cursor"), Sealer((NEW,), "session").seal(b"x"))


@pytest.mark.parametrize("keys", [(), (b"short",), (b"x" * 31,), (NEW, b"")])
def test_weak_keys_are_refused(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError):
        Sealer(keys, "test")


def test_no_key_is_shown() -> None:
    assert "nnnn" not in repr(Sealer((NEW,), "test"))
