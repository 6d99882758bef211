"""What a modern result may be, and what it may ask for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.upstream.streamable_result import check_result


def asking(method: str, **params: Any) -> dict[str, Any]:
    return {"resultType": "input_required", "inputRequests": {"k": {"method": method, "params": params}}}


@pytest.mark.parametrize("result", [{}, {"resultType": "complete"}, {"content": [], "vendor": None}])
def test_a_complete_result_is_handed_on_as_it_is(result: dict[str, Any]) -> None:
    assert check_result("tools/list", result, {}) is result


@given(st.one_of(st.none(), st.integers(), st.text(), st.lists(st.text()), st.just("task")))
def test_any_other_kind_is_a_violation(kind: object) -> None:
    if kind in ("complete", "input_required"):
        return
    with pytest.raises(ProtocolViolation):
        check_result("tools/call", {"resultType": kind}, {})


@pytest.mark.parametrize("method", ["tools/list", "resources/list", "completion/complete", "server/discover"])
def test_only_three_methods_may_ask(method: str) -> None:
    with pytest.raises(ProtocolViolation):
        check_result(method, {"resultType": "input_required", "requestState": "s"}, {})


@pytest.mark.parametrize(
    ("result", "capabilities", "fine"),
    [
        (asking("elicitation/create"), {"elicitation": {}}, True),
        (asking("elicitation/create", mode="form"), {"elicitation": {"form": {}}}, True),
        (asking("elicitation/create", mode="url"), {"elicitation": {"url": {}}}, True),
        (asking("elicitation/create", mode="url"), {"elicitation": {}}, False),
        (asking("elicitation/create", mode="form"), {"elicitation": {"url": {}}}, False),
        (asking("elicitation/create", mode=["url"]), {"elicitation": {}}, False),
        (asking("elicitation/create"), {}, False),
        (asking("sampling/createMessage"), {"sampling": {}}, True),
        (asking("sampling/createMessage"), {"elicitation": {}}, False),
        (asking("roots/list"), {"roots": {}}, True),
        (asking("roots/list"), {"roots": None}, False),
        (asking("tools/call"), {"tools": {}}, False),
        ({"resultType": "input_required", "requestState": "s"}, {}, True),
        ({"resultType": "input_required", "inputRequests": {}}, {}, True),
        ({"resultType": "input_required"}, {}, False),
        ({"resultType": "input_required", "requestState": 1}, {}, False),
        ({"resultType": "input_required", "inputRequests": []}, {}, False),
        ({"resultType": "input_required", "inputRequests": {"k": "roots/list"}}, {"roots": {}}, False),
        ({"resultType": "input_required", "inputRequests": {"k": {"method": 1}}}, {"roots": {}}, False),
    ],
)
def test_it_may_ask_only_for_what_was_declared(
    result: dict[str, Any], capabilities: dict[str, Any], fine: bool
) -> None:
    if fine:
        assert check_result("tools/call", result, capabilities) is result
        return
    with pytest.raises(ProtocolViolation):
        check_result("tools/call", result, capabilities)
