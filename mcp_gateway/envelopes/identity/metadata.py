"""Metadata of protected resources (RFC 9728) and authorization servers (RFC 8414): where it is, and a strict reading.

Pure. What a document says is refused by name; the words of the document never get into a message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from mcp_gateway.core.egress.fetch import Trust
from mcp_gateway.core.egress.origin import BadUrl, Origin, parse_url

_RESOURCE: Final = "/.well-known/oauth-protected-resource"
_MOST_ENTRIES: Final = 1000
_LONGEST: Final = 2048


class Unfit(Exception):
    """A document, or what it leads to, is refused. The text is public and says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceMetadata:
    """What a protected resource says of itself: its identifier, exactly as published, and who gives tokens for it."""

    resource: str
    authorization_servers: tuple[str, ...]
    scopes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMetadata:
    """What an authorization server says of itself. An endpoint that it does not have is "".

    `auth_methods` are None where it does not say; then client_secret_basic is the only one (RFC 8414 §2).
    """

    issuer: str
    authorization_url: str
    token_url: str
    registration_url: str = ""
    revocation_url: str = ""
    scopes: tuple[str, ...] = ()
    auth_methods: tuple[str, ...] | None = None
    s256: bool = False
    client_documents: bool = False
    iss_in_response: bool = False


def resource_metadata_urls(url: str) -> tuple[str, ...]:
    """Where the metadata of the resource at `url` may be, in the order in which to look (RFC 9728 §3.1)."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    path = parts.path.rstrip("/")
    query = f"?{parts.query}" if parts.query else ""
    return (f"{origin}{_RESOURCE}{path}{query}", f"{origin}{_RESOURCE}") if path or query else (f"{origin}{_RESOURCE}",)


def read_resource(document: Mapping[str, object], url: str) -> ResourceMetadata:
    """The metadata of the upstream at `url`. Raises `Unfit`."""
    resource = document.get("resource")
    if not isinstance(resource, str) or not covers(resource, url):
        raise Unfit("the upstream's resource metadata is that of another resource")
    servers = _strings(document, "authorization_servers")
    if not servers:
        raise Unfit("the upstream's resource metadata names no authorization server")
    return ResourceMetadata(
        resource=resource,
        authorization_servers=servers,
        scopes=_strings(document, "scopes_supported"),
    )


def covers(resource: str, url: str) -> bool:
    """True when `resource` identifies what is at `url`: the same origin, and its path or one above it.

    Servers publish the URL itself, or their origin for everything below it.
    """
    try:
        one, other = parse_url(resource), parse_url(url)
    except BadUrl:
        return False
    if one[0] != other[0]:
        return False
    above, below = urlsplit(one[1]), urlsplit(other[1])
    if above.query:
        return one[1] == other[1]
    prefix = above.path.rstrip("/") + "/"
    return (below.path.rstrip("/") + "/").startswith(prefix)


def read_server(document: Mapping[str, object], issuer: str) -> ServerMetadata:
    """The metadata of `issuer`. Raises `Unfit`, also where the document is that of another issuer (§3.3)."""
    if document.get("issuer") != issuer:
        raise Unfit("the authorization server's metadata is that of another issuer")
    methods = _strings(document, "code_challenge_methods_supported") or ()
    return ServerMetadata(
        issuer=issuer,
        authorization_url=_url(document, "authorization_endpoint"),
        token_url=_url(document, "token_endpoint"),
        registration_url=_url(document, "registration_endpoint"),
        revocation_url=_url(document, "revocation_endpoint"),
        scopes=_strings(document, "scopes_supported") or (),
        auth_methods=_strings(document, "token_endpoint_auth_methods_supported"),
        s256="S256" in methods,
        client_documents=document.get("client_id_metadata_document_supported") is True,
        iss_in_response=document.get("authorization_response_iss_parameter_supported") is True,
    )


def without_metadata(url: str) -> ServerMetadata:
    """What to assume of an upstream that publishes nothing: it is its own authorization server (2025-03-26)."""
    origin = origin_of(url)
    return ServerMetadata(
        issuer=origin,
        authorization_url=f"{origin}/authorize",
        token_url=f"{origin}/token",
        registration_url=f"{origin}/register",
        s256=True,
    )


def origin_of(url: str) -> str:
    """The origin of `url`, as an issuer identifier of old."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def trust_in(url: str, written: Sequence[str]) -> Trust:
    """What is at an origin that an operator wrote into the configuration is as trusted; the rest was learned."""
    try:
        origin: Origin = parse_url(url)[0]
        known = any(parse_url(each)[0] == origin for each in written if each)
    except BadUrl:
        return Trust.LEARNED
    return Trust.OPERATOR if known else Trust.LEARNED


def _strings(document: Mapping[str, object], name: str) -> tuple[str, ...] | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > _MOST_ENTRIES:
        raise Unfit(f"its {name} is no list of words")
    if not all(isinstance(each, str) and 0 < len(each) <= _LONGEST and each.isprintable() for each in value):
        raise Unfit(f"its {name} is no list of words")
    return tuple(dict.fromkeys(value))


def _url(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    if value is None:
        return ""
    try:
        if not isinstance(value, str):
            raise BadUrl("it is no string")
        parse_url(value)
    except BadUrl as error:
        raise Unfit(f"its {name} cannot be called: {error}") from None
    return value
