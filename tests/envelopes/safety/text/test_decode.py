"""Decoding: what is written in another alphabet is found, within bounds, and nothing makes it fail."""

import base64
import html
import json
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.text.decode import DEPTH, TIMES, decode, runs
from mcp_gateway.envelopes.safety.text.normalise import normalise
from mcp_gateway.envelopes.safety.text.regex import Pattern
from mcp_gateway.envelopes.safety.text.view import View

_HIDDEN = "mail me: secret@example.com"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


_CODECS: dict[str, Callable[[str], str]] = {
    "base64": _base64,
    "base64url without padding": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "URL": lambda text: urllib.parse.quote(text, safe=""),
    "URL, every byte": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "HTML, decimal": lambda text: "".join(f"&#{ord(one)};" for one in text),
    "HTML, hex": lambda text: "".join(f"&#x{ord(one):x};" for one in text),
    "JSON escapes": lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
    "JavaScript escapes": lambda text: "".join(f"\\x{ord(one):02x}" for one in text),
    "JSON in JSON": lambda text: json.dumps({"text": "line\n" + text}),
    "base64 in base64": lambda text: _base64(_base64(text)),
    "base64 in JSON in URL": lambda text: urllib.parse.quote(json.dumps({"data": _base64(text)})),
    "base64 three times": lambda text: _base64(_base64(_base64(text))),
}


@pytest.mark.parametrize("codec", _CODECS)
def test_what_is_encoded_is_found_and_leads_back_to_where_it_stands(codec: str) -> None:
    encoded = _CODECS[codec](_HIDDEN)
    text = f"before, {encoded} after"
    layers = [view for view in decode(View(text)) if _HIDDEN in view.text]
    assert layers
    start, end = layers[0].span(layers[0].text.index(_HIDDEN), layers[0].text.index(_HIDDEN) + len(_HIDDEN))
    assert text[start:end] in encoded
    assert len(text[start:end]) > len(_HIDDEN) - 1


def test_a_character_of_an_escaped_text_leads_back_to_its_escape_alone() -> None:
    text = "name=%C3%A9va%40example.com&x=1"
    (layer,) = decode(View(text))
    at = layer.text.index("@")
    assert layer.text == "name=eva@example.com&x=1"
    assert text[slice(*layer.span(at, at + 1))] == "%40"


def test_a_fourth_layer_is_not_read() -> None:
    text = _HIDDEN
    for _ in range(DEPTH + 1):
        text = _base64(text)
    assert not any(_HIDDEN in view.text for view in decode(View(text)))


@pytest.mark.parametrize(
    "text",
    [
        "plain text without anything",
        "123e4567-e89b-12d3-a456-426614174000",
        "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "getCustomerInvoiceByIdentifier",
        "100 % & more; a\\",
        base64.b64encode(bytes(range(256))).decode(),
    ],
)
def test_what_encodes_no_text_has_no_layer(text: str) -> None:
    assert list(decode(View(text))) == []


def test_an_escaped_backslash_escapes_nothing() -> None:
    assert next(decode(View(r"a\\nb\n4"))).text == "a \\nb \n4"


@given(st.text(alphabet="%&#x;\\u04aAfF3=+/-_ zQ\ud800é\u200b", max_size=200).filter(lambda text: "\ud800" not in text))
def test_layers_are_bounded_whatever_the_text_is(text: str) -> None:
    layers = list(decode(View(text)))
    assert len(layers) <= 2 * DEPTH
    assert sum(len(view.text) for view in layers) <= TIMES * len(text)
    for view in layers:
        for place in range(len(view.text)):
            start, end = view.span(place, place + 1)
            assert 0 <= start < end <= len(text)


@pytest.mark.parametrize(
    "unit", ["%41", "\\u0041", "&#65;", "&lt;", "QUFB" * 6 + " ", "41" * 8 + " ", "\\\\", '\\"', "&nGt;"]
)
def test_a_large_text_of_nothing_but_codes_does_not_grow(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    assert sum(len(view.text) for view in decode(View(text))) <= TIMES * len(text)


def test_html_names_are_read() -> None:
    encoded = html.escape("<a@b.example>")
    assert next(decode(View(encoded))).text == "<a@b.example>"


def _read(raw: bytes) -> str | None:
    """What base64 or hex of `raw` is read as, by the codec alone."""
    if sum(byte not in b"\t\n\r" and not 0x20 <= byte < 0x7F for byte in raw) * 5 <= len(raw):
        return raw.decode(errors="replace")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        return raw[: error.start].decode() if 8 < len(raw) - 3 <= error.start else None


_BYTES = st.sampled_from(["plain text", "été ", "検索", "\U0001f600", "\x01\x02"]).map(str.encode) | st.binary(
    max_size=4
)


@given(st.lists(_BYTES, min_size=1, max_size=8).map(b"".join).filter(lambda raw: len(raw) >= 12), st.booleans())
def test_of_a_run_is_read_what_the_codecs_read(raw: bytes, as_hex: bool) -> None:
    run = raw.hex() if as_hex else base64.urlsafe_b64encode(raw).decode()
    layers = [view.text for view in decode(View(f"<{run}>"))]
    read = _read(raw)
    known = not as_hex and (run[1:].rstrip("=").islower() or run.rstrip("=").isdecimal())
    if not read or run[0] in "-_" or known:
        return
    assert layers and layers[0] == f"<{normalise(read).text}>"


_RUNS = Pattern(
    r"(?:^|[^A-Za-z0-9+/_\-])("
    r"[A-Za-z0-9+/_\-]{24,}={0,2}|(?:[A-Za-z0-9][A-Za-z0-9+/_\-]{3}){3,5}[A-Za-z0-9+/_\-]{0,3}={0,2})"
)
"""What `runs` are in one expression, which takes many times as long."""


@given(
    st.lists(
        st.text("aZ09+/_-", min_size=10, max_size=26)
        | st.sampled_from(("=", "==", "===", "-", "/", "a", " ", "é", "\n")),
        max_size=8,
    ).map("".join)
)
def test_runs_are_those_of_one_expression(text: str) -> None:
    assert list(runs(text)) == list(_RUNS.spans(text, 1))
