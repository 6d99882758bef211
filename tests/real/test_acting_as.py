"""Two people, two agents, three upstreams, one gateway: each upstream meets the person who called, and nobody else.

The ledger takes exchanged tokens of the company's identity provider, the tickets are behind an authorization server of
their own where each person consents, the archive knows one key. What they received is printed (`pytest -s`).
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from html import unescape
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.bench.asking import Target, delete, initialize, post
from tests.bench.sites import META, Era, Site
from tests.bench.wire import EVENT_STREAM, HttpMessage, Reader, events
from tests.real.idp import EXCHANGE, PEOPLE, Client, Idp, Resource, digest, require, service
from tests.real.processes import Gateway, configuration, free_port, gateway
from tests.real.recording import Recording, oauth_upstream, static_upstream
from tests.real.walker import Walker
from tests.real.wire import Wire

PERSONS = ("alice", "bob")
AGENTS = ("assistant", "planner")
UPSTREAMS = ("ledger", "tickets", "archive")
ERAS: tuple[Era, ...] = ("new", "old")
EXCHANGER = ("desk-gateway", "exchange-s3cret-canary")
LOGIN = ("gateway-login", "login-s3cret-canary")
KEY = "archive-key-canary"
CALLS = 10_000
CONNECTIONS = 32
DESK = """\
sources:
  - {upstream: ledger, prefix: "ledger_"}
  - {upstream: tickets, prefix: "tickets_"}
  - upstream: archive
    prefix: "archive_"
    tools: {look_up: {arguments: {word: {from: principal.email}}}}
"""
SHORT = 12
"""Seconds for which an exchanged token and one of the tickets' server are good: they are renewed while calls run."""

Pair = tuple[str, str]
"""A person, and the agent that acts for that person."""


@dataclass(frozen=True, slots=True)
class Issue:
    """A token was issued for an upstream; by exchange of the bearer of `pair`, where it was exchanged."""

    upstream: str
    pair: Pair | None


@dataclass(frozen=True, slots=True)
class Desk:
    """All that runs. `bearers` are the tokens that the agents present, by person and agent."""

    corp: Idp
    tickets: Idp
    gateway: Gateway
    upstreams: Mapping[str, Recording]
    bearers: Mapping[Pair, str]

    def canaries(self) -> list[str]:
        """What no upstream may see: the bearers, whole and by their signatures, and the gateway's own secrets."""
        signatures = [token.rpartition(".")[2] for token in self.bearers.values()]
        return [*self.bearers.values(), *signatures, EXCHANGER[1], LOGIN[1]]

    def issued_for(self) -> dict[str, Issue]:
        """What the two providers issued to the gateway, by the digest of the token."""
        presented = {digest(token): pair for pair, token in self.bearers.items()}
        exchanges = self.corp.journal("/token", grant_type=EXCHANGE, status=200)
        consented = self.tickets.journal("/token", status=200)
        return {
            **{one["issued_access_token"]: Issue("ledger", presented[one["subject_token"]]) for one in exchanges},
            **{one["issued_access_token"]: Issue("tickets", None) for one in consented},
        }


def write_configuration(folder: Path, port: int, corp: Idp, upstreams: Mapping[str, Recording]) -> None:
    ledger = upstreams["ledger"].url
    exchange = (
        f"type: token_exchange, issuer: {corp.issuer}, client_id: {EXCHANGER[0]}, client_secret: env:EXCHANGE_SECRET, "
        f'resource: "{ledger}", scopes: [read]'
    )
    auth = {
        "ledger": f"auth: {{{exchange}}}",
        "tickets": "auth: {type: authorization_code, scopes: [read]}, egress: {allow: [127.0.0.1]}",
        "archive": "auth: {type: header, headers: {X-Api-Key: env:ARCHIVE_KEY}}",
    }
    lines = "".join(f"  {name}: {{url: {upstreams[name].url}, {auth[name]}}}\n" for name in UPSTREAMS)
    file = configuration(folder, lines, {"desk": DESK}, port=str(port))
    login = f"login: {{client_id: {LOGIN[0]}, client_secret: env:LOGIN_SECRET, scopes: [openid, email]}}"
    issuer = f"identity:\n  issuers:\n    - name: corp\n      issuer: {corp.issuer}\n      {login}\n"
    file.write_text(file.read_text() + issuer)


@contextmanager
def running(folder: Path) -> Iterator[tuple[Idp, Idp, Gateway, dict[str, Recording]]]:
    port = free_port()
    login = Client(*LOGIN, redirect_uris=(f"http://127.0.0.1:{port}/connect/signed-in",))
    clients = [*map(Client, AGENTS), login, service(*EXCHANGER, EXCHANGE)]
    short = {"*": Resource(("read",), seconds=SHORT)}
    with ExitStack() as stack:
        desk = f"http://127.0.0.1:{port}/servers/desk/mcp"
        resources = {desk: Resource(("use",)), **short}
        corp = stack.enter_context(Idp("Corp", clients, resources=resources))
        tickets = stack.enter_context(Idp("Tickets", resources=short, advertised_scopes=("read",)))
        upstreams = {
            "ledger": stack.enter_context(oauth_upstream(corp.issuer)),
            "tickets": stack.enter_context(oauth_upstream(tickets.issuer)),
            "archive": stack.enter_context(static_upstream(KEY)),
        }
        write_configuration(folder, port, corp, upstreams)
        secrets = {"ARCHIVE_KEY": KEY, "EXCHANGE_SECRET": EXCHANGER[1], "LOGIN_SECRET": LOGIN[1]}
        started = stack.enter_context(gateway(folder, **secrets))
        yield corp, tickets, started, upstreams


@asynccontextmanager
async def speaking(desk: Desk, pair: Pair) -> AsyncIterator[Wire]:
    headers = {"authorization": f"Bearer {desk.bearers[pair]}"}
    async with httpx.AsyncClient(headers=headers, timeout=60) as http:
        yield Wire(http, desk.gateway.url("desk"), modern=True)


async def connect(desk: Desk, pair: Pair) -> None:
    """Follow the link that a client without elicitation gets, through all pages, until the tickets' server is done."""
    async with speaking(desk, pair) as wire:
        listed = {tool["name"] for tool in (await wire.ask("tools/list", {})).result["tools"]}
        stands_in = "tickets_connect_tickets"
        refused = await wire.call(stands_in if stands_in in listed else "tickets_whoami", {})
        assert refused.code == 40100, refused
        async with Walker(pair[0]) as walker:
            page = await walker.walk(refused.message["error"]["data"]["link"])
            onward = re.search(r'<a (?=[^>]*id="continue")[^>]*href="([^"]+)"', page.text)
            assert onward, page.text
            done = await walker.walk(unescape(onward[1]))
        assert done.status == 200 and "Connected" in done.text, done.text
        listed = {tool["name"] for tool in (await wire.ask("tools/list", {})).result["tools"]}
        assert {"tickets_whoami", "ledger_whoami", "archive_look_up"} <= listed


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Everything started, everybody signed in; both people have connected their accounts, by one of the agents."""
    require()
    with running(tmp_path_factory.mktemp("acting")) as (corp, tickets, started, upstreams):

        async def everybody() -> Desk:
            here = started.url("desk")
            bearers = {
                (person, agent): (await corp.sign_in(person, agent, resource=here)).access_token
                for person, agent in product(PERSONS, AGENTS)
            }
            desk = Desk(corp, tickets, started, upstreams, bearers)
            for person in PERSONS:
                await connect(desk, (person, AGENTS[0]))
            return desk

        yield asyncio.run(everybody())


@pytest.mark.timeout(180)
async def test_each_upstream_meets_the_person_who_called(desk: Desk) -> None:
    seen: dict[tuple[Pair, str], dict[str, Any]] = {}
    for pair in desk.bearers:
        async with speaking(desk, pair) as wire:
            for upstream in ("ledger", "tickets"):
                seen[pair, upstream] = (await wire.call(f"{upstream}_whoami", {})).result["structuredContent"]
            found = await wire.call("archive_look_up", {})
            assert found.result["content"][0]["text"] == f"{PEOPLE[pair[0]]['email']}: found"
    issued = desk.issued_for()
    for ((person, agent), upstream), received in seen.items():
        print(f"{person} by {agent} at {upstream}: {json.dumps(received)}")
        assert (received["sub"], received["aud"]) == (person, desk.upstreams[upstream].url)
        assert issued[received["token"]].upstream == upstream
    for pair in desk.bearers:
        assert seen[pair, "ledger"]["act"] == [EXCHANGER[0], pair[1]]
        assert issued[seen[pair, "ledger"]["token"]] == Issue("ledger", pair)
        assert seen[pair, "tickets"]["client_id"] not in (*AGENTS, EXCHANGER[0])
    owners = defaultdict(set)
    for (pair, _), received in seen.items():
        owners[received["token"]].add(pair[0])
    assert all(len(people) == 1 for people in owners.values())
    for call in desk.upstreams["archive"].calls():
        print(f"{call['arguments']['word']} at archive: {json.dumps(call['headers'])}")
    check_nothing_leaked(desk)


def check_nothing_leaked(desk: Desk) -> None:
    """No canary reached any upstream, and the archive got its key and no bearer at all."""
    for name, upstream in desk.upstreams.items():
        assert upstream.requests() and upstream.holds(desk.canaries()) == [], name
        assert upstream.holds([KEY]) == ([KEY] if name == "archive" else []), name
    for call in desk.upstreams["archive"].calls():
        assert call["headers"] == {"X-Api-Key": KEY, "authorization": None}


@dataclass(frozen=True, slots=True)
class Job:
    """One call of the mixed run."""

    number: int
    pair: Pair
    era: Era
    upstream: str

    @property
    def title(self) -> str:
        """What the ticket is called, so that the upstream's record says who called."""
        return "/".join((*self.pair, str(self.number)))

    def message(self) -> dict[str, Any]:
        tool, arguments = ("look_up", {}) if self.upstream == "archive" else ("file_ticket", {"title": self.title})
        params: dict[str, Any] = {"name": f"{self.upstream}_{tool}", "arguments": arguments}
        if self.era == "new":
            params["_meta"] = META
        return {"jsonrpc": "2.0", "id": self.number, "method": "tools/call", "params": params}

    def wrong(self, answer: Mapping[str, Any]) -> str:
        """What is wrong with an answer to this call; empty if it names the caller and this call."""
        result = answer.get("result", {})
        if self.upstream == "archive":
            seen = [one.get("text") for one in result.get("content", ())]
            good = seen == [f"{PEOPLE[self.pair[0]]['email']}: found"]
        else:
            filed = result.get("structuredContent") or {}
            good = (filed.get("reporter"), filed.get("title")) == (self.pair[0], self.title)
        return "" if good and answer.get("id") == self.number else f"{self}: {json.dumps(answer)[:400]}"


class Connection:
    """A keep-alive connection over which requests of everybody go, one after the other."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader = Reader()

    async def open(self) -> Connection:
        self._in, self._out = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def exchange(self, request: bytes) -> HttpMessage:
        self._out.write(request)
        while True:
            data = await self._in.read(65_536)
            assert data, "the gateway closed the connection"
            if messages := self._reader.feed(data):
                return messages[0]

    async def close(self) -> None:
        self._out.close()
        await self._out.wait_closed()


@dataclass(slots=True)
class Crowd:
    """Everybody at once: `targets` by person, agent and era, `sessions` of those that speak the handshake era."""

    targets: dict[tuple[Pair, Era], Target]
    sessions: dict[Pair, bytes]
    connections: list[Connection]

    async def work(self, jobs: Sequence[Job]) -> list[str]:
        """Do all jobs in their order, as many at a time as there are connections; what was wrong."""
        wrong: list[str] = []
        left = iter(jobs)

        async def worker(connection: Connection) -> None:
            for job in left:
                session = self.sessions[job.pair] if job.era == "old" else b""
                request = post(self.targets[job.pair, job.era], job.message(), session)
                message = await connection.exchange(request)
                body = events(message.body)[-1] if EVENT_STREAM in message.fields else message.body
                if problem := job.wrong(json.loads(body)):
                    wrong.append(problem)

        async with asyncio.TaskGroup() as group:
            for connection in self.connections:
                group.create_task(worker(connection))
        return wrong


@asynccontextmanager
async def crowd(desk: Desk) -> AsyncIterator[Crowd]:
    port = int(desk.gateway.data.rpartition(":")[2])
    site = Site("new", "json", 0)
    targets = {
        (pair, era): Target(port, "/servers/desk/mcp", era, site, token=token)
        for (pair, token), era in product(desk.bearers.items(), ERAS)
    }
    async with AsyncExitStack() as stack:
        connections = [await Connection(port).open() for _ in range(CONNECTIONS)]
        for connection in connections:
            stack.push_async_callback(connection.close)
        sessions: dict[Pair, bytes] = {}
        for pair in desk.bearers:
            target = targets[pair, "old"]
            begun = await connections[0].exchange(post(target, initialize()))
            sessions[pair] = session = begun.field(b"mcp-session-id") or b""
            assert session, begun
            ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            await connections[0].exchange(post(target, ready, session))
        yield Crowd(targets, sessions, connections)
        for pair, session in sessions.items():
            await connections[0].exchange(delete(targets[pair, "old"], session))


def check_record(desk: Desk, upstream: str, jobs: Sequence[Job]) -> str:
    """That the upstream met in each call the one who made it; a line of figures.

    A token may end on its way: such a call is on record without a person, was refused, and came again.
    """
    url, issued = desk.upstreams[upstream].url, desk.issued_for()
    calls = desk.upstreams[upstream].calls("file_ticket")
    let_in = [call for call in calls if "sub" in call]
    titles = Counter(call["arguments"]["title"] for call in let_in)
    assert titles == Counter(job.title for job in jobs if job.upstream == upstream)
    owners = defaultdict(set)
    for call in calls:
        person, agent, _ = call["arguments"]["title"].split("/")
        exchanged = (person, agent) if upstream == "ledger" else None
        assert issued[call["token"]] == Issue(upstream, exchanged), call
        owners[call["token"]].add(person)
    for call in let_in:
        person, agent, _ = call["arguments"]["title"].split("/")
        assert (call["sub"], call["aud"]) == (person, url), call
        assert upstream != "ledger" or call["act"] == [EXCHANGER[0], agent], call
    assert all(len(people) == 1 for people in owners.values())
    tokens = Counter(next(iter(people)) for people in owners.values())
    refused = len(calls) - len(let_in)
    return f"{upstream}: {len(let_in)} calls let in, {refused} refused and sent again, tokens {dict(tokens)}"


@pytest.mark.timeout(180)
async def test_nobody_meets_the_token_of_somebody_else_in_ten_thousand_calls(desk: Desk) -> None:
    before = len(desk.upstreams["archive"].calls())
    kinds = list(product(desk.bearers, ERAS, UPSTREAMS))
    jobs = [Job(number, *kinds[number % len(kinds)]) for number in range(CALLS)]
    random.Random(7).shuffle(jobs)
    async with crowd(desk) as everybody:
        wrong = await everybody.work(jobs)
    assert wrong == [], f"{len(wrong)} of {CALLS}: {wrong[:5]}"
    for upstream in ("ledger", "tickets"):
        print(check_record(desk, upstream, jobs))
    words = Counter(call["arguments"]["word"] for call in desk.upstreams["archive"].calls()[before:])
    assert words == Counter(PEOPLE[job.pair[0]]["email"] for job in jobs if job.upstream == "archive")
    check_nothing_leaked(desk)
    redeemed = desk.tickets.redemptions()
    assert all(times == 1 for times in redeemed.values())
    print(f"archive: {words.total()} calls; refresh tokens redeemed {len(redeemed)}, each once")
    print(f"{len(jobs)} calls, {len(wrong)} with another's name or token, 0 bearers at an upstream")
