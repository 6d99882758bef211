"""What is read here of an upstream's settings, as protocols: the settings room's models satisfy them structurally."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from mcp_gateway.core.secret import Secret


class AuthSpec(Protocol):
    """`auth.type` tells which of the others it is."""

    @property
    def type(self) -> str: ...


@runtime_checkable
class HeaderSpec(AuthSpec, Protocol):
    """`header`."""

    @property
    def headers(self) -> Mapping[str, Secret | None]: ...

    @property
    def level(self) -> str: ...


@runtime_checkable
class TokenClientSpec(AuthSpec, Protocol):
    """`client_credentials`, and what `token_exchange` shares with it."""

    @property
    def token_url(self) -> str | None: ...

    @property
    def issuer(self) -> str | None: ...

    @property
    def client_id(self) -> str: ...

    @property
    def client_secret(self) -> Secret | None: ...

    @property
    def private_key(self) -> Secret | None: ...

    @property
    def scopes(self) -> Sequence[str]: ...

    @property
    def audience(self) -> str | None: ...

    @property
    def resource(self) -> str | None: ...


@runtime_checkable
class ExchangeSpec(TokenClientSpec, Protocol):
    """`token_exchange`."""

    @property
    def subject_token_type(self) -> str: ...

    @property
    def requested_token_type(self) -> str: ...

    @property
    def actor(self) -> bool: ...


@runtime_checkable
class IdJagSpec(AuthSpec, Protocol):
    """`id_jag`."""

    @property
    def idp_token_url(self) -> str: ...

    @property
    def audience(self) -> str: ...

    @property
    def token_url(self) -> str: ...

    @property
    def client_id(self) -> str: ...

    @property
    def client_secret(self) -> Secret: ...

    @property
    def resource(self) -> str | None: ...

    @property
    def scopes(self) -> Sequence[str]: ...

    @property
    def subject_token_type(self) -> str: ...


@runtime_checkable
class CodeSpec(AuthSpec, Protocol):
    """`authorization_code`."""

    @property
    def issuer(self) -> str | None: ...

    @property
    def authorization_url(self) -> str | None: ...

    @property
    def token_url(self) -> str | None: ...

    @property
    def client_id(self) -> str | None: ...

    @property
    def client_secret(self) -> Secret | None: ...

    @property
    def scopes(self) -> Sequence[str]: ...

    @property
    def resource(self) -> str | None: ...

    @property
    def registration(self) -> str: ...


class EgressSpec(Protocol):
    """`egress`: addresses that what is learned may lead to, besides public ones."""

    @property
    def allow(self) -> Sequence[str]: ...


class ProtectedSpec(Protocol):
    """An upstream over HTTP."""

    @property
    def url(self) -> str: ...

    @property
    def auth(self) -> AuthSpec: ...

    @property
    def egress(self) -> EgressSpec: ...
