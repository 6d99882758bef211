"""No secret of a run is in anything that the gateway says or keeps, in any form that was thought of."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.canaries import Scan, forms
from tests.real.canary_run import HEADER_ODD, ODD, Run, canary, counted, running
from tests.real.canary_steps import go_through
from tests.real.idp import require
from tests.real.processes import Gateway, configuration
from tests.support_postgres import postgres
from tests.support_state import fresh


@pytest.mark.parametrize("odd", ["", ODD, HEADER_ODD])
def test_the_search_finds_a_canary_in_each_form(odd: str) -> None:
    secret = canary(odd)
    scan = Scan({"secret": [secret], "other": [canary(odd)]})
    for name, form in forms(secret).items():
        (line, *_) = scan.found({"here": b"before " + form + b" after"})
        assert line.startswith("secret, ") and line.endswith(": in here"), name
    assert scan.found({"here": json.dumps({"nothing": canary(odd)}).encode()}) == []


@pytest.mark.parametrize("ahead", range(6))
def test_the_search_finds_a_canary_in_the_middle_of_what_was_encoded(ahead: int) -> None:
    secret = canary(ODD)
    scan = Scan({"secret": [secret]})
    whole = b"x" * ahead + secret.encode() + b"yz"
    for place in (b64encode(whole), urlsafe_b64encode(whole), whole.hex().encode(), whole[::-1]):
        assert scan.found({"here": place})
    for inner in (secret.encode(), b64encode(whole)):
        assert scan.found({"a dump of PostgreSQL": b"\\\\x" + inner.hex().encode() + b"\t1\n"})


def test_the_search_finds_a_token_by_its_signature() -> None:
    token = f"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.{canary()}"
    scan = Scan({"token": [token]})
    assert scan.found({"here": b64encode(f"Authorization: Bearer {token}".encode())})
    assert scan.found({"here": b"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9."}) == []


def sqlite(folder: Path) -> Callable[[], bytes]:
    """The bytes of the database in `folder`, of its log and of its index."""
    return lambda: b"\n".join(path.read_bytes() for path in sorted(folder.glob("*.db*")))


def postgresql(database: str) -> Callable[[], bytes]:
    """All rows of all tables, as COPY writes them, and without the backslashes that it adds."""
    server = postgres()

    def dump() -> bytes:
        tables = server.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1", database)
        copied = "\n".join(server.sql(f'COPY "{table}" TO STDOUT', database) for table in tables.split())
        return f"{copied}\n{copied.replace(chr(92) * 2, chr(92))}".encode()

    return dump


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_no_secret_of_a_run_is_said_or_kept(kind: str, tmp_path: Path) -> None:
    require()
    served, kept = tmp_path / "served", tmp_path / "kept"
    served.mkdir()
    kept.mkdir()
    with fresh(kind, kept) as secret_url:
        url = secret_url.reveal()
        dump = sqlite(kept) if kind == "sqlite" else postgresql(url.rpartition("/")[2])
        with running(served, url, dump) as run:
            if kind == "postgresql":
                run.secrets["password of the database"].append(postgres().password)
            await go_through(run)
            secrets = run.all_secrets()
    print(counted(run), {kind: len(values) for kind, values in secrets.items()})
    shown(run)
    elsewhere = {place: each for place, each in run.said.items() if not place.startswith(("answer", "page"))}
    assert Scan({"link": secrets.pop("link")}).found(elsewhere) == [], "a link is for whoever asked, and nobody else"
    assert Scan(secrets).found(run.said) == []


def shown(run: Run) -> None:
    """The search is worth something only where the run did what it was to do, and its places hold what they should."""
    outcomes = {how for _, how in run.outcomes}
    wanted = {"unauthenticated", "insufficient_scope", "connection_required", "identity_unavailable", "result"}
    assert wanted | {"upstream_unavailable"} <= outcomes
    assert {line["event"] for line in run.gateway.log()} >= {"token refused", "token not refreshed", "token refreshed"}
    assert {record["event"] for record in run.gateway.records()} >= {"call", "span"}, "the level is debug"
    assert {status for _, status in run.statuses} >= {200, 303, 400, 401, 403, 404, 422, 503}
    (before,) = (content for place, content in run.said.items() if place.startswith("database before"))
    assert all(words in before for words in (b"corp|alice", b"corp|bob", b"nightly", b"tickets", b"notes"))


async def test_a_database_that_refuses_is_named_without_its_password(tmp_path: Path) -> None:
    password = canary()
    url = postgres().url(password=password).reveal()
    configuration(tmp_path, "  {}\n", {}).write_text("state: {database: env:DATABASE}\nupstreams: {}\n")
    running = Gateway(tmp_path, "--log-level", "debug", DATABASE=url)
    assert running.launch().wait(60) != 0
    said = {name: (tmp_path / name).read_bytes() for name in ("out", "err")}
    assert said["err"]
    assert Scan({"password": [password]}).found(said) == []
