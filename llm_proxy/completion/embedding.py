"""A request for embeddings and its answer, in no dialect. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llm_proxy.spend.usage import Usage


@dataclass(frozen=True, slots=True)
class Embedding:
    """One request in no dialect. `model` is the name the client asked for.

    `encoding` is how the client wants to read vectors: as numbers, or as base64 of little-endian 32-bit floats.
    """

    model: str
    texts: tuple[str, ...]
    dimensions: int | None = None
    encoding: Literal["float", "base64"] = "float"


@dataclass(frozen=True, slots=True)
class Vectors:
    """One answer: a vector for each text, in the order of the texts. `usage` is None if the provider did not tell."""

    model: str
    vectors: tuple[tuple[float, ...], ...]
    usage: Usage | None = None
