"""What goes well and what goes wrong with identity, step by step, in a run whose secrets are looked for afterwards."""

from __future__ import annotations

import signal
from urllib.parse import quote

from tests.real.canary_run import Run, canary, outcome
from tests.real.processes import until
from tests.real.walker import Walker


async def go_through(run: Run) -> None:
    """All of it, in an order in which each step finds what it needs."""
    await refused(run)
    alice, bob = await run.bearer("alice", "use"), await run.bearer("bob", "use")
    await connected(run, alice, bob)
    await failing(run, alice, bob)
    await stepped_up(run, alice)
    key = run.command("keys", "create", "nightly", "--scopes", "use", "--owner", "corp|alice")
    run.secrets["key of a virtual account"].append(key)
    assert "result" in await run.call(key, "a_look_up", word="x")
    await reloaded(run)
    run.command("connections", "list")
    run.command("vault", "status")
    await run.inspect()
    await disconnected(run, alice)
    await run.inspect()
    run.end()


async def refused(run: Run) -> None:
    """Without a token, with wrong ones, in wrong places, and without a scope."""
    desk = run.gateway.url("desk")
    few = await run.bearer("bob", "read")
    wrong = [run.corp.mint("alice", "agent", "http://elsewhere/"), run.corp.mint("alice", "agent", desk, exp=1)]
    made_up = [canary(), f"mcpgw_{canary()}", "x" + few[1:], wrong[0][:-4] + "AAAA"]
    run.secrets["refused token"] += [*wrong, *made_up]
    for bearer in ("", *wrong, *made_up, few):
        message = await run.call(bearer, "a_look_up", word="x")
        assert "error" in message, message
    odd = canary()
    run.secrets["token in the wrong place"].append(odd)
    async with run.http() as http:
        await http.post(desk, params={"access_token": odd}, json={})
        await http.post(desk, headers={"authorization": f"Basic {odd}"}, json={})
        await http.get(f"{run.gateway.data}/connect/callback", params={"state": odd, "code": odd, "iss": "http://x"})
        await http.get(f"{run.gateway.data}/connect/signed-in", params={"state": odd, "code": odd})
        await http.get(f"{run.gateway.data}/connect/", headers={"cookie": f"mcp-gateway-session={odd}"})
    async with run.http(few) as http:
        await http.post(desk, headers={"content-type": "application/json"}, content=b'{"broken": ')


async def connected(run: Run, alice: str, bob: str) -> None:
    """Two people consent at one upstream, one stores a value for another; a stranger opens the link."""
    link = await run.link(alice, "t_connect_tickets")
    async with Walker("bob") as stranger:
        page = await stranger.walk(link)
        assert page.status == 403
        run.hear("page: somebody else", page.text.encode())
    await run.connect("alice", link)
    await run.listed(alice, "t_whoami")
    await run.connect("bob", await run.link(bob, "t_whoami"))
    await run.connect("alice", await run.link(alice, "n_connect_notes"), run.own.note)
    for tool in ("l_whoami", "n_look_up", "a_look_up"):
        await run.listed(alice, tool)
    for tool, arguments in (
        ("t_whoami", {}),
        ("l_whoami", {}),
        ("n_look_up", {"word": "x"}),
        ("a_look_up", {"word": "x"}),
    ):
        message = await run.call(alice, tool, **arguments)
        assert "result" in message and not message["result"].get("isError"), message


async def failing(run: Run, alice: str, bob: str) -> None:
    """Upstreams that answer 5xx, 403 and 401 or are gone, and providers that do so while tokens are renewed."""
    await renewed(run, alice, bob)
    await exchanged(run, alice)
    refusals = ((run.archive, "a_look_up", 401), (run.tickets, "t_whoami", 403), (run.ledger, "l_whoami", 401))
    for upstream, tool, refusal in refusals:
        for status in (500, refusal):
            upstream.fail(status, 3)
            await run.call(alice, tool, word="x")
            upstream.fail(0, 0)
    run.archive.server.kill()
    await run.call(alice, "a_look_up", word="x")
    run.archive.server.start()


async def renewed(run: Run, alice: str, bob: str) -> None:
    """Refreshes: with 503, then well, out of reach, and with 400."""

    async def refused(person: str) -> str:
        """The outcome of a call whose token the upstream refuses once."""
        run.tickets.fail(401, 1)
        message = await run.call(person, "t_whoami")
        run.tickets.fail(0, 0)
        return outcome(message)

    async def unavailable(person: str) -> bool:
        return await refused(person) == "identity_unavailable"

    async def well() -> bool:
        return await refused(alice) == "result" and bool(run.gateway.log("token refreshed"))

    idp = run.tickets_idp
    idp.refuse(503)
    await until("a refresh that was put off", lambda: unavailable(alice))
    idp.refuse(0)
    await until("a refresh", well)
    idp.accept(False)
    await until("a refresh that reached nobody", lambda: unavailable(bob))
    idp.accept(True)
    idp.refuse(400)
    await refused(bob)
    idp.refuse(0)


async def exchanged(run: Run, alice: str) -> None:
    """Exchanges with 503, with 400, and out of reach."""
    for status in (503, 400, 0):
        run.corp.refuse(status)
        run.corp.accept(bool(status))
        run.ledger.fail(401, 3)
        await run.call(alice, "l_whoami")
        run.ledger.fail(0, 0)
    run.corp.accept(True)


async def stepped_up(run: Run, alice: str) -> None:
    """More scopes, by a new consent at one upstream, by another exchange at the other."""
    await run.connect("alice", await run.link(alice, "t_close_ticket", ticket=1))
    for tool in ("t_close_ticket", "l_close_ticket"):

        async def done(tool: str = tool) -> bool:
            return outcome(await run.call(alice, tool, ticket=1)) == "result"

        await until(f"{tool} with more scopes", done)


async def reloaded(run: Run) -> None:
    """The same again, something wrong that holds a secret, and the same once more, by signal."""
    file = run.folder / "gateway.yaml"
    good = file.read_text()
    literal = canary()
    run.secrets["literal in a configuration"].append(literal)
    async with run.http() as http:
        assert (await http.post(f"{run.gateway.control}/reload")).status_code == 200
        for old, new in (("env:ARCHIVE", literal), ("env:DATABASE", f"postgresql://u:{literal}@127.0.0.1/x")):
            file.write_text(good.replace(old, new))
            assert (await http.post(f"{run.gateway.control}/reload")).status_code == 422
        file.write_text(good)
    done = len(run.gateway.log("reloaded"))
    run.gateway.send(signal.SIGHUP)
    await until("the reload", lambda: len(run.gateway.log("reloaded")) > done)


async def disconnected(run: Run, alice: str) -> None:
    """The control plane ends a connection, and the authorization server hears of it."""
    before = len(run.tickets_idp.journal("/token/revocation"))
    async with run.http() as http:
        where = f"{run.gateway.control}/api/connections/{quote('corp|alice')}/tickets"
        assert (await http.delete(where)).status_code == 200
        assert (await http.delete(where)).status_code == 404
    await until("the revocation", lambda: len(run.tickets_idp.journal("/token/revocation")) > before)
    await run.link(alice, "t_whoami")
