"""`mcp-gateway audit` and `explain` over a record on disk."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.audit.running import run
from tests.envelopes.observability.audit.support import files
from tests.settings.files import write


def test_a_sound_record(config: Path) -> None:
    done = run(config, "audit", "verify")
    assert (done.exit_code, done.stdout) == (0, "8 records in 1 chain: as they were written.\n")
    [file] = files(config.parent / "audit")
    assert run(config, "audit", "verify", str(file.parent)).exit_code == 0
    told = json.loads(run(config, "audit", "verify", "--json").stdout)
    assert told == {"sound": True, "records": 8, "chains": 1, "anchors": 0, "findings": []}


def test_a_record_that_was_changed(config: Path) -> None:
    [file] = files(config.parent / "audit")
    file.write_bytes(file.read_bytes().replace(b"aabbccddeeff-2", b"aabbccddeeff-7"))
    done = run(config, "audit", "verify")
    assert done.exit_code == 1
    assert f"{file}:4: seq 4: this record was changed" in done.stdout
    assert done.stdout.endswith("1 thing wrong.\n")
    [finding] = json.loads(run(config, "audit", "verify", "--json").stdout)["findings"]
    assert (finding["file"], finding["line"], finding["seq"]) == (str(file), 4, 4)


def test_another_key_proves_nothing(config: Path) -> None:
    (config.parent / "key").write_text("Zb4Xn8Qm1Lk7Vd3Rt6Yp0Hw9Gs2Jc5Fa4Ue1Oi=")
    done = run(config, "audit", "verify")
    assert done.exit_code == 1 and "not in `state.encryption_keys`" in done.stdout


@pytest.mark.parametrize(
    "command", [("audit", "verify"), ("audit", "tail"), ("audit", "export"), ("explain", "aabbccddeeff-1")]
)
@pytest.mark.parametrize(
    ("audit", "expected"),
    [("", "there is no `telemetry.audit.path`"), ("telemetry: {audit: {path: none}}\n", "there is no record at")],
)
def test_without_a_record_it_is_two(tmp_path: Path, command: tuple[str, ...], audit: str, expected: str) -> None:
    done = run(write(tmp_path, audit), *command)
    assert done.exit_code == 2 and expected in done.output


def test_tail(config: Path) -> None:
    shown = run(config, "audit", "tail", "-n", "3").stdout.splitlines()
    assert [line.split("  ")[1] for line in shown] == ["call", "intent", "closed"]
    records = [json.loads(line) for line in run(config, "audit", "tail", "-n", "2", "--json").stdout.splitlines()]
    assert [each["event"] for each in records] == ["intent", "closed"]
    assert run(config, "audit", "tail", "-n", "0").stdout == ""


def test_export(config: Path) -> None:
    records = [json.loads(line) for line in run(config, "audit", "export").stdout.splitlines()]
    assert len(records) == 8
    rows = list(csv.DictReader(io.StringIO(run(config, "audit", "export", "--csv").stdout)))
    assert [row["request_id"] for row in rows if row["event"] == "call"] == [f"aabbccddeeff-{n}" for n in range(5)]
    assert (rows[1]["server"], rows[1]["policies"]) == ("'=desk", "a;b")
    later = run(config, "audit", "export", "--since", "2026-01-01T00:00:00.003").stdout.splitlines()
    assert [json.loads(line)["event"] for line in later].count("call") == 2


@pytest.mark.parametrize(("arguments", "code"), [(("--since", "soon"), 2), (("--csv", "--json"), 2)])
def test_export_of_what_cannot_be(config: Path, arguments: tuple[str, ...], code: int) -> None:
    assert run(config, "audit", "export", *arguments).exit_code == code


def test_explain(config: Path) -> None:
    done = run(config, "explain", "aabbccddeeff-3")
    assert done.exit_code == 0 and "Outcome   allowed, and done" in done.stdout.replace("    ", "   ")
    told = json.loads(run(config, "explain", "aabbccddeeff-3", "--json").stdout)
    assert told["ended"] and told["records"][0]["request_id"] == "aabbccddeeff-3"


def test_explain_what_did_not_end(config: Path) -> None:
    done = run(config, "explain", "aabbccddeeff-9")
    assert done.exit_code == 0
    assert "the process ended, or is still waiting for the upstream, which may have acted" in done.stdout


def test_explain_what_is_not_known(config: Path) -> None:
    done = run(config, "explain", "nothing")
    assert done.exit_code == 1 and "the record does not know the request 'nothing'" in done.output


def test_replay_reads_it(config: Path) -> None:
    (config.parent / "policies").mkdir()
    (config.parent / "policies/all.cedar").write_text('@id("all") permit (principal, action, resource);')
    config.write_text(config.read_text() + "policies: {path: policies}\n")
    done = run(config, "policy", "replay", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["lines"], told["foreign_lines"]) == (8, 0)
