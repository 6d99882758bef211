"""URLs: what is accepted is unambiguous, what could be read in two ways is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.egress.origin import BadUrl, Origin, parse_url


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("https://example.com", Origin("https", "example.com", 443), "/"),
        ("HTTPS://Example.COM:8443/Mcp?q=1&r=%20", Origin("https", "example.com", 8443), "/Mcp?q=1&r=%20"),
        ("http://127.0.0.1:80/a//b", Origin("http", "127.0.0.1", 80), "/a//b"),
        ("http://[::1]:8080/", Origin("http", "::1", 8080), "/"),
        ("http://[0:0:0:0:0:0:0:1]/", Origin("http", "::1", 80), "/"),
        ("https://a_b.svc-1.internal?x", Origin("https", "a_b.svc-1.internal", 443), "/?x"),
        ("https://xn--mnchen-3ya.example/a@b:c", Origin("https", "xn--mnchen-3ya.example", 443), "/a@b:c"),
    ],
)
def test_accepted(url: str, origin: Origin, target: str) -> None:
    assert parse_url(url) == (origin, target)


@pytest.mark.parametrize(
    ("origin", "authority"),
    [
        (Origin("https", "example.com", 443), "example.com"),
        (Origin("http", "example.com", 443), "example.com:443"),
        (Origin("http", "::1", 80), "[::1]"),
        (Origin("https", "::1", 1), "[::1]:1"),
    ],
)
def test_the_host_header(origin: Origin, authority: str) -> None:
    assert origin.authority == authority


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "//example.com/", "/path", "https:///path", "https://", "https:example.com",
        "ftp://example.com/", "file:///etc/passwd", "javascript:alert(1)", "unix:/run/x.sock", "http+unix://%2Frun%2Fx/",
        "-oProxyCommand=x", "https://-oProxy/", "$(id)", "https://$(id)/",
        "https://user@example.com/", "https://user:secret@example.com/", "https://example.com@evil.example/",
        "https://example.com/#frag", "https://example.com#@evil.example/",
        "https://example.com:0/", "https://example.com:65536/", "https://example.com:/", "https://example.com:1a/",
        "https://example.com:１/", "https://exam ple.com/", "https://example.com/a b",
        "https://example.com/\r\nHost: x",
        "https://example.com/\0", "https://example.com\\@evil.example/", "https://example.com/\u00e9",
        "https://example。com/", "https://example.com./", "https://localhost./", "https://.example.com/", "https://a..b/",
        "https://％31/", "https://ⓛocalhost/", "https://%6cocalhost/",
        "http://0/", "http://0x7f000001/", "http://0x7f.1/", "http://2130706433/", "http://0177.0.0.1/", "http://127.1/",
        "http://127.0.0.01/", "http://1.2.3.4.5/", "http://example.0x/", "http://example.1/", "http://256.0.0.1/",
        "http://[::1", "http://::1/", "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[v1.x]/", "http://[]/",
        "http://[::1]x/", "https://" + "a" * 64 + ".example/", "https://" + "a." * 130 + "example/",
        "https://example.com/" + "a" * 8192,
    ],
)  # fmt: skip
def test_refused(url: str) -> None:
    with pytest.raises(BadUrl):
        parse_url(url)


def test_the_error_never_quotes_the_url() -> None:
    with pytest.raises(BadUrl) as caught:
        parse_url("https://user:canary@example.com/canary#canary")
    assert "canary" not in str(caught.value)


@given(st.text(max_size=40).map(lambda text: "http://" + text) | st.text(max_size=40))
def test_whatever_passes_comes_back_to_the_same_origin(url: str) -> None:
    try:
        origin, target = parse_url(url)
    except BadUrl:
        return
    assert parse_url(f"{origin}{target}") == (origin, target)
