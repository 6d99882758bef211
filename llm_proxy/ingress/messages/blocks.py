"""Blocks of content in a request → parts in no dialect. Pure; everything wrong is `Invalid` with its place.

A document of plain text becomes text, after its title and context; one that is made of blocks becomes those. Refused
are files that are stored at Anthropic, documents that must be cited, and blocks of tools that run there.
"""

from __future__ import annotations

from typing import Any, Final

from llm_proxy.completion.request import Media, Part, Reasoning, Text, ToolResult, ToolUse
from llm_proxy.ingress.fields import (
    an_object,
    flag,
    member,
    needed_member,
    needed_text,
    text,
    wrong,
)
from llm_proxy.providers.anthropic_messages.words import to_arguments

Json = dict[str, Any]

_PDF: Final = "application/pdf"
_ANY_IMAGE: Final = "image/*"
_OF_USERS: Final = ("text", "image", "document", "tool_result")
_OF_MODELS: Final = ("text", "tool_use", "thinking", "redacted_thinking")
_OF_RESULTS: Final = ("text", "image", "document")
_OF_DOCUMENTS: Final = ("text", "image")


def of_user(content: object, at: str) -> tuple[Part, ...]:
    """What a user's turn holds; results of tools among it."""
    return tuple(part for block, place in _listed(content, at, _OF_USERS) for part in _read(block, place))


def of_model(content: object, at: str) -> tuple[Part, ...]:
    """What a turn of the model holds."""
    return tuple(part for block, place in _listed(content, at, _OF_MODELS) for part in _read(block, place))


def of_system(content: object, at: str) -> tuple[Text, ...]:
    """What the system says: text."""
    return tuple(_text(block, place) for block, place in _listed(content, at, ("text",)))


def _listed(content: object, at: str, kinds: tuple[str, ...]) -> list[tuple[Json, str]]:
    """The blocks at `at`, each with its place; a string is as good as one block of text."""
    if type(content) is str:
        return [({"type": "text", "text": content}, at)]
    if type(content) is not list:
        wrong("content must be a string or an array of blocks", at)
    blocks = []
    for number, value in enumerate(content):
        place = f"{at}/{number}"
        block = an_object(value, place)
        if needed_text(block, "type", place) not in kinds:
            wrong(f"a block of this type has no translation here: it must be {', '.join(kinds)}", f"{place}/type")
        blocks.append((block, place))
    return blocks


def _read(block: Json, at: str) -> tuple[Part, ...]:
    match block["type"]:
        case "text":
            return (_text(block, at),)
        case "tool_use":
            arguments = to_arguments(needed_member(block, "input", at))
            return (ToolUse(needed_text(block, "id", at), needed_text(block, "name", at), arguments),)
        case "tool_result":
            return (_result(block, at),)
        case "thinking":
            return (Reasoning(_given(block, "thinking", at), text(block, "signature", at) or ""),)
        case "redacted_thinking":
            return (Reasoning("", redacted=needed_text(block, "data", at)),)
    return _media(block, at)


def _media(block: Json, at: str) -> tuple[Text | Media, ...]:
    return (_image(block, at),) if block["type"] == "image" else _document(block, at)


def _text(block: Json, at: str) -> Text:
    return Text(_given(block, "text", at))


def _given(block: Json, key: str, at: str) -> str:
    """A string that must be there and may be empty."""
    value = text(block, key, at)
    return wrong(f"{key} is required", f"{at}/{key}") if value is None else value


def _result(block: Json, at: str) -> ToolResult:
    parts: list[Text | Media] = []
    if block.get("content") is not None:
        for inner, place in _listed(block["content"], f"{at}/content", _OF_RESULTS):
            parts += (_text(inner, place),) if inner["type"] == "text" else _media(inner, place)
    return ToolResult(needed_text(block, "tool_use_id", at), tuple(parts), failed=flag(block, "is_error", at) or False)


def _image(block: Json, at: str) -> Media:
    source, place, kind = _source(block, at)
    if kind == "base64":
        media_type = needed_text(source, "media_type", place)
        if not media_type.startswith("image/"):
            wrong("media_type must be that of an image", f"{place}/media_type")
        return Media(media_type, data=needed_text(source, "data", place))
    if kind == "url":
        return Media(_ANY_IMAGE, url=_url(source, place))
    wrong("the source of an image must be base64 or url: a file is stored at one provider only", f"{place}/type")


def _document(block: Json, at: str) -> tuple[Text | Media, ...]:
    source, place, kind = _source(block, at)
    title = text(block, "title", at) or ""
    context = text(block, "context", at) or ""
    cited = member(block, "citations", at)
    if cited is not None and flag(cited, "enabled", f"{at}/citations"):
        wrong("the provider of this model does not cite documents", f"{at}/citations/enabled")
    before = tuple(Text(said) for said in (title, context) if said)
    if kind == "base64":
        media_type = text(source, "media_type", place) or _PDF
        return (*before[bool(title) :], Media(media_type, data=needed_text(source, "data", place), name=title))
    if kind == "url":
        return (*before[bool(title) :], Media(_PDF, url=_url(source, place), name=title))
    if kind == "text":
        return (*before, Text(_given(source, "data", place)))
    if kind == "content":
        blocks = _listed(source.get("content"), f"{place}/content", _OF_DOCUMENTS)
        return (*before, *(_text(b, p) if b["type"] == "text" else _image(b, p) for b, p in blocks))
    wrong("the source of a document must be base64, url, text or content", f"{place}/type")


def _source(block: Json, at: str) -> tuple[Json, str, str]:
    source = needed_member(block, "source", at)
    return source, f"{at}/source", needed_text(source, "type", f"{at}/source")


def _url(source: Json, at: str) -> str:
    url = needed_text(source, "url", at)
    if not url.startswith(("https://", "http://")):
        wrong("url must be http(s)", f"{at}/url")
    return url
