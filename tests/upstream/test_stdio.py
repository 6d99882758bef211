import asyncio
import inspect
import os
import resource
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

import psutil
import pytest
import uvloop
from pytest import mark, raises
from structlog.testing import capture_logs

from mcp_gateway.core.errors import ProtocolViolation, TimedOut, Unreachable
from mcp_gateway.core.secret import Secret
from mcp_gateway.upstream.channel_conversation import ChannelConversation
from mcp_gateway.upstream.channel_open import DiedOnProbe, open_channel
from mcp_gateway.upstream.process import Command, child_environment
from mcp_gateway.upstream.stdio import StdioDuplex, spawn
from mcp_gateway.upstream.wire import HANDSHAKE, MODERN, Exchange
from tests.support import require
from tests.upstream.channel_peer import Message

CHILD = str(Path(__file__).parent / "stdio_child.py")
GRACE = 0.3


def group(pgid: int) -> list[int]:
    """The processes of a group that are still there. A zombie counts if it is ours to reap, not if it is init's."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.status() != psutil.STATUS_ZOMBIE or process.ppid() == os.getpid()
            if os.getpgid(process.pid) == pgid and ours:
                found.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def on_both_loops(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """Run the test on asyncio's loop and on uvloop. It gets a list for what it starts, of which nothing may be left."""

    async def scenario(**given: object) -> None:
        started: list[StdioDuplex] = []
        try:
            await test(started, **given)
        finally:
            for duplex in started:
                await duplex.close()
        assert not [pid for duplex in started for pid in group(duplex.pid)]

    def run(new_loop: Callable[[], asyncio.AbstractEventLoop], **given: object) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(scenario(**given))

    others = list(inspect.signature(test).parameters.values())[1:]
    new_loop = inspect.Parameter("new_loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = inspect.Signature([new_loop, *others])  # type: ignore[attr-defined]  # what pytest reads
    run.__name__, run.__doc__ = test.__name__, test.__doc__
    run.pytestmark = getattr(test, "pytestmark", [])  # type: ignore[attr-defined]  # where pytest keeps marks
    return mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])(run)


def at(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def start(
    children: list[StdioDuplex], habit: str, protocol: str = HANDSHAKE[0], **command: object
) -> tuple[ChannelConversation, StdioDuplex]:
    argv = (sys.executable, CHILD, habit)
    duplex = await spawn(Command(argv, **command), upstream="child", grace=GRACE)  # type: ignore[arg-type]  # test options
    children.append(duplex)
    conversation = await open_channel(
        duplex,
        protocol=protocol,
        capabilities={},
        client_info=None,
        on_event=lambda method, params: None,
        deadline=at(20),
        upstream="child",
    )
    return conversation, duplex


async def call(conversation: ChannelConversation, method: str = "call", params: Message | None = None) -> Message:
    return await conversation.request(method, params or {}, Exchange(deadline=at(20)))


# ---------------------------------------------------------------- real servers


@on_both_loops
@mark.parametrize("server", ["mcp-server-time", "mcp-server-git"])
@mark.parametrize(("protocol", "version"), [("auto", MODERN), ("2025-11-25", "2025-11-25"), (MODERN, MODERN)])
async def test_a_real_server_is_opened_and_used(
    children: list[StdioDuplex], server: str, protocol: str, version: str
) -> None:
    command = str(require(server, "a real server over stdio"))
    duplex = await spawn(Command((command,)), upstream="real")
    children.append(duplex)
    conversation = await open_channel(
        duplex,
        protocol=protocol,
        capabilities={},
        client_info=None,
        on_event=lambda method, params: None,
        deadline=at(30),
    )
    assert conversation.version == version
    assert conversation.server_info["name"]
    tools = (await call(conversation, "tools/list"))["tools"]
    assert tools and all(tool["inputSchema"]["type"] == "object" for tool in tools)
    if server == "mcp-server-time":
        arguments = {"name": "get_current_time", "arguments": {"timezone": "UTC"}}
        results = await asyncio.gather(*(call(conversation, "tools/call", arguments) for _ in range(20)))
        assert all("UTC" in result["content"][0]["text"] for result in results)
    await conversation.close()
    assert duplex.exit_status == 0


# ---------------------------------------------------------------- messages


@on_both_loops
async def test_large_messages_pass_both_ways(children: list[StdioDuplex]) -> None:
    conversation, _ = await start(children, "good")
    blobs = [{"blob": str(number) * 700_000} for number in range(8)]
    assert await asyncio.gather(*(call(conversation, "echo", blob) for blob in blobs)) == blobs


@on_both_loops
async def test_half_lines_and_blank_lines_make_whole_messages(children: list[StdioDuplex]) -> None:
    conversation, _ = await start(children, "half_lines")
    assert await call(conversation) == {"text": "ä – \u2028 €"}


@on_both_loops
async def test_garbage_between_messages_is_dropped(children: list[StdioDuplex]) -> None:
    conversation, _ = await start(children, "garbage")
    assert await call(conversation) == {}
    assert conversation.alive
    assert conversation.dropped["malformed"] >= 3


@on_both_loops
async def test_a_line_without_end_is_a_violation_in_bounded_memory(children: list[StdioDuplex]) -> None:
    conversation, duplex = await start(children, "flood")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with raises(ProtocolViolation) as caught:
        await call(conversation)
    assert (caught.value.upstream, conversation.alive) == ("child", False)
    await duplex.close()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 64 * 1024 * 1024, "the cap is 16 MiB, the line 100 MiB"


@on_both_loops
async def test_a_server_that_does_not_read_makes_senders_wait_and_give_up(children: list[StdioDuplex]) -> None:
    conversation, _ = await start(children, "deaf")
    deaf = asyncio.create_task(call(conversation))
    blob = {"blob": "x" * 600_000}
    waiting = [asyncio.create_task(conversation.request("echo", blob, Exchange(deadline=at(0.5)))) for _ in range(12)]
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(outcome, TimedOut) for outcome in outcomes)
    assert {outcome.sent for outcome in outcomes if isinstance(outcome, TimedOut)} == {True, False}
    await conversation.close()
    with raises(Unreachable):
        await deaf


# ---------------------------------------------------------------- death


@on_both_loops
@mark.parametrize(
    ("habit", "message", "status"),
    [
        ("die", "the upstream's process ended with exit code 7", 7),
        ("kill_self", "the upstream's process was ended by SIGKILL", -9),
    ],
)
async def test_death_fails_every_request_at_once_and_says_why(
    children: list[StdioDuplex], habit: str, message: str, status: int
) -> None:
    conversation, duplex = await start(children, habit)
    outcomes = await asyncio.gather(*(call(conversation) for _ in range(5)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == [message] * 5
    assert all(isinstance(outcome, Unreachable) and outcome.sent for outcome in outcomes)
    assert (conversation.alive, duplex.exit_status) == (False, status)
    with raises(Unreachable) as caught:
        await call(conversation)
    assert not caught.value.sent


@on_both_loops
async def test_the_last_answer_before_death_counts(children: list[StdioDuplex]) -> None:
    conversation, _ = await start(children, "answer_and_die")
    assert await call(conversation) == {"last": "words"}


@on_both_loops
async def test_a_server_that_closes_its_output_is_dead(children: list[StdioDuplex]) -> None:
    conversation, _ = await start(children, "close_output")
    with raises(Unreachable, match="closed its output"):
        await call(conversation)


@on_both_loops
async def test_the_exit_is_told_once(children: list[StdioDuplex]) -> None:
    told: list[str] = []
    duplex = await spawn(
        Command((sys.executable, "-c", "raise SystemExit(4)")), upstream="child", on_exit=told.append, grace=GRACE
    )
    children.append(duplex)
    async with asyncio.timeout(20):
        while not told:
            await asyncio.sleep(0.01)
    await duplex.close()
    assert told == ["the upstream's process ended with exit code 4"]


@on_both_loops
async def test_a_server_that_dies_of_the_probe_can_be_opened_without_it(children: list[StdioDuplex]) -> None:
    with raises(DiedOnProbe) as caught:
        await start(children, "fragile", "auto")
    conversation, _ = await start(children, "fragile", caught.value.retry_with)
    assert await call(conversation, "echo", {"a": 1}) == {"a": 1}


# ---------------------------------------------------------------- the end


@on_both_loops
async def test_closing_ends_a_good_server_by_its_input(children: list[StdioDuplex]) -> None:
    conversation, duplex = await start(children, "good")
    await asyncio.gather(conversation.close(), conversation.close(), duplex.close())
    assert duplex.exit_status == 0


@on_both_loops
async def test_closing_ends_a_server_that_ignores_sigterm(children: list[StdioDuplex]) -> None:
    conversation, duplex = await start(children, "stubborn")
    await conversation.close()
    assert duplex.exit_status == -9


@on_both_loops
async def test_closing_ends_what_the_server_started(children: list[StdioDuplex]) -> None:
    conversation, duplex = await start(children, "with_child")
    grandchild = (await call(conversation))["child"]
    assert psutil.pid_exists(grandchild)
    await conversation.close()
    assert not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE
    assert duplex.exit_status == 0


@on_both_loops
async def test_closing_is_finished_even_if_its_caller_is_cancelled(children: list[StdioDuplex]) -> None:
    conversation, duplex = await start(children, "stubborn")
    closing = asyncio.create_task(conversation.close())
    await asyncio.sleep(0)
    closing.cancel()
    with raises(asyncio.CancelledError):
        await closing
    await duplex.close()
    assert duplex.exit_status == -9


@on_both_loops
async def test_closing_fails_who_waits(children: list[StdioDuplex]) -> None:
    conversation, _ = await start(children, "hang")
    waiting = asyncio.create_task(call(conversation))
    await asyncio.sleep(0)
    await conversation.close()
    with raises(Unreachable):
        await waiting


# ---------------------------------------------------------------- the start


@on_both_loops
async def test_the_child_gets_a_scrubbed_environment_a_folder_and_a_group(
    children: list[StdioDuplex], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GATEWAY_CANARY", "secret")
    monkeypatch.setenv("LC_TIME", "C.UTF-8")
    conversation, duplex = await start(
        children, "tell", cwd=str(tmp_path), env={"TOKEN": Secret("s3cret"), "MODE": "$HOME `id` *"}
    )
    told = await call(conversation)
    assert "GATEWAY_CANARY" not in told["env"]
    assert (told["env"]["TOKEN"], told["env"]["MODE"], told["env"]["LC_TIME"]) == ("s3cret", "$HOME `id` *", "C.UTF-8")
    assert told["cwd"] == str(tmp_path)
    assert told["pgid"] == told["pid"] == duplex.pid != os.getpgrp()


@on_both_loops
async def test_arguments_are_not_read_by_a_shell(children: list[StdioDuplex]) -> None:
    duplex = await spawn(Command((sys.executable, CHILD, "tell", "; touch x", "$(id)")), upstream="child", grace=GRACE)
    children.append(duplex)
    conversation = await open_channel(
        duplex,
        protocol=HANDSHAKE[0],
        capabilities={},
        client_info=None,
        on_event=lambda method, params: None,
        deadline=at(20),
    )
    assert (await call(conversation))["argv"][1:] == ["tell", "; touch x", "$(id)"]


@on_both_loops
@mark.parametrize(
    ("command", "message"),
    [
        (Command(("no-such-program",)), "'no-such-program' was not found on PATH; install it"),
        (Command(("/no/such/program",)), "'/no/such/program' is not an executable file"),
        (Command(("/tmp",)), "'/tmp' is not an executable file"),
        (Command((sys.executable,), cwd="/no/such/folder"), "working directory"),
        (Command((CHILD,)), "is not an executable file"),
        (Command((sys.executable, "a\0b")), "NUL character"),
        (Command(("npx",), env={"PATH": "/nowhere"}), "npx comes with Node.js"),
    ],
)
async def test_a_command_that_cannot_be_started_says_what_is_missing(
    children: list[StdioDuplex], command: Command, message: str
) -> None:
    with raises(Unreachable) as caught:
        await spawn(command, upstream="u")
    assert message in str(caught.value)
    assert (caught.value.sent, caught.value.upstream) == (False, "u")


def test_secrets_of_the_gateway_stay_in_the_gateway() -> None:
    own = {"PATH": "/bin", "HOME": "/root", "OPENAI_API_KEY": "k", "LC_ALL": "C", "LD_PRELOAD": "x", "PYTHONPATH": "y"}
    environment = child_environment({"A": "1", "B": Secret("2")}, own)
    assert environment.pop("PATH").split(os.pathsep) == ["/bin", os.path.dirname(sys.executable)]
    assert environment == {"HOME": "/root", "LC_ALL": "C", "A": "1", "B": "2"}
    assert "2" not in repr(Command(("x",), env={"B": Secret("2")}))


@on_both_loops
async def test_stderr_becomes_log_lines_that_are_short_few_harmless_and_discreet(children: list[StdioDuplex]) -> None:
    with capture_logs() as logs:
        conversation, _ = await start(children, "chatty", env={"TOKEN": Secret("s3cret-token")})
        await call(conversation)
        await conversation.close()
    lines = [entry["line"] for entry in logs if entry["event"] == "stderr"]
    assert lines[0] == "red\\x07 \\u202e **********"
    assert lines[1] == "y" * 2048 + "…"
    assert len(lines) < 1000
    suppressed = sum(entry["count"] for entry in logs if entry["event"] == "lines suppressed")
    assert len(lines) + suppressed == 5002
    assert {entry["upstream"] for entry in logs} == {"child"}
