"""Frozen JSON: equal to what it was made of, and no way to change it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.frozen import freeze, thaw

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_thawing_gives_back_what_was_frozen(value: object) -> None:
    assert thaw(freeze(value)) == value


def test_nothing_of_it_can_be_changed_and_nothing_is_shared() -> None:
    given: dict[str, Any] = {"a": [{"b": 1}]}
    frozen = cast(Any, freeze(given))
    given["a"][0]["b"] = 2
    assert frozen["a"][0]["b"] == 1
    with pytest.raises(TypeError):
        frozen["a"] = 1
    with pytest.raises(TypeError):
        frozen["a"][0]["b"] = 1
    thawed = cast(Any, thaw(frozen))
    thawed["a"][0]["b"] = 3
    assert frozen["a"][0]["b"] == 1
