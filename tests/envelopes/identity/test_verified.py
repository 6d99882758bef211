"""The memory of tokens: bounded, and never longer than what it remembers holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.identity.verified import Tokens, Verified

ALICE = Principal(id="corp|alice", subject="alice")


def verified(expires: float = 1e10, until: float = 1e10) -> Verified:
    return Verified(principal=ALICE, audiences=frozenset({"a"}), expires=expires, until=until)


def test_it_forgets_what_was_used_longest_ago() -> None:
    tokens = Tokens(most=3)
    for name in b"abc":
        tokens.remember(bytes([name]), verified())
    assert tokens.find(b"a", 0, 0)
    tokens.remember(b"d", verified())
    assert len(tokens) == 3 and tokens.find(b"b", 0, 0) is None and tokens.find(b"a", 0, 0) is not None


def test_it_remembers_no_more_refusals_than_tokens() -> None:
    tokens = Tokens(most=2)
    for name in b"abc":
        tokens.remember_refusal(bytes([name]), "inactive", 10.0)
    assert [tokens.refusal(bytes([name]), 0.0) for name in b"abc"] == [None, "inactive", "inactive"]
    assert tokens.refusal(b"c", 10.0) is None


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100), st.floats(0, 100))
def test_neither_clock_can_prolong_a_token(expires: float, until: float, wall: float, now: float) -> None:
    tokens = Tokens()
    tokens.remember(b"a", verified(expires=expires, until=until))
    found = tokens.find(b"a", wall, now)
    assert (found is not None) == (wall < expires and now < until)
    assert len(tokens) == (found is not None)


class ScriptedKeys:
    """Keys whose state a test sets; counts how often they are asked."""

    def __init__(self) -> None:
        self.version = 1
        self.due = 10.0
        self.trusted = True
        self.asked = 0

    def good(self, now: float) -> bool:
        self.asked += 1
        return self.trusted


def test_a_signature_holds_as_long_as_its_keys_do() -> None:
    keys = ScriptedKeys()
    token = Verified(principal=ALICE, keys=keys, version=1)
    assert token.holds(0, 9.9) and keys.asked == 0
    assert token.holds(0, 10.0) and keys.asked == 1
    keys.trusted = False
    assert not token.holds(0, 10.0)
    keys.trusted, keys.version = True, 2
    assert not token.holds(0, 0)
