"""The way to an external guard: one POST, asked again within its time when nobody was there to answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mcp_gateway.core.egress.fetch import Fetched, Fetcher, Trust
from mcp_gateway.core.egress.origin import BadUrl, parse_url
from mcp_gateway.core.egress.template import Template
from mcp_gateway.core.errors import TimedOut, Unreachable, UpstreamError
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.safety.options import Options

SECONDS: Final = 5.0
"""For one judgement, repetitions included."""

MOST_RETRIES: Final = 5
DELAY: Final = 0.1
"""Seconds before the first repetition, at most; twice as many before each further one."""

_AGAIN: Final = frozenset((408, 429, 500, 502, 503, 504))
"""Answers after which the next one may be better. A judgement changes nothing, so asking twice does no harm."""


class GuardFailed(UpstreamError):
    """An external guard gave no judgement: it was not there, or what it answered is none."""

    reason = "guardrail_failed"


@dataclass(frozen=True, slots=True)
class Target:
    """Where to ask and how often. Header values are secret, whatever they are."""

    url: str
    headers: Mapping[str, Secret]
    seconds: float = SECONDS
    retries: int = 2

    def __post_init__(self) -> None:
        """Raises ValueError for an address or a header that cannot be used; the message holds no value."""
        try:
            parse_url(self.url)
        except BadUrl as error:
            raise ValueError(f"`url`: {error}") from None
        try:
            Template("guard", "POST", "/", self.fields())
        except UnicodeEncodeError:
            raise ValueError("a name in `headers` has characters outside ASCII") from None

    @classmethod
    def of(cls, options: Options, *, seconds: float) -> Target:
        """From the options `url` (mandatory), `headers` (name to `Secret`) and `retries`. Raises ValueError."""
        url = options.text("url", default="")
        given = options.mapping("headers")
        retries = options.number("retries", default=2, least=0, most=MOST_RETRIES)
        headers = {name: Secret(value) if isinstance(value, str) else value for name, value in given.items()}
        known = {name: value for name, value in headers.items() if isinstance(value, Secret)}
        if len(known) != len(headers):
            raise ValueError("a value in `headers` is not a string")
        if not url:
            raise ValueError("`url` is needed")
        return cls(url, known, seconds, retries or 0)

    def fields(self) -> list[tuple[bytes, bytes]]:
        """The header fields of a request, in clear."""
        own = [(b"content-type", b"application/json"), (b"accept", b"application/json")]
        taken = {name.lower() for name in self.headers}
        own = [(name, value) for name, value in own if name.decode() not in taken]
        return own + [(name.encode("ascii"), value.reveal().encode()) for name, value in self.headers.items()]


class Post:
    """Asks one target. Redirects are not followed, and an answer is capped (see `Fetcher`)."""

    __slots__ = ("_delay", "_fetcher", "_random", "_target")

    def __init__(self, fetcher: Fetcher, target: Target, *, delay: float = DELAY) -> None:
        self._fetcher = fetcher
        self._target = target
        self._delay = delay
        # Spreads repetitions; nothing secret hangs on it.
        self._random = random.Random()

    async def send(self, body: bytes) -> bytes:
        """What was answered with a 2xx status.

        Raises:
            GuardFailed: another status, or nothing that can be read.
            Unreachable, TimedOut, ProtocolViolation: no answer.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._target.seconds
        for attempt in range(self._target.retries + 1):
            final = attempt == self._target.retries
            try:
                answer = await self._once(body, deadline - loop.time())
            except (Unreachable, TimedOut):
                if final or loop.time() >= deadline:
                    raise
            else:
                if 200 <= answer.status < 300:
                    return answer.body
                if final or answer.status not in _AGAIN:
                    raise GuardFailed(f"the guard answered with status {answer.status}")
            pause = self._random.uniform(0, self._delay * 2**attempt)
            if loop.time() + pause >= deadline:
                break
            await asyncio.sleep(pause)
        raise TimedOut("the guard gave no judgement in time")

    async def _once(self, body: bytes, seconds: float) -> Fetched:
        if seconds <= 0:
            raise TimedOut("the guard gave no judgement in time", sent=False)
        target = self._target
        return await self._fetcher.fetch(
            target.url, trust=Trust.OPERATOR, method="POST", headers=target.fields(), body=body, seconds=seconds
        )
