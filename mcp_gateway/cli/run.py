"""Running a gateway as a process: two listeners, signals, watching files, shutting down in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import structlog
from watchfiles import awatch

from mcp_gateway import models
from mcp_gateway.app import Gateway, report_defect
from mcp_gateway.cli import memory
from mcp_gateway.cli.collecting import collecting
from mcp_gateway.cli.recording import recorded
from mcp_gateway.core.asgi.limits import EdgeCounters, EdgeLimits
from mcp_gateway.core.asgi.server import EdgeServer, bind, build_server
from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.envelopes.observability.ledger.ledger import Ledger, StoredLedger
from mcp_gateway.envelopes.observability.lines import FileLines, LineSink
from mcp_gateway.identify import Identity
from mcp_gateway.settings import lock as lock_file
from mcp_gateway.settings.keys import key_ring
from mcp_gateway.settings.load import load
from mcp_gateway.settings.server import LimitSettings
from mcp_gateway.settings.settings import Settings

DRAIN_SECONDS: Final = 30.0
"""How long calls in flight may take to end after a signal to stop."""

_TICK_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that answers. `data` and `control` are the base URLs as bound."""

    gateway: Gateway
    data: str
    control: str


def load_file(config: Path) -> Settings:
    """The configuration at `config` with this process's environment."""
    return load(config, os.environ)


def load_models(config: Path) -> Settings:
    """The same with the LLM plane alone: no virtual servers, and no upstreams are started."""
    settings = load_file(config)
    if settings.llm is None:
        raise ConfigurationError(
            [Problem(str(config), 0, 0, "there is no `models`: expected the path of a models.yaml")]
        )
    bare = settings.gateway.model_copy(update={"upstreams": MappingProxyType({})})
    return replace(settings, gateway=bare, servers=MappingProxyType({}))


@contextlib.asynccontextmanager
async def running(
    settings: Settings, load_again: Callable[[], Settings], *, records: LineSink, trace: bool
) -> AsyncIterator[Running]:
    """Serve both planes while the context is open; on leaving, calls in flight get `DRAIN_SECONDS`.

    Raises `ConfigurationError` for addresses that cannot be bound and compositions that cannot be served.
    """
    memory.share_heap()
    server, admin = settings.server, settings.server.admin
    with _bound("server", server.host, server.port) as data, _bound("server.admin", admin.host, admin.port) as control:
        data_port, control_port = data.getsockname()[1], control.getsockname()[1]
        identity = await Identity.open(
            settings,
            keys=key_ring(settings.state),
            base_url=server.base_url_at(data_port),
            log=structlog.get_logger("identity"),
            report=report_defect,
        )
        try:
            async with (
                _ledger(settings, identity) as ledger,
                recorded(settings, identity.keys, records) as sink,
                collecting(settings) as telemetry,
            ):
                gateway = Gateway(
                    settings,
                    identity=identity,
                    load=load_again,
                    records=sink,
                    ledger=ledger,
                    telemetry=telemetry,
                    trace=trace,
                )
                async with _serving(gateway, settings, (data, control)):
                    await gateway.start()
                    telemetry.start(gateway.control.metrics)
                    memory.settle()
                    yield Running(gateway, f"http://{server.host}:{data_port}", f"http://{admin.host}:{control_port}")
        finally:
            await identity.close()


@contextlib.asynccontextmanager
async def _ledger(settings: Settings, identity: Identity) -> AsyncIterator[Ledger | None]:
    """The ledger, where anything is used that costs something. Raises `ConfigurationError`."""
    if not models.needs_ledger(settings):
        yield None
        return
    spec = settings.state.ledger
    try:
        ledger = StoredLedger(
            identity.state.database, spec.path, tenant=settings.state.tenant, sync=spec.sync, max_bytes=spec.max_size
        )
    except OSError as error:
        told = f"the ledger cannot write to {spec.path}: {error.strerror}"
        raise ConfigurationError(
            [Problem("state.ledger.path", 0, 0, told, "give a folder that is writable")]
        ) from error
    ledger.start()
    try:
        yield ledger
    finally:
        await ledger.close()


@contextlib.asynccontextmanager
async def _serving(
    gateway: Gateway, settings: Settings, sockets: tuple[socket.socket, socket.socket]
) -> AsyncIterator[None]:
    """Both planes on their sockets, answering from now on."""
    data_port, control_port = (sock.getsockname()[1] for sock in sockets)
    limits = edge_limits(settings.limits)
    apps = (
        (gateway.data_plane(port=data_port), settings.server.host, data_port),
        (gateway.control_plane(port=control_port), settings.server.admin.host, control_port),
    )
    told = gateway.refusals.at_the_edge
    planes = [build_server(*each, limits, counters=EdgeCounters(told=told)) for each in apps]
    tasks = [asyncio.create_task(plane.serve(sockets=[sock])) for plane, sock in zip(planes, sockets, strict=True)]
    try:
        yield
    finally:
        await _stop(gateway, planes, tasks)


async def _stop(gateway: Gateway, planes: list[EdgeServer], tasks: list[asyncio.Task[None]]) -> None:
    gateway.end_streams()
    await gateway.drain.run(planes[0].stop_accepting, deadline=DRAIN_SECONDS)
    for plane in planes:
        plane.should_exit = True
    await asyncio.gather(*tasks, return_exceptions=True)
    await gateway.close()


@contextlib.contextmanager
def _bound(where: str, host: str, port: int) -> Iterator[socket.socket]:
    try:
        sock = bind(host, port)
    except OSError as error:
        hint = "choose another port, or stop what uses it"
        problem = Problem(where, 0, 0, f"cannot listen on {host}:{port}: {error.strerror}", hint)
        raise ConfigurationError([problem]) from error
    with contextlib.closing(sock):
        yield sock


async def run(
    config: Path,
    load_again: Callable[[Path], Settings],
    *,
    watch: bool,
    trace: bool,
    announce: Callable[[Running], None],
) -> None:
    """Serve until SIGINT or SIGTERM; SIGHUP reloads, and with `watch` so does every change of a file.

    Raises `ConfigurationError`.
    """
    settings = load_again(config)
    log = structlog.get_logger("gateway")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    records = FileLines(1)
    asked = asyncio.Event()
    # From the start: a process that is still starting must not end because somebody asked it to reload.
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    async with running(settings, lambda: load_again(config), records=records, trace=trace) as here:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        reloading = loop.create_task(_reload_when(asked, here.gateway))
        watcher = loop.create_task(_watch(here.gateway, config, stop)) if watch else None
        announce(here)
        await stop.wait()
        for number in (signal.SIGINT, signal.SIGTERM):
            # A second signal ends the process at once: no exception that would have to find its way out first.
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        log.info("stopping", in_flight=here.gateway.drain.count)
        if watcher is not None:
            await watcher
    reloading.cancel()
    records.flush()


async def _reload_when(asked: asyncio.Event, gateway: Gateway) -> None:
    """Reload each time that was asked for it; what is asked during a reload is one more."""
    while True:
        await asked.wait()
        asked.clear()
        await _reload(gateway)


async def _reload(gateway: Gateway) -> None:
    """Reload; a defect met on the way must not end the task that listens for the next request to."""
    try:
        await gateway.reload()
    except Exception as defect:
        structlog.get_logger("gateway").error("reload failed", exc_info=defect)


async def _watch(gateway: Gateway, config: Path, stop: asyncio.Event) -> None:
    """Reload after every change of a file that was read, or of a folder that new ones may appear in."""
    while not stop.is_set():
        settings = gateway.settings
        # A lock that does not exist yet appears in a folder where much else is written: it is looked for instead.
        lock = settings.base_dir / lock_file.NAME
        watched = {path for path in (*settings.files, *settings.folders, lock) if path.exists()}
        changes = awatch(
            *map(str, watched), stop_event=stop, recursive=False, rust_timeout=_TICK_MS, yield_on_timeout=True
        )
        first = True
        async with contextlib.aclosing(changes):
            async for changed in changes:
                # What changed before the watch stood is noticed at its first tick.
                missed = first and await asyncio.to_thread(_differs, config, gateway.settings)
                first = False
                if changed or missed or (lock not in watched and lock.exists()):
                    await _reload(gateway)
                    break


def _differs(config: Path, settings: Settings) -> bool:
    try:
        return load_file(config).digest != settings.digest
    except ConfigurationError:
        return False


def edge_limits(limits: LimitSettings) -> EdgeLimits:
    """The edge's limits from the configuration's."""
    return EdgeLimits(
        header_bytes=limits.headers,
        header_count=limits.header_count,
        body_bytes=limits.body,
        header_timeout=limits.header_timeout,
        body_timeout=limits.body_timeout,
        keep_alive_timeout=limits.keepalive,
    )
