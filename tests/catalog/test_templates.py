"""RFC 6570 templates: which URIs are expansions, and that no URI has a second spelling."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.catalog.findings import LeftOut
from mcp_gateway.catalog.templates import compile_template
from mcp_gateway.catalog.uris import comparable, plain


@pytest.mark.parametrize(
    ("template", "uri", "fits"),
    [
        ("ledger://{name}", "ledger://2026", True),
        ("ledger://{name}", "ledger://a/b", False),
        ("ledger://{name}", "ledger://a?x", False),
        ("ledger://{name}", "Ledger://a", False),
        ("ledger://{name}", "xledger://a", False),
        ("ledger://{name}/end", "ledger://a/end", True),
        ("ledger://{name}/end", "ledger://a/end\n", False),
        ("ledger://{name}.x", "ledger://ayx", False),
        ("ledger://{a,b}", "ledger://1,2", True),
        ("ledger://{+path}", "ledger://a/b/c", True),
        ("ledger://{+path}", "ledger://a?b", False),
        ("file:///allowed/{+path}", "file:///allowed_evil/x", False),
        ("x://a{/seg}", "x://a/b", True),
        ("x://a{/seg}", "x://a/b/c", False),
        ("x://a{/seg*}", "x://a/b/c", True),
        ("x://a{/one,two}", "x://a/b/c", True),
        ("x://a{/seg}", "x://a", True),
        ("x://a{?q,r}", "x://a?q=1&r=2", True),
        ("x://a{?q,r}", "x://a?r=2", True),
        ("x://a{?q,r}", "x://a?s=2", False),
        ("x://a{?q*}", "x://a?anything=2", True),
        ("x://a?k=1{&q}", "x://a?k=1&q=2", True),
        ("x://a{#frag}", "x://a#f/g", True),
        ("x://a{.ext}", "x://a.json", True),
        ("x://a{;p}", "x://a;p=1", True),
        ("x://{a:3}{b}", "x://abcdef", True),
        ("x://(a+)+{b}", "x://(a+)+c", True),
    ],
)
def test_expansions(template: str, uri: str, fits: bool) -> None:
    assert compile_template(template).fits(uri) is fits


@pytest.mark.parametrize(
    "template", ["x://{", "x://}a{b}", "x://{a b}", "x://{}", "x://{=a}", "x://{a}{", "x://plain", "x" * 3000]
)
def test_what_is_no_template_is_left_out(template: str) -> None:
    with pytest.raises(LeftOut):
        compile_template(template)


@given(st.lists(st.text("abc-_~ é日/&", min_size=1, max_size=8), min_size=1, max_size=3))
def test_every_encoded_expansion_fits(values: list[str]) -> None:
    template = compile_template("x://" + "/".join(f"{{v{index}}}" for index in range(len(values))))
    assert template.fits("x://" + "/".join(quote(value, safe="") for value in values))


@given(st.text("ab/.{}%", max_size=30), st.text("ab/.{}%", max_size=30))
def test_any_text_compiles_or_is_left_out(template: str, uri: str) -> None:
    try:
        compiled = compile_template(template)
    except LeftOut:
        return
    assert isinstance(compiled.fits(uri), bool)


def test_many_adjacent_variables_match_in_linear_time() -> None:
    template = compile_template("x://" + "".join(f"{{v{n}}}" for n in range(30)) + "!")
    assert not template.fits("x://" + "a" * 20_000)


@pytest.mark.parametrize(
    "uri",
    [
        "file:///a/../b", "file:///a/./b", "file:///a/..", "file:///%2e%2e/b", "file:///a%2Fb", "file:///a%5cb",
        "file:///a\\b", "file:///%41", "file:///%7e", "file:///%5f", "file:///a%00", "file:///a%0Ab", "file:///a\n",
        "file:///a b", "file:///%zz", "file:///%", "file:///%252e", "file:///{name}", "file:///%C0%AE", "file:///%FF",
        "file:///a\u200bb", "file:///a%E2%80%8Bb", "x://a?p=../../etc", "x://..", "file:///" + "a" * 9000,
    ],
)  # fmt: skip
def test_second_spellings_are_not_plain(uri: str) -> None:
    assert not plain(uri)


@pytest.mark.parametrize(
    "uri", ["file:///a/b.txt", "x://a%20b", "x://a%2Bb", "x://日本", "x://%E6%97%A5", "x://a..b/c...", "x://100%25"]
)
def test_ordinary_uris_are_plain(uri: str) -> None:
    assert plain(uri)


@pytest.mark.parametrize("uri", ["l://SECRET", "l://secret/", "l://%73ecret", "l://secret"])
def test_spellings_compare_equal(uri: str) -> None:
    assert comparable(uri) == comparable("l://secret")
