"""The canonical text of a JSON value and its digest."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.canonical import canonical, fingerprint

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


@given(VALUES)
def test_the_canonical_text_reads_back_as_the_value(value: object) -> None:
    assert json.loads(canonical(value)) == value


@given(st.dictionaries(st.text(), VALUES, min_size=2))
def test_the_order_of_keys_does_not_count(value: dict[str, object]) -> None:
    assert fingerprint(dict(reversed(value.items()))) == fingerprint(value)


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), (0, False), ("e\u0301", "\u00e9"), ([1, 2], [2, 1])])
def test_what_only_looks_alike_differs(one: object, other: object) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_what_is_no_json_has_no_text() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical(float("nan"))
