"""The path of a request as records and spans have it: printable, short, and without tickets. Pure."""

from __future__ import annotations

import re
from typing import Final

from mcp_gateway.envelopes.observability.traces.span import text

_PAGE: Final = re.compile(r"/connect(?:/|%2f)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)

_NO_TICKETS: Final = frozenset({"", "callback", "client.json", "mcp", "signed-in", "style.css"})
"""What may follow `/connect/` and opens nothing: pages without a ticket, and a virtual server that is called so."""

_NAMES: Final = "/api/connections/"
"""Here subjects of people follow, which may look like anything."""


def shown(path: str) -> str:
    """`path` as it may be kept.

    The ticket of a page for people is left out, wherever a page may have been looked for: who has it can open the page.
    """
    if not path.startswith(_NAMES) and (found := _PAGE.search(path)) and found["rest"] not in _NO_TICKETS:
        path = path[: found.start("rest")] + "…"
    return text(path)
