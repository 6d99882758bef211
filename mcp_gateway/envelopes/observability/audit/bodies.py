"""What is recorded of the contents of calls: nothing, a keyed digest of each, or the content with the sensitive out.

A plain digest of a short text can be found by trying; a keyed one only by who holds the gateway's keys, and can check
then whether a text that is presented is the one of a call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import orjson

from mcp_gateway.core.sign import Signer

PURPOSE: Final = "audit/bodies"

Body = Callable[[object], object]
"""What is recorded of one body, a JSON value."""

Bodies = Mapping[str, object]


def keyed(signer: Signer) -> Body:
    """HMAC-SHA256 over the canonical text of a body, behind the name of the key."""

    def digest(body: object) -> object:
        return f"hmac-sha256:{signer.first}:{signer.sign(text_of(body))}"

    return digest


def text_of(body: object) -> bytes:
    """The canonical text of a body: keys in order, no whitespace."""
    try:
        return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return repr(body).encode("utf-8", "backslashreplace")


def bodies(body: Body | None, **of: object) -> Bodies:
    """The member of a record that holds them: nothing for those that are None."""
    if body is None:
        return {}
    return {"bodies": {name: body(value) for name, value in of.items() if value is not None}}
