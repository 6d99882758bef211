"""MCP messages with secrets and personal data planted in them, of which it is known where."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from tests.envelopes.safety.support import CREDENTIALS, PERSONAL, made

PLANTS: Final[Sequence[tuple[str, str]]] = (
    *(("own/secrets", value) for values in CREDENTIALS.values() for value in values),
    *(("own/pii", values[0]) for values in PERSONAL.values()),
)
"""Guardrail that finds it, and what is found by itself wherever it stands."""

PASSWORD: Final = made("Tr0ub4dor", "-and-3-horses")
"""A secret under a key that says so, and nothing under any other."""

_ONE_LINE: Final = tuple(each for each in PLANTS if "\n" not in each[1])
_WORDS: Final = (
    "",
    "lorem ipsum",
    'she said "no"',
    "back\\slash \\n \\u0041",
    "{}[],: '",
    "line\nbreak\ttab",
    "naïve café – ½",
    "検索結果",
    "\N{GRINNING FACE}",
    "<b>&amp;</b>",
    "count 7",
)
_KEYS: Final = ("a", "rows", "note", "with space", 'quo"te', "back\\slash", "日本", "x/y", "")
_RUN: Final = re.compile(r"[A-Za-z0-9]{12,}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it is `written`, with what is planted in it, under `layers` of encoding, the innermost first.

    What is planted in a `fixed` one cannot be taken out.
    """

    written: str
    plants: tuple[tuple[str, str], ...] = ()
    layers: tuple[str, ...] = ()
    fixed: bool = False


Tree = Any
"""JSON whose texts, and keys with something in them, are `Text`s."""


# ------------------------------------------------------------------ texts


@st.composite
def texts(draw: st.DrawFn, *, planted: bool | None = None, layers: Sequence[str] = ("json", "ascii", "base64")) -> Text:
    """A text; with something in it, without, or either."""
    words = draw(st.lists(st.sampled_from(_WORDS), max_size=3))
    here = draw(st.booleans()) if planted is None else planted
    plants = tuple(draw(st.lists(st.sampled_from(PLANTS), min_size=1, max_size=2))) if here else ()
    pieces = draw(st.permutations([*words, *(value for _, value in plants)]))
    around = tuple(draw(st.lists(st.sampled_from(layers), max_size=2))) if layers else ()
    # Twice escaped, a line break is two backslashes and a letter, and that letter is part of the word after it.
    written = draw(st.sampled_from((" ", "\n", " | "))).join(pieces)
    for layer in around:
        written = _wrapped(layer, written)
    return Text(written, plants, around)


def _wrapped(layer: str, text: str) -> str:
    match layer:
        case "base64":
            return base64.b64encode(text.encode()).decode()
        case _:
            return json.dumps({"note": text, "n": 1}, ensure_ascii=layer == "ascii")


@st.composite
def blobs(draw: st.DrawFn) -> Text:
    """A text as the base64 of an embedded resource."""
    inner = draw(texts(layers=("json",)))
    return Text(_wrapped("base64", inner.written), inner.plants, (*inner.layers, "blob"))


@st.composite
def binaries(draw: st.DrawFn) -> Text:
    """Something binary with text in it."""
    inner = draw(texts(planted=True, layers=()))
    data = b"\xff\xfe\x00" + inner.written.encode("ascii", "replace") + b"\x00\x81"
    return Text(base64.b64encode(data).decode(), inner.plants, fixed=True)


@st.composite
def stuck_texts(draw: st.DrawFn) -> Text:
    """What is a key or an address, with something in it."""
    owner, value = draw(st.sampled_from(_ONE_LINE))
    return Text(draw(st.sampled_from(("", "to ", "see: "))) + value, ((owner, value),), fixed=True)


# ------------------------------------------------------------------ messages


def trees(stuck: bool) -> st.SearchStrategy[Tree]:
    """Free JSON; if `stuck`, perhaps with something planted in keys and numbers."""
    plain = texts() | st.none() | st.booleans() | st.integers(-999, 999) | st.sampled_from((0.5, -1e-9, 1e300))
    leaves = plain | st.just(Text("4111111111111111", (("own/pii", "4111111111111111"),), ("number",), True))
    keys: st.SearchStrategy[Any] = st.sampled_from(_KEYS)
    return st.recursive(
        leaves if stuck else plain,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(keys | stuck_texts() if stuck else keys, inner, max_size=3)
            | st.just({"password": Text(PASSWORD, (("own/secrets", PASSWORD),))})
        ),
        max_leaves=6,
    )


def objects(stuck: bool) -> st.SearchStrategy[Tree]:
    return st.dictionaries(st.sampled_from(_KEYS), trees(stuck), max_size=3)


def _uris(stuck: bool) -> st.SearchStrategy[Any]:
    return st.just("note://1") | stuck_texts() if stuck else st.just("note://1")


def _contents(stuck: bool) -> st.SearchStrategy[Tree]:
    inside = blobs() | binaries() if stuck else blobs()
    extra: dict[Any, Any] = {"mimeType": st.just("text/plain"), "novelty": trees(stuck)}
    return st.fixed_dictionaries({"uri": _uris(stuck), "text": texts()}, optional=extra) | st.fixed_dictionaries(
        {"uri": _uris(stuck), "blob": inside}, optional=extra
    )


def _blocks(stuck: bool) -> st.SearchStrategy[Tree]:
    text, resource, link, novel = (st.just(kind) for kind in ("text", "resource", "resource_link", "novel"))
    return st.one_of(
        st.fixed_dictionaries(
            {"type": text, "text": texts()}, optional={"annotations": st.just({"priority": 0.5, "audience": ["user"]})}
        ),
        st.fixed_dictionaries({"type": resource, "resource": _contents(stuck)}),
        st.fixed_dictionaries(
            {"type": link, "uri": _uris(stuck), "name": texts()}, optional={"title": texts(), "description": texts()}
        ),
        st.fixed_dictionaries({"type": novel, "payload": trees(stuck)}),
    )


def _with_unknown(stuck: bool, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Tree]:
    optional = {"surprise": trees(stuck), "_meta": st.fixed_dictionaries({"vendor/x": trees(stuck)})}
    return st.fixed_dictionaries({"resultType": st.just("complete"), **fields}, optional=optional)


def params(door: str, *, stuck: bool) -> st.SearchStrategy[Tree]:
    """What is asked at a door."""
    named: dict[Any, Any] = {"name": st.just("echo")}
    arguments = st.dictionaries(st.sampled_from(_KEYS), texts(), max_size=3)
    match door:
        case "tools/call":
            return st.fixed_dictionaries({**named, "arguments": objects(stuck)}, optional={"novelty": trees(stuck)})
        case "prompts/get":
            return st.fixed_dictionaries({**named, "arguments": arguments})
        case "resources/read":
            return st.fixed_dictionaries({"uri": _uris(stuck)}, optional={"novelty": trees(stuck)})
        case _:
            argument = st.fixed_dictionaries({"name": st.just("who"), "value": texts()})
            return st.fixed_dictionaries(
                {"ref": st.just({"type": "ref/prompt", "name": "greet"}), "argument": argument},
                optional={"context": st.fixed_dictionaries({"arguments": arguments})},
            )


def results(door: str, *, stuck: bool) -> st.SearchStrategy[Tree]:
    """What comes back at a door."""
    blocks = st.lists(_blocks(stuck), max_size=3)
    match door:
        case "tools/call":
            plain = _with_unknown(stuck, content=blocks)
            return plain | _with_unknown(stuck, content=blocks, structuredContent=objects(stuck))
        case "prompts/get":
            message = st.fixed_dictionaries({"role": st.just("user"), "content": _blocks(stuck)})
            return _with_unknown(stuck, description=texts(), messages=st.lists(message, max_size=2))
        case "resources/read":
            return _with_unknown(stuck, contents=st.lists(_contents(stuck), max_size=2))
        case _:
            values = st.fixed_dictionaries({"values": st.lists(texts(), max_size=4), "total": st.just(4)})
            return _with_unknown(stuck, completion=values)


# ------------------------------------------------------------------ what they amount to


def plain(tree: Tree) -> Any:
    """The JSON as it is sent."""
    match tree:
        case Text():
            return int(tree.written) if tree.layers == ("number",) else tree.written
        case dict():
            return {plain(key): plain(value) for key, value in tree.items()}
        case list():
            return [plain(value) for value in tree]
        case _:
            return tree


def marked(tree: Tree) -> Iterator[Text]:
    """Every `Text` of a tree, keys too."""
    match tree:
        case Text():
            yield tree
        case dict():
            for key, value in tree.items():
                yield from marked(key)
                yield from marked(value)
        case list():
            for value in tree:
                yield from marked(value)
        case _:
            return


def planted(tree: Tree) -> list[tuple[str, str]]:
    """What is planted in it, each with the guardrail that finds it."""
    return [plant for text in marked(tree) for plant in text.plants]


def traces(text: str) -> Sequence[str]:
    """What of something planted must not be seen again: it, and every long part of it."""
    return (text, *_RUN.findall(text))


def readings(value: object) -> Iterator[str]:
    """Every text in some JSON, keys too, as it is and as what it encodes."""
    match value:
        case str():
            yield value
            yield from _decoded(value)
        case Mapping():
            for key, each in value.items():
                yield from readings(key)
                yield from readings(each)
        case list():
            for each in value:
                yield from readings(each)
        case int():
            yield str(value)


def _decoded(text: str) -> Iterator[str]:
    try:
        inner = json.loads(text)
    except ValueError:
        pass
    else:
        if not isinstance(inner, (int, float)):
            yield from readings(inner)
    for run in _BASE64.findall(text):
        try:
            yield from readings(base64.b64decode(run + "=" * (-len(run) % 4)).decode())
        except ValueError:
            continue


def same_but_for_plants(tree: Tree, left: object) -> None:
    """Asserts that `left` is the message of `tree` but for what was planted, with all structure in its place."""
    match tree:
        case Text():
            if not tree.plants:
                assert left == tree.written
            else:
                assert isinstance(left, str) and left != tree.written
                _same_layers(tree.layers, left)
        case dict():
            assert isinstance(left, dict) and list(left) == [plain(key) for key in tree]
            for key, value in tree.items():
                same_but_for_plants(value, left[plain(key)])
        case list():
            assert isinstance(left, list) and len(left) == len(tree)
            for value, each in zip(tree, left, strict=True):
                same_but_for_plants(value, each)
        case _:
            assert left == tree and type(left) is type(tree)


def _same_layers(layers: tuple[str, ...], left: str) -> None:
    """JSON in a text is still JSON, with the same members, and a blob still base64 of a text."""
    if layers and layers[-1] == "blob":
        _same_layers(layers[:-1], base64.b64decode(left, validate=True).decode())
    if layers and layers[-1] in ("json", "ascii"):
        inner = json.loads(left)
        assert list(inner) == ["note", "n"] and inner["n"] == 1 and isinstance(inner["note"], str)
        _same_layers(layers[:-1], inner["note"])
