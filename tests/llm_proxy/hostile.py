"""JSON that nobody expects: of any shape, or with the names that a reader looks for and anything else behind them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 9),
    st.just(10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)


def json_with(keys: Iterable[str], words: Iterable[str] = ("",)) -> st.SearchStrategy[Any]:
    """Values whose objects mostly have these names, and whose strings are often these words."""
    names = st.sampled_from(sorted(keys)) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    return st.recursive(
        SCALARS | st.sampled_from(sorted(words)),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
        max_leaves=30,
    )
