"""How efforts and sampling are said to which model."""

from typing import Any

import pytest

from llm_proxy.completion.request import Completion, Effort, Message, Reasoning, Text, Tool, ToolResult, ToolUse
from llm_proxy.providers.anthropic_messages.codec import AnthropicMessages
from llm_proxy.providers.anthropic_messages.thinking import effort_of, generation

Json = dict[str, Any]

OLD, MIDDLE, NEW = "claude-sonnet-4-5-20250929", "claude-opus-4-6", "claude-opus-4-7"
HI = Message("user", (Text("hi"),))
USE = ToolUse("i", "t", "{}")
RESULT = Message("user", (ToolResult("i", (Text("r"),)),))


def said(model: str, messages: tuple[Message, ...] = (HI,), max_tokens: int = 40_000, **members: Any) -> Json:
    completion = Completion(
        model="m", messages=messages, max_tokens=max_tokens, tools=(Tool("t", "", {"type": "object"}),), **members
    )
    body = AnthropicMessages().request(completion, model)
    return {key: body[key] for key in ("thinking", "output_config", "temperature", "top_p", "top_k") if key in body}


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("claude-3-5-sonnet-20241022", (3, 5)),
        ("claude-3-opus-20240229", (3, 0)),
        ("claude-sonnet-4-20250514", (4, 0)),
        ("claude-haiku-4-5", (4, 5)),
        ("anthropic.claude-opus-4-6-v1:0", (4, 6)),
        ("anthropic/claude-opus-4.7", (4, 7)),
        ("claude-opus-5", (5, 0)),
        ("claude-fable-5-2", (5, 2)),
        ("claude-mythos-preview", (99, 0)),
        ("kimi-k3", (0, 0)),
    ],
)
def test_generations(model: str, version: tuple[int, int]) -> None:
    assert generation(model) == version


def budget(tokens: int) -> Json:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


def level(effort: str) -> Json:
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}


@pytest.mark.parametrize(
    ("effort", "old", "new"),
    [
        (None, {}, {}),
        ("none", {"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}),
        ("minimal", budget(1024), level("low")),
        ("low", budget(2048), level("low")),
        ("medium", budget(8192), level("medium")),
        ("high", budget(16384), level("high")),
    ],
)
def test_efforts(effort: Effort | None, old: Json, new: Json) -> None:
    assert said(OLD, effort=effort) == old
    assert said("kimi-k3", effort=effort) == old
    assert said(MIDDLE, effort=effort) == new
    assert said(NEW, effort=effort) == new


@pytest.mark.parametrize(("max_tokens", "expected"), [(2047, {}), (2048, budget(1024)), (10_000, budget(5000))])
def test_a_budget_leaves_half_for_the_answer(max_tokens: int, expected: Json) -> None:
    assert said(OLD, max_tokens=max_tokens, effort="high") == expected


@pytest.mark.parametrize(
    ("messages", "members", "old", "new"),
    [
        ((HI,), {"tool_choice": "required"}, {}, {"output_config": {"effort": "high"}}),
        ((HI, Message("assistant", (Text("so"),))), {}, {}, {"output_config": {"effort": "high"}}),
        ((HI, Message("assistant", (USE,)), RESULT), {}, {}, level("high")),
        ((HI, Message("assistant", (Reasoning("a", "p"), USE)), RESULT), {}, budget(16384), level("high")),
        ((RESULT,), {}, budget(16384), level("high")),
    ],
)
def test_where_a_model_may_not_think(messages: tuple[Message, ...], members: Json, old: Json, new: Json) -> None:
    assert said(OLD, messages, effort="high", **members) == old
    assert said(MIDDLE, messages, effort="high", **members) == new


@pytest.mark.parametrize(
    ("model", "members", "expected"),
    [
        (OLD, {"temperature": 2.0, "top_k": 5}, {"temperature": 1, "top_k": 5}),
        (OLD, {"temperature": 0.3, "top_p": 0.9}, {"temperature": 0.3}),
        ("claude-3-opus-20240229", {"temperature": 0.3, "top_p": 0.9}, {"temperature": 0.3, "top_p": 0.9}),
        (OLD, {"top_p": 0.9}, {"top_p": 0.9}),
        (MIDDLE, {"top_p": 0.9, "top_k": 5}, {"top_p": 0.9, "top_k": 5}),
        (NEW, {"temperature": 0.3, "top_p": 0.9, "top_k": 5}, {}),
        (OLD, {"effort": "low", "temperature": 0.3, "top_p": 0.9, "top_k": 5}, budget(2048)),
        (OLD, {"effort": "low", "temperature": 0.3, "top_p": 0.95}, {**budget(2048), "top_p": 0.95}),
        (MIDDLE, {"effort": "low", "temperature": 0.3}, level("low")),
        (MIDDLE, {"effort": "none", "temperature": 0.3}, {"thinking": {"type": "disabled"}, "temperature": 0.3}),
    ],
)
def test_sampling(model: str, members: Json, expected: Json) -> None:
    assert said(model, **members) == expected


@pytest.mark.parametrize("effort", ["minimal", "low", "medium", "high"])
def test_a_budget_means_the_effort_that_it_stood_for(effort: Effort) -> None:
    tokens = said(OLD, effort=effort)["thinking"]["budget_tokens"]
    assert effort_of("enabled", tokens, None) == effort
