"""`WWW-Authenticate` challenges of the Bearer scheme, read and written (RFC 9110 §11.6.1, RFC 6750 §3, RFC 9728 §5.1).

Pure. A header may hold several challenges; those of other schemes are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 8192
_PART: Final = re.compile(
    r"""[\s,]*(?:
      (?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"=]+))
      |(?P<scheme>[!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]+(?P<token68>[A-Za-z0-9._~+/-]+=*)(?=[\s]*(?:,|$)))?
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_UNQUOTABLE: Final = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")


@dataclass(frozen=True, slots=True)
class Challenge:
    """The parameters of a Bearer challenge that a client acts on; None and empty where it says nothing."""

    error: str | None = None
    scopes: tuple[str, ...] = ()
    resource_metadata: str | None = None

    @classmethod
    def parse(cls, header: str | None) -> Challenge | None:
        """The first Bearer challenge in `header`, None if there is none. Never raises."""
        params = _bearer(header[:_LONGEST]) if header else None
        if params is None:
            return None
        return cls(
            error=params.get("error"),
            scopes=tuple(params.get("scope", "").split()),
            resource_metadata=params.get("resource_metadata"),
        )


def _bearer(header: str) -> Mapping[str, str] | None:
    params: dict[str, str] | None = None
    position = 0
    while position < len(header):
        part = _PART.match(header, position)
        if part is None or part.end() == position:
            break
        position = part.end()
        if part["scheme"] is not None:
            if params is not None:
                break
            params = {} if part["scheme"].lower() == "bearer" else None
        elif params is not None:
            value = part["plain"] if part["quoted"] is None else _ESCAPED.sub(r"\1", part["quoted"])
            params.setdefault(part["name"].lower(), value)
    return params


def bearer(**params: str | None) -> str:
    """A Bearer challenge with `params`, those that are None or empty left out; what quoting cannot hold is replaced."""
    given = ((name, value) for name, value in params.items() if value)
    listed = ", ".join(f'{name}="{_UNQUOTABLE.sub("?", value)}"' for name, value in given)
    return f"Bearer {listed}" if listed else "Bearer"
