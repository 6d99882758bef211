"""One configured provider at work: its connections, its places, its credential, and what it speaks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from llm_proxy.asking import FORWARDED, Ask
from llm_proxy.completion.dialect import completes, embeds
from llm_proxy.completion.wire import Wire
from llm_proxy.providers.anthropic_messages.codec import AnthropicMessages
from llm_proxy.providers.codec import Codec
from llm_proxy.providers.embedding import EmbeddingCodec
from llm_proxy.providers.exchange import CompletionExchange, EmbeddingExchange, Exchange
from llm_proxy.providers.gemini.codec import Gemini
from llm_proxy.providers.gemini.embeddings import GeminiEmbeddings
from llm_proxy.providers.openai_chat.codec import OpenAIChat
from llm_proxy.providers.openai_embeddings import OpenAIEmbeddings
from llm_proxy.providers.openai_responses.codec import OpenAIResponses
from llm_proxy.routing.targets import Target
from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.origin import parse_url
from mcp_gateway.core.egress.response import Response
from mcp_gateway.core.egress.template import Template
from mcp_gateway.core.errors import Invalid
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.observability.traces.baggage import NOTE, passed_on
from mcp_gateway.envelopes.observability.traces.context import BAGGAGE
from mcp_gateway.envelopes.observability.traces.tracer import traced_in
from mcp_gateway.envelopes.policy.bulkhead import Places

Family = Literal["openai", "anthropic", "gemini"]

MOST_TEMPLATES: Final = 256
"""Prepared heads that are kept: one for each path, and in some families the model stands in it."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a family speaks, by what the client speaks; `embeddings` None where it has none."""

    codecs: Mapping[Wire, Codec]
    embeddings: EmbeddingCodec | None


def spoken(family: Family, *, native_responses: bool) -> Spoken:
    """How requests of each dialect go to a provider of `family`."""
    match family:
        case "openai":
            chat = OpenAIChat()
            responses: Codec = OpenAIResponses() if native_responses else chat
            return Spoken({"chat": chat, "messages": chat, "responses": responses}, OpenAIEmbeddings())
        case "anthropic":
            messages = AnthropicMessages()
            return Spoken({"chat": messages, "messages": messages, "responses": messages}, None)
        case "gemini":
            gemini = Gemini()
            return Spoken({"chat": gemini, "messages": gemini, "responses": gemini}, GeminiEmbeddings())


@dataclass(frozen=True, slots=True)
class Terms:
    """What the configuration says of a provider. `timeout` and `headers` are for each attempt; `timeout` in seconds."""

    name: str
    family: Family
    base_url: str
    key: Secret | None
    timeout: float
    headers: Mapping[str, Secret | str]
    native_responses: bool


class Provider:
    """Sends requests to one provider. Make it inside the running loop, close it there."""

    __slots__ = ("_base", "_client", "_closing", "_places", "_retired", "_spoken", "_templates", "terms")

    def __init__(self, terms: Terms, client: HttpClient, places: Places) -> None:
        self.terms = terms
        self._client = client
        self._places = places
        self._spoken = spoken(terms.family, native_responses=terms.native_responses)
        self._base = parse_url(terms.base_url)[1].rstrip("/")
        # By the identity of a target, which the entry keeps alive: hashing all that it says costs more than the rest.
        self._templates: dict[tuple[str, int], tuple[Target, Template]] = {}
        self._retired = False
        self._closing: asyncio.Task[None] | None = None

    def exchange(self, ask: Ask, target: Target) -> Exchange:
        """The attempt at `target` that answers `ask`. Raises `Invalid` where this provider cannot be asked for it."""
        dialect = ask.dialect
        if completes(dialect):
            return CompletionExchange(
                dialect,
                self._spoken.codecs[dialect.wire],
                ask.body,
                target.parameters,
                target.model,
                screened=ask.asked.stream and ask.screens is not None and ask.screens.alters,
            )
        if self._spoken.embeddings is None or not embeds(dialect):
            raise Invalid("the provider of this model has no embeddings", pointer="/model")
        return EmbeddingExchange(dialect, self._spoken.embeddings, ask.body, target.parameters, target.model)

    def send(self, exchange: Exchange, ask: Ask, target: Target, deadline: float) -> Awaitable[Response]:
        """Send the request; the response once its head is there. Raises `Unreachable`, `TimedOut`, `Overloaded`."""
        headers: list[tuple[bytes, bytes]] = []
        if ask.headers:
            headers = [
                (name.encode(), value.encode("latin-1"))
                for name in FORWARDED
                for value in ask.headers.get(name, ())
                if name.partition("-")[0] == self.terms.family
            ]
        traced = traced_in(ask.trail)
        if traced is not None:
            sent = traced.pending[ask.flow.attempts[-1].number] = traced.child()
            headers += [(name.encode(), value.encode("latin-1")) for name, value in sent.fields().items()]
        if NOTE in ask.trail.notes and (passed := passed_on(ask.trail)):
            headers.append((BAGGAGE.encode(), passed.encode()))
        return self._client.send(self._template(exchange, target), headers, exchange.body, deadline=deadline)

    def try_enter(self) -> bool:
        """Take one of its places for the time of an attempt, if one is free; give it back with `leave`."""
        return self._places.try_take()

    def enter(self) -> Awaitable[None]:
        """Wait for a place. Raises `Overloaded` when too many wait already."""
        return self._places.wait()

    def leave(self) -> None:
        """Give the place back."""
        self._places.leave()
        self._left()

    def retire(self) -> None:
        """No new requests come: close the connections once the last one is over."""
        self._retired = True
        self._left()

    async def close(self) -> None:
        """Close the connections; what is under way fails."""
        await self._client.close()

    def _left(self) -> None:
        if self._retired and not self._places.in_use:
            self._closing = asyncio.get_running_loop().create_task(self._client.close())

    def _template(self, exchange: Exchange, target: Target) -> Template:
        key = (exchange.path, id(target))
        known = self._templates.get(key)
        if known is None:
            if len(self._templates) >= MOST_TEMPLATES:
                self._templates.clear()
            made = self._client.prepare("POST", self._base + exchange.path, self._fields(exchange, target))
            known = self._templates[key] = target, made
        return known[1]

    def _fields(self, exchange: Exchange, target: Target) -> list[tuple[bytes, bytes]]:
        fields = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        fields |= {name.lower(): value for name, value in exchange.headers}
        fields |= {
            name.lower(): value.reveal() if isinstance(value, Secret) else value
            for name, value in self.terms.headers.items()
        }
        for name in target.drop_headers:
            fields.pop(name, None)
        fields |= {name.lower(): value for name, value in target.set_headers}
        credential = self._credential(exchange)
        return [(name.encode(), value.encode("latin-1")) for name, value in {**fields, **credential}.items()]

    def _credential(self, exchange: Exchange) -> Mapping[str, str]:
        """What the family makes of the key, met here by the request and nowhere before."""
        if self.terms.key is None:
            return {}
        codec = self._spoken.codecs["chat"]
        bare = {name.lower() for name, _ in codec.headers(None)}
        return {
            name.lower(): value for name, value in codec.headers(self.terms.key.reveal()) if name.lower() not in bare
        }
