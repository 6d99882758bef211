"""Guard type `sql`: a text that must be one statement, of an allowed kind, with nothing in it but what is listed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, SqlglotError

from mcp_gateway.envelopes.safety.detectors.sql_nodes import STATEMENTS
from mcp_gateway.envelopes.safety.detectors.sql_tokens import MOST_CHARACTERS, Unreadable, comments, read, tokenize
from mcp_gateway.envelopes.safety.detectors.sql_tree import Allowed, fault
from mcp_gateway.envelopes.safety.finding import Finding, Rest, no_rest
from mcp_gateway.envelopes.safety.options import Options

DIALECTS: Final = (
    "postgres", "mysql", "sqlite", "tsql", "bigquery", "snowflake", "duckdb", "oracle", "redshift", "trino"
)  # fmt: skip
"""The database decides what a text means, so its dialect is never guessed."""

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sql_too_large": "the statement is larger than what is read",
        "sql_too_deep": "the statement is nested deeper than what is read",
        "sql_not_parsed": "the text is not SQL of the configured dialect",
        "sql_control_character": "the text holds a control character or an unusual blank",
        "sql_executable_comment": "the text holds a comment that the database may execute",
        "sql_hint": "the text holds an optimizer hint",
        "sql_ambiguous_quote": "the text holds a string whose end depends on the server's settings",
        "sql_ambiguous_comment": "the text holds a comment whose end depends on the database",
        "sql_no_statement": "the text holds no statement",
        "sql_several_statements": "the text holds more than one statement",
        "sql_statement_not_allowed": "this kind of statement is not allowed",
        "sql_construct_not_allowed": "the statement holds a construct that is not allowed",
        "sql_function_not_allowed": "the statement calls a function that is not allowed",
        "sql_table_not_allowed": "the statement reads from something that is not a plain table",
        "sql_without_where": "the statement changes rows without a condition",
        "sql_literal": "the statement compares with a literal in place of a parameter",
    }
)
"""What the kinds of findings say. None of them holds any of the text."""

_BLOCKS: Final = ("drop", "truncate", "alter", "grant", "revoke")


class Sql:
    """Finds the whole text unacceptable, or nothing. At most 100 ms of work for any text (see `sql_tokens`)."""

    __slots__ = ("_allowed", "_dialect", "_strips", "longest")

    name: Final = "sql"
    reads_whole: Final = True
    """A statement has no parts that could be judged alone, nor decoded: the text must reach `find` whole, as it is."""

    def __init__(self, allowed: Allowed, *, strips: bool = True) -> None:
        self._allowed = allowed
        self._strips = strips
        self._dialect = Dialect.get_or_raise(allowed.dialect)
        self.longest = MOST_CHARACTERS
        # What the parser does not understand it writes to its log, and with it the statement.
        logging.getLogger("sqlglot").setLevel(logging.CRITICAL + 1)

    @classmethod
    def of(cls, config: Mapping[str, object]) -> Sql:
        """From its configuration.

        `dialect` (mandatory), `statements` (default: select), `functions` (further ones by name), `block_drop`,
        `block_truncate`, `block_alter`, `block_grant`, `block_revoke`, `block_delete_without_where`,
        `block_update_without_where`, `strip_comments` (default: true), `require_parameterization` (default: false).

        Raises:
            ValueError: an option is unknown or has no such value.
        """
        options = Options(config)
        dialect = options.word("dialect", DIALECTS)
        statements = {*options.words("statements", STATEMENTS, default=("select",))}
        statements.update(name for name in _BLOCKS if not options.flag(f"block_{name}", default=True))
        functions = frozenset(name.lower() for name in options.texts("functions"))
        where = frozenset(
            name for name in ("delete", "update") if options.flag(f"block_{name}_without_where", default=True)
        )
        strips = options.flag("strip_comments", default=True)
        parameters = options.flag("require_parameterization", default=False)
        options.finish()
        return cls(Allowed.of(dialect, frozenset(statements), functions, where, parameters), strips=strips)

    def find(self, text: str, rest: Rest = no_rest) -> Sequence[Finding]:
        """One finding over the whole text, of a kind of `REASONS`, if the statement is not acceptable."""
        rest()  # a parser has no parts to rest between
        reason = self.reason(text)
        return () if reason is None else (Finding(reason, 0, len(text)),)

    def reason(self, text: str) -> str | None:
        """The kind of `REASONS` for which `text` is refused; None if it is acceptable."""
        try:
            tokens = read(text, self._dialect, self._allowed.dialect)
            parser = self._dialect.parser(error_level=ErrorLevel.IMMEDIATE)
            trees = [tree for tree in parser.parse(list(tokens), text) if tree is not None]
        except Unreadable as unreadable:
            return unreadable.kind
        except RecursionError:
            return "sql_too_deep"
        except (SqlglotError, ValueError, TypeError, AttributeError, KeyError, IndexError):
            # The parser is written for well-meaning texts: what it falls over is not SQL.
            return "sql_not_parsed"
        statements = [tree for tree in trees if type(tree).__name__ != "Semicolon"]
        if not statements:
            return "sql_no_statement"
        if len(statements) > 1:
            return "sql_several_statements"
        return fault(statements[0], self._allowed)

    def rewrite(self, text: str) -> str:
        """`text` with every comment as one blank, for a guard that changes what passes; itself if it cannot be read.

        What the database may execute stays, so that `find` still refuses it.
        """
        if not self._strips or len(text) > MOST_CHARACTERS or not any(mark in text for mark in ("--", "/*", "#", "//")):
            return text
        try:
            spans = [
                (start, end)
                for start, end in comments(text, tokenize(text, self._dialect))
                if not text.startswith(("/*!", "/*M!", "/*m!"), start)
            ]
        except Unreadable:
            return text
        pieces: list[str] = []
        at = 0
        for start, end in spans:
            pieces += (text[at:start], " ")
            at = end
        return "".join((*pieces, text[at:]))
