"""The Secret type: nothing but `reveal()` gives the value back."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, dataclass

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.secret import REDACTED, Secret


@dataclass
class Holder:
    secret: Secret


def test_reveal_gives_the_value() -> None:
    assert Secret("s3cr3t").reveal() == "s3cr3t"


@given(st.text(alphabet="abcdefXYZ0189", min_size=4))
def test_text_forms_never_hold_the_value(value: str) -> None:
    secret = Secret(value)
    forms = [str(secret), repr(secret), f"{secret}", f"{secret!r:>40}", f"{secret:<20}", "%s" % secret, str([secret])]  # noqa: UP031 - the operator is what is tested
    forms += [repr(Holder(secret)), str(asdict(Holder(secret)))]
    assert all(value not in form and REDACTED in form for form in forms)


def test_serialisers_refuse_it() -> None:
    secret = Secret("s3cr3t")
    for serialise in (json.dumps, orjson.dumps, pickle.dumps):
        with pytest.raises(TypeError) as caught:
            serialise(secret)
        assert "s3cr3t" not in str(caught.value)


def test_it_is_immutable_and_copies_as_itself() -> None:
    secret = Secret("s3cr3t")
    with pytest.raises(AttributeError):
        secret._value = "other"
    with pytest.raises(AttributeError):
        del secret._value
    assert copy.deepcopy(secret) is secret and copy.copy(secret) is secret


def test_equality_and_hash_are_by_value() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("é")}) == 2
