"""Content of a chat message → parts in no dialect. Pure; everything wrong is `Invalid` with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from llm_proxy.completion.request import Media, Text
from llm_proxy.ingress.fields import an_object, needed_member, needed_text, text, wrong

Json = dict[str, Any]

ANY_IMAGE: Final = "image/*"
"""The media type of an image that is named by its URL only."""

_DATA_URL: Final = re.compile(r"data:([a-z]+/[\w.+-]+)(?:;[\w.+=-]+)*;base64,", re.IGNORECASE)
_SOUNDS: Final[Mapping[str, str]] = {"wav": "audio/wav", "mp3": "audio/mpeg"}


def content(value: object, at: str, *, media: bool) -> tuple[Text | Media, ...]:
    """The content at `at`: a string, or a list of parts, of which those that are no text are read if `media`."""
    if value is None:
        return ()
    if type(value) is str:
        return (Text(value),)
    if type(value) is not list:
        wrong("content must be a string or an array of parts", at)
    return tuple(_part(an_object(part, f"{at}/{i}"), f"{at}/{i}", media=media) for i, part in enumerate(value))


def _part(part: Json, at: str, *, media: bool) -> Text | Media:
    kind = needed_text(part, "type", at)
    if kind == "text":
        said = text(part, "text", at)
        return Text(said) if said is not None else wrong("text is required", f"{at}/text")
    if media:
        if kind == "image_url":
            return _image(needed_member(part, "image_url", at), f"{at}/image_url")
        if kind == "input_audio":
            return _sound(needed_member(part, "input_audio", at), f"{at}/input_audio")
        if kind == "file":
            return _file(needed_member(part, "file", at), f"{at}/file")
    elif kind == "refusal":  # of an assistant whose turn comes back: words like others
        return Text(needed_text(part, "refusal", at))
    wrong("a content part of this type has no translation here", f"{at}/type")


def _image(image: Json, at: str) -> Media:
    url = needed_text(image, "url", at)
    if url.startswith(("https://", "http://")):
        return Media(ANY_IMAGE, url=url)
    found = _inline(url)
    if found is None or not found.media_type.startswith("image/"):
        wrong("an image must be an http(s) URL or a base64 data URL of an image", f"{at}/url")
    return found


def _sound(sound: Json, at: str) -> Media:
    named = needed_text(sound, "format", at)
    if named not in _SOUNDS:
        wrong(f"format must be one of {', '.join(_SOUNDS)}", f"{at}/format")
    return Media(_SOUNDS[named], data=needed_text(sound, "data", at))


def _file(file: Json, at: str) -> Media:
    if text(file, "file_id", at) is not None:
        wrong("a file_id names a file that is stored at one provider only: send file_data", f"{at}/file_id")
    found = _inline(needed_text(file, "file_data", at))
    if found is None:
        wrong("file_data must be a base64 data URL", f"{at}/file_data")
    return Media(found.media_type, data=found.data, name=text(file, "filename", at) or "")


def _inline(url: str) -> Media | None:
    """What a data URL holds."""
    found = _DATA_URL.match(url)
    return Media(found[1].lower(), data=url[found.end() :]) if found else None
