"""Signatures: of one key and purpose each, made by the first key, verified by all."""

from __future__ import annotations

import pytest

from mcp_gateway.core.sign import Signer

OLD, NEW = b"o" * 32, b"n" * 32


def test_the_first_signs_and_all_verify() -> None:
    old, both = Signer([OLD], "p"), Signer([NEW, OLD], "p")
    assert both.first == Signer([NEW], "p").first
    assert both.fits(old.first, old.sign(b"x"), b"x")
    assert not old.fits(both.first, both.sign(b"x"), b"x") and not old.knows(both.first)


@pytest.mark.parametrize(("signature", "what"), [("", b"x"), ("é", b"x"), ("00", b"x"), (None, b"y")])
def test_what_does_not_fit(signature: str | None, what: bytes) -> None:
    signer = Signer([OLD], "p")
    assert not signer.fits(signer.first, signer.sign(b"x") if signature is None else signature, what)


def test_each_purpose_has_its_own_key() -> None:
    one, other = Signer([OLD], "p"), Signer([OLD], "q")
    assert one.first != other.first and one.sign(b"x") != other.sign(b"x")


def test_keys_are_needed_and_not_shown() -> None:
    with pytest.raises(ValueError, match="at least one key"):
        Signer([], "p")
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Signer([b"short"], "p")
    assert "oooo" not in repr(Signer([OLD], "p"))
