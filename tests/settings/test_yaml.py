"""YAML: values, positions, and what is refused before it costs anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.settings.nodes import Mark, find, plain
from mcp_gateway.settings.yaml import MAX_BYTES, MAX_DEPTH, MAX_NODES, YamlProblem, read


def value(text: str) -> object:
    return plain(read(text.encode()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("a: yes", {"a": "yes"}),
        ("a: 2026-07-28", {"a": "2026-07-28"}),
        ("a: 0o17", {"a": 15}),
        ("a: 0x1F", {"a": 31}),
        ("a: 017", {"a": 17}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: 1.5e3", {"a": 1500.0}),
        ("a: '1'", {"a": "1"}),
        ("a: !!str 1", {"a": "1"}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("1: x\ntrue: y", {"1": "x", "true": "y"}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("%YAML 1.1\n---\na: on", {"a": "on"}),
        ("\ufeffa: 1", {"a": 1}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3", {"a": {"b": 1, "c": 2}, "d": {"c": 3, "b": 1}}),
        (
            "a: &x {b: 1}\nc: &y {b: 2, d: 4}\ne: {<<: [*x, *y]}",
            {"a": {"b": 1}, "c": {"b": 2, "d": 4}, "e": {"b": 1, "d": 4}},
        ),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, expected: object) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 1\nb: 2\na: 3", 3, 1, "duplicate key `a`"),
        ("a:\n  - {x: 1, x: 2}", 2, 12, "duplicate key `x`"),
        ("a: [1", 1, 6, "not YAML"),
        ("a: b: c", 1, 5, "not YAML"),
        ("a: 1\n\tb: 2", 2, 1, "not YAML"),
        ("a: *b", 1, 4, "alias"),
        ("a: &x [*x]", 1, 8, "alias"),
        ("a: !!python/object:os.system x", 1, 4, "tags"),
        ("!!map {a: 1}", 1, 1, "tags"),
        ("{[1]: 2}", 1, 2, "a key must be a string"),
        ("a: .inf", 1, 4, "infinity"),
        ("a: 1\n---\nb: 2", 2, 1, "one document"),
        ("a: 1\nb: \x07", 2, 4, "control character"),
        ("a: {<<: 1}", 1, 5, "merges mappings only"),
    ],
)
def test_refusals_name_the_place(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(YamlProblem) as caught:
        read(text.encode())
    assert (caught.value.mark, message in caught.value.message) == (Mark(line, column), True)


def test_bytes_that_are_not_utf8_are_located() -> None:
    with pytest.raises(YamlProblem) as caught:
        read(b"a: 1\nb: \xff")
    assert caught.value.mark == Mark(2, 4)


def test_a_file_that_is_too_large_is_not_parsed() -> None:
    with pytest.raises(YamlProblem, match="larger than"):
        read(b"#" * (MAX_BYTES + 1))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused_while_it_is_read(opening: str) -> None:
    with pytest.raises(YamlProblem, match="nested deeper"):
        read((opening * 50_000).encode())


def test_the_deepest_nesting_allowed() -> None:
    assert value("[" * MAX_DEPTH + "]" * MAX_DEPTH) != {}


def test_aliases_do_not_nest_deeper_either() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 200)]
    with pytest.raises(YamlProblem, match="nested deeper"):
        read("\n".join(lines).encode())


def test_aliases_count_as_what_they_stand_for() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(YamlProblem, match=f"more than {MAX_NODES} values"):
        read("\n".join(lines).encode())


def test_merging_again_and_again_is_bounded() -> None:
    lines = ["a0: &a0 {" + ", ".join(f"k{n}: 1" for n in range(100)) + "}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    with pytest.raises(YamlProblem, match="more than"):
        read("\n".join(lines).encode())


def test_positions() -> None:
    root = read(b"a:\n  b:\n    - 1\n    - c: x\n      d: y\n")
    assert find(root, ("a", "b", 1, "d")).mark == Mark(5, 10)
    assert find(root, ("a", "b", 1, "d")).key == Mark(5, 7)
    assert find(root, ("a", "b", 1)).mark == Mark(4, 7)
    assert find(root, ("a",)).mark == Mark(1, 1)
    assert find(root, ("a", "union member", "b", 0)).mark == Mark(3, 7)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text.encode("utf-8", "surrogatepass"))
    except YamlProblem as problem:
        assert problem.mark.line >= 1 and problem.mark.column >= 1
