"""Structured lines on a descriptor: batched, bounded, never waited for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson
import pytest

from mcp_gateway.envelopes.observability import lines
from mcp_gateway.envelopes.observability.lines import FileLines, MemoryLines


@dataclass
class Descriptor:
    """What `os.write` does, by script: how many bytes it takes each time, or what it raises."""

    script: list[int | OSError] = field(default_factory=list)
    written: bytearray = field(default_factory=bytearray)
    calls: int = 0
    blocked: bool = False

    def write(self, fd: int, data: bytes) -> int:
        self.calls += 1
        if self.blocked:
            raise BlockingIOError
        step = self.script.pop(0) if self.script else len(data)
        if isinstance(step, OSError):
            raise step
        self.written += data[:step]
        return min(step, len(data))

    @property
    def records(self) -> list[dict[str, object]]:
        return [orjson.loads(line) for line in bytes(self.written).splitlines()]


@pytest.fixture
def descriptor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Descriptor]:
    made = Descriptor()
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", made.write)
        patched.setattr(lines, "_RETRY_SECONDS", 0.0)
        yield made


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0.0005)


async def test_lines_of_one_turn_share_one_write(descriptor: Descriptor) -> None:
    sink = FileLines(9)
    for number in range(100):
        sink.write({"n": number})
    assert descriptor.calls == 0
    await turns()
    assert descriptor.calls == 1 and [record["n"] for record in descriptor.records] == list(range(100))


async def test_short_writes_lose_nothing(descriptor: Descriptor) -> None:
    sink = FileLines(9)
    descriptor.script = [1, 2, 3, 1, 1]
    for number in range(5):
        sink.write({"n": number})
    await turns()
    assert [record["n"] for record in descriptor.records] == list(range(5))


async def test_a_descriptor_that_takes_nothing_now_is_tried_again(descriptor: Descriptor) -> None:
    sink = FileLines(9)
    descriptor.script = [3, BlockingIOError(), BlockingIOError(), 4, BlockingIOError()]
    sink.write({"n": 0})
    await turns(2)
    sink.write({"n": 1})
    await turns()
    assert [record["n"] for record in descriptor.records] == [0, 1] and sink.dropped == 0


async def test_a_reader_that_never_reads_costs_bounded_memory(
    descriptor: Descriptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_MAX_BUFFERED", 10)
    sink = FileLines(9)
    descriptor.blocked = True
    for number in range(100):
        sink.write({"n": number})
        await turns(1)
    assert 79 <= sink.dropped <= 90
    descriptor.blocked = False
    await turns()
    assert len(descriptor.records) + sink.dropped == 100
    assert [record["n"] for record in descriptor.records][:10] == list(range(10))


async def test_a_closed_descriptor_drops_and_counts(descriptor: Descriptor) -> None:
    sink = FileLines(9)
    descriptor.script = [BrokenPipeError()]
    for number in range(3):
        sink.write({"n": number})
    await turns()
    assert sink.dropped == 3
    sink.write({"n": 3})
    await turns()
    assert [record["n"] for record in descriptor.records] == [3]


async def test_values_without_a_json_form_are_written_as_text(descriptor: Descriptor) -> None:
    FileLines(9).write({"odd": os.PathLike, "control": "\x1b\n"})
    await turns()
    assert bytes(descriptor.written).count(b"\n") == 1 and descriptor.records[0]["control"] == "\x1b\n"


async def test_on_a_real_pipe() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        sink = FileLines(writing)
        for number in range(2_000):
            sink.write({"n": number, "fill": "x" * 100})
        received = bytearray()
        async with asyncio.timeout(10):
            while received.count(b"\n") < 2_000:
                await asyncio.sleep(0)
                os.set_blocking(reading, False)
                try:
                    received += os.read(reading, 65_536)
                except BlockingIOError:
                    await asyncio.sleep(0.001)
        assert [orjson.loads(line)["n"] for line in received.splitlines()] == list(range(2_000))
    finally:
        os.close(reading)
        os.close(writing)


def test_memory_lines_keep_copies() -> None:
    sink = MemoryLines()
    record: dict[str, object] = {"a": 1}
    sink.write(record)
    record["a"] = 2
    assert sink.records == [{"a": 1}]
