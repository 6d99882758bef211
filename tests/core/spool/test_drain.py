"""Delivery in the background: again until it works, all at the end, synced as configured."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from mcp_gateway.core.spool.drain import Drain, Sync, Undelivered
from mcp_gateway.core.spool.spool import Spool


class Sink:
    """Takes batches; fails as often as it is told to. `came` is set by each try."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.payloads: list[bytes] = []
        self.came = asyncio.Event()

    async def __call__(self, payloads: Sequence[bytes]) -> None:
        self.came.set()
        if self.failures:
            self.failures -= 1
            raise LookupError("not now")
        self.payloads.extend(payloads)


def unsynced(spool: Spool) -> bool:
    """Whether something still has to be synced."""
    found = spool.syncing()
    for descriptor in found:
        assert descriptor > 0
    return bool(found)


@pytest.mark.parametrize("sync", ["interval", "always"])
async def test_all_is_delivered_once_and_in_order(tmp_path: Path, sync: Sync) -> None:
    sink = Sink()
    drain = Drain("test", Spool.open(tmp_path), sink, sync=sync, linger=0.001)
    drain.start()
    given = [b"%d" % number for number in range(2_000)]
    for payload in given:
        assert drain.append(payload)
        if payload.endswith(b"00"):
            await asyncio.sleep(0)
    await drain.close()
    assert sink.payloads == given
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


async def test_what_fails_is_tried_again(tmp_path: Path) -> None:
    sink = Sink(failures=2)
    drain = Drain("test", Spool.open(tmp_path), sink, linger=0.001)
    drain.start()
    drain.append(b"one")
    while not sink.payloads:
        await asyncio.sleep(0.01)
    assert sink.payloads == [b"one"]
    await drain.close()


async def test_what_cannot_be_delivered_at_the_end_is_left_for_the_next(tmp_path: Path) -> None:
    drain = Drain("test", Spool.open(tmp_path), Sink(failures=1_000))
    drain.start()
    drain.append(b"one")
    await drain.close(0.05)
    sink = Sink()
    following = Drain("test", Spool.open(tmp_path), sink)
    following.start()
    await following.close()
    assert sink.payloads == [b"one"]


async def test_close_waits_for_what_was_appended_just_now(tmp_path: Path) -> None:
    sink = Sink()
    drain = Drain("test", Spool.open(tmp_path), sink, linger=1_000)
    drain.start()
    drain.append(b"one")
    await drain.close()
    assert sink.payloads == [b"one"]


async def test_synced_is_when_nothing_is_left_to_sync(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, segment_bytes=100)
    drain = Drain("test", spool, Sink())
    for _ in range(20):
        drain.append(b"twenty bytes of them")
    assert all(await asyncio.gather(*(drain.synced() for _ in range(5))))
    assert not unsynced(spool)
    await drain.close()


async def test_who_waits_for_it_to_be_empty_waits_for_what_another_process_left(tmp_path: Path) -> None:
    before = Drain("test", Spool.open(tmp_path), Sink(failures=1_000))
    before.start()
    before.append(b"one")
    await before.close(0.05)
    sink = Sink()
    drain = Drain("test", Spool.open(tmp_path), sink, linger=0.001)
    drain.start()
    await drain.emptied()
    assert sink.payloads == [b"one"]
    await drain.emptied()  # and with nothing there, for nothing
    await drain.close()


async def test_who_waits_for_it_to_be_empty_is_told_when_that_fails(tmp_path: Path) -> None:
    drain = Drain("test", Spool.open(tmp_path), Sink(failures=1_000), linger=0.001)
    drain.start()
    drain.append(b"one")
    with pytest.raises(Undelivered):
        await drain.emptied()
    waiting = asyncio.create_task(drain.emptied())
    await asyncio.sleep(0)
    await drain.close(0.05)
    with pytest.raises(Undelivered):
        await waiting
