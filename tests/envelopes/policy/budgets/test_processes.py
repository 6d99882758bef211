"""Three processes at one Redis: what a limit has room for is admitted, and nothing more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.envelopes.policy.budgets import worker
from tests.support_redis import RedisServer, redis_server

ROOT = Path(__file__).parents[4]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


class Worker:
    """One process; `go` lets it reserve."""

    def __init__(self, server: RedisServer, many: int, then: str = "keep") -> None:
        command = [sys.executable, "-m", worker.__name__, server.url.reveal(), str(many), then]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self.line() == "ready"

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")

    def admitted(self) -> int:
        return int(self.line())

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def ran(workers: list[Worker]) -> list[int]:
    """How many each had admitted, all at once."""
    try:
        for each in workers:
            each.go()
        return [each.admitted() for each in workers]
    finally:
        for each in workers:
            each.end()


def test_of_200_at_once_over_three_processes_exactly_ten_are_admitted(server: RedisServer) -> None:
    assert sum(ran([Worker(server, 67), Worker(server, 67), Worker(server, 66)])) == 10
    assert ran([Worker(server, 5)]) == [0]


def test_what_was_held_back_too_much_is_free_again(server: RedisServer) -> None:
    """Ten are held back at most; half of each is spent, and the rest is there for whoever comes next."""
    first = sum(ran([Worker(server, 60, "settle") for _ in range(3)]))
    assert first >= 10
    rest = ran([Worker(server, 30)])[0]
    assert rest == (20 - first) // 2
    assert first * 0.5 + rest <= 10


def test_a_process_that_is_killed_takes_no_more_than_it_held(server: RedisServer) -> None:
    killed = Worker(server, 4, "hang")
    killed.go()
    assert killed.admitted() == 4
    killed.end()
    assert ran([Worker(server, 20)]) == [6]
