"""The most that a request can use and cost, said before it is sent: what is reserved of budgets. Pure.

A token is at least one byte of text, with every tokenizer in use, and JSON writes no text in fewer bytes than it has:
a request has no more tokens of text than its body has bytes. Closer estimates exist and are not bounds: rare words,
code and other scripts than Latin break them. What was reserved too much is given back as soon as the usage is known.

What a request only points at cannot be bounded by its bytes. It is counted by constants, which are estimates from
above: `IMAGE_TOKENS`, `DOCUMENT_TOKENS`, `STORED_TOKENS`. Tools that a provider runs itself (search) are not foreseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from llm_proxy.spend.price import MAX_TOKENS, Price

IMAGE_TOKENS: Final = 50_000
"""For an image, in place of the bytes of its data: the dearest of the known families is some 48,000 tokens."""

DOCUMENT_TOKENS: Final = 200_000
"""For a document or a sound that stands elsewhere. The data of others count as they are, a token a byte."""

STORED_TOKENS: Final = 200_000
"""For a conversation that the provider keeps and the request goes on with."""

_PROMPT_TOKENS: Final = 1_024
"""For what a provider puts before a prompt, such as the words that explain tools to a model."""

_STORED: Final = ("previous_response_id", "conversation")
_DOCUMENTS: Final = frozenset({"document", "file", "input_file", "input_audio"})


class Bound(NamedTuple):
    """No answer uses more tokens of the prompt, or in all its choices, than these."""

    input: int
    output: int

    @property
    def total(self) -> int:
        return self.input + self.output

    def cost(self, price: Price | None) -> int:
        """The most nanodollars it can cost, 0 if nobody knows the price."""
        return 0 if price is None else price.most(self.input, self.output)


def bound(body: dict[str, Any], size: int, *, output_limit: int | None, choices: int, default_output: int) -> Bound:
    """The bound of a request in any dialect of clients, of `size` bytes, the body of which may be anything.

    `output_limit` is the most tokens of one choice that the client asked for; where it did not, `default_output` is
    what the configuration says instead. For embeddings both are 0.
    """
    tokens = size + _PROMPT_TOKENS
    for name in _STORED:
        if body.get(name):
            tokens += STORED_TOKENS
    for part in _parts(body):
        kind = part.get("type")
        if kind in ("image_url", "input_image", "image"):
            tokens += IMAGE_TOKENS - _image_bytes(part)
        elif isinstance(kind, str) and kind in _DOCUMENTS:
            tokens += DOCUMENT_TOKENS if _points(part) else 0
    answer = default_output if output_limit is None else output_limit
    return Bound(_capped(tokens), _capped(answer * choices if choices > 1 else answer))


def _parts(body: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """The parts of all turns, those of tools' results too. Arguments of tools and schemas are not parts but text."""
    found: list[dict[str, Any]] = []
    for name in ("messages", "input"):
        turns = body.get(name)
        if not isinstance(turns, list):
            continue
        for turn in turns:
            if isinstance(turn, dict):  # and most turns hold a text
                if isinstance(said := turn.get("content"), list):
                    found += _inside(said)
                if isinstance(said := turn.get("output"), list):
                    found += _inside(said)
    return found


def _inside(content: object) -> Iterator[dict[str, Any]]:
    for part in _objects(content):
        yield part
        if part.get("type") == "tool_result":
            yield from _objects(part.get("content"))


def _image_bytes(part: dict[str, Any]) -> int:
    """How long the data of an image are that stand in the body: they are looked at, not read as text."""
    source = part.get("source" if part["type"] == "image" else "image_url")
    data = source.get("data", source.get("url")) if isinstance(source, dict) else source
    if not isinstance(data, str):
        return 0
    inline = isinstance(source, dict) and source.get("type") == "base64"
    return len(data) if inline or data.startswith("data:image/") else 0


def _points(part: dict[str, Any]) -> bool:
    """Whether a document stands elsewhere."""
    inner = part.get("source", part.get("file", part.get("input_audio")))
    places = [part, inner] if isinstance(inner, dict) else [part]
    return not any(isinstance(place.get(name), str) for place in places for name in ("data", "file_data"))


def _objects(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _capped(tokens: int) -> int:
    return tokens if 0 <= tokens <= MAX_TOKENS else min(max(tokens, 0), MAX_TOKENS)
