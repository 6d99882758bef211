from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from mcp_gateway.core.secret import Secret
from mcp_gateway.upstream.channel_stderr import BURST, LINE_BYTES, StderrLog, harmless


def test_lines_are_logged_whole_whatever_the_chunks() -> None:
    with capture_logs() as logs:
        log = StderrLog("u")
        for chunk in (b"on", b"e\r\ntwo\n\n", b"three"):
            log.feed(chunk)
        log.close()
    assert [entry["line"] for entry in logs] == ["one", "two", "three"]
    assert {entry["upstream"] for entry in logs} == {"u"}


def test_a_flood_is_counted_instead_of_logged_until_time_has_passed() -> None:
    now = [0.0]
    with capture_logs() as logs:
        log = StderrLog("u", now=lambda: now[0])
        log.feed(b"x\n" * (int(BURST) + 50))
        now[0] = 1.0
        log.feed(b"again\n")
    assert [entry["event"] for entry in logs] == ["stderr"] * int(BURST) + ["lines suppressed", "stderr"]
    assert logs[-2]["count"] == 50


def test_a_line_without_end_costs_no_more_than_the_cap() -> None:
    with capture_logs() as logs:
        log = StderrLog("u")
        for _ in range(100):
            log.feed(b"y" * 10_000)
        log.close()
    assert [entry["line"] for entry in logs] == ["y" * LINE_BYTES + "…"]


def test_secrets_are_starred_out_even_where_terminal_sequences_split_them() -> None:
    with capture_logs() as logs:
        StderrLog("u", (Secret("hunter2"), Secret("x"))).feed(b"token=hun\x1b[1mter2 x\n")
    assert [entry["line"] for entry in logs] == ["token=********** x"]


@given(st.binary(max_size=200))
def test_whatever_is_printed_is_harmless_to_a_terminal(line: bytes) -> None:
    text = harmless(line)
    assert all(ord(character) >= 32 and not 127 <= ord(character) < 160 for character in text)
    assert text.isprintable() or not any(character in text for character in "\u202e\u2066\u2028\u200b")
