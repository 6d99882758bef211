"""What is checked before SQL is parsed: sizes, characters and every writing that two parsers may read differently.

A guard that reads a statement otherwise than the database does is no guard: what is ambiguous is refused, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

MOST_CHARACTERS: Final = 16 * 1024
"""Of one text. Where every character is a token, reading costs 5 µs each: within the 100 ms of the time box."""

MOST_TOKENS: Final = 2500
"""Parsing costs some 25 µs a token on a busy machine; a list of a thousand identifiers still passes."""

MOST_NESTING: Final = 24
"""Open brackets. The parser is recursive and takes some twenty frames for each."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
"""NUL ends a text for some servers; a lone carriage return ends a comment for some of them."""

_EXECUTABLE: Final = re.compile(r"/\*\s*(?:!|M!)", re.IGNORECASE)
_HINT: Final = re.compile(r"/\*\s*\+|--\+")
_ESCAPED_QUOTE: Final = re.compile(r"\\['\"]")
_ODD_SPACE: Final = re.compile(
    r"[\u0080-\u00a0\u00ad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\U000e0000-\U000e0fff]"
)

BACKSLASH_ESCAPES: Final = frozenset(("mysql", "bigquery", "snowflake"))
"""Where a backslash before a quote is part of the string as the server is set up by default."""

_DASHES_NEED_SPACE: Final = frozenset(("mysql",))
"""``--1`` is a comment elsewhere and minus minus one here."""

_LINE_COMMENTS: Final = ("--", "#", "//")

_STRINGS: Final = frozenset(
    (TokenType.STRING, TokenType.NATIONAL_STRING, TokenType.BYTE_STRING, TokenType.RAW_STRING, TokenType.IDENTIFIER)
)
_DOLLAR_QUOTED: Final = frozenset((TokenType.HEREDOC_STRING, TokenType.UNICODE_STRING))
"""Strings whose end or content follows rules of their own (``$tag$…$tag$``, ``U&'…' UESCAPE``)."""

_OPENING: Final = frozenset((TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE))
_CLOSING: Final = frozenset((TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE))

_TSQL_STATEMENTS: Final = frozenset(
    ("backup", "break", "bulk", "checkpoint", "close", "commit", "continue", "dbcc", "deallocate", "deny",
     "disable", "dump", "enable", "exec", "execute", "go", "kill", "load", "open", "print", "raiserror",
     "readtext", "reconfigure", "restore", "return", "revert", "rollback", "save", "setuser", "shutdown", "throw",
     "tran", "truncate", "updatetext", "use", "waitfor", "writetext")
)  # fmt: skip
"""Transact-SQL needs no semicolon: the end of ``SELECT 1 SHUTDOWN`` is a statement, and an alias to any parser."""


class Unreadable(ValueError):
    """The text is refused before it is parsed. `kind` is the reason, one of `sql.REASONS`."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def read(text: str, dialect: Dialect, name: str) -> Sequence[Token]:
    """The tokens of `text`.

    Raises:
        Unreadable: it is too large, nested too deep, or may mean something else to the database.
    """
    if len(text) > MOST_CHARACTERS:
        raise Unreadable("sql_too_large")
    _refuse_writings(text, name)
    tokens = tokenize(text, dialect)
    if len(tokens) > MOST_TOKENS:
        raise Unreadable("sql_too_large")
    _refuse_tokens(tokens, name)
    _refuse_gaps(text, tokens, name)
    return tokens


def tokenize(text: str, dialect: Dialect) -> Sequence[Token]:
    """The tokens of a text that is not too large."""
    try:
        return dialect.tokenize(text)
    except (TokenError, RecursionError):
        raise Unreadable("sql_not_parsed") from None


def comments(text: str, tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Where the comments are, in order: from their first to after their last character, without the line's end.

    Raises:
        Unreadable: a comment inside a comment, which ends in another place for every other database.
    """
    for start, end in _gaps(tokens, len(text)):
        at = start
        while at < end:
            if text.startswith("/*", at):
                close = text.find("*/", at + 2, end)
                opening = text.find("/*", at + 2, end)
                if close < 0 or 0 <= opening < close:
                    raise Unreadable("sql_ambiguous_comment")
                yield at, close + 2
                at = close + 2
            elif not text[at].isspace() and text[at] != ";":
                line = min(
                    (found for found in (text.find("\n", at, end), text.find("\r", at, end)) if found >= 0), default=end
                )
                yield at, line
                at = line
            else:
                at += 1


def _gaps(tokens: Sequence[Token], length: int) -> Iterator[tuple[int, int]]:
    """What lies between the tokens: white space and comments."""
    at = 0
    for token in tokens:
        if token.start > at:
            yield at, token.start
        at = token.end + 1
    if at < length:
        yield at, length


def _refuse_writings(text: str, name: str) -> None:
    if _CONTROL.search(text):
        raise Unreadable("sql_control_character")
    if _EXECUTABLE.search(text):
        raise Unreadable("sql_executable_comment")
    if _HINT.search(text):
        raise Unreadable("sql_hint")
    if name not in BACKSLASH_ESCAPES and _ESCAPED_QUOTE.search(text):
        raise Unreadable("sql_ambiguous_quote")


def _refuse_tokens(tokens: Sequence[Token], name: str) -> None:
    depth = 0
    for token in tokens:
        kind = token.token_type
        if kind in _OPENING:
            depth += 1
            if depth > MOST_NESTING:
                raise Unreadable("sql_too_deep")
        elif kind in _CLOSING:
            depth -= 1
        elif kind in _DOLLAR_QUOTED:
            raise Unreadable("sql_ambiguous_quote")
        elif kind not in _STRINGS and _ODD_SPACE.search(token.text):
            raise Unreadable("sql_control_character")
        elif name == "oracle" and kind not in _STRINGS and "@" in token.text:
            # A link to another database, with or without blanks around the sign.
            raise Unreadable("sql_table_not_allowed")
        elif name == "tsql" and kind not in _STRINGS and token.text.lower() in _TSQL_STATEMENTS:
            raise Unreadable("sql_statement_not_allowed")


def _refuse_gaps(text: str, tokens: Sequence[Token], name: str) -> None:
    if not text.isascii() and any(_ODD_SPACE.search(text, start, end) for start, end in _gaps(tokens, len(text))):
        raise Unreadable("sql_control_character")
    for start, _ in comments(text, tokens):
        if (
            name in _DASHES_NEED_SPACE
            and text.startswith("--", start)
            and text[start + 2 : start + 3] not in ("", " ", "\t", "\n", "\r")
        ):
            raise Unreadable("sql_ambiguous_comment")
        if text.startswith("*/", start):
            raise Unreadable("sql_ambiguous_comment")
