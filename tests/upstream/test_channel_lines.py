from hypothesis import given
from hypothesis import strategies as st
from pytest import raises

from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.upstream.channel_lines import LineSplitter

LIMIT = 12
lines = st.lists(st.binary(max_size=LIMIT).filter(lambda line: b"\n" not in line))


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True)]


@given(lines, st.lists(st.integers(0, 10_000)))
def test_any_chunking_gives_the_same_lines(expected: list[bytes], cuts: list[int]) -> None:
    splitter = LineSplitter(LIMIT)
    data = b"".join(line + b"\n" for line in expected)
    found = [line for chunk in chunks(data, cuts) for line in splitter.feed(chunk)]
    assert found == [line for line in expected if line.strip()]
    assert splitter.held == 0


@given(st.binary(min_size=LIMIT + 1, max_size=60).filter(lambda line: b"\n" not in line), st.lists(st.integers(0, 99)))
def test_a_line_beyond_the_limit_is_a_violation_and_is_not_kept(line: bytes, cuts: list[int]) -> None:
    for data in (line, line + b"\n", b"a\n" + line + b"\nb\n"):
        splitter = LineSplitter(LIMIT)
        with raises(ProtocolViolation):
            for chunk in chunks(data, cuts):
                splitter.feed(chunk)
        assert splitter.held == 0


def test_the_limit_is_for_one_line_not_for_a_chunk() -> None:
    assert LineSplitter(LIMIT).feed(b"123456789012\n" * 100) == [b"123456789012"] * 100
