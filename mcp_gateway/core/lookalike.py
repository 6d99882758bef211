"""Keys that another JSON reader takes for ones that mean something here.

Go's `encoding/json` matches keys without regard to case, with Unicode's simple folding (`K`, the Kelvin sign, for
`k`); readers in C end a key at NUL. Of `{"name": "a", "Name": "b"}` we would judge one value and such an upstream
use the other.
"""

from __future__ import annotations

from collections.abc import Iterable


def folded(key: str) -> str:
    """What `key` looks like to the most careless reader."""
    return key.partition("\0")[0].casefold()


def lookalike(keys: Iterable[str], known: frozenset[str], folded_known: frozenset[str]) -> str | None:
    """The first of `keys` that is none of `known` but looks like one; `folded_known` are `known`, each folded."""
    for key in keys:
        if key not in known and folded(key) in folded_known:
            return key
    return None
