"""Finds out who gives tokens for an upstream: RFC 9728, then RFC 8414 or OpenID Connect Discovery, then 2025-03-26.

Every address is fetched under guard: what the operator wrote may be private, what was learned from a document or a
challenge must be public unless the upstream's `egress.allow` lists it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.egress.fetch import Fetcher
from mcp_gateway.core.errors import ProtocolViolation, TimedOut, Unreachable, UpstreamError
from mcp_gateway.core.flights import Flights
from mcp_gateway.envelopes.identity.issuer_metadata import json_object, metadata_urls
from mcp_gateway.envelopes.identity.metadata import (
    ResourceMetadata,
    ServerMetadata,
    Unfit,
    origin_of,
    read_resource,
    read_server,
    resource_metadata_urls,
    trust_in,
    without_metadata,
)

SECONDS: Final = 5.0
"""For one document."""
KEEP_SECONDS: Final = 600.0
"""What was found holds this long; a refusal of the upstream has it looked up again."""
FAILED_SECONDS: Final = 10.0
"""What was not found is not sought again before this."""

_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """An authorization server, and the resource that its tokens are to be for, as published; "" for no metadata."""

    server: ServerMetadata
    resource: str = ""
    scopes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """Where to look. `url` is the upstream's, `metadata_url` what its challenge named; `issuer` a configured one.

    `allowed` are the addresses that the operator grants besides public ones.
    """

    url: str
    metadata_url: str | None = None
    issuer: str | None = None
    allowed: Allowed = field(default_factory=Allowed)

    @property
    def written(self) -> tuple[str, ...]:
        """What the operator wrote: what is at the same origins is as trusted."""
        return (self.url, self.issuer or "")


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why nothing was found; `reached` tells whether there was an answer."""

    message: str
    reached: bool

    def error(self) -> UpstreamError:
        return ProtocolViolation(self.message) if self.reached else Unreachable(self.message, sent=False)


class Discovery:
    """One for all upstreams. Looks once at a time for each, and remembers success and failure for a while."""

    def __init__(self, fetcher: Fetcher, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._kept: OrderedDict[Site, tuple[float, Found | _Failure]] = OrderedDict()
        self._flights: Flights[Site, Found] = Flights()

    async def find(self, site: Site) -> Found:
        """Who gives tokens for `site`. Raises `UpstreamError`: out of reach, or refused and why."""
        kept = self._kept.get(site)
        if kept is not None and self._clock() < kept[0]:
            if isinstance(kept[1], _Failure):
                raise kept[1].error()
            return kept[1]
        return await self._flights.join(site, lambda: self._look(site))

    def forget(self, site: Site) -> None:
        """What was found may no longer be true: look again next time, unless that failed just now."""
        kept = self._kept.get(site)
        if kept is not None and isinstance(kept[1], Found):
            del self._kept[site]

    async def close(self) -> None:
        """Give up what is under way."""
        await self._flights.close()

    async def _look(self, site: Site) -> Found:
        outcome: Found | _Failure
        try:
            outcome = await self._found(site)
        except Unfit as error:
            outcome = _Failure(str(error), reached=True)
        except UpstreamError as error:
            outcome = _Failure(error.message, reached=isinstance(error, ProtocolViolation))
        lasting = KEEP_SECONDS if isinstance(outcome, Found) else FAILED_SECONDS
        self._kept[site] = (self._clock() + lasting, outcome)
        self._kept.move_to_end(site)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        if isinstance(outcome, _Failure):
            raise outcome.error()
        return outcome

    async def _found(self, site: Site) -> Found:
        if site.issuer is not None and not site.url:
            return Found(await self._server(site, site.issuer))
        resource = await self._resource(site)
        if resource is None:
            if site.issuer is not None:
                return Found(await self._server(site, site.issuer))
            return Found(await self._server_of_old(site))
        issuer = site.issuer or resource.authorization_servers[0]
        if issuer not in resource.authorization_servers:
            raise Unfit("the configured issuer is not one that the upstream takes tokens of")
        return Found(await self._server(site, issuer), resource.resource, resource.scopes)

    async def _resource(self, site: Site) -> ResourceMetadata | None:
        """None where the upstream publishes nothing: it may be older than RFC 9728."""
        named = (site.metadata_url,) if site.metadata_url else resource_metadata_urls(site.url)
        for url in named:
            document = await self._document(site, url, needed=bool(site.metadata_url))
            if document is not None:
                return read_resource(document, site.url)
        return None

    async def _server(self, site: Site, issuer: str) -> ServerMetadata:
        for url in metadata_urls(issuer):
            document = await self._document(site, url)
            if document is not None:
                return read_server(document, issuer)
        raise Unfit("the authorization server publishes no metadata")

    async def _server_of_old(self, site: Site) -> ServerMetadata:
        issuer = origin_of(site.url)
        document = await self._document(site, metadata_urls(issuer)[0])
        return without_metadata(site.url) if document is None else read_server(document, issuer)

    async def _document(self, site: Site, url: str, *, needed: bool = False) -> Mapping[str, object] | None:
        """None where there is nothing. Raises `Unfit` for what is no document; `UpstreamError` when out of reach."""
        try:
            answer = await self._fetcher.fetch(
                url,
                trust=trust_in(url, site.written),
                headers=[(b"accept", b"application/json"), (b"mcp-protocol-version", b"2026-07-28")],
                seconds=SECONDS,
                allowed=site.allowed,
            )
        except (Unreachable, TimedOut) as error:
            raise Unreachable(f"the metadata for signing in cannot be had: {error.message}", sent=False) from None
        if answer.status != 200:
            if answer.status >= 500 or needed:
                raise Unfit(f"the metadata for signing in was answered with HTTP {answer.status}")
            return None
        try:
            return json_object(answer)
        except ProtocolViolation as error:
            raise Unfit(f"the metadata for signing in is {error.message}") from None
