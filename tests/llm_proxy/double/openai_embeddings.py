"""OpenAI embeddings, as the double speaks them: eight numbers that follow from the text."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from tests.llm_proxy.double.openai_chat import OpenAIErrors
from tests.llm_proxy.double.question import BadRequest, Plan, Question, words
from tests.llm_proxy.double.wire import Frame, required

Json = dict[str, Any]


def vector(text: str) -> list[float]:
    """The embedding of a text; exact in 32 bits."""
    return [byte / 256 for byte in sha256(text.encode()).digest()[:8]]


class Embeddings(OpenAIErrors):
    """`POST /v1/embeddings`. Tokens in place of texts count as what they are."""

    def question(self, path: str, headers: Mapping[str, str], body: Json) -> Question:
        given = body.get("input")
        listed = [given] if isinstance(given, str) or (given and isinstance(given[0], int)) else given
        if not listed:
            raise BadRequest("input is required")
        documents = tuple(one if isinstance(one, str) else " ".join(map(str, one)) for one in listed)
        model = required(body, "model", str)
        # How the numbers are to be written is all that the answer needs besides.
        packed = body.get("encoding_format") == "base64"
        return Question(model=model, prompt=words(documents), documents=documents, choice="base64" if packed else "")

    def whole(self, plan: Plan) -> Json:
        data = []
        for index, document in enumerate(plan.question.documents or ()):
            numbers: Any = vector(document)
            if plan.question.choice == "base64":
                numbers = base64.b64encode(struct.pack("<8f", *numbers)).decode()
            data.append({"object": "embedding", "index": index, "embedding": numbers})
        body: Json = {"object": "list", "data": data, "model": plan.model}
        if plan.told is not None:
            body["usage"] = {"prompt_tokens": plan.told.input, "total_tokens": plan.told.input}
        return body

    def frames(self, plan: Plan) -> Iterator[Frame]:
        raise BadRequest("embeddings do not stream")
