"""Publish and subscribe inside the process."""

from __future__ import annotations

from mcp_gateway.core.hub import Hub


def test_every_listener_hears_every_event_in_order() -> None:
    hub, heard = Hub[int](), list[tuple[str, int]]()
    hub.listen(lambda event: heard.append(("a", event)))
    hub.listen(lambda event: heard.append(("b", event)))
    hub.publish(1)
    hub.publish(2)
    assert heard == [("a", 1), ("b", 1), ("a", 2), ("b", 2)] and len(hub) == 2


def test_who_ended_hears_nothing_and_may_end_twice() -> None:
    hub, heard = Hub[int](), list[int]()
    end = hub.listen(heard.append)
    other = hub.listen(heard.append)
    end()
    end()
    hub.publish(1)
    assert heard == [1] and len(hub) == 1
    other()
    hub.publish(2)
    assert heard == [1] and len(hub) == 0


def test_the_same_listener_twice_is_two_listeners() -> None:
    hub, heard = Hub[int](), list[int]()
    first, _ = hub.listen(heard.append), hub.listen(heard.append)
    first()
    hub.publish(5)
    assert heard == [5]


def test_listeners_that_come_while_an_event_is_heard_wait_for_the_next() -> None:
    hub, heard = Hub[int](), list[int]()
    hub.listen(lambda event: (hub.listen(heard.append), None)[1])
    hub.publish(1)
    assert heard == []
    hub.publish(2)
    assert heard == [2]
