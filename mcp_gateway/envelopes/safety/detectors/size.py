"""Guard type `size`: how much one message may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mcp_gateway.envelopes.safety.content import PASSED, Content, Examined
from mcp_gateway.envelopes.safety.options import Options

_MOST: Final = 1 << 40


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of a message. `tokens` is an estimate, `items` counts members and elements, `depth` nested objects and arrays."""

    characters: int
    bytes: int
    tokens: int
    depth: int
    items: int


@dataclass(frozen=True, slots=True)
class Size:
    """Denies a message that is larger than one of its limits; None is no limit. Finds `size_<what>`."""

    max_characters: int | None = None
    max_bytes: int | None = None
    max_tokens: int | None = None
    max_depth: int | None = None
    max_items: int | None = None

    @classmethod
    def of(cls, config: Mapping[str, object]) -> Size:
        """From its configuration, which has the names of the fields.

        Raises:
            ValueError: an option is unknown or no whole number from 1, or there is none.
        """
        options = Options(config)
        names = ("max_characters", "max_bytes", "max_tokens", "max_depth", "max_items")
        limits = {name: options.number(name, default=None, least=1, most=_MOST) for name in names}
        options.finish()
        if all(limit is None for limit in limits.values()):
            raise ValueError(f"at least one limit is needed: {', '.join(names)}")
        return cls(**limits)

    def __call__(self, content: Content, *, rewrite: bool) -> Examined:
        """Measured are the texts, with keys, and the structure: of the answer, before there is one of the request."""
        del rewrite  # what is too much cannot be taken out
        body = content.request if content.response is None else content.response
        exceeded = self.exceeded(measure([carrier.text for carrier in content.carriers], body))
        return Examined(denied=True, findings=dict.fromkeys(exceeded, 1)) if exceeded else PASSED

    def exceeded(self, sizes: Sizes) -> list[str]:
        """The kinds of findings: one for each limit that `sizes` exceed."""
        pairs = (
            ("size_characters", sizes.characters, self.max_characters),
            ("size_bytes", sizes.bytes, self.max_bytes),
            ("size_tokens", sizes.tokens, self.max_tokens),
            ("size_depth", sizes.depth, self.max_depth),
            ("size_items", sizes.items, self.max_items),
        )
        return [kind for kind, size, limit in pairs if limit is not None and size > limit]


def measure(texts: Sequence[str], body: object) -> Sizes:
    """The sizes of a message with these texts and this structure."""
    octets = sum(len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")) for text in texts)
    depth, items = _structure(body)
    tokens = sum(_tokens(text) for text in texts)
    return Sizes(sum(map(len, texts)), octets, tokens, depth, items)


def _tokens(text: str) -> int:
    """About what byte-pair encodings make of it: four characters a token, one of ideographs and the like.

    An upper estimate for prose and never far below for anything else; the model's own count may differ.
    """
    if text.isascii():
        return (len(text) + 3) // 4
    wide = sum(character > "\u2e7f" for character in text)
    return wide + (len(text) - wide + 2) // 3


def _structure(body: object) -> tuple[int, int]:
    """Depth and number of items, level by level: no depth is too deep for it."""
    depth = items = 0
    level: list[object] = [body]
    while level := [part for part in level if isinstance(part, Mapping | list | tuple)]:
        depth += 1
        below: list[object] = []
        for part in level:
            below += part.values() if isinstance(part, Mapping) else part
            items += len(part)
        level = below
    return depth, items
