"""The pages as people see them. Pure: facts in, HTML out; every word from outside is escaped by `markup`."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from mcp_gateway.envelopes.identity.stores import Connection
from mcp_gateway.envelopes.identity.tickets import Ticket
from mcp_gateway.ingress.connect.markup import Markup, document, tag


@dataclass(frozen=True, slots=True)
class Asked:
    """All that a person decides on: the ticket, where the account is, which scopes will be asked for.

    `scopes` are empty where the authorization server chooses, None where there is no such thing.
    """

    ticket: Ticket
    server: str
    scopes: tuple[str, ...] | None

    @property
    def text(self) -> str:
        """The same for binding a form to it: a form that showed something else is not this one."""
        return "\0".join((self.ticket.dump().decode(), self.server, *(self.scopes or ())))


class Pages:
    """Makes pages. `root` is the path under which they are served, without a trailing slash."""

    __slots__ = ("_root",)

    def __init__(self, root: str) -> None:
        self._root = root

    def consent(self, asked: Asked, *, shown: str, action: str, token: str) -> bytes:
        """The question whether an agent may use an account. `shown` is who is signed in, empty for nobody."""
        ticket = asked.ticket
        return self._page(
            f"Connect your account at {ticket.upstream}",
            tag(
                "p",
                f"An agent wants to use {ticket.upstream} for you. If you allow it, you go on to ",
                _strong(asked.server),
                " to sign in there, and this gateway can then act there in your name until you disconnect the account.",
            ),
            _facts(asked, shown),
            _caution(),
            tag("form", _hidden("token", token), _choice("Allow and continue"), method="post", action=action),
            *_somebody_else(shown, action),
        )

    def fields(
        self, asked: Asked, names: Sequence[str], *, shown: str, action: str, token: str, problem: str = ""
    ) -> bytes:
        """The question for header values; what was typed before is not shown again."""
        ticket = asked.ticket
        inputs = [
            Markup(
                tag("label", name, for_=f"value-{index}")
                + tag(
                    "input",
                    type="password",
                    id=f"value-{index}",
                    name=f"value-{index}",
                    autocomplete="off",
                    spellcheck="false",
                    maxlength="4096",
                )
            )
            for index, name in enumerate(names)
        ]
        return self._page(
            f"Connect your account at {ticket.upstream}",
            tag(
                "p",
                f"An agent wants to use {ticket.upstream} for you. What you enter here is stored encrypted and "
                "sent to ",
                _strong(asked.server),
                " with your own calls only. The agent never sees it.",
            ),
            *([tag("p", problem, class_="note", role="alert")] if problem else []),
            _facts(asked, shown),
            _caution(),
            tag("form", _hidden("token", token), *inputs, _choice("Save and connect"), method="post", action=action),
            *_somebody_else(shown, action),
        )

    def onward(self, url: str, server: str) -> bytes:
        """The step to an authorization server: a page that goes there by itself, and a link where that is off.

        Not a redirect, because it answers a form: `form-action` holds for redirects after it, wherever they lead.
        """
        return self._page(
            f"On to {server}",
            tag("p", "You sign in there and come back here."),
            tag("p", tag("a", f"Continue to {server}", href=url, class_="button", id="continue")),
            head=(tag("meta", http_equiv="refresh", content=f"0; url={url}"),),
        )

    def connected(self, upstream: str) -> bytes:
        return self._page(
            "Connected",
            tag("p", "Your account at ", _strong(upstream), " is connected."),
            tag("p", "You can close this window and go back to your agent. A call that waited for this goes on."),
            tag("p", tag("a", "Your connections", href=f"{self._root}/")),
        )

    def declined(self, upstream: str) -> bytes:
        return self._page(
            "Not connected",
            tag(
                "p",
                "Nothing was stored, and no agent can use your account at ",
                _strong(upstream),
                " through this request.",
            ),
            tag("p", "You can close this window."),
        )

    def problem(self, title: str, words: str, request_id: str, *links: tuple[str, str]) -> bytes:
        """What went wrong, whom to ask about it, and where to go on: `links` are (text, address)."""
        return self._page(
            title,
            tag("p", words),
            *(tag("p", tag("a", text, href=href, class_="button")) for text, href in links),
            tag("p", "If you ask for help, mention ", tag("code", request_id), ".", class_="quiet"),
        )

    def issuers(self, names: Sequence[str]) -> bytes:
        items = [
            tag("p", tag("a", f"Sign in with {name}", href=f"{self._root}/?issuer={name}", class_="button"))
            for name in names
        ]
        return self._page("Sign in", tag("p", "To see your connections, sign in."), *items)

    def mine(self, connections: Sequence[tuple[Connection, str]], shown: str) -> bytes:
        """A person's own connections, each with the token of its form."""
        return self._page(
            "Your connections",
            tag("p", f"Signed in as {shown}." if shown else "Accounts of whoever uses this machine.", class_="quiet"),
            *(self._connection(connection, token) for connection, token in connections),
            *([] if connections else [tag("p", "No account is connected.")]),
        )

    def _connection(self, connection: Connection, token: str) -> Markup:
        since = datetime.datetime.fromtimestamp(connection.created_at, datetime.UTC).strftime("%d %B %Y")
        state = "connected" if connection.status == "active" else "has to be connected again"
        facts = [("State", f"{state}, since {since}")]
        if connection.issuer:
            facts.append(("Account at", connection.issuer))
        if connection.scopes:
            facts.append(("Permissions", " ".join(connection.scopes)))
        return tag(
            "section",
            tag("h2", connection.upstream),
            tag("dl", *(part for name, value in facts for part in (tag("dt", name), tag("dd", value)))),
            tag(
                "form",
                _hidden("upstream", connection.upstream),
                _hidden("token", token),
                tag("button", "Disconnect", type="submit", aria_label=f"Disconnect {connection.upstream}"),
                method="post",
                action=f"{self._root}/",
            ),
        )

    def _page(self, title: str, *parts: Markup, head: tuple[Markup, ...] = ()) -> bytes:
        return document(title, f"{self._root}/style.css", tag("h1", title), *parts, head=head)


def _facts(asked: Asked, shown: str) -> Markup:
    ticket = asked.ticket
    agent: list[str] = [f"“{ticket.agent}” (its own words)"] if ticket.agent else []
    if ticket.client_id:
        agent += [", client " if agent else "client ", tag("code", ticket.client_id)]
    rows: list[tuple[str, tuple[str, ...]]] = [("Account at", (asked.server,))]
    if asked.scopes is not None:
        listed = tag("ul", *(tag("li", tag("code", scope)) for scope in asked.scopes))
        rows.append(("Permissions", (listed if asked.scopes else "those that the account gives by default",)))
    rows.append(("Asked by", tuple(agent) or ("an agent that does not say its name",)))
    rows.append(("Virtual server", (ticket.server,)))
    if shown:
        rows.append(("Signed in as", (shown,)))
    return tag("dl", *(part for name, value in rows for part in (tag("dt", name), tag("dd", *value))))


def _caution() -> Markup:
    words = "Did you not ask an agent for this just now? Then somebody else may want to use your account: decline."
    return tag("p", words, class_="note")


def _choice(allow: str) -> Markup:
    return tag(
        "div",
        tag("button", allow, type="submit", name="decision", value="allow", class_="act"),
        tag("button", "Decline", type="submit", name="decision", value="decline"),
        class_="actions",
    )


def _somebody_else(shown: str, action: str) -> list[Markup]:
    if not shown:
        return []
    return [tag("p", tag("a", "Sign in as somebody else", href=f"{action}?sign-in=again"), class_="quiet")]


def _hidden(name: str, value: str) -> Markup:
    return tag("input", type="hidden", name=name, value=value)


def _strong(text: str) -> Markup:
    return tag("strong", text)
