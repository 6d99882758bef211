"""What a good configuration loads to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.core.secret import Secret
from mcp_gateway.settings.bindings import BoundArgument, FixedArgument, HiddenArgument, ShownArgument
from mcp_gateway.settings.gateway import GatewaySettings
from mcp_gateway.settings.load import load
from mcp_gateway.settings.upstream_auth import HeaderAuth
from mcp_gateway.settings.upstreams import HttpUpstream, StdioUpstream
from tests.settings.files import GATEWAY, SERVER, loaded, write

CONTRACT = """\
server:
  host: 127.0.0.1
  port: 8080
  public_url: http://127.0.0.1:8080          # what clients type
  admin: {host: 127.0.0.1, port: 8081}
  limits: {body: 4MiB, header_timeout: 10s, body_timeout: 30s, request_timeout: 120s}
state:
  database: sqlite:///data/gateway.db        # postgresql://… for replicas
  redis: null
  encryption_keys: [file:data/keys/k1]
identity:
  anonymous: loopback
  virtual_accounts: true
upstreams:
  time:    {command: [mcp-server-time]}
  files:   {command: [npx, -y, "@modelcontextprotocol/server-filesystem", /srv/docs], env: {TOKEN: env:T}, cwd: .}
  ledger:  {url: "http://127.0.0.1:9000/mcp"}
  tickets:
    url: https://tickets.example.com/mcp
    transport: streamable-http
    protocol: auto
    timeout: 30s
    max_concurrency: 64
    tls: {ca: file:ca.pem, client_cert: file:cert.pem, client_key: file:key.pem}
    auth: {type: header, headers: {Authorization: env:BEARER}, level: global}
virtual_servers: virtual_servers/
policies: none
telemetry: {otlp_endpoint: null, trace_ratio: 1.0, prometheus: true, audit: {path: data/audit, bodies: none}}
"""
FINANCE = """\
name: finance-agent
title: Finance agent
instructions: Read the ledger, then book.
sources:
  - upstream: ledger
    prefix: ledger_
    enabled_tools: ["query_*", post_entry]
    disabled_tools: []
    enabled_prompts: ["*"]
    enabled_resources: ["ledger://*"]
    tools:
      post_entry:
        name: book_entry
        description: Book one entry.
        annotations: {readOnlyHint: false, destructiveHint: true, idempotentHint: false}
        arguments:
          currency: {value: EUR}
          requester: {from: principal.email}
          memo: {default: "", description: Free text}
          amt: {name: amount}
        cost: 0.002
conflicts: error
best_effort: true
timeout: 60s
rate_limits:
  - {id: per-user, limit: 120, unit: calls_per_minute, per: [user], when: {}, mode: audit, on_store_error: allow}
"""


def contract(folder: Path) -> Path:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (folder / name).write_text("PEM")
    return write(folder, CONTRACT, finance=FINANCE)


def test_the_documents_of_the_contract(tmp_path: Path) -> None:
    settings = load(contract(tmp_path), {"T": "t0ken", "BEARER": "Bearer b3arer"})
    files, tickets = settings.upstreams["files"], settings.upstreams["tickets"]
    assert isinstance(files, StdioUpstream) and isinstance(tickets, HttpUpstream)
    assert files.env["TOKEN"] == Secret("t0ken")
    assert files.cwd == tmp_path
    assert isinstance(tickets.auth, HeaderAuth) and tickets.auth.headers["Authorization"] == Secret("Bearer b3arer")
    assert tickets.tls is not None and tickets.tls.ca == tmp_path / "ca.pem"
    source = settings.servers["finance-agent"].sources[0]
    tool = source.tools["post_entry"]
    assert (source.prefix, tool.name, tool.cost) == ("ledger_", "book_entry", 0.002)
    assert tool.arguments["currency"] == FixedArgument(value="EUR")
    assert tool.arguments["requester"] == BoundArgument(source="principal.email")
    memo, amount = tool.arguments["memo"], tool.arguments["amt"]
    assert isinstance(memo, ShownArgument) and memo.has_default and memo.default == ""
    assert isinstance(amount, ShownArgument) and not amount.has_default and amount.name == "amount"


def test_every_default(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path, "upstreams: {a: {command: [x]}, b: {url: 'https://b/mcp'}}", one="name: one\nsources: [{upstream: a}]"
    )
    server, limits = settings.server, settings.limits
    assert (server.host, server.port, server.admin.host, server.admin.port) == ("127.0.0.1", 8080, "127.0.0.1", 8081)
    assert server.base_url == "http://127.0.0.1:8080"
    assert (limits.body, limits.headers, limits.response) == (4 << 20, 32 << 10, 16 << 20)
    assert (limits.header_timeout, limits.body_timeout, limits.request_timeout, limits.keepalive) == (10, 30, 120, 75)
    assert (limits.header_count, limits.json_depth, limits.json_nodes) == (100, 64, 100_000)
    assert (limits.in_flight, limits.in_flight_per_client) == (256, 64)
    assert settings.state.database.reveal() == f"sqlite:///{tmp_path}/data/gateway.db"
    assert settings.state.redis is None
    assert [key.path for key in settings.state.encryption_keys] == [tmp_path / "data/keys/k1"]
    identity = settings.identity
    assert (identity.anonymous, identity.issuers, identity.virtual_accounts) == (None, (), True)
    assert settings.gateway.anonymous_allowed
    assert settings.state.tenant == "default"
    telemetry = settings.telemetry
    assert (telemetry.otlp_endpoint, telemetry.trace_ratio, telemetry.prometheus) == (None, 1.0, True)
    assert (telemetry.audit.path, telemetry.audit.bodies) == (None, "none")
    assert (telemetry.audit.sync, telemetry.audit.on_failure) == ("interval", "refuse")
    http = settings.upstreams["b"]
    assert isinstance(http, HttpUpstream)
    assert (http.transport, http.protocol, http.timeout, http.max_concurrency) == ("streamable-http", "auto", 30, 64)
    assert (http.enabled, http.breaker.failures, http.breaker.cooldown, http.auth.type) == (True, 5, 10, "none")
    one = settings.servers["one"]
    assert (one.conflicts, one.best_effort, one.timeout, one.rate_limits) == ("error", True, 60, ())
    source = one.sources[0]
    assert (source.prefix, source.enabled_tools, source.disabled_tools) == ("", ("*",), ())
    assert (source.enabled_prompts, source.enabled_resources) == ((), ())


ISSUER = "issuers: [{name: corp, issuer: 'https://login.example.com/'}]"


@pytest.mark.parametrize(
    ("gateway", "allowed"),
    [
        ("", True),
        ("identity: {anonymous: never}", False),
        (f"identity: {{{ISSUER}}}", False),
        (f"identity: {{anonymous: loopback, {ISSUER}}}", True),
        ("server: {public_url: 'https://mcp.example.com'}", False),
        ("server: {public_url: 'http://localhost:8080'}", True),
    ],
)
def test_anonymous_callers_stay_on_loopback_and_go_where_issuers_are(
    tmp_path: Path, gateway: str, allowed: bool
) -> None:
    assert loaded(tmp_path, gateway).gateway.anonymous_allowed is allowed


def test_an_issuer_has_defaults(tmp_path: Path) -> None:
    issuer = loaded(tmp_path, f"identity: {{{ISSUER}}}").identity.issuers[0]
    assert issuer.algorithms == ("RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
    assert (issuer.max_stale, issuer.audiences, issuer.jwks_uri) == (3600, (), None)
    assert (issuer.introspection, issuer.login, issuer.groups_prefix) == (None, None, "")
    assert (issuer.claims.groups, issuer.claims.email, issuer.claims.scope) == ("groups", "email", "scope")


def test_an_empty_file_is_the_default_configuration(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "# nothing\n")
    assert (settings.upstreams, settings.servers) == ({}, {})
    assert any("No virtual servers" in notice for notice in settings.notices)


def test_secrets_come_from_files_next_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cr3t\n")
    settings = loaded(tmp_path, "upstreams: {a: {command: [x], env: {TOKEN: 'file:token', LEVEL: info}}}")
    upstream = settings.upstreams["a"]
    assert isinstance(upstream, StdioUpstream)
    assert upstream.env == {"TOKEN": Secret("s3cr3t"), "LEVEL": "info"}
    assert tmp_path / "token" in settings.files
    assert "s3cr3t" not in repr(settings) + settings.gateway.model_dump_json()


def test_the_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = loaded(tmp_path, one=SERVER)
    with pytest.raises(TypeError):
        settings.servers["two"] = settings.servers["one"]  # type: ignore[index]  # that it fails is the point
    with pytest.raises(TypeError):
        settings.upstreams["x"] = settings.upstreams["time"]  # type: ignore[index]  # that it fails is the point
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1


def test_the_digest_follows_the_files_and_equality_the_secrets(tmp_path: Path) -> None:
    gateway = "upstreams: {time: {command: [x], env: {TOKEN: env:T}}}"
    first = loaded(tmp_path, gateway, {"T": "a"}, one=SERVER)
    same = loaded(tmp_path, gateway, {"T": "a"}, one=SERVER)
    rotated = loaded(tmp_path, gateway, {"T": "b"}, one=SERVER)
    edited = loaded(tmp_path, gateway, {"T": "a"}, one=SERVER + "title: One\n")
    assert first == same
    assert first.digest == rotated.digest and first != rotated
    assert first.digest != edited.digest


def test_what_to_watch(tmp_path: Path) -> None:
    settings = loaded(tmp_path, one=SERVER)
    assert {tmp_path / "gateway.yaml", tmp_path / "virtual_servers/one.yaml"} <= set(settings.files)
    assert settings.folders == (tmp_path / "virtual_servers",)


def test_only_harmless_variables_are_handed_on(tmp_path: Path) -> None:
    environ: Mapping[str, str] = {"PATH": "/bin", "LC_ALL": "C", "HOME": "/h", "GITHUB_TOKEN": "t", "LD_PRELOAD": "x"}
    assert loaded(tmp_path, environ=environ).environment == {"PATH": "/bin", "LC_ALL": "C", "HOME": "/h"}


def test_hidden_and_other_files_are_not_virtual_servers(tmp_path: Path) -> None:
    path = write(tmp_path, GATEWAY, one=SERVER)
    (tmp_path / "virtual_servers" / ".swap.yaml").write_text("x: [")
    (tmp_path / "virtual_servers" / "README.md").write_text("x: [")
    assert list(load(path, {}).servers) == ["one"]


@pytest.mark.parametrize(
    ("gateway", "server", "notice"),
    [
        ("", SERVER, "No policies"),
        ("policies: none", SERVER, "policies: none"),
        ("policies: {path: virtual_servers, mode: audit}", SERVER, "what they deny is recorded and done all the same"),
        ("telemetry: {metric_labels: [team]}", SERVER, "`team` is not in `metadata.keys`"),
        ("telemetry: {content: redacted}", SERVER, "telemetry.content is written for spans, and has no effect"),
        ("telemetry: {baggage: {attributes: [a]}}", SERVER, "telemetry.baggage is written for spans"),
        (
            "telemetry: {content: redacted, otlp_endpoint: 'https://c.example:4318'}",
            SERVER,
            "what is asked and answered is in spans",
        ),
        ("metadata: {mode: audit}", SERVER, "metadata in audit mode: what breaks the contract is recorded"),
        (
            "server: {public_url: 'http://mcp.example.com'}\nidentity: {anonymous: never}",
            SERVER,
            "plain http: credentials of callers can be read on the way",
        ),
        (
            "  up: {url: 'https://up.example/mcp', auth: {type: authorization_code}}\nidentity: {anonymous: never}",
            SERVER,
            "upstream `up`: nobody can connect an account",
        ),
        ("", SERVER + "    tools: {x: {cost: 1}}", "`cost` has no effect"),
    ],
)
def test_what_is_not_enforced_is_said(tmp_path: Path, gateway: str, server: str, notice: str) -> None:
    settings = loaded(tmp_path, GATEWAY + gateway, one=server)
    assert [each for each in settings.notices if notice in each]


def test_a_gateway_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read the file") as caught:
        load(tmp_path / "absent.yaml", {})
    assert caught.value.problems[0].line == 0


def test_models_can_be_built_in_code() -> None:
    upstream = HttpUpstream(
        url="https://a/mcp", timeout=3, auth=HeaderAuth(type="header", headers={"X-Key": Secret("k")})
    )
    settings = GatewaySettings(upstreams={"a": upstream})
    assert settings.upstreams["a"] is upstream
    assert settings.model_dump()["upstreams"]["a"]["auth"]["headers"] == {"X-Key": "**********"}


def test_an_argument_can_be_hidden(tmp_path: Path) -> None:
    one = "name: one\nsources: [{upstream: time, tools: {t: {arguments: {a: {hidden: true}}}}}]\n"
    settings = loaded(tmp_path, "upstreams: {time: {command: [x]}}", one=one)
    argument = settings.servers["one"].sources[0].tools["t"].arguments["a"]
    assert argument == HiddenArgument(hidden=True)
