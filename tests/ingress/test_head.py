"""The headers that MCP reads, and which media types a client takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.ingress.head import accepts, read_head
from mcp_gateway.ingress.stream import parse_event_id

JSON = "application/json"


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        (None, False),
        ("", False),
        (JSON, True),
        ("APPLICATION/json", True),
        (" text/html , application/json;charset=utf-8", True),
        ("application/*", True),
        ("*/*", True),
        ("*/*;q=0.1", True),
        ("application/json;q=0", False),
        ("application/json; q=0.0", False),
        ("application/jsonp", False),
        ("application", False),
        ("text/*", False),
        ("application/json-seq, text/application/json", False),
    ],
)
def test_what_an_accept_header_takes(accept: str | None, taken: bool) -> None:
    assert accepts(accept, JSON) == taken


def test_several_accept_headers_are_one() -> None:
    head = read_head([(b"accept", b"application/json"), (b"x", b"y"), (b"accept", b"text/event-stream")])
    assert accepts(head.accept, JSON) and accepts(head.accept, "text/event-stream")
    assert head.duplicated is None


@pytest.mark.parametrize("name", ["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id", "content-type"])
@pytest.mark.parametrize("second", [b"a", b"b"])
def test_a_routing_header_sent_twice_is_noticed_even_with_one_value(name: str, second: bytes) -> None:
    assert read_head([(name.encode(), b"a"), (b"x", b""), (name.encode(), second)]).duplicated == name


def test_parameter_headers_are_kept_with_all_their_values() -> None:
    head = read_head(
        [(b"mcp-param-a", b"1"), (b"mcp-param-b", b"\xfc"), (b"mcp-param-a", b"2"), (b"mcp-params", b"no")]
    )
    assert head.params == {"mcp-param-a": ("1", "2"), "mcp-param-b": ("ü",)} and head.duplicated is None


@pytest.mark.parametrize("name", ["x-tfy-metadata", "x-gateway-metadata"])
def test_what_speaks_to_the_gateway_is_kept_with_all_its_values(name: str) -> None:
    head = read_head([(name.encode(), b"{}"), (b"x-other", b"no"), (name.encode(), b"\xc3\xbc")])
    assert head.params == {name: ("{}", "Ã¼")} and head.duplicated is None


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=8))
def test_any_headers_can_be_read(headers: list[tuple[bytes, bytes]]) -> None:
    read_head(headers)


@given(st.text(alphabet="gr-0123456789²٣x", max_size=16))
def test_event_ids_are_a_name_and_a_number_or_nothing(value: str) -> None:
    parsed = parse_event_id(value)
    if parsed is not None:
        name, number = parsed
        assert name and number >= 0 and value.startswith(f"{name}-") and int(value[len(name) + 1 :]) == number


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("g-0", ("g", 0)),
        ("r12-7", ("r12", 7)),
        ("g-", None),
        ("-1", None),
        ("g--1", ("g-", 1)),
        ("g-²", None),
        ("", None),
    ],
)
def test_what_event_ids_mean(value: str, parsed: tuple[str, int] | None) -> None:
    assert parse_event_id(value) == parsed
