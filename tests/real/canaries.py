"""Looking for secrets in what must not hold them, in every form in which they might stand there.

    Scan({"client secret": ["…"]}).found({"stderr": b"…"})

Of a JWT the signature alone is looked for: it stands in every form of the whole token, and the rest is no secret.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final
from urllib.parse import quote, quote_plus

SHORTEST: Final = 16
"""Bytes of the shortest secret that is looked for: shorter ones would be found by chance."""

_HEX_RUN: Final = re.compile(rb"\\x([0-9a-f]{2,})")
_DROPPED: Final = (0, 2, 3)
"""Of base64 after 0, 1 and 2 foreign bytes, the first characters, which depend on those bytes."""


def forms(secret: str) -> dict[str, bytes]:
    """What `secret` looks like in each form, by the form's name."""
    raw = secret.encode()
    return {
        "raw": raw,
        "reversed": raw[::-1],
        "hex": raw.hex().encode(),
        "hex in capitals": raw.hex().upper().encode(),
        "url-encoded": quote(secret, safe="").encode(),
        "url-encoded as a path": quote(secret).encode(),
        "form-encoded": quote_plus(secret).encode(),
        "url-encoded in small letters": _lower_escapes(quote(secret, safe="")).encode(),
        "url-encoded throughout": "".join(f"%{byte:02X}" for byte in raw).encode(),
        "JSON-escaped": json.dumps(secret)[1:-1].encode(),
        "JSON-escaped twice": json.dumps(json.dumps(secret)[1:-1])[1:-1].encode(),
        "JSON-escaped with slashes": json.dumps(secret)[1:-1].replace("/", "\\/").encode(),
        "quoted by Python": repr(secret)[1:-1].encode(),
        "HTML-escaped": escape(secret).encode(),
        **{name: form for shift in range(3) for name, form in _base64(raw, shift)},
    }


def needle(secret: str) -> str:
    """The part of a secret whose presence gives all of it away."""
    parts = secret.split(".")
    return parts[2] if len(parts) == 3 and secret.startswith("eyJ") else secret


class Scan:
    """Looks for all of `secrets`, which are lists by what they are."""

    def __init__(self, secrets: Mapping[str, Sequence[str]]) -> None:
        self._forms: dict[bytes, str] = {}
        for kind, values in secrets.items():
            assert values, f"there is no {kind} to look for"
            for value in values:
                assert len(needle(value)) >= SHORTEST, f"a {kind} is too short to be looked for"
                for name, form in forms(needle(value)).items():
                    self._forms.setdefault(form, f"{kind}, {name}")

    def __len__(self) -> int:
        return len(self._forms)

    def found(self, places: Mapping[str, bytes]) -> list[str]:
        """What was found, and where. Binary columns in a text dump of PostgreSQL are looked into."""
        lines: list[str] = []
        for place, content in places.items():
            unfolded = b"\n".join(bytes.fromhex(run[: len(run) // 2 * 2].decode()) for run in _HEX_RUN.findall(content))
            for form, name in self._forms.items():
                if form in content or form in unfolded:
                    lines.append(f"{name}: in {place}")
        return lines


def _base64(raw: bytes, shift: int) -> Iterator[tuple[str, bytes]]:
    """The characters of base64 that the secret alone decides on, when it begins `shift` bytes after a group does."""
    whole = (shift + len(raw)) * 8 // 6
    encoded = b64encode(bytes(shift) + raw)[_DROPPED[shift] : whole]
    yield f"base64 ({shift})", encoded
    yield f"base64url ({shift})", encoded.translate(bytes.maketrans(b"+/", b"-_"))


def _lower_escapes(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), text)
