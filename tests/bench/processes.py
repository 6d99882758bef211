"""The processes of the bench, each on its core: upstream, forwarder, gateway, a peer's proxy."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.models import LLM_GOVERNED
from tests.bench.models_config import model_policies, models_yaml
from tests.bench.scenarios import GOVERNED, GUARDED, OBSERVED, OPEN
from tests.bench.sites import AUDIENCE, SIGNED, SITES
from tests.support import ROOT

START: Final = 30.0
STOP: Final = 10.0
_POLL: Final = 0.005

_CPU_CLOCK: Final = 2
"""How Linux makes the clock of a process from its id (clock_getcpuclockid(3)): what its scheduler counted."""

_GATEWAY: Final = """\
server:
  host: 127.0.0.1
  port: {port}
  public_url: http://127.0.0.1:{port}
  admin: {{host: 127.0.0.1, port: {admin}}}
identity: {identity}
{rules}
"""
_SERVERS: Final = "upstreams:\n{upstreams}\nvirtual_servers: virtual_servers/\n"


_OPEN: Final = "{anonymous: loopback}"
_SIGNED_IN: Final = (
    "{{anonymous: never, virtual_accounts: false, issuers: [{{name: bench, issuer: {issuer}, "
    "jwks_uri: {issuer}/jwks, audiences: ['{audience}']}}]}}"
)
_EXCHANGE: Final = (
    "{{type: token_exchange, token_url: {issuer}/token, client_id: gateway, client_secret: 'file:secret', "
    "audience: 'urn:upstream'}}"
)


_LIMIT: Final = "rate_limits: [{id: person, limit: 100000000, unit: calls_per_hour, per: [user]}]\n"
_TELEMETRY: Final = "telemetry: {{otlp_endpoint: 'http://127.0.0.1:{collector}', audit: {{path: audit}}}}"
_GUARDRAILS: Final = """\
rules:
  - id: everybody
    mcp_tool_pre_invoke_guardrails: [global/pii-redaction, global/secrets-detection]
    mcp_tool_post_invoke_guardrails: [global/pii-redaction, global/secrets-detection]
"""

POLICIES: Final = 50
"""As many as the policy set of a company may have."""


def policies() -> str:
    """The policies of the governed gateway: permits by team and by argument, forbids, and one that reads results."""
    known = [site.name for site in SITES if not site.full]
    texts = [
        'permit (principal, action in Action::"call_tool", resource);',
        'forbid (principal, action in Action::"call_tool", resource) '
        'when { context has output_info && context.output_info.kinds.contains("audio") };',
    ]
    for number in range(POLICIES - len(texts)):
        name, tool = known[number % len(known)], f"query_{number % 20:03}"
        texts.append(
            f'forbid (principal in Team::"team-{number}", action == Action::"{name}/{tool}", resource) '
            f'when {{ context.input.key like "secret-{number}*" || resource.destructive }};'
            if number % 2
            else f'permit (principal in Team::"team-{number}", action in Action::"{name}/*", resource) '
            f'unless {{ principal has email && principal.email like "*@example-{number}.com" }};'
        )
    return "\n".join(f'@id("p{number:02}") {text}' for number, text in enumerate(texts))


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core each process is pinned to. On one core they share it."""

    gateway: int
    upstream: int
    load: int

    @classmethod
    def available(cls) -> Cores:
        """The first core for what is measured, the others for the ends."""
        first, *rest = sorted(os.sched_getaffinity(0))
        return cls(first, rest[0] if rest else first, rest[-1] if rest else first)

    def __str__(self) -> str:
        if self.gateway == self.upstream:
            return "ONE CORE: gateway, upstream and load share it, so ratios flatter and latencies include waiting"
        shared = "upstream and load share" if self.upstream == self.load else f"upstream on {self.upstream}, load on"
        return f"gateway, forwarder and peers on core {self.gateway}; {shared} core {self.load}"


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """This process on one core, and afterwards where it was."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def announced(core: int, module: str, *arguments: str) -> Iterator[int]:
    """The port of a module that prints `{"port": N}` once it listens."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            os.sched_setaffinity(process.pid, {core})
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{module} ended before it listened (exit code {process.wait(STOP)})")
            yield int(json.loads(line)["port"])
        finally:
            stop(process)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that says it is ready. `started` is how many seconds that took."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    started: float

    def rss_mb(self) -> float:
        """Resident memory now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def cpu_seconds(self) -> float:
        """Seconds that it was on a processor so far, all threads together."""
        return time.clock_gettime((~self.process.pid << 3) | _CPU_CLOCK)

    def forget_log(self) -> None:
        """Empty the log: it grows by megabytes a second."""
        os.truncate(self.log, 0)


@contextlib.contextmanager
def gateway(
    home: Path,
    core: int,
    upstream: int,
    runner: Sequence[str] = ("-m", "mcp_gateway"),
    *,
    issuer: int | None = None,
    system: str = OPEN,
    collector: int | None = None,
) -> Iterator[Gateway]:
    """A gateway with a virtual server for each site, or before a provider; its log in a file as in production.

    With the port of an `issuer`, agents need its tokens, and the upstream gets what it gives for them in exchange.
    A governed `system` has fifty policies, some of which read results, and a limit for each person; a guarded one
    besides that two guardrails on the arguments of all calls and on their results. With the port of a `collector`,
    every call is traced and on record.
    """
    port, admin = _free_ports(2)
    home.mkdir(exist_ok=True)
    config = _configure(home, port, admin, upstream, issuer, system)
    if collector is not None:
        with config.open("a") as more:
            more.write(_TELEMETRY.format(collector=collector) + "\n")
    log = home / "gateway.log"
    command = [sys.executable, *runner, "serve", "--config", str(config)]
    with log.open("ab") as sink:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
    try:
        os.sched_setaffinity(process.pid, {core})
        _await_ready(admin, process, log)
        yield Gateway(process, port, log, time.perf_counter() - began)
    finally:
        stop(process)


def _configure(home: Path, port: int, admin: int, upstream: int, issuer: int | None, system: str) -> Path:
    identity = _OPEN
    if issuer is not None:
        (home / "secret").write_text("bench")
        identity = _SIGNED_IN.format(issuer=f"http://127.0.0.1:{issuer}", audience=AUDIENCE)
    rules = _models(home, upstream) if system == LLM_GOVERNED else _servers(home, upstream, issuer, system)
    config = home / "gateway.yaml"
    config.write_text(_GATEWAY.format(port=port, admin=admin, identity=identity, rules="\n".join(rules)))
    return config


def _models(home: Path, provider: int) -> list[str]:
    """What the configuration of a gateway before a provider has besides: it is told at which port."""
    (home / "models.yaml").write_text(models_yaml(provider))
    (home / "policies").mkdir(exist_ok=True)
    (home / "policies" / "bench.cedar").write_text(model_policies())
    return ["policies: {path: policies}", "models: models.yaml"]


def _servers(home: Path, upstream: int, issuer: int | None, system: str) -> list[str]:
    """What the configuration of a gateway with virtual servers has besides."""
    governed = system in (GOVERNED, GUARDED, OBSERVED)
    servers = home / "virtual_servers"
    servers.mkdir(exist_ok=True)
    for site in SITES:
        text = f"name: {site.name}\nsources:\n  - upstream: {site.name}\n{_LIMIT if governed else ''}"
        (servers / f"{site.name}.yaml").write_text(text)
    rules = []
    if governed:
        rules.append("policies: {path: policies}")
        (home / "policies").mkdir(exist_ok=True)
        (home / "policies" / "bench.cedar").write_text(policies())
    if system == GUARDED:
        rules.append("guardrails: guardrails.yaml")
        (home / "guardrails.yaml").write_text(_GUARDRAILS)
    prefix, auth = "", "{type: none}"
    if issuer is not None:
        prefix, auth = SIGNED, _EXCHANGE.format(issuer=f"http://127.0.0.1:{issuer}")
    upstreams = "\n".join(
        f"  {site.name}: {{url: 'http://127.0.0.1:{upstream}{prefix}{site.path}', auth: {auth}}}" for site in SITES
    )
    return [*rules, _SERVERS.format(upstreams=upstreams)]


def mint(issuer: int) -> str:
    """A person's token of the bench's issuer."""
    connection = http.client.HTTPConnection("127.0.0.1", issuer, timeout=STOP)
    try:
        connection.request("GET", "/mint")
        return str(json.load(connection.getresponse())["token"])
    finally:
        connection.close()


def stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """End a process: politely, then for good."""
    process.terminate()
    try:
        process.wait(STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP)


def machine(cores: Cores) -> dict[str, object]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "pinning": str(cores),
        "load_average": os.getloadavg()[0],
    }


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now. All are held until the last is known, so they differ."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _await_ready(admin: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START
    while process.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=1)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(_POLL)
    state = "is not ready" if process.poll() is None else f"ended with code {process.returncode}"
    raise RuntimeError(f"the gateway {state}:\n{log.read_text(errors='replace')[-4000:]}")
