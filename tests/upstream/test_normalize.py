"""Results in one shape, and what a client's capabilities become upstream."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.calls.kinds import Kind
from mcp_gateway.core.call import Json
from mcp_gateway.upstream.capabilities import TASKS, fingerprint, for_handshake, for_modern
from mcp_gateway.upstream.normalize import from_handshake, from_modern

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON)


@given(OBJECTS)
def test_a_modern_result_keeps_everything(result: dict[str, object]) -> None:
    shaped = from_modern(result)
    assert shaped["resultType"] == result.get("resultType", "complete")
    assert {**result, "resultType": shaped["resultType"]} == shaped


@given(st.sampled_from(Kind), OBJECTS)
def test_a_handshake_result_is_complete_and_keeps_everything_else(kind: Kind, result: dict[str, object]) -> None:
    before = dict(result)
    shaped = from_handshake(kind, result)
    assert result == before
    assert shaped["resultType"] == "complete"
    assert all(shaped[key] == value for key, value in result.items() if key != "resultType")
    assert ("ttlMs" in shaped) == (kind is Kind.RESOURCE or "ttlMs" in result)


def test_what_is_read_from_a_handshake_upstream_is_not_cached_unless_it_says_so() -> None:
    assert from_handshake(Kind.RESOURCE, {"contents": []}) == {
        "ttlMs": 0, "cacheScope": "private", "contents": [], "resultType": "complete",
    }  # fmt: skip
    assert from_handshake(Kind.RESOURCE, {"ttlMs": 9})["ttlMs"] == 9


def test_a_handshake_upstream_cannot_ask_for_input_by_a_result_type() -> None:
    assert from_handshake(Kind.TOOL, {"resultType": "input_required"})["resultType"] == "complete"


def test_modern_capabilities_lose_tasks_and_experiments_only() -> None:
    declared = {
        "roots": {},
        "elicitation": {"url": {}},
        "experimental": {"x": {}},
        "extensions": {TASKS: {}, "io.modelcontextprotocol/ui": {"a": 1}},
        "vendor": {},
    }
    assert for_modern(declared) == {
        "roots": {},
        "elicitation": {"url": {}},
        "extensions": {"io.modelcontextprotocol/ui": {"a": 1}},
    }
    plain: Json = {"sampling": {"tools": {}}}
    assert for_modern(plain) is plain


def test_handshake_capabilities_lose_changes_of_roots() -> None:
    declared = {"roots": {"listChanged": True}, "sampling": {}, "tasks": {}, "elicitation": "odd"}
    assert for_handshake(declared) == {"roots": {}, "sampling": {}}
    assert declared["roots"] == {"listChanged": True}


@given(st.dictionaries(st.text(min_size=1), st.dictionaries(st.text(), st.booleans())))
def test_fingerprints_do_not_depend_on_order(declared: dict[str, dict[str, bool]]) -> None:
    assert fingerprint(declared) == fingerprint(dict(reversed(declared.items())))
    assert fingerprint(declared) != fingerprint({**declared, "": {}})
