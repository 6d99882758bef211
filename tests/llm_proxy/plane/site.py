"""Official clients before a gateway with every family behind it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import anthropic
import openai

from tests.llm_proxy.double.clients import anthropic_client, openai_client
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import Gateway, providers, serving

Json = dict[str, Any]

BASE: Final[Mapping[str, Json]] = MappingProxyType(
    {
        "chat": {"messages": [{"role": "user", "content": "Hi"}]},
        "responses": {"input": "Hi"},
        "messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50},
    }
)


@dataclass(frozen=True, slots=True)
class Site:
    """Providers: `openai` has chat completions only, `native` responses too; `anthropic`; `gemini`."""

    openai: openai.AsyncOpenAI
    anthropic: anthropic.AsyncAnthropic
    double: Double
    gateway: Gateway

    async def ask(self, dialect: str, model: str, said: Json) -> Any:
        """The answer, or the stream, that the client of `dialect` makes of it."""
        asked = {"model": model, **BASE[dialect], **said}
        if dialect == "chat":
            return await self.openai.chat.completions.create(**asked)
        if dialect == "responses":
            return await self.openai.responses.create(**asked)
        return await self.anthropic.messages.create(**asked)

    @property
    def received(self) -> Json:
        """The last body that a provider got."""
        body: Json = json.loads(self.double.requests[-1].body)
        return body


@asynccontextmanager
async def official(folder: Path, **models: Any) -> AsyncIterator[Site]:
    """All of it, until the end of the block."""
    async with Double() as double:
        speaking = providers(double)
        speaking["native"] = speaking["openai"]
        speaking["openai"] = {**speaking["openai"], "responses": "translate"}
        async with (
            serving(folder, double, providers=speaking, **models) as gateway,
            openai_client(gateway.url, "anonymous") as first,
            anthropic_client(gateway.url, "anonymous") as second,
        ):
            yield Site(first, second, double, gateway)
