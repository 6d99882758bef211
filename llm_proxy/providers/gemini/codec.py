"""The wire of Google's Gemini API. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from llm_proxy.completion.answer import Answer
from llm_proxy.completion.fold import Fold
from llm_proxy.completion.request import Completion
from llm_proxy.completion.wire import Fault, StreamFault
from llm_proxy.providers.gemini.fault import gemini_fault
from llm_proxy.providers.gemini.read import GeminiReader
from llm_proxy.providers.gemini.request import request
from llm_proxy.providers.gemini.usage import gemini_usage
from llm_proxy.spend.usage import Usage
from mcp_gateway.core.errors import ProtocolViolation

Json = dict[str, Any]


class Gemini:
    """One wire family."""

    __slots__ = ()

    wire: ClassVar[Literal["gemini"]] = "gemini"

    def path(self, model: str, *, stream: bool) -> str:
        return model_path(model) + (":streamGenerateContent?alt=sse" if stream else ":generateContent")

    def headers(self, key: str | None) -> Sequence[tuple[str, str]]:
        return gemini_headers(key)

    def request(self, completion: Completion, model: str) -> Json:
        """Raises `Invalid` where this API cannot say what is asked for."""
        return request(completion, model)

    def forward(self, body: Json, model: str) -> Json:
        """The model stands in the path, and a stream tells its usage always: nothing changes."""
        return dict(body)

    def answer(self, body: Json) -> Answer:
        """A whole answer is a stream of one piece. Raises `ProtocolViolation`."""
        reader, fold = GeminiReader(), Fold()
        try:
            events = reader.take(body)
        except StreamFault:
            raise ProtocolViolation("the provider answered with an error that its status does not tell") from None
        for event in (*events, *reader.end()):
            fold.add(event)
        return fold.answer()

    def usage(self, body: Json) -> Usage | None:
        return gemini_usage(body.get("usageMetadata"))

    def reader(self) -> GeminiReader:
        return GeminiReader()

    def fault(self, status: int, body: object) -> Fault:
        return gemini_fault(status, body)


def model_path(model: str) -> str:
    """The path of a model, without its method. A tuned one is named with its kind (`tunedModels/…`)."""
    kind, _, name = model.rpartition("/")
    if kind not in ("", "models", "tunedModels"):
        kind, name = "", model
    return f"/v1beta/{kind or 'models'}/{quote(name, safe='')}"


def gemini_headers(key: str | None) -> Sequence[tuple[str, str]]:
    return (("x-goog-api-key", key),) if key else ()
