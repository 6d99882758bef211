"""The bound of a request: above every count of its tokens, whatever its body is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.spend.bound import DOCUMENT_TOKENS, IMAGE_TOKENS, STORED_TOKENS, Bound, bound
from llm_proxy.spend.price import MAX_TOKENS, flat

DATA = "A" * 900_000
URL = "data:image/png;base64," + DATA
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "content", "messages", "input", "source", "image_url", "url", "data", "output"]),
            inner | st.sampled_from(["image", "image_url", "file", "tool_result", "base64"]),
            max_size=5,
        )
    ),
    max_leaves=30,
)


def bounded(body: dict[str, Any], **changed: Any) -> Bound:
    values: dict[str, Any] = {"output_limit": 10, "choices": 1, "default_output": 4096}
    return bound(body, len(json.dumps(body, ensure_ascii=False).encode()), **(values | changed))


def turn(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


IMAGES = [
    turn({"type": "image_url", "image_url": {"url": URL}}),
    turn({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}),
    {"input": [{"content": [{"type": "input_image", "image_url": URL}]}]},
    {"input": [{"type": "function_call_output", "output": [{"type": "input_image", "image_url": URL}]}]},
    turn({"type": "tool_result", "content": [{"type": "image", "source": {"type": "base64", "data": DATA}}]}),
    turn({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
]

TEXTS = [
    {"messages": [{"content": DATA}]},
    turn({"type": "text", "text": URL}),
    turn({"type": "text", "text": "", "image_url": "data:image/" + DATA}),
    turn({"type": "document", "source": {"type": "text", "data": DATA}}),
    turn({"type": "tool_use", "input": {"type": "image", "source": {"type": "base64", "data": DATA}}}),
    {"tools": [{"type": "image", "source": {"type": "base64", "data": DATA}}]},
    {"system": DATA},
]

ELSEWHERE = [
    turn({"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}),
    turn({"type": "file", "file": {"file_id": "f1"}}),
    {"input": [{"content": [{"type": "input_file", "file_url": "https://example.com/a.pdf"}]}]},
]


@pytest.mark.parametrize("body", IMAGES, ids=lambda body: str(body)[:60])
def test_an_image_counts_as_one_and_not_by_its_bytes(body: dict[str, Any]) -> None:
    assert IMAGE_TOKENS < bounded(body).input < IMAGE_TOKENS + 2_000


@pytest.mark.parametrize("body", TEXTS, ids=lambda body: str(body)[:60])
def test_what_a_model_reads_as_text_counts_by_its_bytes(body: dict[str, Any]) -> None:
    assert len(DATA) < bounded(body).input < len(DATA) + 2_000


@pytest.mark.parametrize("body", ELSEWHERE, ids=str)
def test_a_document_that_stands_elsewhere_counts_as_one(body: dict[str, Any]) -> None:
    assert DOCUMENT_TOKENS < bounded(body).input < DOCUMENT_TOKENS + 2_000


def test_a_conversation_that_the_provider_keeps_is_counted() -> None:
    assert bounded({"input": "x", "previous_response_id": "r1"}).input > STORED_TOKENS


@pytest.mark.parametrize(
    ("limit", "choices", "expected"),
    [(100, 1, 100), (100, 3, 300), (None, 2, 8192), (0, 1, 0), (10**20, 1, MAX_TOKENS)],
)
def test_the_answer_is_bounded_by_what_the_client_or_the_configuration_says(
    limit: int | None, choices: int, expected: int
) -> None:
    assert bounded({}, output_limit=limit, choices=choices).output == expected


@given(trees)
def test_any_body_has_a_bound(tree: object) -> None:
    for body in ({"messages": tree, "input": [tree]}, tree if isinstance(tree, dict) else {}):
        found = bounded(body)
        assert 0 < found.input <= MAX_TOKENS


@given(st.lists(st.text(max_size=50), max_size=6))
def test_no_text_has_more_tokens_than_the_bound(texts: list[str]) -> None:
    body = {"messages": [{"role": "user", "content": text} for text in texts]}
    assert bounded(body).input >= sum(len(text.encode()) for text in texts)


def test_costs_of_a_bound() -> None:
    assert Bound(1000, 10).cost(flat(1, 2)) == 1_020_000
    assert Bound(1000, 10).cost(None) == 0
    assert Bound(1000, 10).total == 1010
