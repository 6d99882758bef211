"""What passes a hook, and what looks at it. Planes implement the one, detectors and external guards the other."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Protocol

from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.safety.lines import Lines

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Carrier:
    """One text of a message.

    `name` is the key under which it stands, empty where it has none: guardrails may be about some arguments only. A
    `fixed` text is looked at and never rewritten: a key, an address, a number, or text inside something binary.
    """

    text: str
    name: str = ""
    fixed: bool = False


def line(carrier: Carrier) -> str:
    """The text with its key before it, which says something of it: `password: …`."""
    return f"{carrier.name}: {carrier.text}"


class Content(Protocol):
    """A message at a hook. Immutable: a rewriting is another one."""

    @property
    def small(self) -> bool:
        """Whether looking at all of it takes no more than a moment: what is not small is gone through off the loop."""
        ...

    @property
    def carriers(self) -> Iterable[Carrier]:
        """Every text of it, in an order of its own that stays the same. They are found while they are gone through."""
        ...

    @property
    def lines(self) -> Lines:
        """The `line` of every carrier but of some keys, in any order; a key may be a line by itself.

        What is in none of them is nowhere: a key that is no line is an identifier, at the beginning of one, or a word
        of the protocol.
        """
        ...

    @property
    def request(self) -> Json:
        """The request as external guards are shown it; after a call the one that was made."""
        ...

    @property
    def response(self) -> Json | None:
        """What came back, None before a call."""
        ...

    @property
    def principal(self) -> Principal:
        """Who asks."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the caller said about the request."""
        ...

    def rewritten(self, texts: Mapping[int, str]) -> Content:
        """The message with other texts, by the places of their carriers, none of which is fixed."""
        ...

    def replaced(self, body: Json) -> Content:
        """The message with another request, after a call with another response. Raises ValueError if it cannot be."""
        ...

    def permitted(self, guardrail: str) -> bool:
        """Whether the policy of the guardrail of this name permits the call. Raises ValueError if it has none."""
        ...


def _nothing() -> Mapping[str, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Examined:
    """What an examiner says. `findings` counts by kind; `content` is the message without what was found.

    It is None where nothing was rewritten, or where what was found stands in what cannot be.
    """

    denied: bool
    findings: Mapping[str, int] = field(default_factory=_nothing)
    content: Content | None = None


PASSED: Final = Examined(denied=False)


class Examiner(Protocol):
    """Looks at a message. May raise anything, and may take for ever: whoever asks is prepared for both."""

    def __call__(self, content: Content, *, rewrite: bool) -> Examined | Awaitable[Examined]:
        """With `rewrite`, what is found is taken out where that is possible."""
        ...
