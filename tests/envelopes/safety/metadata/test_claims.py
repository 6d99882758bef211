"""What callers say is read strictly: one meaning, or a fault that quotes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.metadata import MAX_KEYS, META_KEY, is_key, is_value
from mcp_gateway.envelopes.safety.metadata.claims import MAX_BYTES, read_claims

TFY = "x-tfy-metadata"
OURS = "x-gateway-metadata"
CANARY = "canary-7f3a"


def header(*values: str, name: str = TFY) -> dict[str, tuple[str, ...]]:
    return {name: values}


@pytest.mark.parametrize("name", [TFY, OURS])
def test_a_header_is_an_object_of_strings(name: str) -> None:
    claims = read_claims(header('{"team": "payments", "ticket_id": "OPS-1", "empty": ""}', name=name))
    assert claims.values == {"team": "payments", "ticket_id": "OPS-1", "empty": ""} and not claims.faults


def test_a_request_that_says_nothing_claims_nothing() -> None:
    metas: list[Any] = [None, {}, {"progressToken": 1}, "x", []]
    for meta in metas:
        assert read_claims({}, meta) == read_claims({}) and not read_claims({}, meta).faults
    assert not read_claims(header("{}"), {META_KEY: {}}).values


@pytest.mark.parametrize("text", ['{"team": "é ☃"}', '{"team": "\\u00e9 \\u2603"}'])
def test_text_beyond_ascii_comes_as_utf_8_or_escaped(text: str) -> None:
    claims = read_claims(header(text.encode().decode("latin-1")))
    assert claims.values == {"team": "é ☃"} and not claims.faults


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "not valid JSON"),
        ("team=payments", "not valid JSON"),
        (f'{{"team": "{CANARY}"', "not valid JSON"),
        (f'{{"team": "{CANARY}"}}, {{}}', "not valid JSON"),
        (f'{{"a": "{CANARY}", "a": "b"}}', "duplicate object key"),
        (f'{{"a": "{CANARY}", "\\u0061": "b"}}', "duplicate object key"),
        ('{"a": "\xfc"}', "JSON"),
        ('{"a": "\\ud800"}', "JSON"),
        (f'["{CANARY}"]', "a JSON object of strings"),
        (f'"{CANARY}"', "a JSON object of strings"),
        ("null", "a JSON object of strings"),
        ('{"a": 1}', "strings"),
        ('{"a": null}', "strings"),
        (f'{{"a": ["{CANARY}"]}}', "strings"),
        (f'{{"a": {{"b": "{CANARY}"}}}}', "strings"),
        (f'{{"a": "{"x" * 129}"}}', "at most 128 characters"),
        ('{"a": "x\\ny"}', "without control characters"),
        ('{"a": "\\u0000"}', "without control characters"),
        ('{"": "x"}', "keys of 1 to 128 characters"),
        ('{"a b": "x"}', "keys of 1 to 128 characters"),
        (f'{{"{"k" * 129}": "x"}}', "keys of 1 to 128 characters"),
        (json.dumps({f"k{n}": "" for n in range(MAX_KEYS + 1)}), f"at most {MAX_KEYS} keys"),
        (f'{{"a": "{"x" * MAX_BYTES}"}}', f"at most {MAX_BYTES} bytes"),
    ],
)
def test_what_is_no_metadata_is_a_fault_of_its_header(value: str, words: str) -> None:
    claims = read_claims(header(value))
    assert [fault.at for fault in claims.faults] == ["X-TFY-METADATA"]
    assert words in claims.faults[0].words and claims.faults[0].words.startswith("X-TFY-METADATA ")
    assert CANARY not in str(claims.faults) and claims.values == {}


def test_the_rest_of_an_object_can_still_be_read() -> None:
    claims = read_claims(header('{"team": "payments", "n": 1}'))
    assert claims.values == {"team": "payments"} and len(claims.faults) == 1


def test_as_much_as_may_be_is_taken() -> None:
    most = {f"{n:0128}": "v" * 40 for n in range(40)}
    assert read_claims(header(json.dumps(most, separators=(",", ":")))) == read_claims({}, {META_KEY: most})
    assert len(read_claims({}, {META_KEY: {str(n): "☃" * 128 for n in range(MAX_KEYS)}}).values) == MAX_KEYS


@pytest.mark.parametrize("second", [TFY, OURS])
def test_headers_that_come_twice_must_say_the_same(second: str) -> None:
    one, same, other = '{"a": "1", "b": "2"}', '{"b":"2","a":"1"}', '{"a": "1"}'

    def both(value: str) -> dict[str, tuple[str, ...]]:
        return header(one, value) if second == TFY else {TFY: (one,), OURS: (value,)}

    assert read_claims(both(same)) == read_claims(header(one))
    assert "must say the same" in read_claims(both(other)).faults[0].words
    assert read_claims(both("x")).faults


def test_the_header_and_meta_add_up_and_must_not_contradict() -> None:
    claims = read_claims(header('{"a": "1", "b": "2"}'), {META_KEY: {"b": "2", "c": "3"}})
    assert claims.values == {"a": "1", "b": "2", "c": "3"} and not claims.faults
    claims = read_claims(header('{"a": "1"}'), {META_KEY: {"a": CANARY, "c": "3"}})
    assert claims.values == {"a": "1", "c": "3"}, "where nothing is refused, the header counts"
    (fault,) = claims.faults
    assert fault.at == "_meta" and META_KEY in fault.words and CANARY not in fault.words


@pytest.mark.parametrize("value", [None, "{}", '{"a": "1"}', [], 1, {"a": 1}, {"a": "x" * 129}, {"a b": "x"}])
def test_meta_is_as_strict(value: object) -> None:
    (fault,) = read_claims({}, {META_KEY: value}).faults
    assert fault.at == "_meta" and META_KEY in fault.words


def test_both_together_are_bounded() -> None:
    half = {f"a{n}": "" for n in range(MAX_KEYS)}
    claims = read_claims(header(json.dumps(half)), {META_KEY: {"b": ""}})
    assert claims.values == {} and "together" in claims.faults[0].words


_text = st.text(max_size=140)
_anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | _text, lambda inner: st.lists(inner) | st.dictionaries(_text, inner)
)


@given(
    st.lists(st.sampled_from([TFY, OURS]).flatmap(lambda name: st.tuples(st.just(name), st.text(max_size=40)))),
    st.none() | _anything | st.fixed_dictionaries({META_KEY: _anything}),
)
def test_whatever_comes_is_bounded_or_a_fault(headers: list[tuple[str, str]], meta: object) -> None:
    given: dict[str, tuple[str, ...]] = {}
    for name, value in headers:
        given[name] = (*given.get(name, ()), value)
    claims = read_claims(given, meta)
    assert len(claims.values) <= MAX_KEYS
    assert all(is_key(key) and is_value(value) for key, value in claims.values.items())


@given(st.dictionaries(st.text(max_size=130).filter(is_key), st.text(max_size=128).filter(is_value), max_size=MAX_KEYS))
def test_what_may_be_said_arrives_alike_by_either_way(values: dict[str, str]) -> None:
    text = json.dumps(values)
    spoken = read_claims({}, {META_KEY: values})
    assert spoken.values == values and not spoken.faults
    if len(text) <= MAX_BYTES:
        assert read_claims(header(text)) == spoken
