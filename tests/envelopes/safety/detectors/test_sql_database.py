"""What the guard lets through, a real database reads as nothing but a query."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.detectors.sql import Sql

GUARD = Sql.of({"dialect": "sqlite"})
READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
NEVER = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "randomblob", "sqlite_log"}

PIECES = st.sampled_from(
    ["SELECT ", "a", "1", "'x'", "'", '"', "`", "[", "]", ";", "--", "/*", "*/", "/*!", "\n", "\r", "\0", " ", "\u00a0",
     ",", " FROM t ", " WHERE ", " UNION SELECT 2 ", "(", ")", "\\'", "''", "DROP TABLE t", "DELETE FROM t",
     "PRAGMA user_version = 5",
     "ATTACH 'x' AS y", "WITH x AS (SELECT 1) ", "INSERT INTO t VALUES (1)", "load_extension('x')",
     "replace(a, 'b', 'c')",
     "REPLACE INTO t VALUES (1)", "VALUES (1)", " RETURNING a", "EXPLAIN ", "x'41'", "$$", "#", "@a", ":b", "?1", "||"]
)  # fmt: skip


def actions(statement: str) -> set[tuple[int, str]]:
    """What the database is about to do for `statement`; nothing where it does not understand it."""
    seen: set[tuple[int, str]] = set()

    def note(action: int, first: str | None, second: str | None, *_: object) -> int:
        seen.add((action, (second or "").lower() if action == sqlite3.SQLITE_FUNCTION else ""))
        return sqlite3.SQLITE_OK

    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE t (a)")
        database.set_authorizer(note)
        try:
            # The plan of a statement is made by compiling it, and nothing of it is done.
            database.execute("EXPLAIN " + statement, {"a": 1, "b": 1}).close()
        except (sqlite3.Error, sqlite3.Warning, ValueError):
            return set()
    return seen


@settings(max_examples=500, deadline=None)
@given(
    st.lists(PIECES, max_size=12).map("".join)
    | st.lists(PIECES, max_size=8).map(lambda parts: "SELECT " + "".join(parts))
)
@example("SELECT replace(a, 'b', 'c') FROM t")
@example("WITH x AS (SELECT 1) DELETE FROM t")
def test_the_database_only_reads(statement: str) -> None:
    if GUARD.reason(statement) is None:
        done = actions(statement)
        assert {action for action, _ in done} <= READS
        assert not {name for _, name in done} & NEVER


def test_the_database_would_tell() -> None:
    assert {action for action, _ in actions("DELETE FROM t")} - READS
    assert (sqlite3.SQLITE_FUNCTION, "replace") in actions("SELECT replace(a, 'b', 'c') FROM t")
