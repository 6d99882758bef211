"""Exposed names: at most 64 characters of ``[A-Za-z0-9_./-]``, whatever the upstream calls its things."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

LONGEST: Final = 64

_FIT: Final = re.compile(r"[A-Za-z0-9_./-]{1,64}")
_MISFIT: Final = re.compile(r"[^A-Za-z0-9_./-]")


def fit(name: str, identity: str) -> str:
    """`name` if it may be exposed, else the nearest that may.

    Characters outside the set become ``_``, the result is cut to leave room, and ``_`` with eight hexadecimal
    digits of the SHA-256 of `identity` (``upstream/name``) is added, so that two different names stay different
    and one name always comes out the same.
    """
    if _FIT.fullmatch(name):
        return name
    digest = sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_MISFIT.sub('_', name)[: LONGEST - 9]}_{digest}"
