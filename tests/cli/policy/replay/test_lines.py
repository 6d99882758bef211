"""Reading records: torn, foreign, long and mixed lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_gateway.cli.policy.replay.lines import MAX_LINE, Read, files_of, records
from mcp_gateway.cli.policy.replay.recorded import Foreign, decided, identity
from tests.cli.policy.replay.making import Past

ALL = '@id("all") permit(principal, action, resource);'


def read(path: Path) -> tuple[list[str], Read]:
    count = Read()
    return [each["event"] for each in records(files_of(path), count, lambda _: None)], count


def test_what_is_no_record_is_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(
        b'{"event": "call"}\nTraceback (most recent call last):\n[1]\n{"a": 1}\n{"event": 1}\n{"event": "ca'
    )
    events, count = read(path)
    assert (events, count.lines, count.foreign) == (["call"], 6, 5)


def test_a_line_without_end_is_not_kept_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"{" + b" " * (3 * MAX_LINE) + b'\n{"event": "call"}\n')
    events, count = read(path)
    assert (events, count.lines, count.foreign) == (["call"], 2, 1)


def test_the_files_of_a_folder_are_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"event": "two"}\n')
    (tmp_path / "a.jsonl").write_text('{"event": "one"}\n')
    (tmp_path / "c.png").write_text('{"event": "none"}\n')
    assert read(tmp_path)[0] == ["one", "two"]


@pytest.mark.parametrize(
    "change",
    [
        {"decision": "perhaps"},
        {"asked": {}},
        {"asked": []},
        {"server": None},
        {"policies": "all"},
        {"release": 1},
    ],
)
def test_a_decision_that_is_none_is_foreign(change: dict[str, object]) -> None:
    _, record = Past(ALL, values=True).lines({"sum": 1})
    with pytest.raises(Foreign):
        decided({**record, **change})


@pytest.mark.parametrize("given", [1, {"values": 1}, {"values": [[["now"], 1]]}, {"absent": [[]]}, {"values": [1]}])
def test_values_that_cannot_be_read_are_foreign(given: object) -> None:
    _, record = Past(ALL, values=True).lines({"sum": 1})
    with pytest.raises(Foreign):
        decided({**record, "asked": {**record["asked"], "input": given}})


def test_who_asked_is_read_strictly() -> None:
    introduced, record = Past(ALL).lines({"sum": 1})
    assert identity(introduced).digest == record["asked"]["who"]
    with pytest.raises(Foreign):
        identity({**introduced, "kind": "root"})


def test_a_call_that_no_policy_was_asked_about_is_no_decision() -> None:
    assert decided({"event": "call", "time": "", "method": "tools/list"}) is None
