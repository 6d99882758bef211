"""What a recorded decision tells of the policies that made it, and so of those that stand in another set unchanged.

A decision names every policy that determined it: all permits that held where it allowed, all forbids that held where
it denied. So which of the others did not hold is known as well, whatever they read. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cedarpy import policies_to_pst

from mcp_gateway.calls.note import DIGEST
from mcp_gateway.cli.policy.replay.recorded import Decided
from mcp_gateway.envelopes.policy.cedar.engine import UNTOLD
from mcp_gateway.envelopes.policy.cedar.model import PolicyText
from mcp_gateway.envelopes.policy.cedar.possible import AFTERWARDS, Told
from mcp_gateway.envelopes.policy.cedar.reads import paths


@dataclass(frozen=True, slots=True)
class _Kept:
    """A policy that is in both sets: the engine's name of it in the new one. `late` ones read what comes back."""

    key: str
    effect: Literal["permit", "forbid"]
    late: bool


class Inference:
    """What decisions of the policies `old` tell of those of `new`."""

    def __init__(self, old: PolicyText | None, new: PolicyText) -> None:
        self._digest = "" if old is None else old.digest[:DIGEST]
        self._kept: dict[str, _Kept] = {}
        same = {} if old is None else {each.id: each.text for each in old.policies if not each.audit}
        templates = policies_to_pst(new.text).static_policies
        for policy in new.policies:
            if not policy.audit and same.get(policy.id) == policy.text:
                late = any(path[0] in AFTERWARDS for path in paths(templates[policy.key]))
                self._kept[policy.id] = _Kept(policy.key, policy.effect, late)

    def told(self, decided: Decided, *, after: bool) -> Told:
        """What is known of the question before the call, or of the one `after` it."""
        word = decided.then if after and decided.then is not None else decided.first
        if decided.rules != self._digest or not self._digest or "error" in (decided.first, decided.then):
            return UNTOLD
        held: set[str] = set()
        not_held: set[str] = set()
        for name, kept in self._kept.items():
            if kept.late and after and decided.then is None:
                continue  # it was not asked yet
            holds = _holds(kept, name in decided.policies, word == "allow", decided)
            if holds is not None:
                (held if holds else not_held).add(kept.key)
        return Told(frozenset(held), frozenset(not_held))


def _holds(kept: _Kept, listed: bool, allowed: bool, decided: Decided) -> bool | None:
    """Whether the policy held, in the question that was `allowed` or not; None where the record does not tell."""
    if kept.effect == "forbid":
        return listed and not allowed
    if kept.late:
        return None if listed or not allowed else False
    if listed:
        return True
    return False if decided.first == "allow" or not decided.policies else None
