"""What may change something waits for its intent; all else is never held up by the record."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.core.errors import AuditUnavailable
from mcp_gateway.core.spool.segments import sync
from mcp_gateway.envelopes.observability.audit import recorder as module
from mcp_gateway.envelopes.observability.audit.bodies import bodies, keyed
from mcp_gateway.envelopes.observability.audit.files import INDEX
from mcp_gateway.envelopes.observability.audit.find import Follow, introduced, newest, of_request, since
from mcp_gateway.envelopes.observability.audit.index import build
from mcp_gateway.envelopes.observability.audit.recorder import OnFailure, Recorder, Sync
from mcp_gateway.envelopes.observability.audit.retention import Retention
from mcp_gateway.envelopes.observability.lines import MemoryLines
from tests.envelopes.observability.audit.support import SIGNER, begin, call, files, leave, verified, written

INTENT = {"time": "2026-01-01T00:00:00.000Z", "event": "intent", "request_id": "aabbccddeeff-1"}


@asynccontextmanager
async def recording(
    path: Path, *, sync: Sync = "interval", on_failure: OnFailure = "refuse"
) -> AsyncIterator[tuple[Recorder, MemoryLines]]:
    lines = MemoryLines()
    recorder = Recorder(begin(path), lines, sync=sync, on_failure=on_failure)
    recorder.start()
    try:
        yield recorder, lines
    finally:
        await recorder.close()


def events(path: Path) -> list[Any]:
    return [each["event"] for each in since(path)]


@pytest.mark.parametrize("sync", ["interval", "always"])
async def test_an_intent_is_there_before_the_call_goes_on(tmp_path: Path, sync: Sync) -> None:
    async with recording(tmp_path, sync=sync) as (recorder, lines):
        await recorder.intend(INTENT)
        assert "intent" in events(tmp_path)
        recorder.write(call(1))
        await asyncio.sleep(0)
        assert of_request(tmp_path, "aabbccddeeff-1")[1]["outcome"] == "ok"
        assert [each["event"] for each in lines.records] == ["call"]
    assert verified(tmp_path).findings == []
    assert [each["event"] for each in newest(tmp_path, 3)] == ["intent", "call", "closed"]


async def test_finished_files_are_indexed_and_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SYNC_SECONDS", 0.01)
    chain = begin(tmp_path, segment_bytes=2000)
    recorder = Recorder(chain, MemoryLines(), retention=Retention(size=6000))
    recorder.start()
    try:
        for number in range(40):
            recorder.write(call(number))
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            while chain.finished or len(files(tmp_path)) > 4 or not files(tmp_path)[0].with_suffix(INDEX).exists():
                await asyncio.sleep(0.01)
    finally:
        await recorder.close()
    assert verified(tmp_path).findings == []
    assert events(tmp_path).count("retention") >= 1
    assert of_request(tmp_path, "aabbccddeeff-27") and not of_request(tmp_path, "aabbccddeeff-1")


async def test_many_wait_for_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []

    def counted(descriptors: list[int]) -> int:
        synced.append(1)
        return sync(descriptors)

    monkeypatch.setattr(module, "sync", counted)
    async with recording(tmp_path, sync="always") as (recorder, _):
        await asyncio.gather(*(recorder.intend(INTENT) for _ in range(50)))
        assert len(synced) < 10
    assert events(tmp_path).count("intent") == 50


@pytest.mark.parametrize("on_failure", ["refuse", "allow"])
@pytest.mark.parametrize("how", ["full", "gone"])
async def test_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_failure: OnFailure, how: str
) -> None:
    path = tmp_path / "audit"
    async with recording(path, on_failure=on_failure) as (recorder, lines):
        with monkeypatch.context() as patch:
            if how == "full":
                patch.setattr(type(recorder._chain), "_write", _full)
            else:
                shutil.rmtree(path)
            if on_failure == "refuse":
                with pytest.raises(AuditUnavailable):
                    await recorder.intend(INTENT)
            else:
                await recorder.intend(INTENT)
            recorder.write(call(2))  # never raises, never waits
            assert recorder.failing and recorder.counts.failures
            assert recorder.counts.allowed == (on_failure == "allow")
            assert len(lines.records) == 1
        if how == "full":
            await recorder.intend(INTENT)
            assert not recorder.failing
    if how == "full":
        assert verified(path).sound and events(path).count("call") == 1


def _unsynced(descriptors: list[int]) -> int:
    sync(descriptors)
    return 1


def _full(chain: object) -> None:
    raise OSError(28, "No space left on device")


async def test_a_disk_that_cannot_sync_counts_as_one_that_cannot_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with recording(tmp_path, sync="always") as (recorder, _):
        with monkeypatch.context() as patch:
            patch.setattr(module, "sync", _unsynced)
            with pytest.raises(AuditUnavailable):
                await recorder.intend(INTENT)
        assert recorder.counts.unsynced
        await recorder.intend(INTENT)
    assert verified(tmp_path).sound


async def test_who_gives_up_waiting_takes_nothing_from_others(tmp_path: Path) -> None:
    async with recording(tmp_path, sync="always") as (recorder, _):
        tasks = [asyncio.create_task(recorder.intend(INTENT)) for _ in range(10)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
    assert done[1::2] == [None] * 5
    assert verified(tmp_path).sound


@pytest.mark.parametrize("indexed", [False, True])
def test_requests_are_found_with_and_without_an_index(tmp_path: Path, indexed: bool) -> None:
    written(tmp_path, 40, segment_bytes=1500)
    if indexed:
        for file in files(tmp_path):
            build(file)
    for number in range(40):
        [found] = of_request(tmp_path, f"aabbccddeeff-{number:x}")
        assert found["request_id"] == f"aabbccddeeff-{number:x}"
    for other in ("aabbccddeeff-28", "", "x", 'a"b', "aabbccddeeff"):
        assert of_request(tmp_path, other) == []


def test_who_asked_is_found(tmp_path: Path) -> None:
    chain = begin(tmp_path)
    chain.append({"time": "t", "event": "principal", "who": "ab", "teams": ["finance"]})
    chain.append({**call(1), "asked": {"who": "ab"}})
    chain.close()
    found = introduced(tmp_path, "ab", chain.claim.chain)
    assert found is not None and found["teams"] == ["finance"]
    assert introduced(tmp_path, "cd", chain.claim.chain) is None


def test_from_a_time_on(tmp_path: Path) -> None:
    written(tmp_path, 30, segment_bytes=1500)
    found = [each for each in since(tmp_path, "2026-01-01T00:00:00.020Z") if each["event"] == "call"]
    assert [each["request_id"] for each in found] == [f"aabbccddeeff-{number:x}" for number in range(20, 30)]


def test_following(tmp_path: Path) -> None:
    chain = begin(tmp_path, segment_bytes=900)
    follow = Follow(tmp_path)
    assert list(follow.more()) == []
    for number in range(5):
        chain.append(call(number))
        assert chain.flush()
        assert [each["request_id"] for each in follow.more()] == [f"aabbccddeeff-{number:x}"]
    leave(chain)


def test_bodies() -> None:
    digest = keyed(SIGNER)
    one, other = digest({"b": 1, "a": "x"}), digest({"a": "x", "b": 1})
    assert one == other and one != digest({"a": "x", "b": 2})
    assert bodies(digest, arguments=None, result={}) == {"bodies": {"result": digest({})}}
    assert bodies(None, arguments={"a": 1}) == {}
