"""Results of the modern shape in the shape of the handshake era."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.errors import MissingCapability
from mcp_gateway.ingress.downgrade import downgrade, initialize_result

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text().filter(lambda key: key not in {"resultType", "ttlMs", "cacheScope"}), _json))
def test_what_the_era_may_carry_is_carried_in_its_order(result: dict[str, Any]) -> None:
    modern = {"resultType": "complete", **result, "ttlMs": 1, "cacheScope": "public"}
    assert list(downgrade("resources/read", modern).items()) == list(result.items())


@given(_json)
def test_structured_content_is_an_object_or_absent(value: Any) -> None:
    plain = downgrade("tools/call", {"resultType": "complete", "content": [], "structuredContent": value})
    expected = {"structuredContent": value} if isinstance(value, dict) else {}
    assert plain == {"content": [], **expected}


def test_the_original_is_left_as_it_was() -> None:
    result = {"resultType": "complete", "structuredContent": 5}
    downgrade("tools/call", result)
    assert result == {"resultType": "complete", "structuredContent": 5}


@pytest.mark.parametrize(
    ("result", "required"),
    [
        (
            {"inputRequests": {"a": {"method": "sampling/createMessage"}, "b": {"method": "roots/list"}}},
            ["roots", "sampling"],
        ),
        ({"requestState": "s"}, []),
        ({"inputRequests": None}, []),
    ],
)
def test_a_demand_for_input_names_what_it_would_take(result: dict[str, Any], required: list[str]) -> None:
    with pytest.raises(MissingCapability) as caught:
        downgrade("tools/call", {"resultType": "input_required", **result})
    assert sorted(caught.value.required) == required


def test_an_unknown_kind_of_result_is_not_passed_off_as_complete() -> None:
    with pytest.raises(MissingCapability):
        downgrade("tools/call", {"resultType": "task", "taskId": "t"})


def test_initialize_speaks_the_agreed_version_and_hides_extensions() -> None:
    discovered = {"capabilities": {"tools": {}, "extensions": {"x/y": {}}}, "instructions": "do", "ttlMs": 1}
    assert initialize_result(discovered, "2025-06-18", {"name": "n"}) == {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "n"},
        "instructions": "do",
    }
