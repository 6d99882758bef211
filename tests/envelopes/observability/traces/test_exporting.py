"""The queue to a collector: bounded, never waiting, and every record is sent or counted as dropped."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.envelopes.observability.traces.exporting import Exporting


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 200), st.integers(1, 100), st.lists(st.sampled_from([True, False, None]), max_size=5))
def test_every_record_is_sent_or_dropped(count: int, most: int, answers: list[bool | None]) -> None:
    """None: the exporter raises. False: half of a batch arrives."""
    took: list[int] = []
    script = list(answers)

    def send(batch: Sequence[int]) -> int:
        answer = script.pop(0) if script else True
        if answer is None:
            raise OSError("broken")
        arrived = batch if answer else batch[: len(batch) // 2]
        took.extend(arrived)
        return len(arrived)

    queue: Exporting[int] = Exporting(send, most=most, every=0.001)
    queue.start()
    for each in range(count):
        queue.put(each)
        assert queue.waiting <= most
    queue.close(lambda: None)
    assert queue.sent == len(took) and queue.sent + queue.dropped == count
    assert took == sorted(took), "in the order in which they came"
    queue.put(1)
    assert queue.dropped == count + 1 - len(took), "what comes after the end is dropped"


def test_putting_never_waits_for_a_send_that_hangs_and_closing_ends_it() -> None:
    hanging, go = threading.Event(), threading.Event()

    def send(batch: Sequence[int]) -> int:
        hanging.set()
        go.wait(30)
        return 0

    told: list[bool] = []
    queue: Exporting[int] = Exporting(send, most=3, every=0.001, done=told.append)
    queue.start()
    queue.put(0)
    assert hanging.wait(10)
    for each in range(10):
        queue.put(each)
    assert (queue.waiting, queue.dropped) == (3, 7)
    queue.close(go.set, patience=0.01)
    assert queue.sent == 0 and queue.dropped == 11
    assert told[0] is False
