"""What strict JSON takes, refuses, and what it says about it."""

from __future__ import annotations

import json
import math
from typing import Any

import jiter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core import strictjson
from mcp_gateway.core.strictjson import JsonError, JsonLimitError, JsonLimits, dumps, loads

MALFORMED = {
    "empty": b"",
    "white space only": b" \n",
    "byte order mark": b'\xef\xbb\xbf{"a":1}',
    "utf-16 with mark": '{"a":1}'.encode("utf-16"),
    "utf-16 without mark": '{"a":1}'.encode("utf-16-le"),
    "utf-32": '{"a":1}'.encode("utf-32-be"),
    "latin-1": b'{"a":"\xe9"}',
    "overlong utf-8": b'"\xc0\xaf"',
    "surrogate as utf-8": b'"\xed\xa0\x80"',
    "lone high surrogate": b'"\\ud800"',
    "lone low surrogate": b'"\\udc00"',
    "surrogates the wrong way round": b'"\\udc00\\ud800"',
    "lone surrogate in a key": b'{"\\ud800":1}',
    "duplicate key": b'{"method":"a","method":"b"}',
    "duplicate key, escaped": b'{"a":1,"\\u0061":2}',
    "duplicate key, nested": b'[{"x":{"a":1,"b":2,"a":3}}]',
    "NaN": b"[NaN]",
    "Infinity": b"[Infinity]",
    "-Infinity": b"-Infinity",
    "trailing data": b'{"a":1}{"b":2}',
    "trailing NUL": b'{"a":1}\x00',
    "trailing comma": b"[1,]",
    "comment": b"[1/*x*/]",
    "single quotes": b"{'a':1}",
    "leading zero": b"[01]",
    "plus": b"[+1]",
    "bare point": b"[1.]",
    "raw control character": b'"a\nb"',
    "bad escape": b'"\\x41"',
    "unfinished": b'{"a":[1,2',
    "form feed as white space": b"\x0c1",
}

TOO_MUCH = {
    "depth 65": b"[" * 65 + b"]" * 65,
    "depth 65 of objects": b'{"a":' * 65 + b"1" + b"}" * 65,
    "depth 2,000": b"[" * 2_000 + b"]" * 2_000,
    "depth 100,000": b"[" * 100_000 + b"]" * 100_000,
    "depth 100,000, unclosed": b"[" * 100_000,
    "1e999": b"[1e999]",
    "-1e999": b"-1e999",
    "400 digits and a point": b"9" * 400 + b".0",
    "2^64": b"18446744073709551616",
    "-2^64": b"[-18446744073709551616]",
    "5,000 digits": b"1" * 5_000,
    "100,001 values": b"[" + b"1," * 99_999 + b"1]",
    "a million values": b"[" + b"1," * 999_999 + b"1]",
    "a million empty arrays": b"[" + b"[]," * 999_999 + b"[]]",
    "a million strings of commas": b"[" + b'",",' * 999_999 + b'","]',
    "257-byte key": b'{"' + b"k" * 257 + b'":1}',
    "key of 1 MiB": b'{"' + b"k" * (1 << 20) + b'":1}',
    "key of 86 three-byte characters": ('{"' + "€" * 86 + '":1}').encode(),
    "string over 1 MiB": b'"' + b"s" * ((1 << 20) + 1) + b'"',
    "nested string over 1 MiB": b'{"a":["' + b"s" * ((1 << 20) + 1) + b'"]}',
}

ACCEPTED = {
    "depth 64": b"[" * 64 + b"]" * 64,
    "100,000 values": b"[" + b"1," * 99_998 + b"1]",
    "brackets in a string": b'["' + b"[{" * 100_000 + b'"]',
    "commas in a string": b'["' + b"," * 200_000 + b'\\\\\\",,"]',
    "256-byte key": b'{"' + b"k" * 256 + b'":1}',
    "string of 1 MiB": b'"' + b"s" * (1 << 20) + b'"',
    "2^64-1": b"18446744073709551615",
    "-2^63": b"-9223372036854775808",
    "largest double": b"1.7976931348623157e308",
    "smallest double": b"5e-324",
    "surrogate pair": b'"\\ud83d\\ude00"',
    "escaped NUL": b'"\\u0000"',
    "keys that differ by case or form": '{"name":1,"NAME":2,"é":3,"e\u0301":4,"__proto__":5,"name\\u0000":6}'.encode(),
    "white space around": b" \t\r\n{ } \n",
    "scalars": b"[null,true,false,0,-0,1.5,1E3]",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_refuses_what_parsers_read_differently(name: str) -> None:
    with pytest.raises(JsonError) as caught:
        loads(MALFORMED[name])
    assert not isinstance(caught.value, JsonLimitError)


@pytest.mark.parametrize("name", TOO_MUCH)
def test_refuses_more_than_the_limits(name: str) -> None:
    with pytest.raises(JsonLimitError):
        loads(TOO_MUCH[name])


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepts_up_to_the_limits_what_the_stdlib_reads(name: str) -> None:
    raw = ACCEPTED[name]
    value = loads(raw)
    assert value == json.loads(raw)
    assert json.dumps(value) == json.dumps(json.loads(raw))


def test_an_error_never_quotes_the_text() -> None:
    for raw in (
        b'{"hunter2":1,"hunter2":2}',
        b'{"hunter2": hunter2}',
        b'["hunter2' + b"\xff" + b'"]',
        b'{"hunter2":1e999}',
    ):
        with pytest.raises(JsonError) as caught:
            loads(raw)
        assert "hunter2" not in str(caught.value) + repr(caught.value)
        assert caught.value.__cause__ is None and (caught.value.__suppress_context__ or not caught.value.__context__)


def test_an_error_names_the_byte_offset() -> None:
    with pytest.raises(JsonError) as caught:
        loads(b'{"a": 1,\n "b": ?}')
    assert caught.value.offset == 15


def test_a_text_cannot_forge_a_limit_error() -> None:
    with pytest.raises(JsonError) as caught:
        loads(b'{"recursion limit exceeded":1,"recursion limit exceeded":1}')
    assert not isinstance(caught.value, JsonLimitError)


def test_a_megabyte_of_line_breaks_costs_no_search_for_the_offset() -> None:
    with pytest.raises(JsonError) as caught:
        loads(b"\n" * (1 << 20) + b"x")
    assert caught.value.offset is None


@pytest.mark.parametrize("name", [name for name in TOO_MUCH if name.startswith("a million")])
def test_too_many_values_are_counted_before_any_is_built(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def built(*_: object, **__: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr(jiter, "from_json", built)
    with pytest.raises(JsonLimitError):
        loads(TOO_MUCH[name])


def test_upstreams_have_limits_of_their_own() -> None:
    deep = b"[" * 100 + b"]" * 100
    with pytest.raises(JsonLimitError):
        loads(deep)
    assert strictjson.loads_upstream(deep) is not None
    with pytest.raises(JsonError):
        strictjson.loads_upstream(b'{"a":1,"a":2}')


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64) + 1, 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), inner, max_size=6)
    ),
    max_leaves=30,
)


def _same(left: Any, right: Any) -> bool:
    return bool(left == right) and json.dumps(left) == json.dumps(right)


@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_reads_every_value_as_the_stdlib_writes_it(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert _same(loads(text.encode()), json.loads(text))


@given(VALUES)
def test_what_is_written_reads_back_exactly(value: Any) -> None:
    raw = dumps(value)
    assert _same(loads(raw), value)
    assert _same(json.loads(raw), value)


@given(
    st.binary(max_size=40)
    | VALUES.map(lambda v: json.dumps(v).encode()).flatmap(
        lambda raw: st.tuples(st.integers(0, len(raw)), st.binary(max_size=3)).map(
            lambda m: raw[: m[0]] + m[1] + raw[m[0] + 1 :]
        )
    )
)
def test_never_accepts_what_the_stdlib_refuses_nor_reads_it_differently(raw: bytes) -> None:
    try:
        value = loads(raw)
    except JsonError:
        return
    assert _same(value, json.loads(raw.decode()))


def _slow(value: Any) -> tuple[int, int, int]:
    """Nodes, depth, longest key in bytes: by plain recursion."""
    if isinstance(value, dict):
        inner = [_slow(v) for v in value.values()]
        keys = [len(k.encode()) for k in value]
    elif isinstance(value, list):
        inner, keys = [_slow(v) for v in value], []
    else:
        return 1, 0, 0
    return (
        1 + sum(n for n, _, _ in inner),
        1 + max((d for _, d, _ in inner), default=0),
        max([*keys, *(k for _, _, k in inner)], default=0),
    )


@given(VALUES, st.integers(1, 12), st.integers(1, 6), st.integers(1, 12), st.sampled_from([None, 1]))
def test_limits_are_exact(value: Any, nodes: int, depth: int, key: int, indent: int | None) -> None:
    raw = json.dumps(value, indent=indent).encode()
    measured = _slow(value)
    expected = measured[0] <= nodes and measured[1] <= depth and measured[2] <= key
    try:
        loads(raw, JsonLimits(depth=depth, nodes=nodes, key=key))
        accepted = True
    except JsonLimitError:
        accepted = False
    assert accepted == expected


@given(
    VALUES,
    st.sampled_from(["NaN", "Infinity", "-Infinity", "1e999", '"\\ud800"', '{"k":1,"k":1}', str(2**64)]),
    st.data(),
)
def test_one_bad_value_anywhere_spoils_the_whole(value: Any, bad: str, data: st.DataObject) -> None:
    text = json.dumps({"a": [value, "@@"], "b": {"c": value}})
    spoiled = text.replace('"@@"', bad, 1)
    wrapped = data.draw(st.sampled_from([spoiled, f"[{spoiled}]", "".join(('{"z":', spoiled, "}"))]))
    with pytest.raises(JsonError):
        loads(wrapped.encode())


def test_integers_of_any_size_are_written_exactly() -> None:
    value = {"n": 10**40, "m": [-(2**63) - 1], "text": "€"}
    assert json.loads(dumps(value)) == value


@pytest.mark.parametrize(
    "value",
    ["\ud800", {"\ud800": 1}, {"big": 2**80, "s": "\udfff"}, {1: 2**80, "x": math.nan}, {"o": object()}, {"d": {1, 2}}],
    ids=["lone", "lone key", "lone beside big", "nan beside big", "object", "set"],
)
def test_refuses_to_write_what_json_cannot_hold(value: Any) -> None:
    with pytest.raises(JsonError):
        dumps(value)


def test_refuses_to_write_a_cycle() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(JsonError):
        dumps(loop)
