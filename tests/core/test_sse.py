"""Server-sent events: as the WHATWG standard says, whatever the chunking, in bounded memory."""

import re
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.sse import SseDecoder, SseEvent, comment, encode_event


def decode(*chunks: bytes, max_event: int = 1024 * 1024) -> list[SseEvent]:
    decoder = SseDecoder(max_event)
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def message(data: bytes, event: bytes = b"message", id: bytes = b"", retry: int | None = None) -> SseEvent:
    return SseEvent(event, data, id, retry)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\n", [message(b"one")]),
        (b"data:one\n\n", [message(b"one")]),
        (b"data:  one\n\n", [message(b" one")]),
        (b"data: one\r\ndata: two\r\n\r\n", [message(b"one\ntwo")]),
        (b"data: one\rdata: two\r\r", [message(b"one\ntwo")]),
        (b"data: one\ndata: two\r\n\ndata: three\r\n\r", [message(b"one\ntwo"), message(b"three")]),
        (b"\xef\xbb\xbfdata: one\n\n", [message(b"one")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: one\n\ndata: two\n\n", [message(b"two")]),
        (b"data\n\n", [message(b"")]),
        (b"data\ndata\n\n", [message(b"\n")]),
        (b"data:\n\n", [message(b"")]),
        (b": comment\n\ndata: one\n: more\n\n", [message(b"one")]),
        (b"event: x\n\ndata: one\n\n", [message(b"one")]),
        (b"event: x\ndata: one\n\ndata: two\n\n", [message(b"one", b"x"), message(b"two")]),
        (b"id: 1\ndata: one\n\ndata: two\n\n", [message(b"one", id=b"1"), message(b"two", id=b"1")]),
        (b"id: 1\ndata: one\n\nid\ndata: two\n\n", [message(b"one", id=b"1"), message(b"two")]),
        (b"id: 1\nid: a\0b\ndata: one\n\n", [message(b"one", id=b"1")]),
        (b"retry: 20\ndata: one\n\ndata: two\n\n", [message(b"one", retry=20), message(b"two")]),
        (b"retry: 2a\ndata: one\n\n", [message(b"one")]),
        (b"retry: -1\nretry:\nretry: 1\xc2\xb2\ndata: one\n\n", [message(b"one")]),
        (b"retry: 1234567890\ndata: one\n\n", [message(b"one")]),
        (b"Data: one\n data: two\nunknown: x\n\n", []),
        (b"data: one\n", []),
        (b"data: one\n\ndata: two", [message(b"one")]),
        (b"data: a\x0bb\x0cc\xe2\x80\xa8d\x85\n\n", [message(b"a\x0bb\x0cc\xe2\x80\xa8d\x85")]),
        (b"", []),
    ],
)
def test_the_standard(stream: bytes, events: list[SseEvent]) -> None:
    assert decode(stream) == events
    assert decode(*(bytes([byte]) for byte in stream)) == events


def test_an_event_that_only_carries_an_id_moves_the_id_and_is_not_delivered() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"id: 7\nretry: 1500\n") == []
    assert decoder.last_event_id == b""
    assert decoder.feed(b"\n") == []
    assert (decoder.last_event_id, decoder.retry) == (b"7", 1500)


def test_the_id_of_an_unfinished_event_does_not_count() -> None:
    decoder = SseDecoder()
    decoder.feed(b"id: 1\ndata: x\n\nid: 2\ndata: y\n")
    assert decoder.last_event_id == b"1"


def test_an_event_is_delivered_as_soon_as_its_last_line_ends() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: one\r\n\r") == [message(b"one")]
    assert decoder.feed(b"\ndata: two\r\n\r\n") == [message(b"two")]


@pytest.mark.parametrize("field", [b"data: ", b"event: ", b"id: ", b"unknown: ", b": "])
def test_a_line_beyond_the_cap_is_refused_in_any_chunking(field: bytes) -> None:
    line = field + b"x" * 2000
    with pytest.raises(ProtocolViolation):
        decode(line + b"\n\n", max_event=1000)
    with pytest.raises(ProtocolViolation):
        decode(*(line[at : at + 10] for at in range(0, len(line), 10)), max_event=1000)


def test_the_cap_is_exact_for_data() -> None:
    assert decode(b"data: " + b"x" * 1000 + b"\n\n", max_event=1000) == [message(b"x" * 1000)]
    assert decode(b"data: " + b"x" * 1000, b"\n\n", max_event=1000) == [message(b"x" * 1000)]
    with pytest.raises(ProtocolViolation):
        decode(b"data: " + b"x" * 1001 + b"\n\n", max_event=1000)
    with pytest.raises(ProtocolViolation):
        decode(b"data: " + b"x" * 500 + b"\ndata: " + b"x" * 500 + b"\n\n", max_event=1000)


@pytest.mark.parametrize(
    "piece", [b"x" * 65536, b"data: " + b"x" * 65000 + b"\n", b"data\n" * 13000, b"data: a\n" * 8192]
)
def test_a_gigabyte_event_is_cut_at_the_cap_in_bounded_memory(piece: bytes) -> None:
    decoder = SseDecoder(256 * 1024)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolViolation):
            for _ in range(2**30 // len(piece)):
                decoder.feed(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


@pytest.mark.parametrize("piece", [b": keep-alive\n\n", b"\n", b"event: x\n\n", b"id: 1\n\n"])
def test_an_endless_stream_without_events_costs_no_memory(piece: bytes) -> None:
    decoder = SseDecoder(1024)
    for _ in range(1000):
        assert decoder.feed(piece * 100) == []


# ---------------------------------------------------------------- properties

pieces = st.sampled_from(
    [b"data", b"data:", b"data: ", b"event: ", b"id:", b"id: ", b"retry: ", b"\n", b"\r", b"\r\n", b"\n\n", b":", b" ",
     b"\xef\xbb\xbf", b"\xef", b"\0", b"12", b"x", b"\xc3\xa9", b"\xe2\x80\xa8", b"\x0b", b"{}"]
)  # fmt: skip
streams = st.one_of(st.lists(pieces, max_size=40).map(b"".join), st.binary(max_size=60))


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(bounds)]


def reference(stream: bytes) -> tuple[list[SseEvent], bytes, int | None]:
    """The standard's algorithm, line by line, on the whole stream at once."""
    lines = re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf"))[:-1]
    events: list[SseEvent] = []
    data: list[bytes] = []
    event = identifier = last = b""
    retry: int | None = None
    own_retry: int | None = None
    for line in lines:
        name, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if line == b"":
            last = identifier
            if data:
                events.append(SseEvent(event or b"message", b"\n".join(data), last, own_retry))
            data, event, own_retry = [], b"", None
        elif name == b"data":
            data.append(value)
        elif name == b"event":
            event = value
        elif name == b"id" and b"\0" not in value:
            identifier = value
        elif name == b"retry" and re.fullmatch(rb"[0-9]{1,9}", value):
            retry = own_retry = int(value)
    return events, last, retry


@given(streams, st.lists(st.integers(min_value=0, max_value=10_000), max_size=8))
def test_any_chunking_gives_what_the_reference_gives(stream: bytes, places: list[int]) -> None:
    decoder = SseDecoder()
    events = [event for chunk in cut(stream, places) for event in decoder.feed(chunk)]
    assert (events, decoder.last_event_id, decoder.retry) == reference(stream)


texts = st.binary(max_size=30).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b""))


@given(
    st.binary(max_size=60).map(lambda raw: raw.replace(b"\r", b"")),
    st.none() | texts,
    st.none() | texts,
    st.none() | st.integers(min_value=0, max_value=999_999_999),
)
def test_what_is_encoded_is_decoded(data: bytes, event: bytes | None, id: bytes | None, retry: int | None) -> None:
    wire = encode_event(data, event=event, id=id, retry=retry)
    assert decode(comment(b"first"), wire, comment()) == [SseEvent(event or b"message", data, id or b"", retry)]


@pytest.mark.parametrize("data", [b"a\r\nb", b"a\rb", b"a\nb"])
def test_line_breaks_in_data_cannot_forge_a_field(data: bytes) -> None:
    assert decode(encode_event(data)) == [message(b"a\nb")]


@pytest.mark.parametrize("text", [b"a\nb", b"a\rb", b"a\0b"])
def test_a_field_that_would_not_stay_in_its_line_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be part"):
        encode_event(b"x", id=text)
    with pytest.raises(ValueError, match="cannot be part"):
        encode_event(b"x", event=text)
    with pytest.raises(ValueError, match="cannot be part"):
        comment(text)
