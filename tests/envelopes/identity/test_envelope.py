"""Envelope encryption: one text, one place, any key of the ring."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.seal import SealBroken
from mcp_gateway.envelopes.identity.envelope import Envelopes, Sealed, encode

OLD, NEW = b"o" * 32, b"n" * 32
PARTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=4)


def opens(envelopes: Envelopes, sealed: Sealed, parts: list[str]) -> bool:
    try:
        envelopes.open(sealed, parts)
    except SealBroken:
        return False
    return True


@given(st.binary(max_size=200), PARTS)
def test_what_is_sealed_opens_again(text: bytes, parts: list[str]) -> None:
    envelopes = Envelopes((NEW,))
    assert envelopes.open(envelopes.seal(text, parts), parts) == text


@given(PARTS, PARTS)
def test_different_parts_are_spelled_differently(parts: list[str], others: list[str]) -> None:
    assert (encode(parts) == encode(others)) == (parts == others)


@given(PARTS, PARTS)
def test_a_text_opens_for_its_own_parts_only(parts: list[str], others: list[str]) -> None:
    envelopes = Envelopes((NEW,))
    assert opens(envelopes, envelopes.seal(b"text", parts), others) == (parts == others)


@given(st.data(), st.sampled_from(["wrapped", "text"]))
def test_a_changed_byte_breaks_the_seal(data: st.DataObject, field: str) -> None:
    envelopes = Envelopes((NEW,))
    sealed = envelopes.seal(b"a text", ["p"])
    box: bytes = getattr(sealed, field)
    place, other = data.draw(st.integers(0, len(box) - 1)), data.draw(st.integers(1, 255))
    changed = box[:place] + bytes([box[place] ^ other]) + box[place + 1 :]
    other_box = replace(sealed, wrapped=changed) if field == "wrapped" else replace(sealed, text=changed)
    assert not opens(envelopes, other_box, ["p"])


@given(st.binary(max_size=60))
def test_any_other_bytes_break_the_seal(box: bytes) -> None:
    envelopes = Envelopes((NEW,))
    sealed = envelopes.seal(b"a text", ["p"])
    assert not opens(envelopes, replace(sealed, wrapped=box), ["p"])
    assert not opens(envelopes, replace(sealed, text=box), ["p"])


def test_data_keys_of_other_texts_do_not_fit() -> None:
    envelopes = Envelopes((NEW,))
    one, two = envelopes.seal(b"one", ["p"]), envelopes.seal(b"two", ["p"])
    assert not opens(envelopes, replace(one, text=two.text), ["p"])
    assert not opens(envelopes, replace(one, wrapped=two.wrapped), ["p"])


def test_the_first_key_seals_and_all_open() -> None:
    old, both, new = Envelopes((OLD,)), Envelopes((NEW, OLD)), Envelopes((NEW,))
    before = old.seal(b"text", ["p"])
    assert both.open(before, ["p"]) == b"text"
    assert not opens(new, before, ["p"])
    assert new.open(both.seal(b"text", ["p"]), ["p"]) == b"text"


def test_rewrapping_changes_the_data_keys_seal_and_nothing_else() -> None:
    old, both, new = Envelopes((OLD,)), Envelopes((NEW, OLD)), Envelopes((NEW,))
    before = old.seal(b"text", ["p"])
    after = both.rewrap(before, ["p"])
    assert after.text == before.text
    assert after.kek == new.first
    assert new.open(after, ["p"]) == b"text"
    assert not opens(old, after, ["p"])
    with pytest.raises(SealBroken):
        both.rewrap(before, ["q"])


@pytest.mark.parametrize("keys", [(), (b"short",), (NEW, b"x" * 31)])
def test_weak_rings_are_refused(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="key"):
        Envelopes(keys)
