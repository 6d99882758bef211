"""Which names and texts look as if they held a secret. Pure."""

from __future__ import annotations

import re
from typing import Final

_SECRET: Final = re.compile(
    r".*(tokens?|secrets?|passw(or)?ds?|passphrase|credentials?|keys?|authorization|cookies?|bearer|pwd)|auth|pat|pass|dsn"
)
_ABOUT: Final = frozenset(
    {"file", "path", "dir", "folder", "id", "name", "type", "env", "url", "uri", "ttl", "limit", "count", "sock"}
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SPLIT: Final = re.compile(r"[^a-z0-9]+")
_USERINFO: Final = re.compile(r"://[^/?#\s:@]*:[^/?#\s@]+@")


def looks_secret(name: str) -> bool:
    """Whether a variable, header or parameter of this name usually carries a secret.

    `GITHUB_TOKEN`, `X-Api-Key` and `dbPassword` do; `TOKEN_FILE` and `AWS_ACCESS_KEY_ID` only speak about one.
    """
    flat = _CAMEL.sub("_", name).lower().replace("-", "_")
    words = [word for word in _SPLIT.split(flat) if word]
    if not words or words[-1] in _ABOUT or "max" in words:
        return False
    return any(_SECRET.fullmatch(word) for word in words)


def holds_password(text: str) -> bool:
    """Whether `text` contains a URL with a password (`scheme://user:password@host`)."""
    return bool(_USERINFO.search(text))
