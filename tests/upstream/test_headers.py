"""Our header codec and ``Mcp-Param-*`` rules answer as the reference SDK's do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared import inbound

from mcp_gateway.core import mcp_headers as ours

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
SENTINELS = st.one_of(
    TEXT,
    TEXT.map(lambda text: f"=?base64?{text}?="),
    st.text("ABab+/=019", max_size=8).map(lambda text: f"=?base64?{text}?="),
    TEXT.map(inbound.encode_header_value),
)
NAMES = st.sampled_from(["a", "b", "a.b", "c"])
TOKENS = st.one_of(st.sampled_from(["A", "a", "B", "x y", "", "Ä", "A\r\nB", "C"]), st.just(7))
KINDS = st.sampled_from(["string", "integer", "boolean", "number", "object", None, ["string"]])


def leaf() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={"type": KINDS, "x-mcp-header": TOKENS})


def grow(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "items": inner,
            "anyOf": st.lists(inner, max_size=2),
            "$defs": st.dictionaries(NAMES, inner, max_size=2),
            "default": inner,
            "not": inner,
            "x-mcp-header": TOKENS,
        },
    )


SCHEMAS = st.recursive(leaf(), grow, max_leaves=6)
VALID = st.fixed_dictionaries(
    {
        "properties": st.fixed_dictionaries(
            {},
            optional={
                "s": st.just({"type": "string", "x-mcp-header": "Text"}),
                "i": st.just({"type": "integer", "x-mcp-header": "Count"}),
                "b": st.just({"type": "boolean", "x-mcp-header": "Flag"}),
                "o": st.just({"properties": {"deep": {"type": "string", "x-mcp-header": "Deep"}}}),
            },
        )
    }
)
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "s": st.one_of(st.none(), TEXT),
        "i": st.one_of(st.none(), st.integers(-(10**20), 10**20), st.sampled_from([42.0, 1.5, 10**5000])),
        "b": st.one_of(st.none(), st.booleans()),
        "o": st.one_of(st.none(), TEXT, st.fixed_dictionaries({}, optional={"deep": TEXT})),
    },
)
FORGED = st.sampled_from(
    ["42", "42.0", "42.00", "-42", "4.2e1", "", "true", "True", "=?base64?x?=", "=?base64?YQ==?=", "042"]
)


def sdk_decode(value: str) -> str | None:
    """The SDK's decoder, with None where it lets a ValueError out (a sentinel around non-ASCII text)."""
    try:
        return inbound.decode_header_value(value)
    except ValueError:
        return None


@given(SENTINELS)
def test_the_value_codec_equals_the_sdk_and_round_trips(value: str) -> None:
    assert ours.encode_header_value(value) == inbound.encode_header_value(value)
    assert ours.decode_header_value(value) == sdk_decode(value)
    assert ours.decode_header_value(ours.encode_header_value(value)) == value


@given(TEXT)
def test_an_encoded_value_can_never_split_a_header(value: str) -> None:
    encoded = ours.encode_header_value(value)
    assert encoded.isascii() and encoded == encoded.strip() and not set(encoded) & set("\r\n\0")


@given(SCHEMAS)
def test_schema_findings_equal_the_sdk(schema: dict[str, Any]) -> None:
    reason = ours.find_invalid_x_mcp_header(schema)
    assert (reason is None) == (inbound.find_invalid_x_mcp_header(schema) is None)
    if reason is None:
        assert ours.x_mcp_header_map(schema) == inbound.x_mcp_header_map(schema)


@given(VALID, ARGUMENTS)
def test_emitted_headers_equal_the_sdk_and_validate(schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    mapped = ours.x_mcp_header_map(schema)
    headers = ours.param_headers(mapped, arguments)
    assert headers == inbound.mcp_param_headers(mapped, arguments)
    assert ours.validate_param_headers(mapped, arguments, {k.lower(): (v,) for k, v in headers.items()}) is None


@given(VALID, ARGUMENTS, st.dictionaries(st.sampled_from(["Text", "Count", "Flag", "Deep", "Other"]), FORGED))
def test_validation_equals_the_sdk(schema: dict[str, Any], arguments: dict[str, Any], forged: dict[str, str]) -> None:
    mapped = ours.x_mcp_header_map(schema)
    headers = {**ours.param_headers(mapped, arguments), **{f"Mcp-Param-{k}": v for k, v in forged.items()}}
    reason = ours.validate_param_headers(mapped, arguments, {k.lower(): (v,) for k, v in headers.items()})
    assert (reason is None) == (inbound.validate_mcp_param_headers(schema, arguments, headers) is None)


def test_a_repeated_header_is_refused_even_if_both_copies_agree() -> None:
    reason = ours.validate_param_headers({("a",): "A"}, {"a": "x"}, {"mcp-param-a": ("x", "x")})
    assert reason is not None and "more than once" in reason


def test_two_paths_that_look_alike_when_dotted_still_collide() -> None:
    text = {"type": "string", "x-mcp-header": "A"}
    assert ours.find_invalid_x_mcp_header({"properties": {"a.b": text, "a": {"properties": {"b": text}}}}) is not None


@pytest.mark.parametrize("schema", [None, 1, [], "x", {"properties": 1}])
def test_what_is_no_schema_has_no_annotations(schema: object) -> None:
    assert ours.find_invalid_x_mcp_header(schema) is None
    assert ours.x_mcp_header_map(schema) == {}


def test_a_hostile_depth_is_walked_without_recursion() -> None:
    schema: dict[str, Any] = {"type": "string", "x-mcp-header": "A"}
    for _ in range(20_000):
        schema = {"not": schema}
    assert ours.find_invalid_x_mcp_header(schema) is not None


def test_the_names_equal_the_sdk() -> None:
    assert ours.NAME_PARAM == inbound.NAME_BEARING_METHODS
    assert inbound.MCP_PARAM_HEADER_PREFIX.lower() == ours.PARAM_PREFIX
    assert (ours.PROTOCOL_VERSION, ours.METHOD, ours.NAME) == (
        inbound.MCP_PROTOCOL_VERSION_HEADER,
        inbound.MCP_METHOD_HEADER,
        inbound.MCP_NAME_HEADER,
    )
