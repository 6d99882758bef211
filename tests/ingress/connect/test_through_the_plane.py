"""From the call that lacks an account, over the page, back to the call: through the whole data plane, both eras."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mcp_gateway.calls.connect import PURPOSE, AskToConnect
from mcp_gateway.calls.kinds import Invocation, Result
from mcp_gateway.core.errors import ConnectionRequired
from mcp_gateway.core.seal import Sealer
from mcp_gateway.envelopes.identity.stores import Grant, GrantKey, Tokens
from mcp_gateway.ingress.connect.targets import AccountTarget
from tests.ingress import rig as plane
from tests.ingress.agent import opened
from tests.ingress.asgi import scope
from tests.ingress.connect.rig import KEYS, Rig

URL_MODE: dict[str, Any] = {"elicitation": {"url": {}}}
META = {"io.modelcontextprotocol/clientCapabilities": URL_MODE}


class Whole:
    """A data plane whose one upstream wants accounts, and the pages on which they are connected."""

    def __init__(self) -> None:
        self.pages = Rig(base_url="http://gw.test")
        self.pages.targets.swap({"up": AccountTarget(self.pages.authorizer)})
        self.plane = plane.Rig(connect=self.pages.app)
        asking = AskToConnect(self.pages.tickets, self.pages.connections, Sealer(KEYS, PURPOSE))
        self.plane.standing = replace(self.plane.standing, ask_to_connect=asking)
        self.plane.swap(plane.desk())
        self.plane.terminal.scripts["echo"] = self._echo

    async def _echo(self, got: Invocation) -> Result:
        if GrantKey(got.call.principal.id, "up") not in self.pages.vault.rows:
            raise ConnectionRequired("an account is missing", upstream="up", scopes=("tickets.write",))
        return {"resultType": "complete", "content": [{"type": "text", "text": "done"}]}

    async def consent(self, link: str, name: str = "alice") -> None:
        """What the person does in a browser, the pages being reached through the plane."""
        browser = self.pages.browser()
        onward = await browser.choose(await browser.open(link, name), "allow")
        assert (await browser.come_back(onward, code="c")).title == "Connected"

    def modern(self, **retry: Any) -> Any:
        params = {"name": "echo", "arguments": {"text": "a"}, **retry}
        return self.plane.modern("tools/call", params, meta=META, user="alice")


async def test_a_modern_client_is_asked_and_its_call_goes_on() -> None:
    whole = Whole()
    first = await whole.modern().result()
    link = first["inputRequests"]["connect-up"]["params"]["url"]
    await whole.consent(link)
    answers = {"connect-up": {"action": "accept"}}
    result = await whole.modern(requestState=first["requestState"], inputResponses=answers).result()
    assert result["content"][0]["text"] == "done"
    reached = whole.plane.terminal.calls[-1]
    assert "requestState" not in reached.params and "inputResponses" not in reached.params


async def test_the_state_is_no_use_to_another_person() -> None:
    whole = Whole()
    first = await whole.modern().result()
    params = {"name": "echo", "arguments": {"text": "a"}, "requestState": first["requestState"]}
    error = await whole.plane.modern("tools/call", params, meta=META, user="mallory").error()
    assert error["code"] == -32602


async def test_a_handshake_client_gets_the_elicitation_and_the_notification() -> None:
    whole = Whole()
    agent = await opened(whole.plane, capabilities=URL_MODE, user="alice")
    stream = agent.get()
    await stream.started()
    error = await agent.call("echo", {"text": "a"}).error()
    assert error["code"] == -32042
    asked = error["data"]["elicitations"][0]
    assert asked["mode"] == "url" and asked["url"].startswith("http://gw.test/connect/")
    await whole.consent(asked["url"])
    told = await stream.message()
    assert told["method"] == "notifications/elicitation/complete"
    assert told["params"] == {"elicitationId": asked["elicitationId"]}
    assert (await agent.call("echo", {"text": "a"}, id=2).result())["content"][0]["text"] == "done"
    stream.disconnect()
    await stream.done()
    whole.plane.sessions.close()


async def test_other_clients_get_the_link() -> None:
    whole = Whole()
    error = await whole.plane.call("echo", {"text": "a"}, user="alice").error()
    assert error["code"] == 40100 and error["data"]["reason"] == "connection_required"
    assert error["data"]["link"].startswith("http://gw.test/connect/") and error["data"]["link"] in error["message"]


async def test_the_pages_stand_behind_the_planes_door_for_hosts_and_have_its_request_id() -> None:
    whole = Whole()
    link = whole.pages.link(upstream="up").removeprefix("http://gw.test")
    exchange = await whole.plane.send(scope("GET", link, [])).done()
    assert exchange.status == 303 and exchange.header("x-request-id") and exchange.header("server-timing")
    missing = await whole.plane.send(scope("GET", "/connect/nothing", [])).done()
    assert missing.status == 404 and str(missing.header("x-request-id")).encode() in missing.body
    elsewhere = await whole.plane.send(scope("GET", link, [(b"host", b"evil.test")])).done()
    assert elsewhere.status == 421
    foreign = await whole.plane.send(scope("POST", link, [(b"origin", b"https://evil.test")])).done()
    assert foreign.status == 403


async def test_a_sandboxed_page_cannot_post_for_the_person() -> None:
    """The plane lets the Origin `null` through to the pages: they refuse it themselves."""
    whole = Whole()
    browser = whole.pages.browser()
    form = (await browser.open(whole.pages.link(upstream="up"), "alice")).forms[0]
    page = await browser.post(form.action, {**form.values, "decision": "allow"}, site="cross-site", origin="null")
    assert page.status == 403 and whole.pages.flows.kept == {}


async def test_a_connection_made_elsewhere_serves_the_waiting_call() -> None:
    whole = Whole()
    first = await whole.modern().result()
    await whole.pages.vault.store(Grant(key=GrantKey("corp|alice", "up"), kind="oauth", tokens=Tokens()))
    answers = {"connect-up": {"action": "accept"}}
    result = await whole.modern(requestState=first["requestState"], inputResponses=answers).result()
    assert result["content"][0]["text"] == "done"
