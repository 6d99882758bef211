"""HTML that cannot be forgotten to be escaped: text becomes markup only here. Pure."""

from __future__ import annotations

from html import escape
from typing import Final

_VOID: Final = frozenset({"input", "link", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | bool) -> Markup:
    """One element. Children that are not `Markup` are text, and escaped as every attribute is.

    A trailing underscore in the name of an attribute is dropped and the others become hyphens; True is an attribute
    without a value, False none.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items() if value is not False)
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    inner = "".join(child if isinstance(child, Markup) else escape(child) for child in children)
    return Markup(f"<{name}{written}>{inner}</{name}>")


def _attribute(key: str, value: str | bool) -> str:
    name = key.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


def document(title: str, style: str, *body: Markup, head: tuple[Markup, ...] = ()) -> bytes:
    """A whole page. `style` is the address of the style sheet."""
    top = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("link", rel="stylesheet", href=style),
        *head,
    )
    page = tag("html", top, tag("body", tag("main", *body)), lang="en")
    return f"<!doctype html>\n{page}\n".encode()
