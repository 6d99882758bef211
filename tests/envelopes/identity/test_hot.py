"""Credentials in memory: bounded, never used beyond what was confirmed, never shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.identity.hot import CHECK_SECONDS, TRUSTED_SECONDS, Hot, Warm

TIMES = st.floats(0, 1000)


def warm(now: float = 0.0, *, expires: float = 1e9, refresh_from: float = 1e9) -> Warm:
    return Warm({"authorization": "Bearer canary"}, 1, now, expires=expires, refresh_from=refresh_from, renewed=False)


@given(st.lists(st.sampled_from(["confirmed", "later", "acting"])), TIMES, TIMES, TIMES)
def test_no_entry_outlives_its_expiry_or_its_confirmation(
    events: list[str], step: float, expires: float, refresh_from: float
) -> None:
    now = confirmed = 0.0
    entry = warm(now, expires=expires, refresh_from=refresh_from)
    for event in events:
        now += step
        if event == "confirmed":
            entry.confirmed(now)
            confirmed = now
        elif event == "later":
            entry.later(now)
        else:
            entry.acting()
        assert entry.until <= min(expires, confirmed + TRUSTED_SECONDS)
        assert entry.act_from <= entry.until


def test_a_busy_entry_is_looked_at_before_it_lapses() -> None:
    entry = warm()
    assert entry.act_from == CHECK_SECONDS < entry.until == TRUSTED_SECONDS


def test_the_one_unused_for_longest_makes_room() -> None:
    hot = Hot(most=2)
    one, two, three = warm(), warm(), warm()
    hot.put("a", "x", one)
    hot.put("b", "x", two)
    assert hot.get("a", "x") is one
    hot.put("c", "x", three)
    assert (hot.get("a", "x"), hot.get("b", "x"), hot.get("c", "x")) == (one, None, three)
    assert len(hot) == 2


def test_forgetting_concerns_nobody_else() -> None:
    hot = Hot()
    for who in ("a", "b"):
        for upstream in ("x", "y"):
            hot.put(who, upstream, warm())
    hot.forget("a", "x")
    hot.forget("nobody", "x")
    assert hot.get("a", "x") is None and hot.get("a", "y") and hot.get("b", "x")
    hot.forget_upstream("y")
    assert hot.get("a", "y") is None and hot.get("b", "y") is None and hot.get("b", "x")


def test_nothing_shows_a_token() -> None:
    hot = Hot()
    entry = hot.put("a", "x", warm())
    assert "canary" not in f"{hot!r} {entry!r} {hot} {entry}" and "authorization" in repr(entry)
