"""Links: sealed, for one person, for ten minutes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.principal import ANONYMOUS, GATEWAY, Principal
from mcp_gateway.core.seal import Sealer
from mcp_gateway.envelopes.identity.tickets import BadTicket, ExpiredTicket, Ticket, Tickets

KEY = b"k" * 32
ALICE = Principal(id="corp|alice", subject="alice", client_id="agent-7", email="alice@example.com")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def tickets(
    *, key: bytes = KEY, purpose: str = "connect", anonymous: bool = False, clock: Clock | None = None
) -> Tickets:
    return Tickets(
        Sealer((key,), purpose), "https://gw", login=lambda: {"corp"}, anonymous=anonymous, clock=clock or Clock()
    )


def token(link: str) -> str:
    return link.removeprefix("https://gw/connect/")


def test_a_link_says_what_it_is_for_to_us_alone() -> None:
    link = tickets().link(ALICE, upstream="tickets", server="desk", scopes=["a", "b"], agent="Desk")
    for secret in ("alice", "tickets", "desk", "agent-7", "corp"):
        assert secret not in link.lower().removeprefix("https://gw")
    assert tickets().read(token(link)) == Ticket(
        principal="corp|alice",
        person="corp|alice",
        upstream="tickets",
        server="desk",
        scopes=("a", "b"),
        client_id="agent-7",
        agent="Desk",
        issued_at=1_000_000,
    )


def test_it_is_url_safe() -> None:
    made = token(tickets().link(ALICE, upstream="t", server="d"))
    assert made.isascii() and made.replace("-", "").replace("_", "").isalnum()


def test_it_ends_after_ten_minutes() -> None:
    clock = Clock()
    made = token(tickets(clock=clock).link(ALICE, upstream="t", server="d"))
    clock.now += 600
    tickets(clock=clock).read(made)
    clock.now += 1
    with pytest.raises(ExpiredTicket):
        tickets(clock=clock).read(made)


def test_one_from_the_future_is_none_beyond_what_clocks_differ() -> None:
    clock = Clock()
    made = token(tickets(clock=clock).link(ALICE, upstream="t", server="d"))
    clock.now -= 60
    tickets(clock=clock).read(made)
    clock.now -= 1
    with pytest.raises(ExpiredTicket):
        tickets(clock=clock).read(made)


@pytest.mark.parametrize("other", [tickets(key=b"x" * 32), tickets(purpose="session")])
def test_what_other_keys_or_purposes_sealed_is_no_ticket(other: Tickets) -> None:
    with pytest.raises(BadTicket):
        tickets().read(token(other.link(ALICE, upstream="t", server="d")))


def test_a_changed_one_is_none_at_every_character() -> None:
    made = token(tickets().link(ALICE, upstream="t", server="d"))
    for place in range(len(made)):
        changed = made[:place] + ("A" if made[place] != "A" else "B") + made[place + 1 :]
        with pytest.raises(BadTicket):
            tickets().read(changed)


def test_the_owner_of_a_virtual_account_opens_it() -> None:
    program = Principal(id="virtual_account:n", subject="n", kind="virtual_account", owner="corp|alice")
    assert tickets().hindrance(program, "t") is None
    ticket = tickets().read(token(tickets().link(program, upstream="t", server="d")))
    assert (ticket.principal, ticket.person, ticket.issuer) == ("virtual_account:n", "corp|alice", "corp")


@pytest.mark.parametrize(
    ("principal", "words"),
    [
        (Principal(id="virtual_account:n", subject="n", kind="virtual_account"), "--owner"),
        (Principal(id="virtual_account:n", subject="n", kind="virtual_account", owner="other|eve"), "login"),
        (Principal(id="other|eve", subject="eve"), "login"),
        (Principal(id="corp", subject="corp"), "login"),
        (ANONYMOUS, "login"),
        (GATEWAY, "login"),
    ],
)
def test_who_cannot_connect_is_told_who_must_do_what(principal: Principal, words: str) -> None:
    hindrance = tickets().hindrance(principal, "tickets")
    assert hindrance is not None and words in hindrance and "tickets" in hindrance and "administrator" in hindrance


def test_an_anonymous_caller_can_where_such_are_served() -> None:
    assert tickets(anonymous=True).hindrance(ANONYMOUS, "t") is None
    ticket = tickets().read(token(tickets(anonymous=True).link(ANONYMOUS, upstream="t", server="d")))
    assert ticket.person == "anonymous" and ticket.issuer == ""


WORDS = st.text(max_size=300)


@given(WORDS, st.lists(WORDS, max_size=5), WORDS)
def test_whatever_it_holds_comes_back_and_foreign_words_are_printable_and_short(
    agent: str, scopes: list[str], client: str
) -> None:
    scopes = [scope.encode("utf-8", "replace").decode() for scope in scopes]
    principal = Principal(id="corp|alice", subject="alice", client_id=client)
    ticket = tickets().read(token(tickets().link(principal, upstream="t", server="d", scopes=scopes, agent=agent)))
    assert ticket.scopes == tuple(scopes)
    for words in (ticket.agent, ticket.client_id):
        assert len(words) <= 64 and words.isprintable()
    if agent.isprintable() and len(agent) <= 64:
        assert ticket.agent == agent.strip()
    assert Ticket.load(ticket.dump()) == ticket


@given(st.one_of(st.none(), st.integers(), st.lists(st.text()), st.dictionaries(st.text(), st.text())))
def test_an_agent_that_does_not_say_its_name_in_words_has_none(agent: object) -> None:
    assert tickets().read(token(tickets().link(ALICE, upstream="t", server="d", agent=agent))).agent == ""
