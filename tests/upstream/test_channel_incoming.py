import asyncio
from typing import Any

from pytest import mark

from mcp_gateway.core.errors import MissingCapability, Rejected
from mcp_gateway.upstream.channel import Channel
from mcp_gateway.upstream.channel_incoming import MAX_ASKS
from mcp_gateway.upstream.channel_inflight import LISTEN
from mcp_gateway.upstream.handshake import SUBSCRIPTION_ID
from mcp_gateway.upstream.wire import AskHook, Exchange
from tests.upstream.channel_peer import Message, Peer, peer_and_duplex, settle

Seen = list[tuple[str, Message]]


class Upstream:
    """A channel to a peer, what each request was told, and the events that belong to none."""

    def __init__(self) -> None:
        self.peer, duplex = peer_and_duplex()
        self.events: Seen = []
        self.channel = Channel(duplex, on_event=lambda method, params: self.events.append((method, params)))

    async def begin(self, method: str = "tools/call", **exchange: Any) -> tuple[int, Seen, asyncio.Task[Message]]:
        """A request under way: its id, what its notify hook gets, its task."""
        told: Seen = []
        number = self.channel.mint()
        deadline = asyncio.get_running_loop().time() + 5
        accompanied = Exchange(deadline=deadline, notify=lambda name, params: told.append((name, params)), **exchange)
        task = asyncio.create_task(self.channel.request(number, method, {}, accompanied))
        request = await self.peer.next(method)
        assert request["id"] == number
        return number, told, task

    async def finish(self, number: int, task: asyncio.Task[Message]) -> None:
        self.peer.send({"jsonrpc": "2.0", "id": number, "result": {}})
        await task


def progress(token: object, **more: object) -> Message:
    return {"progressToken": token, "progress": 1, **more}


# ---------------------------------------------------------------- progress


async def test_progress_reaches_the_request_that_it_names_without_the_token() -> None:
    upstream = Upstream()
    one, told_one, _ = await upstream.begin(progress=True)
    two, told_two, _ = await upstream.begin(progress=True)
    upstream.peer.notify("notifications/progress", progress(two, total=2, message="m", vendor=None))
    upstream.peer.notify("notifications/progress", progress(one))
    await settle()
    assert told_one == [("notifications/progress", {"progress": 1})]
    assert told_two == [("notifications/progress", {"progress": 1, "total": 2, "message": "m", "vendor": None})]
    await upstream.channel.close()


async def test_progress_that_names_no_request_that_wants_it_is_dropped() -> None:
    upstream = Upstream()
    silent, told, task = await upstream.begin()
    done, told_done, finished = await upstream.begin(progress=True)
    await upstream.finish(done, finished)
    for token in (silent, done, str(silent), 999, None, True, [1]):
        upstream.peer.notify("notifications/progress", progress(token))
    await settle()
    assert told == told_done == upstream.events == []
    assert upstream.channel.dropped["progress"] == 7
    task.cancel()


# ---------------------------------------------------------------- log messages


async def test_a_log_message_reaches_the_only_request_that_wants_any_from_its_level_up() -> None:
    upstream = Upstream()
    _, told, _ = await upstream.begin(log_level="warning")
    _, other, _ = await upstream.begin()
    for level in ("debug", "warning", "emergency", "shout"):
        upstream.peer.notify("notifications/message", {"level": level, "data": {"a": 1}})
    await settle()
    assert [params["level"] for _, params in told] == ["warning", "emergency"]
    assert other == []
    await upstream.channel.close()


async def test_a_log_message_that_could_belong_to_two_goes_to_nobody() -> None:
    upstream = Upstream()
    one, told_one, task = await upstream.begin(log_level="debug")
    _, told_two, _ = await upstream.begin(log_level="debug")
    upstream.peer.notify("notifications/message", {"level": "error", "data": "whose?"})
    await settle()
    assert told_one == told_two == []
    assert upstream.channel.dropped["message"] == 1
    await upstream.finish(one, task)
    upstream.peer.notify("notifications/message", {"level": "error", "data": "mine"})
    await settle()
    assert [params["data"] for _, params in told_two] == ["mine"]
    await upstream.channel.close()


async def test_a_log_message_without_a_reader_is_dropped() -> None:
    upstream = Upstream()
    upstream.peer.notify("notifications/message", {"level": "error", "data": "hello?"})
    await settle()
    assert upstream.events == []
    assert upstream.channel.dropped["message"] == 1


# ---------------------------------------------------------------- subscriptions and events


async def test_what_carries_a_subscription_goes_to_its_listen_and_nowhere_else() -> None:
    upstream = Upstream()
    listen, told, task = await upstream.begin(LISTEN)
    call, told_call, _ = await upstream.begin()
    meta = {SUBSCRIPTION_ID: listen}
    upstream.peer.notify("notifications/subscriptions/acknowledged", {"notifications": {}, "_meta": meta})
    upstream.peer.notify("notifications/resources/updated", {"uri": "a:b", "_meta": {**meta, "x": 1}})
    for forged in (call, 999, str(listen), None, True):
        upstream.peer.notify("notifications/tools/list_changed", {"_meta": {SUBSCRIPTION_ID: forged}})
    await settle()
    assert told == [
        ("notifications/subscriptions/acknowledged", {"notifications": {}}),
        ("notifications/resources/updated", {"uri": "a:b", "_meta": {"x": 1}}),
    ]
    assert told_call == []
    assert upstream.channel.dropped["subscription"] == 4
    assert upstream.events == [("notifications/tools/list_changed", {"_meta": {SUBSCRIPTION_ID: None}})]
    await upstream.finish(listen, task)
    upstream.peer.notify("notifications/tools/list_changed", {"_meta": meta})
    await settle()
    assert len(told) == 2
    await upstream.channel.close()


async def test_the_upstream_may_end_a_listen_by_cancelling_it_but_no_other_request() -> None:
    upstream = Upstream()
    listen, _, task = await upstream.begin(LISTEN)
    call, _, call_task = await upstream.begin()
    upstream.peer.notify("notifications/cancelled", {"requestId": call})
    upstream.peer.notify("notifications/cancelled", {"requestId": listen})
    assert (await asyncio.wait_for(task, 5))["resultType"] == "complete"
    assert not call_task.done()
    await upstream.finish(call, call_task)


@mark.parametrize(
    ("method", "params"),
    [
        ("notifications/tools/list_changed", {}),
        ("notifications/resources/updated", {"uri": "a:b"}),
        ("notifications/elicitation/complete", {"elicitationId": "e"}),
        ("notifications/vendor", {"a": None}),
    ],
)
async def test_what_belongs_to_no_request_is_an_event(method: str, params: Message) -> None:
    upstream = Upstream()
    _, told, _ = await upstream.begin(progress=True, log_level="debug")
    upstream.peer.notify(method, params)
    await settle()
    assert upstream.events == [(method, params)]
    assert told == []
    await upstream.channel.close()


# ---------------------------------------------------------------- the upstream asks


async def ask_peer(peer: Peer, number: object, method: str = "elicitation/create", **params: object) -> Message:
    peer.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
    return await peer.reply()


def answering(result: Message) -> AskHook:
    async def ask(method: str, params: Message) -> Message:
        return {**result, "asked": [method, params]}

    return ask


async def test_ping_is_answered_here() -> None:
    upstream = Upstream()
    assert await ask_peer(upstream.peer, "p-1", "ping") == {"jsonrpc": "2.0", "id": "p-1", "result": {}}


@mark.parametrize("method", ["sampling/createMessage", "elicitation/create", "roots/list"])
async def test_a_question_goes_to_the_only_request_that_can_answer(method: str) -> None:
    upstream = Upstream()
    number, _, task = await upstream.begin(ask=answering({"ok": 1}))
    await upstream.begin()
    answer = await ask_peer(upstream.peer, "q", method, a=1)
    assert answer == {"jsonrpc": "2.0", "id": "q", "result": {"ok": 1, "asked": [method, {"a": 1}]}}
    await upstream.finish(number, task)
    assert (await ask_peer(upstream.peer, "r", method))["error"]["code"] == -32601
    await upstream.channel.close()


async def test_a_question_that_could_belong_to_two_is_answered_by_nobody() -> None:
    upstream = Upstream()
    await upstream.begin(ask=answering({}))
    await upstream.begin(ask=answering({}))
    assert (await ask_peer(upstream.peer, 1))["error"]["code"] == -32601
    await upstream.channel.close()


async def test_a_modern_upstream_has_no_questions_to_ask() -> None:
    upstream = Upstream()
    upstream.channel.speak("2026-07-28", modern=True)
    await upstream.begin(ask=answering({}))
    assert (await ask_peer(upstream.peer, 1))["error"]["code"] == -32601
    await upstream.channel.close()


async def test_other_methods_are_unknown() -> None:
    upstream = Upstream()
    await upstream.begin(ask=answering({}))
    assert (await ask_peer(upstream.peer, 1, "tools/list"))["error"]["code"] == -32601
    await upstream.channel.close()


@mark.parametrize(
    ("raised", "error"),
    [
        (Rejected(-1, "declined", None, has_data=True), {"code": -1, "message": "declined", "data": None}),
        (Rejected(-1, "declined"), {"code": -1, "message": "declined"}),
        (MissingCapability("cannot", required={}), {"code": -32603, "message": "cannot"}),
        (ValueError("CANARY"), {"code": -32603, "message": "Internal error"}),
    ],
)
async def test_a_question_that_fails_is_answered_with_an_error(raised: Exception, error: Message) -> None:
    async def ask(method: str, params: Message) -> Message:
        raise raised

    upstream = Upstream()
    await upstream.begin(ask=ask)
    assert (await ask_peer(upstream.peer, 1))["error"] == error
    await upstream.channel.close()


class Undecided:
    """An ask hook that waits until it is cancelled."""

    def __init__(self) -> None:
        self.asked = 0
        self.cancelled = 0

    async def __call__(self, method: str, params: Message) -> Message:
        self.asked += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return {}


async def test_a_question_ends_with_the_request_that_it_belongs_to() -> None:
    upstream, ask = Upstream(), Undecided()
    number, _, task = await upstream.begin(ask=ask)
    upstream.peer.send({"jsonrpc": "2.0", "id": "q", "method": "roots/list"})
    await settle()
    await upstream.finish(number, task)
    answer = await upstream.peer.reply()
    assert (answer["id"], answer["error"]["code"]) == ("q", -32603)
    assert (ask.asked, ask.cancelled) == (1, 1)


async def test_a_question_that_the_upstream_takes_back_is_not_answered() -> None:
    upstream, ask = Upstream(), Undecided()
    number, _, task = await upstream.begin(ask=ask)
    upstream.peer.send({"jsonrpc": "2.0", "id": 1, "method": "roots/list"})
    await settle()
    upstream.peer.notify("notifications/cancelled", {"requestId": True})
    await settle()
    assert ask.cancelled == 0
    upstream.peer.notify("notifications/cancelled", {"requestId": 1})
    await settle()
    assert ask.cancelled == 1
    await upstream.finish(number, task)
    assert upstream.peer.inbox.empty()


async def test_questions_are_bounded_and_their_ids_unique() -> None:
    upstream, ask = Upstream(), Undecided()
    await upstream.begin(ask=ask)
    for number in range(MAX_ASKS):
        upstream.peer.send({"jsonrpc": "2.0", "id": number, "method": "roots/list"})
    assert (await ask_peer(upstream.peer, 0))["error"]["code"] == -32600
    assert (await ask_peer(upstream.peer, "more"))["error"]["code"] == -32603
    assert ask.asked == MAX_ASKS
    await upstream.channel.close()
    await settle()
    assert ask.cancelled == MAX_ASKS


@mark.parametrize("number", [None, 1.5, True, [1], {"a": 1}])
async def test_a_request_with_an_id_of_the_wrong_type_is_dropped(number: object) -> None:
    upstream = Upstream()
    upstream.peer.send({"jsonrpc": "2.0", "id": number, "method": "ping"})
    await settle()
    assert upstream.peer.inbox.empty()
    assert upstream.channel.dropped["malformed"] == 1
