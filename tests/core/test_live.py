"""A value that is swapped whole."""

from __future__ import annotations

from mcp_gateway.core.live import Live


def test_a_reader_keeps_what_it_took() -> None:
    live = Live("a")
    taken = live.current
    assert live.swap("b") == "a"
    assert (taken, live.current) == ("a", "b")


def test_watchers_hear_of_each_swap_in_the_order_they_came() -> None:
    live, heard = Live(1), list[tuple[str, int, int]]()
    live.watch(lambda old, new: heard.append(("first", old, new)))
    live.watch(lambda old, new: heard.append(("second", old, new)))
    live.swap(2)
    live.swap(3)
    assert heard == [("first", 1, 2), ("second", 1, 2), ("first", 2, 3), ("second", 2, 3)]


def test_a_watcher_sees_the_new_value_in_force() -> None:
    live, seen = Live(1), list[int]()
    live.watch(lambda old, new: seen.append(live.current))
    live.swap(2)
    assert seen == [2]


def test_who_stopped_watching_hears_nothing_and_may_stop_twice() -> None:
    live, heard = Live(1), list[int]()
    end = live.watch(lambda old, new: heard.append(new))
    end()
    end()
    live.swap(2)
    assert heard == []


def test_a_watcher_may_stop_watching_while_it_hears() -> None:
    live, heard = Live(1), list[str]()

    def once(old: int, new: int) -> None:
        heard.append("once")
        end()

    end = live.watch(once)
    live.watch(lambda old, new: heard.append("always"))
    live.swap(2)
    live.swap(3)
    assert heard == ["once", "always", "always"]
