"""The SQL guard against the corpus, and against texts that are made to break it."""

from __future__ import annotations

import logging
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlglot import exp

from mcp_gateway.envelopes.safety.detectors.sql import DIALECTS, REASONS, Sql
from mcp_gateway.envelopes.safety.detectors.sql_functions import TYPED
from mcp_gateway.envelopes.safety.detectors.sql_nodes import QUERY, ROOTS, WRITES
from mcp_gateway.envelopes.safety.detectors.sql_tokens import MOST_CHARACTERS, MOST_NESTING
from tests.envelopes.safety.detectors.sql_corpus import allowed, refused

ALLOWED, REFUSED = tuple(allowed()), tuple(refused())
POSTGRES = Sql.of({"dialect": "postgres"})


@pytest.mark.parametrize(("dialect", "statement"), ALLOWED)
def test_an_ordinary_query_passes(dialect: str, statement: str) -> None:
    assert Sql.of({"dialect": dialect}).find(statement) == ()


@pytest.mark.parametrize(("dialect", "statement", "kind"), REFUSED)
def test_what_is_more_than_a_query_is_refused(dialect: str, statement: str, kind: str) -> None:
    (finding,) = Sql.of({"dialect": dialect}).find(statement)
    assert (finding.kind, finding.start, finding.end) == (kind, 0, len(statement))


def test_the_corpus_is_as_large_as_it_is_said_to_be() -> None:
    assert len(ALLOWED) + len(REFUSED) >= 150
    assert {dialect for dialect, _ in ALLOWED} == set(DIALECTS)


def test_every_listed_name_is_one_of_the_parser() -> None:
    for name in QUERY.union(ROOTS, *WRITES.values()):
        assert issubclass(getattr(exp, name), exp.Expr) and not issubclass(getattr(exp, name), exp.Func)
    assert all(issubclass(getattr(exp, name), exp.Func) for name in TYPED)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SELECT 1\0; DROP TABLE users", "sql_control_character"),
        ("SELECT 1 -- x\r, pg_sleep(1)", "sql_control_character"),
        ("SELECT\u00a01", "sql_control_character"),
        ("SELECT 1 --\u2028 DROP TABLE users", "sql_control_character"),
        ("SELECT a\u200bb FROM t", "sql_control_character"),
        ("SELECT '日本\u3000語', 'می\u200cخواهم'", None),
        ("", "sql_no_statement"),
        (" \n\t", "sql_no_statement"),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000, "sql_too_large"),
        ("SELECT " + "(" * (MOST_NESTING + 1) + "1" + ")" * (MOST_NESTING + 1), "sql_too_deep"),
        ("SELECT " + "(" * MOST_NESTING + "1" + ")" * MOST_NESTING, None),
        ("SELECT " + "NOT " * 2000 + "1", "sql_too_deep"),
        ("SELECT" + " CASE WHEN a THEN" * 300 + " 1" + " END" * 300, "sql_too_deep"),
        ("SELECT 1 WHERE " + " OR ".join(["a = 1"] * 10_000), "sql_too_large"),
        ("SELECT '" + "x" * 1_000_000 + "'", "sql_too_large"),
        ("SELECT 1" + " + 1" * 1200, None),
        ("SELECT a FROM t WHERE a IN (" + ", ".join(["1"] * 1000) + ")", None),
        ("SELECT '" + "(" * 15_000 + "' ~ '(a+)+$'", None),
    ],
)
def test_sizes_depths_and_characters(text: str, kind: str | None) -> None:
    assert POSTGRES.reason(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1" + " + 1" * 1240,
        "SELECT " + ", ".join(["a.b"] * 620),
        "SELECT '" + "''" * (MOST_CHARACTERS // 2 - 10) + "'",
        "SELECT 1 " + "/* x */" * 2000,
        ("SELECT " + "f(x -> " * 22 + "1" + ")" * 22),
        "SELECT " + "((a, b), " * 20 + "c" + ")" * 20,
        "(" * MOST_CHARACTERS,
        "\u3000" * MOST_CHARACTERS,
    ],
)
def test_the_worst_texts_that_are_read_take_a_bounded_number_of_steps(text: str) -> None:
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        POSTGRES.reason(text)
    finally:
        sys.setprofile(before)
    # Calls and returns, of which a core does some ten million a second.
    assert steps < 2_000_000


@given(st.text(max_size=300) | st.text(alphabet="SELECT FROM()';-/*\\\"$`[]@#:,.1aé\n", max_size=200))
@example("SELECT $$")
@example("SELECT {")
@example("WITH")
@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_text_makes_it_raise(dialect: str, text: str) -> None:
    guard = Sql.of({"dialect": dialect})
    assert guard.reason(text) in (None, *REASONS)
    assert isinstance(guard.rewrite(text), str)


@given(st.sampled_from([statement for dialect, statement in ALLOWED if dialect == "postgres"]), st.data())
def test_no_statement_hides_behind_an_allowed_one(statement: str, data: st.DataObject) -> None:
    """Wherever it is inserted into an allowed statement, it is inside a string or a remark, or the whole is refused."""
    at = data.draw(st.integers(0, len(statement)))
    text = statement[:at] + "; DROP TABLE users; " + statement[at:]
    if POSTGRES.reason(text) is None:
        assert "'" in statement or '"' in statement or "--" in statement or "/*" in statement


def test_what_is_not_understood_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        POSTGRES.find("EXPLAIN ANALYZE DELETE FROM secret_table")
        POSTGRES.find("CREATE secret_thing")
    assert "secret" not in caplog.text


def test_reasons_hold_nothing_of_the_text() -> None:
    assert all(kind in REASONS for _, _, kind in REFUSED)


@pytest.mark.parametrize(
    ("config", "text", "kind"),
    [
        ({"statements": ["delete"]}, "DELETE FROM t", "sql_without_where"),
        ({"statements": ["delete"]}, "DELETE FROM t WHERE a = 1", None),
        ({"statements": ["delete"], "block_delete_without_where": False}, "DELETE FROM t", None),
        ({"statements": ["delete"]}, "SELECT 1", "sql_statement_not_allowed"),
        ({"statements": ["delete"]}, "DELETE FROM t -- x\n WHERE a = 1", None),
        ({"statements": ["update"]}, "UPDATE t SET a = 1", "sql_without_where"),
        ({"statements": ["update"]}, "UPDATE t SET a = pg_sleep(1) WHERE b = 1", "sql_function_not_allowed"),
        ({"statements": ["update"], "block_update_without_where": False}, "UPDATE t SET a = 1", None),
        ({"statements": ["select", "delete"]}, "WITH x AS (DELETE FROM t RETURNING *) SELECT 1", "sql_without_where"),
        ({"statements": ["insert"]}, "INSERT INTO t (a) VALUES (1) RETURNING a", None),
        ({"statements": ["insert"]}, "INSERT INTO t (a) SELECT b FROM u", None),
        ({"statements": ["insert"]}, "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 2", None),
        ({"statements": ["merge"]}, "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = 1", None),
        ({"block_drop": False}, "DROP TABLE t", None),
        ({"block_drop": False}, "TRUNCATE t", "sql_statement_not_allowed"),
        ({"block_truncate": False}, "TRUNCATE t", None),
        ({"block_alter": False}, "ALTER TABLE t ADD COLUMN a int", None),
        ({"block_grant": False}, "GRANT SELECT ON t TO bob", None),
        ({"block_revoke": False}, "REVOKE SELECT ON t FROM bob", None),
        ({"statements": ["create"]}, "CREATE TABLE t (a int PRIMARY KEY, b text NOT NULL)", None),
        ({"functions": ["my_report", "App.Report"]}, "SELECT my_report(1), app.report(2)", None),
        ({"functions": ["my_report"]}, "SELECT app.my_report(1)", "sql_function_not_allowed"),
        ({"functions": ["current_user"]}, "SELECT CURRENT_USER", None),
        ({"require_parameterization": True}, "SELECT a FROM t WHERE b = 'x'", "sql_literal"),
        ({"require_parameterization": True}, "SELECT a, 'x' FROM t WHERE b = $1 LIMIT 5", None),
        ({"require_parameterization": True, "statements": ["insert"]}, "INSERT INTO t VALUES (1)", "sql_literal"),
    ],
)
def test_options(config: dict[str, object], text: str, kind: str | None) -> None:
    assert Sql.of({"dialect": "postgres", **config}).reason(text) == kind


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "`dialect` must be one of: postgres"),
        ({"dialect": "oracel"}, "`dialect`"),
        ({"dialect": "postgres", "statements": ["explain"]}, "`statements` may hold"),
        ({"dialect": "postgres", "block_dorp": True}, "did you mean `block_drop`"),
        ({"dialect": "postgres", "strip_comments": "yes"}, "true or false"),
        ({"dialect": "postgres", "functions": "f"}, "list of strings"),
    ],
)
def test_wrong_options_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sql.of(config)


@pytest.mark.parametrize(
    ("dialect", "text", "rewritten"),
    [
        ("postgres", "SELECT 1 -- x\n, '--a' /* b */ FROM t", "SELECT 1  \n, '--a'   FROM t"),
        ("postgres", "SELECT 1", "SELECT 1"),
        ("mysql", "SELECT 1 # x", "SELECT 1  "),
        ("mysql", "SELECT 1 /*!50000 UNION SELECT 2 */", "SELECT 1 /*!50000 UNION SELECT 2 */"),
        ("postgres", "SELECT 'unterminated -- x", "SELECT 'unterminated -- x"),
        ("postgres", "SELECT 1 /* a /* b */ c */", "SELECT 1 /* a /* b */ c */"),
    ],
)
def test_remarks_are_taken_out(dialect: str, text: str, rewritten: str) -> None:
    guard = Sql.of({"dialect": dialect})
    assert guard.rewrite(text) == rewritten == guard.rewrite(rewritten)
    assert Sql.of({"dialect": dialect, "strip_comments": False}).rewrite(text) == text
