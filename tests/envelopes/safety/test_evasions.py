"""Evasions: the ways to write a thing so that it is not found, and which of them are caught."""

import base64
import html
import json
import urllib.parse
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.scan import redact, scan
from tests.envelopes.safety.support import CALLED, CREDENTIALS, DETECTORS, INNOCENT, PERSONAL

_ALIKE = str.maketrans("aeopcxyiABEKMHOPCTX", "аеорсхуіАВЕКМНОРСТХ")
_FULL = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}
_BOLD = {code: 0x1D7CE + code - 0x30 for code in range(0x30, 0x3A)}


def _between(what: str) -> Callable[[str], str]:
    return what.join


def _encoded(text: str) -> str:
    return base64.b64encode(f"<{text}>".encode()).decode()


_CAUGHT: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        "as it is": str,
        "zero-width space": _between("\u200b"),
        "zero-width joiner": _between("\u200d"),
        "soft hyphen": _between("\u00ad"),
        "word joiner": _between("\u2060"),
        "byte order mark": _between("\ufeff"),
        "variation selector": _between("\ufe0f"),
        "combining mark": _between("\u0336"),
        "tag": _between("\U000e0041"),
        "direction": lambda text: "\u202d" + text + "\u202c",
        "look-alikes": lambda text: text.translate(_ALIKE),
        "full width": lambda text: text.translate(_FULL),
        "bold digits": lambda text: text.translate(_BOLD),
        "Arabic digits": lambda text: text.translate({code: code + 0x630 for code in range(0x30, 0x3A)}),
        "base64": _encoded,
        "base64url": lambda text: base64.urlsafe_b64encode(f"<{text}>".encode()).decode().rstrip("="),
        "base64 twice": lambda text: _encoded(_encoded(text)),
        "hex": lambda text: f"<{text}>".encode().hex(),
        "URL": lambda text: urllib.parse.quote(text, safe=""),
        "URL twice": lambda text: urllib.parse.quote(urllib.parse.quote(text, safe=""), safe=""),
        "every byte of a URL": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
        "HTML": lambda text: "".join(f"&#{ord(one)};" for one in text),
        "HTML names": lambda text: html.escape(text).replace("@", "&commat;").replace(".", "&period;"),
        "JSON escapes": lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
        "JSON in JSON": lambda text: json.dumps(json.dumps({"a": f"b\n{text}\n"})),
        "look-alikes in base64 in JSON": lambda text: json.dumps({"a": _encoded(text.translate(_ALIKE))}),
    }
)

_MISSED: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        "backwards": lambda text: text[::-1],
        "moved letters": lambda text: text.translate({code: code + 1 for code in range(0x30, 0x7A)}),
        "in two fields": lambda text: json.dumps({"a": text[: len(text) // 2], "b": text[len(text) // 2 :]}),
        "base64 of compressed bytes": lambda text: base64.b64encode(zlib.compress(text.encode())).decode(),
    }
)
"""What no detector of patterns catches. It is written down, so that nobody counts on it."""

_EXAMPLES = [(kind, texts[0]) for kind, texts in (*PERSONAL.items(), *CREDENTIALS.items())]
_KNOWN = ("email", "credit_card", "aws_access_key")


@pytest.mark.parametrize("evasion", _CAUGHT)
@pytest.mark.parametrize(("kind", "text"), _EXAMPLES)
def test_an_evasion_is_caught_and_nothing_of_it_is_left(evasion: str, kind: str, text: str) -> None:
    written = f"before: {_CAUGHT[evasion](text)} ."
    found = scan(written, DETECTORS)
    assert kind in {one.kind for one in found}
    left = redact(written, found)
    assert left.startswith("before: ")
    assert left.endswith(" .")
    assert text not in left
    assert scan(left, DETECTORS) == ()


@pytest.mark.parametrize("evasion", _MISSED)
@pytest.mark.parametrize("kind", _KNOWN)
def test_what_is_missed_is_known(evasion: str, kind: str) -> None:
    (text, *_) = {**PERSONAL, **CREDENTIALS}[kind]
    assert kind not in {one.kind for one in scan(_MISSED[evasion](text), DETECTORS)}


_ALL = [text for texts in (*PERSONAL.values(), *CALLED.values(), *CREDENTIALS.values()) for text in texts]
RUN_TOGETHER = (
    "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"
    "AIzaSyA1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6qAIzaSyA1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q"
    "415-555-2671+49 30 901820"
)
"""One comes to light when the one beside it is taken out, several times over."""

_TEXTS = st.lists(
    st.sampled_from(_ALL)
    | st.sampled_from(INNOCENT)
    | st.sampled_from(
        ["\u200b", "４", "1", "4", " ", "-", "@", "a", ".", "%40", "\\n", "\\u0031", "ssn ", "+", "key=", "\n"]
    )
    | st.builds(lambda evasion, text: _CAUGHT[evasion](text), st.sampled_from(sorted(_CAUGHT)), st.sampled_from(_ALL)),
    max_size=6,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(_TEXTS)
def test_redaction_is_idempotent(text: str) -> None:
    once = redact(text, scan(text, DETECTORS))
    assert redact(once, scan(once, DETECTORS)) == once


@settings(max_examples=200, deadline=None)
@given(_TEXTS, st.sampled_from(["[REDACTED]", "[EMAIL]", "***"]))
@example(RUN_TOGETHER, "[REDACTED]")
def test_redaction_never_breaks_json(text: str, label: str) -> None:
    inner = json.dumps({"a": text})
    for document in (inner, json.dumps({"inner": inner})):
        left = redact(document, scan(document, DETECTORS), lambda finding: label)
        outer = json.loads(left)
        if isinstance(outer.get("inner"), str):
            json.loads(outer["inner"])


@settings(max_examples=200, deadline=None)
@given(_TEXTS)
def test_findings_are_in_order_apart_and_within_the_text(text: str) -> None:
    last = 0
    for one in scan(text, DETECTORS):
        assert last <= one.start < one.end <= len(text)
        last = one.end
