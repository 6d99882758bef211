"""The double's server: `async with Double() as double`, then `double.url` is where the providers are."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from types import MappingProxyType, TracebackType
from typing import Final, Self

import orjson

from tests.llm_proxy.double.anthropic_messages import Messages
from tests.llm_proxy.double.faults import Step
from tests.llm_proxy.double.gemini import Gemini
from tests.llm_proxy.double.http import Connection, Exchange, Received
from tests.llm_proxy.double.openai_chat import Chat
from tests.llm_proxy.double.openai_embeddings import Embeddings
from tests.llm_proxy.double.openai_responses import Responses
from tests.llm_proxy.double.perform import Performance, Said
from tests.llm_proxy.double.question import BadRequest, Count, Question
from tests.llm_proxy.double.wire import Wire

_EXACT: Final[Mapping[str, Wire]] = MappingProxyType(
    {
        "/v1/chat/completions": Chat(),
        "/v1/responses": Responses(),
        "/v1/embeddings": Embeddings(),
        "/v1/messages": Messages(),
    }
)
_GEMINI: Final = Gemini()
KEPT_ANSWERS: Final = 1000
MALFORMED: Final = (BadRequest, KeyError, TypeError, AttributeError, IndexError, ValueError)


class Double:
    """All families on one port. Attributes that tests read:

    * `requests`: the last `remember` requests as they came;
    * `used`: `(API key, model)` → what was really used, piece by piece as it was sent;
    * `gone`: how many clients left before their answer ended; `serving`: answers in work; `connections`: open ones.

    `keys` are the API keys it knows; None takes any. With `again` the same request gets the same answer, ids and all,
    for measurements: it is made once.
    """

    def __init__(
        self, *, keys: frozenset[str] | None = None, remember: int = 10_000, port: int = 0, again: bool = False
    ) -> None:
        self.requests: deque[Received] = deque(maxlen=remember)
        self.used: dict[tuple[str, str], Count] = {}
        self.models: tuple[str, ...] = ("double-1", "double-2")
        self.gone = 0
        self.serving = 0
        self.port = port
        self._keys = keys
        self._again: dict[tuple[str, bytes], Said] | None = {} if again else None
        self._number = 0
        self._script: deque[Step] = deque()
        self._by_model: dict[str, deque[Step]] = {}
        self._always: dict[str, Step] = {}
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._change = asyncio.Event()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where Anthropic's and Gemini's APIs are; OpenAI's is `url + "/v1"`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        return len(self._connections)

    def script(self, *steps: Step, model: str | None = None) -> None:
        """What happens to the next requests, one step each: to those for `model`, or to any."""
        (self._script if model is None else self._by_model.setdefault(model, deque())).extend(steps)

    def always(self, model: str, step: Step | None) -> None:
        """What happens to every request for `model` that has no step of its own; None ends that."""
        if step is None:
            self._always.pop(model, None)
        else:
            self._always[model] = step

    def counted(self, key: str | None = None, model: str | None = None) -> Count:
        """What was used by `key` (None: by all) of `model` (None: of all)."""
        fitting = (
            count
            for (by, of), count in self.used.items()
            if (key is None or by == key) and (model is None or of == model)
        )
        return sum(fitting, Count())

    def calls(self) -> Counter[str]:
        """How many requests came for each model."""
        return Counter(str(model) for model in map(_model_of, self.requests) if model)

    async def until(self, condition: Callable[[Double], bool], seconds: float = 20) -> None:
        """Wait until `condition` holds of this double; it is asked whenever something happened."""
        async with asyncio.timeout(seconds):
            while not condition(self):
                self._change.clear()
                await self._change.wait()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        for connection in tuple(self._connections):
            connection.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.until(lambda double: not double.connections)

    def _connect(self) -> Connection:
        return Connection(self._answer, self._connected)

    def _connected(self, connection: Connection, here: bool) -> None:
        (self._connections.add if here else self._connections.discard)(connection)
        self._change.set()

    def _answer(self, exchange: Exchange) -> None:
        received = exchange.received
        self.requests.append(received)
        self._change.set()
        path = received.path.partition("?")[0]
        if received.method == "GET" and path == "/v1/models":
            listed = [{"id": name, "object": "model", "created": 0, "owned_by": "double"} for name in self.models]
            exchange.whole(200, orjson.dumps({"object": "list", "data": listed}))
            return
        if received.method == "GET" and path == "/counted":
            used = [{"key": key, "model": model, **asdict(count)} for (key, model), count in self.used.items()]
            exchange.whole(200, orjson.dumps(used))
            return
        wire = _EXACT.get(path) or (_GEMINI if path.startswith("/v1beta/models/") else None)
        if wire is None or received.method != "POST":
            exchange.whole(404, b'{"error":{"message":"Not found","type":"invalid_request_error"}}')
            return
        key = key_of(received)
        if self._keys is not None and key not in self._keys:
            self._fail(exchange, wire, 401, "authentication")
            return
        if self._again and (said := self._again.get((received.path, received.body))) is not None:
            said.give(exchange, self._count(key))
            return
        try:
            question = wire.question(path, received.headers, orjson.loads(received.body))
        except MALFORMED:
            self._fail(exchange, wire, 400, "invalid")
            return
        self._number += 1
        step = self._step(question)
        performance = Performance(exchange, wire, question, self._number, step, self._count(key))
        if self._again is not None and step is None and len(self._again) < KEPT_ANSWERS:
            self._again[received.path, received.body] = performance.said()
        if performance.at_once():
            self._change.set()
            return
        self.serving += 1
        task = asyncio.get_running_loop().create_task(performance.run())
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._done(done, exchange))

    def _done(self, task: asyncio.Task[None], exchange: Exchange) -> None:
        self._tasks.discard(task)
        self.serving -= 1
        self.gone += exchange.gone
        self._change.set()
        with suppress(asyncio.CancelledError):
            task.result()

    def _fail(self, exchange: Exchange, wire: Wire, status: int, kind: str) -> None:
        status, body = wire.failure(status, kind)
        exchange.whole(status, orjson.dumps(body))

    def _step(self, question: Question) -> Step | None:
        own = self._by_model.get(question.model)
        if own:
            return own.popleft()
        return self._script.popleft() if self._script else self._always.get(question.model)

    def _count(self, key: str) -> Callable[[str, Count], None]:
        def count(model: str, more: Count) -> None:
            self.used[key, model] = self.used.get((key, model), Count()) + more

        return count


def key_of(received: Received) -> str:
    """The API key of a request, however its family sends it; empty if it has none."""
    headers = received.headers
    bearer = headers.get("authorization", "")
    return bearer.removeprefix("Bearer ") or headers.get("x-api-key") or headers.get("x-goog-api-key") or ""


def _model_of(received: Received) -> object:
    if received.path.startswith("/v1beta/models/"):
        return received.path.removeprefix("/v1beta/models/").partition(":")[0]
    try:
        body = orjson.loads(received.body)
    except orjson.JSONDecodeError:
        return None
    return body.get("model") if isinstance(body, dict) else None
