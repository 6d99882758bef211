"""All upstreams of one process."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from mcp_gateway.calls.inventory import Inventory, InventoryChanged
from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.call import Json
from mcp_gateway.core.egress.tls import TlsFiles
from mcp_gateway.core.errors import Unreachable
from mcp_gateway.core.hub import Hub
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.traces.baggage import NOTE
from mcp_gateway.envelopes.observability.traces.tracer import traced_in
from mcp_gateway.envelopes.policy.authorize import Permitted
from mcp_gateway.upstream.connect import Connector
from mcp_gateway.upstream.connect_http import HttpConnector
from mcp_gateway.upstream.connect_stdio import StdioConnector
from mcp_gateway.upstream.credentials import Credentials, FixedHeaders
from mcp_gateway.upstream.health import Health
from mcp_gateway.upstream.spec import AuthSpec, HeaderAuthSpec, HttpSpec, Log, Reach, StdioSpec, UpstreamSpec
from mcp_gateway.upstream.tracing import ask, peer_of, with_baggage
from mcp_gateway.upstream.unusable import UnusableConnector
from mcp_gateway.upstream.upstream import Upstream

CredentialsOf = Callable[[str, HttpSpec], Credentials | None]
"""The credentials of an upstream, by its name and settings; None for those that fixed header fields do for."""

SessionEnded = Callable[[str, str, str, float, bool], None]
"""Told of each session that ended: the upstream, its transport, and what `lasting.Ended` is told."""

DRAIN_SECONDS: Final = 30.0
"""Calls under way to an upstream that is removed or replaced get this long to end."""

SWAP_SECONDS: Final = 10.0
"""A changed upstream goes on in its old shape until the new one was tried, at most this long."""

_PARTING_SECONDS: Final = 2.0


class Fleet:
    """Starts, replaces and ends upstreams as the configuration says, and finds the one that a call goes to.

    `changes` gets every new inventory, also when an upstream becomes unavailable or comes back.
    `recovered` gets the name of each upstream that is back (or reached for the first time).
    """

    def __init__(
        self,
        log: Log,
        *,
        base_dir: Path,
        reach: Reach | None = None,
        credentials: CredentialsOf | None = None,
        ended: SessionEnded | None = None,
    ) -> None:
        """Relative working directories are relative to `base_dir`. `credentials` makes those of upstreams that need
        more than fixed header fields; None where it knows none. `ended` is told of each session with an upstream."""
        self._ended = ended or _nobody
        self._reach = reach or Reach()
        self._credentials = credentials or _fixed_only
        self._log = log
        self._base_dir = base_dir
        self._upstreams: dict[str, Upstream] = {}
        self._disabled: frozenset[str] = frozenset()
        self._parting: set[asyncio.Task[None]] = set()
        self._meeting: set[asyncio.Task[None]] = set()
        self._applying = asyncio.Lock()
        self._tls: ssl.SSLContext | None = None
        self.changes: Hub[InventoryChanged] = Hub()
        self.recovered: Hub[str] = Hub()

    # ------------------------------------------------------------ configuration

    async def apply(self, upstreams: Mapping[str, UpstreamSpec]) -> None:
        """Make it so: start what is new, end what is gone, replace what changed, leave alone what did not.

        Does not wait for new upstreams (see `settled`), but for changed ones, so that nothing is interrupted.
        """
        async with self._applying:
            wanted = {name: spec for name, spec in upstreams.items() if spec.enabled}
            self._disabled = frozenset(upstreams.keys() - wanted.keys())
            for name in self._upstreams.keys() - wanted.keys():
                self._part(self._upstreams.pop(name))
            successors: dict[str, Upstream] = {}
            for name, spec in wanted.items():
                current = self._upstreams.get(name)
                if current is not None and current.spec == spec:
                    continue
                upstream = self._make(name, spec)
                upstream.start()
                if current is None:
                    self._upstreams[name] = upstream
                else:
                    successors[name] = upstream
            if successors:
                await _all_tried(successors.values(), SWAP_SECONDS)
            for name, upstream in successors.items():
                old, self._upstreams[name] = self._upstreams[name], upstream
                self._part(old)
                self.changes.publish(InventoryChanged(upstream.inventory))

    async def settled(self, timeout: float) -> None:
        """Return when every upstream was tried once, well or not, at the latest after `timeout` seconds."""
        await _all_tried(self._upstreams.values(), timeout)

    async def close(self) -> None:
        """End all upstreams; calls under way get a moment."""
        async with self._applying:
            for upstream in self._upstreams.values():
                self._part(upstream, _PARTING_SECONDS)
            self._upstreams.clear()
            for task in self._meeting:
                task.cancel()
            if self._parting:
                await asyncio.wait(tuple(self._parting))

    # ------------------------------------------------------------ use

    def inventory(self, name: str) -> Inventory:
        """What an upstream offers, as last read. Never raises."""
        upstream = self._upstreams.get(name)
        if upstream is not None:
            return upstream.inventory
        why = "the upstream is disabled" if name in self._disabled else "there is no such upstream"
        return Inventory(name, error=why)

    def invoke(self, permitted: Permitted[Invocation]) -> Awaitable[Result]:
        """Carry out an invocation: the terminal of the inner pipeline.

        Raises `UpstreamError`, `Overloaded`, and what obtaining a credential raises (`Credentials.obtain`).
        """
        invocation = permitted.call
        upstream = self._upstreams.get(invocation.upstream)
        if upstream is None:
            raise Unreachable("the upstream is no longer configured", sent=False, upstream=invocation.upstream)
        traced = traced_in(invocation.call.trail)
        if traced is not None:
            return ask(upstream.invoke, invocation, traced, upstream.peer)
        if NOTE in invocation.call.trail.notes:
            invocation = with_baggage(invocation)
        return upstream.invoke(invocation)

    def acquaint(self, principal: Principal, upstreams: Iterable[str], deadline: float) -> Awaitable[object] | None:
        """Have the lists read, as `principal`, of those `upstreams` that show the gateway itself nothing, if that is
        due and the principal has a credential.

        Returns what to wait for, which ends at `deadline` (loop clock) and never raises: the lists that were never
        read. Those that were are read again in the background. None when there is nothing to wait for.
        """
        waiting: list[asyncio.Task[None]] = []
        for name in upstreams:
            upstream = self._upstreams.get(name)
            if upstream is None or not upstream.unread:
                continue
            task = asyncio.create_task(upstream.acquaint(principal, deadline))
            self._meeting.add(task)
            task.add_done_callback(self._meeting.discard)
            if not upstream.inventory.available:
                waiting.append(task)
        return asyncio.wait(waiting) if waiting else None

    async def watch(
        self, upstream: str, uri: str, principal: Principal, on_update: Callable[[Json], None]
    ) -> Callable[[], None]:
        """Follow a resource; see `methods.subscriptions.WatchResource`. Raises `UpstreamError`."""
        found = self._upstreams.get(upstream)
        if found is None:
            raise Unreachable("the upstream is no longer configured", sent=False, upstream=upstream)
        return await found.watch(uri, principal, on_update)

    def health(self) -> Mapping[str, Health]:
        """How every upstream is doing."""
        return {name: upstream.health() for name, upstream in self._upstreams.items()}

    # ------------------------------------------------------------ inside

    def _make(self, name: str, spec: UpstreamSpec) -> Upstream:
        credentials = self._credentials(name, spec) if isinstance(spec, HttpSpec) else None
        return Upstream(
            name,
            spec,
            self._connector(name, spec, credentials),
            credentials=credentials or _fixed(spec),
            log=self._log,
            publish=self._publish,
            recovered=self.recovered.publish,
            ended=partial(self._ended, name, str(peer_of(spec)[names.TRANSPORT])),
        )

    def _connector(self, name: str, spec: UpstreamSpec, credentials: Credentials | None) -> Connector:
        if isinstance(spec, StdioSpec):
            return StdioConnector(name, spec, base_dir=self._base_dir, reach=self._reach)
        assert isinstance(spec, HttpSpec)
        if credentials is None and not _is_fixed(spec.auth):
            return UnusableConnector(f"credentials of type {spec.auth.type} are not available")
        try:
            return HttpConnector(name, spec, tls=self._trust(spec), reach=self._reach)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError, BadUrl a ValueError
            self._log.error("upstream_tls_unusable", upstream=name, error=type(error).__name__)
            return UnusableConnector("its address or certificates cannot be used")

    def _trust(self, spec: HttpSpec) -> ssl.SSLContext | None:
        if not spec.url.lower().startswith("https:"):
            return None
        if spec.tls is not None:
            return TlsFiles(spec.tls.ca, spec.tls.client_cert, spec.tls.client_key).context()
        if self._tls is None:
            self._tls = TlsFiles().context()
        return self._tls

    def _publish(self, upstream: Upstream, change: InventoryChanged) -> None:
        # One that is replaced or not yet in place has nothing to say: its inventory is not the one to be found here.
        if self._upstreams.get(upstream.name) is upstream:
            self.changes.publish(change)

    def _part(self, upstream: Upstream, patience: float = DRAIN_SECONDS) -> None:
        task = asyncio.create_task(upstream.close(patience))
        self._parting.add(task)
        task.add_done_callback(self._parting.discard)


def _nobody(upstream: str, transport: str, version: str, seconds: float, well: bool) -> None:
    return None


def _fixed_only(name: str, spec: HttpSpec) -> Credentials | None:
    return None


def _is_fixed(auth: AuthSpec) -> bool:
    return auth.type == "none" or (isinstance(auth, HeaderAuthSpec) and auth.level == "global")


def _fixed(spec: UpstreamSpec) -> FixedHeaders:
    if isinstance(spec, HttpSpec) and isinstance(spec.auth, HeaderAuthSpec) and spec.auth.level == "global":
        return FixedHeaders({name: value for name, value in spec.auth.headers.items() if value is not None})
    return FixedHeaders()


async def _all_tried(upstreams: Iterable[Upstream], timeout: float) -> None:
    waiting = [asyncio.ensure_future(upstream.tried()) for upstream in tuple(upstreams)]
    if waiting:
        _, late = await asyncio.wait(waiting, timeout=timeout)
        for task in late:
            task.cancel()
