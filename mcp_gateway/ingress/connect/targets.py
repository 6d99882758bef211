"""What can be connected at an upstream: an account by authorization, or header values that the user types in."""

from __future__ import annotations

from dataclasses import dataclass

from mcp_gateway.envelopes.identity.authorizing import Authorizer


@dataclass(frozen=True, slots=True)
class AccountTarget:
    """An upstream with `authorization_code`."""

    authorizer: Authorizer


@dataclass(frozen=True, slots=True)
class HeadersTarget:
    """An upstream with per-user headers. `url` is where it is, and where alone the values are sent; `names` are the
    fields, as configured."""

    url: str
    names: tuple[str, ...]


Target = AccountTarget | HeadersTarget
