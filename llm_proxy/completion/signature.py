"""Whose proof of reasoning a signature is. Pure.

A conversation can go on at a provider of another family, which refuses a proof that it did not give itself. So a
codec marks the signatures that it reads, and sends only those back that carry its mark. Clients see the mark as a part
of a value that means nothing to them anyway.
"""

from __future__ import annotations

from typing import Final, Literal

Family = Literal["gemini", "openai"]
"""The families that mark. Anthropic's signatures have no mark, because its clients may send them past the gateway."""

_MARKS: Final = ("gemini:", "openai:")


def mark(family: Family, signature: str) -> str:
    """`signature` as the rest of the gateway sees it; an empty one stays empty."""
    return f"{family}:{signature}" if signature else ""


def own(family: Family, signature: str) -> str:
    """The signature as `family` gave it; empty if it is somebody else's."""
    kind = f"{family}:"
    return signature[len(kind) :] if signature.startswith(kind) else ""


def marked(signature: str) -> bool:
    """Whether it is one of a family that marks, which those that do not mark must never be sent."""
    return signature.startswith(_MARKS)
