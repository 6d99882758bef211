"""Remarks about a policy, at the place in its file that they are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final, Literal

from mcp_gateway.envelopes.policy.cedar.model import Policy, Remark
from mcp_gateway.envelopes.policy.cedar.positions import Lines, find

_COMPARED: Final = 2000
"""Most known names that one unknown is compared with: each costs some microseconds."""


def remark(
    policy: Policy, words: Sequence[str], severity: Literal["error", "warning"], rule: str, message: str
) -> Remark:
    """A remark at the place of `words` in `policy` (see `find`), else at its beginning."""
    offset = find(policy.text, words)
    line, column = policy.line, policy.column
    if offset is not None:
        below, across = Lines(policy.text).at(offset)
        line, column = line + below - 1, across if below > 1 else column + across - 1
    return Remark(policy.file, line, column, severity, rule, message, policy=policy.id)


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean `x`?`` for the known name closest to `word`, else nothing."""
    found = get_close_matches(word, list(known)[:_COMPARED], n=1, cutoff=0.5)
    return f"; did you mean `{found[0]}`?" if found else ""
