"""What the door reads of the configuration, as protocols. The settings room's models satisfy them structurally."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mcp_gateway.core.secret import Secret


class ClaimSpec(Protocol):
    """Names of claims; one that a token does not have under its name is sought as a dotted path."""

    @property
    def groups(self) -> str: ...

    @property
    def email(self) -> str: ...

    @property
    def scope(self) -> str: ...


class IntrospectionSpec(Protocol):
    """The gateway as a client of the introspection endpoint (RFC 7662); None discovers it."""

    @property
    def url(self) -> str | None: ...

    @property
    def client_id(self) -> str: ...

    @property
    def client_secret(self) -> Secret: ...


class IssuerSpec(Protocol):
    """An authorization server whose tokens are accepted. `max_stale` is in seconds."""

    @property
    def name(self) -> str: ...

    @property
    def issuer(self) -> str: ...

    @property
    def audiences(self) -> Sequence[str]: ...

    @property
    def jwks_uri(self) -> str | None: ...

    @property
    def algorithms(self) -> Sequence[str]: ...

    @property
    def max_stale(self) -> float: ...

    @property
    def introspection(self) -> IntrospectionSpec | None: ...

    @property
    def claims(self) -> ClaimSpec: ...

    @property
    def groups_prefix(self) -> str: ...
