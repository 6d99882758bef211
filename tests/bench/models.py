"""Requests to models: what is measured, the bytes of the requests, and the judge of their answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tests.bench.asking import MARK, Judging
from tests.bench.completions import CHUNKS, text
from tests.bench.wire import EVENT_STREAM, HttpMessage, events

LLM: Final = "llm"
"""All of them together."""

LLM_DIRECT: Final = "llm_direct"
LLM_FORWARDER: Final = "llm_forwarder"
LLM_GOVERNED: Final = "llm_governed"
"""The gateway with identity, policies, a budget, a limit, and its records."""

LITELLM: Final = "llm_litellm"
PORTKEY: Final = "llm_portkey"
PEERS: Final = (LITELLM, PORTKEY)

PATH: Final = "/v1/chat/completions"
NAMED: Final = "bench/bench-model"
"""The model, by the name that clients of the gateway ask for."""

_STAND_IN: Final = "99999999"
_PROMPT: Final = (
    "You are asked about one entry of a ledger. Say when it was booked, over which amount and what of it is still "
    f"open, in two sentences, for a reader who knows the order but not the delivery. It is entry {_STAND_IN}."
)
_DONE: Final = b"[DONE]"


@dataclass(frozen=True, slots=True)
class ModelTarget:
    """Where requests for completions go, and as whom."""

    port: int
    model: str
    stream: bool
    token: str = field(default="key", repr=False)
    fields: tuple[tuple[str, str], ...] = ()

    def template(self) -> bytes:
        """One request, with `MARK` for its number."""
        asked: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": _PROMPT}],
            "max_tokens": 300,
            "temperature": 0.2,
            **({"stream": True} if self.stream else {}),
        }
        body = orjson.dumps(asked)
        lines = [
            f"POST {PATH} HTTP/1.1",
            f"host: 127.0.0.1:{self.port}",
            "accept: application/json",
            "content-type: application/json",
            "user-agent: bench",
            f"authorization: Bearer {self.token}",
            *(f"{name}: {value}" for name, value in self.fields),
            f"content-length: {len(body)}",
        ]
        return ("\r\n".join(lines).encode() + b"\r\n\r\n" + body).replace(_STAND_IN.encode(), MARK)

    def judge(self) -> CompletionJudge:
        return CompletionJudge(self.stream)


class CompletionJudge(Judging):
    """Says what is wrong with a completion."""

    __slots__ = ("_stream",)

    def __init__(self, stream: bool) -> None:
        super().__init__()
        self._stream = stream

    def _judge(self, message: HttpMessage, number: int) -> str | None:
        if self._stream is not (EVENT_STREAM in message.fields):
            return "not in the form that was asked for"
        if not self._stream:
            answer = orjson.loads(message.body)
            said = answer["choices"][0]["message"]["content"]
            return None if said == text(str(number), stream=False) and answer["usage"] else "another answer"
        *told, done = events(message.body)
        if done != _DONE:
            return "a stream that was not ended"
        deltas = [choice["delta"] for one in told for choice in orjson.loads(one)["choices"]]
        said = "".join(delta.get("content") or "" for delta in deltas)
        if said != text(str(number), stream=True):
            return "another answer"
        return None if len(deltas) == CHUNKS else f"{len(deltas)} chunks"


@dataclass(frozen=True, slots=True)
class ModelScenario:
    """Completions through one system, whole or as streams."""

    system: str
    stream: bool
    connections: int

    @property
    def label(self) -> str:
        """The part of the name that systems share."""
        return f"{'stream' if self.stream else 'whole'}_c{self.connections}"

    @property
    def name(self) -> str:
        return f"{self.system}_{self.label}"

    @property
    def yardsticks(self) -> tuple[str, str]:
        """The same without a gateway, and through a forwarder."""
        return f"{LLM_DIRECT}_{self.label}", f"{LLM_FORWARDER}_{self.label}"

    def target(self, ports: Mapping[str, int], token: str = "") -> ModelTarget:
        """Where its load goes, given the ports of the systems and a person's token."""
        fields: tuple[tuple[str, str], ...] = ()
        if self.system == PORTKEY:
            base = f"http://127.0.0.1:{ports[LLM_DIRECT]}/v1"
            fields = (("x-portkey-provider", "openai"), ("x-portkey-custom-host", base))
        governed = self.system == LLM_GOVERNED
        model = NAMED if governed else NAMED.partition("/")[2]
        return ModelTarget(ports[self.system], model, self.stream, token if governed else "key", fields)


def model_scenarios(peers: Iterable[str] = ()) -> Iterator[ModelScenario]:
    """All of them, in the order in which a round runs them."""
    for stream in (False, True):
        for connections in (1, 32):
            for system in (LLM_DIRECT, LLM_FORWARDER, LLM_GOVERNED, *peers):
                yield ModelScenario(system, stream, connections)
