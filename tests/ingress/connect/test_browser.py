"""What ties a browser to what it began: it ends, it is sealed, and it is nobody else's."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.ingress.connect.browser import Browser, Cookie, Session

KEYS = (b"k" * 32,)
TEXT = st.text(min_size=1, max_size=60).filter(lambda text: text.encode("utf-8", "replace").decode() == text)


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def browser(clock: Clock | None = None, keys: tuple[bytes, ...] = KEYS) -> Browser:
    return Browser(keys, secure=True, clock=clock or Clock())


def jar(cookie: Cookie) -> Mapping[str, str]:
    name, _, value = cookie[1].decode().partition(";")[0].partition("=")
    return {name: value}


def begun(using: Browser, person: str = "corp|alice") -> Session:
    return using.begin(person, "Alice", None)


@given(TEXT, TEXT)
def test_a_session_comes_back_as_it_was(person: str, shown: str) -> None:
    using = browser()
    session = using.begin(person, shown, None)
    assert using.session(jar(using.keep(session))) == session


def test_it_ends_after_ten_minutes() -> None:
    clock = Clock()
    using = browser(clock)
    kept = jar(using.keep(begun(using)))
    clock.now += 600
    assert using.session(kept) is not None
    clock.now += 1
    assert using.session(kept) is None


def test_nothing_of_it_can_be_read_and_other_keys_make_none() -> None:
    using = browser()
    kept = jar(using.keep(begun(using)))
    assert "alice" not in str(kept).lower()
    assert browser(keys=(b"x" * 32,)).session(kept) is None
    assert browser(keys=(b"x" * 32, *KEYS)).session(kept) is not None, "a key that was replaced still opens"


def test_another_person_gets_another_one_and_the_same_person_keeps_it() -> None:
    using = browser()
    first = begun(using)
    assert using.begin("corp|alice", "Alice", first).id == first.id
    assert using.begin("corp|bob", "Bob", first).id != first.id
    assert begun(using).id != first.id


@given(TEXT, TEXT)
def test_a_form_token_is_for_one_form_of_one_session(about: str, other: str) -> None:
    using = browser()
    session, foreign = begun(using), begun(using)
    token = using.form_token(session, about)
    assert using.is_form_token(token, session, about)
    assert not using.is_form_token(token, foreign, about)
    assert not using.is_form_token(token, Session(session.id, "corp|bob", ""), about)
    assert using.is_form_token(token, session, other) == (about == other)


@pytest.mark.parametrize("seconds", [-61, 601])
def test_a_form_token_ends(seconds: int) -> None:
    clock = Clock()
    using = browser(clock)
    session = begun(using)
    token = using.form_token(session, "a")
    clock.now += seconds
    assert not using.is_form_token(token, session, "a")


def test_a_session_is_no_form_token_and_a_form_token_no_session() -> None:
    using = browser()
    session = begun(using)
    ((name, kept),) = jar(using.keep(session)).items()
    assert not using.is_form_token(kept, session, "a")
    assert using.session({name: using.form_token(session, "a")}) is None


def test_each_sign_in_has_its_own_cookie() -> None:
    using = browser()
    (one, remembered), (two, other) = using.begin_flow("state-1"), using.begin_flow("state-2")
    both = {**jar(one), **jar(two)}
    assert len(both) == 2
    assert using.began_flow(both, "state-1", remembered) and using.began_flow(both, "state-2", other)
    assert not using.began_flow(both, "state-1", other) and not using.began_flow({}, "state-1", remembered)
    assert jar(using.end_flow("state-1")).keys() == jar(one).keys()
