"""The content of an input item → parts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from llm_proxy.completion.request import Media, Text
from llm_proxy.ingress import fields
from llm_proxy.ingress.fields import wrong

Json = dict[str, Any]

_SOUNDS: Final[Mapping[str, str]] = MappingProxyType({"mp3": "audio/mpeg", "wav": "audio/wav"})


def content(value: object, at: str) -> tuple[Text | Media, ...]:
    """What a message or the output of a function says: a string, or a list of content parts. Raises `Invalid`."""
    if type(value) is str:
        return (Text(value),)
    if type(value) is not list:
        wrong("must be a string or an array of content parts", at)
    return tuple(_part(fields.an_object(part, f"{at}/{i}"), f"{at}/{i}") for i, part in enumerate(value))


def _part(part: Json, at: str) -> Text | Media:
    kind = part.get("type")
    read = _KINDS.get(kind) if type(kind) is str else None
    if read is None:
        wrong("content of this type has no translation for the provider of this model", f"{at}/type")
    return read(part, at)


def _said(part: Json, at: str) -> Text:
    return Text(_a_text(part, "text", at))


def _refused(part: Json, at: str) -> Text:
    return Text(_a_text(part, "refusal", at))


def _image(part: Json, at: str) -> Media:
    url = fields.text(part, "image_url", at)
    if not url:
        wrong("image_url is required: files that a provider stores (file_id) are unknown to another one", at)
    if url.startswith("data:"):
        image = _data_url(url, f"{at}/image_url", "")
        return image if image.media_type.startswith("image/") else wrong("must be an image", f"{at}/image_url")
    return Media("image/*", url=_https(url, f"{at}/image_url"))


def _file(part: Json, at: str) -> Media:
    name = fields.text(part, "filename", at) or ""
    data, url = fields.text(part, "file_data", at), fields.text(part, "file_url", at)
    if data:
        at = f"{at}/file_data"
        return _data_url(data, at, name) if data.startswith("data:") else Media("application/pdf", data, name=name)
    if url:
        return Media("application/pdf", url=_https(url, f"{at}/file_url"), name=name)
    wrong("file_data or file_url is required: files that a provider stores (file_id) are unknown to another one", at)


def _sound(part: Json, at: str) -> Media:
    sound = fields.needed_member(part, "input_audio", at)
    at = f"{at}/input_audio"
    kind = fields.word(sound, "format", tuple(_SOUNDS), at)
    if kind is None:
        wrong("format is required", f"{at}/format")
    return Media(_SOUNDS[kind], fields.needed_text(sound, "data", at))


def _data_url(url: str, at: str, name: str) -> Media:
    """`data:image/png;base64,…`: parameters of the media type are dropped."""
    head, comma, data = url[5:].partition(",")
    kind, *parameters = head.split(";")
    if not (comma and data and "/" in kind and parameters and parameters[-1].strip() == "base64"):
        wrong("must be a data URL with a media type and base64 data", at)
    return Media(kind.strip().lower(), data, name=name)


def _https(url: str, at: str) -> str:
    if not url.startswith(("https://", "http://")):
        wrong("must be an http(s) or a data URL", at)
    return url


def _a_text(part: Json, key: str, at: str) -> str:
    value = fields.text(part, key, at)
    if value is None:
        wrong(f"{key} is required and must be a string", f"{at}/{key}")
    return value


_KINDS: Final[Mapping[str, Callable[[Json, str], Text | Media]]] = MappingProxyType(
    {
        "input_text": _said,
        "output_text": _said,
        "text": _said,
        "refusal": _refused,
        "input_image": _image,
        "input_file": _file,
        "input_audio": _sound,
    }
)
