"""One protected resource: its identifier, its challenges (RFC 6750 §3) and its document (RFC 9728). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from mcp_gateway.core.call import Json
from mcp_gateway.core.challenge import bearer

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_NEVER_LISTED: Final = "offline_access"
"""Between a client and its authorization server; no resource needs it (MCP authorization, scope selection)."""


@dataclass(frozen=True, slots=True)
class ProtectedResource:
    """What callers need a token for.

    `uri` is the canonical URI, exactly as clients type it: the audience of their tokens. `scopes` are needed for
    every request, `supported` for some. `metadata_url` is where the document is, empty where there is none.
    """

    uri: str
    name: str = ""
    scopes: tuple[str, ...] = ()
    supported: tuple[str, ...] = ()
    metadata_url: str = ""

    @classmethod
    def of(
        cls,
        base_url: str,
        path: str,
        *,
        name: str = "",
        scopes: Iterable[str] = (),
        supported: Iterable[str] = (),
        documented: bool = True,
    ) -> Self:
        """The resource at `path` under `base_url` (no trailing slash); `documented` if an issuer can be named."""
        uri = base_url + path
        parts = urlsplit(uri)
        needed = distinct(scopes)
        metadata = f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path}" if documented else ""
        return cls(uri, name, needed, distinct((*needed, *supported)), metadata)

    @property
    def challenge(self) -> str:
        """For a request without credentials: no `error` (RFC 6750 §3.1)."""
        return bearer(scope=" ".join(self.scopes), resource_metadata=self.metadata_url)

    @property
    def bad_token_challenge(self) -> str:
        """The same for every token that is not accepted, whatever is wrong with it."""
        return bearer(
            error="invalid_token",
            error_description="The access token is not valid for this resource",
            scope=" ".join(self.scopes),
            resource_metadata=self.metadata_url,
        )

    def scope_challenge(self, needed: Sequence[str] = ()) -> str:
        """For a token that grants too little: all of `needed` at once, by default what every request needs."""
        return insufficient_scope(needed or self.scopes, self.metadata_url)

    def document(self, issuers: Sequence[str]) -> Json:
        """The protected resource metadata (RFC 9728 §2)."""
        document: Json = {
            "resource": self.uri,
            "authorization_servers": list(issuers),
            "bearer_methods_supported": ["header"],
        }
        if self.supported:
            document["scopes_supported"] = list(self.supported)
        if self.name:
            document["resource_name"] = self.name
        return document


def insufficient_scope(needed: Sequence[str], metadata_url: str) -> str:
    """The challenge of a 403 that names all scopes an operation needs (RFC 6750 §3.1)."""
    return bearer(
        error="insufficient_scope",
        error_description="The access token grants too little for this request",
        scope=" ".join(needed),
        resource_metadata=metadata_url,
    )


def distinct(scopes: Iterable[str]) -> tuple[str, ...]:
    """Each scope once, in order."""
    return tuple(scope for scope in dict.fromkeys(scopes) if scope != _NEVER_LISTED)
