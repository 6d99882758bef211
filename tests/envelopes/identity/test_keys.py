"""Key sets as issuers publish them: what is usable, and for what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.envelopes.identity.keys import FITS, Keys, read_keys
from tests.envelopes.identity.issuing import curve_keys, part, public, rsa_key


def read(*keys: object) -> Keys:
    return read_keys(json.dumps({"keys": keys}).encode())


def weak() -> dict[str, Any]:
    """An RSA key that can be broken."""
    # 1024 bits on purpose: the point of the test.
    numbers = generate_private_key(65537, 1024).public_key().public_numbers()
    return {"kty": "RSA", "kid": "k1", "n": part(numbers.n.to_bytes(128, "big")), "e": "AQAB"}


def test_what_cannot_verify_signatures_is_passed_over() -> None:
    good = public(rsa_key("k1"))
    for odd in (
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k1"},
        {"kty": "AKP", "kid": "k1", "pub": "x"},
        {"kty": "OKP", "crv": "X25519", "x": part(b"x" * 32), "kid": "k1"},
        {"kty": "EC", "crv": "P-256", "x": part(b"x" * 32), "y": part(b"y" * 32), "kid": "k1"},  # not on the curve
        {"kty": ["RSA"]},
        {**good, "use": "enc"},
        {**good, "use": 1},
        {**good, "key_ops": ["encrypt"]},
        {**good, "key_ops": "verify"},
        {**good, "n": "!!"},
        {**good, "n": 1},
        {**good, "n": "\u00e9"},
        {**good, "e": None},
        {**good, "kid": 7},
        {**good, "alg": 7},
        weak(),
        "key",
        None,
    ):
        found = read(odd, good).find("k1", "RS256")
        assert len(found) == 1 and found[0].key.as_dict()["n"] == good["n"], odd


def test_a_key_fits_the_algorithms_of_its_type_and_curve() -> None:
    curves = curve_keys()
    keys = read(*(public(key) for key in curves.values()), public(rsa_key("rsa")))
    for name, key in curves.items():
        fitting = {algorithm for algorithm in FITS if keys.find(key.kid, algorithm)}
        assert fitting == ({"EdDSA", "Ed25519"} if name in ("EdDSA", "Ed25519") else {name})
    assert {a for a in FITS if keys.find("rsa", a)} == {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS512", "A128KW", "", "rs256"])
def test_no_key_fits_what_is_no_signature_by_a_private_key(algorithm: str) -> None:
    keys = read(public(rsa_key("k1")), {"kty": "oct", "k": "c2VjcmV0", "kid": "k1"})
    assert keys.find("k1", algorithm) == () and keys.find(None, algorithm) == ()


def test_private_parts_that_were_published_are_not_kept() -> None:
    keys = read_keys(json.dumps({"keys": [rsa_key("k1").as_dict(private=True)]}).encode())
    assert [key.key.is_private for key in keys.keys] == [False]


def test_keys_of_one_name_are_all_tried() -> None:
    keys = read(public(rsa_key("k1")), public(rsa_key("k2"), kid="k1"))
    assert len(keys.find("k1", "RS256")) == 2 and keys.find(None, "RS256") == ()


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(repr).map(str.encode)
)
def test_whatever_is_published_nothing_but_a_violation_comes_of_it(raw: bytes) -> None:
    try:
        assert read_keys(raw).keys == ()
    except ProtocolViolation as error:
        assert len(error.message) < 200


@given(
    st.dictionaries(
        st.sampled_from(["kty", "kid", "use", "alg", "key_ops", "n", "e", "crv", "x", "y"]),
        st.none() | st.text() | st.lists(st.text()),
    )
)
def test_whatever_a_key_is_made_of_it_is_a_key_or_passed_over(entry: dict[str, object]) -> None:
    for key in read(entry).keys:
        assert key.kind in ("RSA", "EC", "OKP")
