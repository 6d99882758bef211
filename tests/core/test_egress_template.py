"""Requests on the wire: exactly one request, whatever the caller puts into it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.egress.template import Template


def test_a_request_is_its_template_the_callers_fields_and_the_body() -> None:
    template = Template("example.com:8080", "POST", "/mcp?x=1", [(b"Content-Type", b"application/json")])
    assert template.render([(b"mcp-name", b"echo")], b"{}") == (
        b"POST /mcp?x=1 HTTP/1.1\r\nhost: example.com:8080\r\naccept-encoding: identity\r\n"
        b"Content-Type: application/json\r\nmcp-name: echo\r\ncontent-length: 2\r\n\r\n{}"
    )


@pytest.mark.parametrize(("method", "says_length"), [("GET", False), ("DELETE", False), ("POST", True), ("PUT", True)])
def test_an_empty_body_has_a_length_only_where_one_is_expected(method: str, says_length: bool) -> None:
    assert (b"content-length: 0\r\n" in Template("a", method, "/").render((), b"")) is says_length


@pytest.mark.parametrize(
    "field",
    [
        (b"x", b"a\r\nb: c"), (b"x", b"a\nb"), (b"x", b"a\rb"), (b"x", b"a\0"), (b"x\r\ny", b"a"), (b"x: y", b"a"),
        (b"x y", b"a"), (b"", b"a"), (b"x\xff", b"a"), (b":authority", b"a"), (b"Host", b"evil"),
        (b"Content-Length", b"0"),
        (b"transfer-encoding", b"chunked"), (b"Connection", b"close"),
        (b"accept-encoding", b"gzip"), (b"Expect", b"100-continue"),
    ],
)  # fmt: skip
def test_a_field_that_could_become_another_is_refused(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="header field"):
        Template("example.com", "POST", "/", [field])
    with pytest.raises(ValueError, match="header field"):
        Template("example.com", "POST", "/").render([field], b"")


def test_the_error_does_not_show_the_value() -> None:
    with pytest.raises(ValueError, match="authorization") as caught:
        Template("example.com", "POST", "/").render([(b"authorization", b"Bearer canary\n")], b"")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET ", "/"), ("", "/"), ("GÉT", "/"), ("GET", ""), ("GET", "*"), ("GET", "http://x/"),
     ("GET", "/ HTTP/1.1\r\nx: y"),
     ("GET", "/é"), ("GET", "/a b"), ("GET", "/#x")],
)  # fmt: skip
def test_a_request_line_that_could_become_another_is_refused(method: str, target: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        Template("example.com", method, target)


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=12)), max_size=4), st.binary(max_size=20))
def test_what_is_accepted_is_one_request(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    try:
        request = Template("example.com", "POST", "/").render(headers, body)
    except ValueError:
        return
    head, separator, rest = request.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert separator
    assert rest == body
    assert lines[3:-1] == [name + b": " + value for name, value in headers]
    assert lines[-1] == b"content-length: %d" % len(body)
