"""`mcp-gateway serve` as a process: its two planes, its files, its output, its exit codes."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.real.processes import Gateway, Server, configuration, gateway, serving, until, whole
from tests.real.wire import Wire

SECRET = "s3cret-" + "0123456789abcdef" * 2
EXIT_WRONG = 2


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    journal = tmp_path_factory.mktemp("upstream") / "journal"
    with serving("tests.real.upstream", "--journal", str(journal)) as server:
        yield server


@pytest.fixture(scope="module")
def folder(upstream: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve")
    auth = "auth: {type: header, headers: {X-Upstream-Key: env:UPSTREAM_KEY}}"
    configuration(folder, f"  all: {{url: {upstream.url}, {auth}}}\n", {"all": whole("all"), "other": whole("all")})
    return folder


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Gateway]:
    with gateway(folder, UPSTREAM_KEY=SECRET) as running:
        yield running


@pytest.fixture
async def http() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=30)


async def test_the_control_plane(running: Gateway, http: httpx.AsyncClient) -> None:
    async with http:
        answers = {
            path: await http.get(running.control + path)
            for path in ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/api/servers", "/api/upstreams")
        }
        snapshot = (await http.get(running.control + "/api/snapshot")).json()
    assert {answer.status_code for answer in answers.values()} == {200}
    assert answers["/readyz"].json() == {"ready": True, "detail": "ready"}
    assert 'mcp_gateway_upstream_available{upstream="all"} 1' in answers["/metrics"].text
    assert [server["name"] for server in answers["/api/servers"].json()] == ["all", "other"]
    upstreams = answers["/api/upstreams"].json()
    assert [(each["name"], each["available"], each["breaker"]) for each in upstreams] == [("all", True, "closed")]
    assert snapshot["servers"].keys() == {"all", "other"}
    assert "reload" in answers["/openapi.json"].text
    assert all(SECRET not in answer.text for answer in answers.values())


ADMIN = ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/api/servers", "/api/upstreams", "/reload")


@pytest.mark.parametrize("path", ADMIN)
async def test_the_data_plane_serves_nothing_of_the_control_plane(
    running: Gateway, http: httpx.AsyncClient, path: str
) -> None:
    async with http:
        assert (await http.get(running.data + path)).status_code == 404
        assert (await http.post(running.data + path)).status_code == 404


async def test_the_control_plane_serves_no_agents(running: Gateway, http: httpx.AsyncClient) -> None:
    async with http:
        wire = Wire(http, f"{running.control}/servers/all/mcp", modern=True)
        async with wire.open("tools/list", {}) as response:
            assert response.status_code == 404


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("host", "evil.example", 421),
        ("host", "127.0.0.1", 421),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
    ],
)
async def test_neither_plane_answers_to_foreign_names(
    running: Gateway, http: httpx.AsyncClient, header: str, value: str, status: int
) -> None:
    async with http:
        for url in (f"{running.control}/healthz", f"{running.control}/reload", running.url("all")):
            for method in ("GET", "POST"):
                response = await http.request(method, url, headers={header: value})
                assert response.status_code == status
                assert value not in response.text


async def test_the_key_is_made_for_its_owner_only(running: Gateway, folder: Path) -> None:
    key = folder / "data" / "keys" / "k1"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) & 0o077 == 0


async def test_a_line_of_json_for_each_call_and_no_secret_in_any(
    running: Gateway, folder: Path, http: httpx.AsyncClient
) -> None:
    private = "the words of a user"
    async with http:
        wire = Wire(http, running.url("other"), modern=True)
        old = Wire(http, running.url("other"), modern=False)
        await wire.ask("tools/list", {})
        await wire.call("mark", {"token": private})
        await wire.call("no_such_tool", {"a": private})
        await wire.call("mark", {"token": 1})
        await wire.ask("no/such/method", {})
        await old.initialize()
        await old.call("test_error_handling", {})

    def mine() -> list[dict[str, object]]:
        return [record for record in running.records() if record.get("server") == "other"]

    await until("seven lines", lambda: len(mine()) >= 7)
    told = [(record["method"], record["target"], record["outcome"], record["reason"]) for record in mine()]
    assert told == [
        ("tools/list", None, "ok", None),
        ("tools/call", "mark", "ok", None),
        ("tools/call", None, "refused", "unknown_name"),
        ("tools/call", "mark", "refused", "invalid_arguments"),
        ("no/such/method", None, "refused", "unknown_method"),
        ("initialize", None, "ok", None),
        ("tools/call", "test_error_handling", "tool_error", "tool_error"),
    ]
    assert len({record["request_id"] for record in mine()}) == 7
    lines = (folder / "out").read_text().splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)
    key = (folder / "data" / "keys" / "k1").read_text().strip()
    for output in ((folder / "out").read_text(), (folder / "err").read_text()):
        assert all(word not in output for word in (SECRET, key, private))


async def test_every_answer_names_its_request_and_its_time(running: Gateway, http: httpx.AsyncClient) -> None:
    async with http:
        wire = Wire(http, running.url("all"), modern=True)
        for method in ("tools/list", "no/such"):
            async with wire.open(method, {}) as response:
                assert response.headers["x-request-id"]
                assert response.headers["server-timing"].startswith("gateway;dur=")


# ---------------------------------------------------------------- what is refused at start


def refused(folder: Path) -> str:
    """Starting there ends with exit code 2; what it said."""
    started = Gateway(folder)
    assert started.launch().wait(30) == EXIT_WRONG
    assert (folder / "out").read_text() == ""
    text = (folder / "err").read_text()
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize("plane", ["server", "server.admin"])
def test_a_port_in_use_is_said_plainly(tmp_path: Path, plane: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        own = {"port": str(port)} if plane == "server" else {"admin": f"{{host: 127.0.0.1, port: {port}}}"}
        configuration(tmp_path, "  a: {command: [cat]}\n", {"a": whole("a")}, **own)
        said = refused(tmp_path)
    assert f"{plane}: cannot listen on 127.0.0.1:{port}: Address already in use" in said


def test_a_wrong_file_is_named_with_line_and_column(tmp_path: Path) -> None:
    config = configuration(tmp_path, "  a: {comand: [cat]}\n", {"a": "sorces: []\n", "b": whole("nowhere")})
    said = refused(tmp_path)
    text = config.read_text().splitlines()
    line = next(number for number, each in enumerate(text, 1) if "comand" in each)
    column = text[line - 1].index("comand") + 1
    assert f"{config}:{line}:{column}: " in said and "command" in said
    assert f"{tmp_path / 'virtual_servers' / 'a.yaml'}:2:1: " in said and "sources" in said
    assert f"{tmp_path / 'virtual_servers' / 'b.yaml'}:3:" in said


def test_no_file_at_all(tmp_path: Path) -> None:
    assert str(tmp_path / "gateway.yaml") in refused(tmp_path)


def test_contradicting_compositions_are_refused(upstream: Server, tmp_path: Path) -> None:
    """`conflicts: error` is found out when the upstreams were read, and is a configuration error all the same."""
    sources = "sources:\n  - {upstream: a}\n  - {upstream: b}\n"
    upstreams = "".join(f"  {name}: {{url: {upstream.url}}}\n" for name in "ab")
    configuration(tmp_path, upstreams, {"both": sources})
    said = refused_after_start(tmp_path)
    assert "virtual server both" in said and "a/mark" in said and "b/mark" in said


def refused_after_start(folder: Path) -> str:
    started = Gateway(folder)
    assert started.launch().wait(30) == EXIT_WRONG
    return (folder / "err").read_text()


async def test_an_upstream_that_is_not_there_does_not_keep_it_from_starting(tmp_path: Path, upstream: Server) -> None:
    gone = "  gone: {command: [no-such-program-here]}\n"
    configuration(
        tmp_path, f"{gone}  all: {{url: {upstream.url}}}\n", {"mixed": "sources: [{upstream: gone}, {upstream: all}]\n"}
    )
    with gateway(tmp_path) as running:
        async with httpx.AsyncClient(timeout=30) as http:
            health = {each["name"]: each for each in (await http.get(running.control + "/api/upstreams")).json()}
            tools = (await Wire(http, running.url("mixed"), modern=True).ask("tools/list", {})).result["tools"]
            ready = await http.get(running.control + "/readyz")
    assert not health["gone"]["available"] and "no-such-program-here" in health["gone"]["error"]
    assert any(tool["name"] == "mark" for tool in tools)
    assert ready.status_code == 200


async def test_two_hundred_clients_with_the_same_id(running: Gateway) -> None:
    """Each gets its own answer, in either era and mixed."""
    limits = httpx.Limits(max_connections=50)
    async with httpx.AsyncClient(timeout=30, limits=limits) as http:
        wires = [Wire(http, running.url("all"), modern=True) for _ in range(100)]
        old = Wire(http, running.url("all"), modern=False)
        await old.initialize()
        # One session for all of them would be one client: ids are its own business there.
        olds = [Wire(http, running.url("all"), modern=False) for _ in range(100)]
        await asyncio.gather(*(wire.initialize() for wire in olds))
        every = list(itertools.chain(wires, olds))
        answers = await asyncio.gather(
            *(wire.call("mark", {"token": f"same id {number}"}) for number, wire in enumerate(every))
        )
    assert [answer.result["structuredContent"]["token"] for answer in answers] == [
        f"same id {number}" for number in range(len(every))
    ]
