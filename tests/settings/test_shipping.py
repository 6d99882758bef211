"""`telemetry.audit.ship`: what it takes, what is refused, and what nobody sees of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.settings.load import load
from mcp_gateway.settings.shipping import ShipSettings, named
from tests.settings.files import write

PASSWORD = "canary-9f2c"
ENVIRON = {
    "DB": f"postgresql://gateway:{PASSWORD}@db.example.com:5432/audit?sslmode=verify-full",
    "COLLECTOR": "https://collector.example.com:4318",
    "ELSEWHERE": "ftp://example.com",
    "PATH_IN_ENV": "/tmp/copy",
    "TOKEN": PASSWORD,
}


def shipped(folder: Path, ship: str, *, path: str = "audit") -> tuple[ShipSettings, ...]:
    text = f"telemetry: {{audit: {{path: {path}, ship: {ship}}}}}\n"
    return load(write(folder, text), ENVIRON).telemetry.audit.ship


def test_a_database_a_collector_and_files(tmp_path: Path) -> None:
    found = shipped(
        tmp_path,
        "[{to: env:DB}, {to: env:COLLECTOR, headers: {Authorization: env:TOKEN}}, {to: copies/a.jsonl},"
        " {to: /mnt/b.jsonl, name: worm}, {to: 'http://127.0.0.1:4317', protocol: grpc, name: near}]",
    )
    assert [(each.called, each.to.kind, each.to.place) for each in found] == [
        ("postgresql", "postgresql", "db.example.com:5432/audit"),
        ("otlp", "otlp", "https://collector.example.com:4318"),
        ("file", "file", str(tmp_path / "copies/a.jsonl")),
        ("worm", "file", "/mnt/b.jsonl"),
        ("near", "otlp", "http://127.0.0.1:4317"),
    ]
    shown = f"{found!r} {[each.model_dump_json() for each in found]}"
    assert PASSWORD not in shown


def test_a_url_without_a_password_may_be_written_down(tmp_path: Path) -> None:
    (found,) = shipped(tmp_path, "[{to: 'postgres://gateway@localhost/audit'}]")
    assert found.to.place == "localhost/audit"


@pytest.mark.parametrize(
    ("ship", "message"),
    [
        ("[{to: 'postgresql://u:pw-canary@h/d'}]", "a literal secret is refused"),
        ("[{to: 'mysql://h/d'}]", "expected postgresql://"),
        ("[{to: env:ELSEWHERE}]", "expected postgresql://"),
        ("[{to: env:PATH_IN_ENV}]", "expected postgresql://"),
        ("[{to: env:NOT_SET}]", "NOT_SET is not set"),
        ("[{to: ''}]", "expected postgresql://"),
        ("[{to: 7}]", "expected postgresql://"),
        ("[{to: 'http://collector.example.com:4318'}]", "plain http"),
        ("[{}]", "to"),
        ("[{to: env:DB}, {to: env:DB}]", "another place is called `postgresql`"),
        ("[{to: a, name: x}, {to: b, name: x}]", "another place is called `x`"),
        ("[{to: env:DB, protocol: grpc}]", "for a collector only"),
        ("[{to: a, headers: {X: env:TOKEN}}]", "for a collector only"),
        ("[{to: audit/copy.jsonl}]", "lost with it"),
        ("[{to: env:COLLECTOR, headers: {Authorization: Bearer pw-canary}}]", "literal secret"),
        ("[{to: a, nam: x}]", "unknown key"),
        ("[{to: a, name: 'A b'}]", "expected a name"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, ship: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        shipped(tmp_path, ship)
    told = "\n".join(str(problem) for problem in refused.value.problems)
    assert message in told and "gateway.yaml:1:" in told
    assert "pw-canary" not in told and PASSWORD not in told


def test_without_a_record_there_is_nothing_to_ship(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="needs a `path`"):
        shipped(tmp_path, "[{to: a}]", path="null")


def test_what_stands_in_no_file(tmp_path: Path) -> None:
    assert named("env:DB", ENVIRON, tmp_path).kind == "postgresql"
    assert named("copy.jsonl", ENVIRON, tmp_path).path == tmp_path / "copy.jsonl"
    with pytest.raises(ValueError, match="a literal secret is refused") as refused:
        named(f"postgresql://u:{PASSWORD}@h/d", ENVIRON, tmp_path)
    assert PASSWORD not in str(refused.value) and refused.value.__cause__ is None
