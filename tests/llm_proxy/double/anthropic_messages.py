"""Anthropic messages, as the double speaks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from tests.llm_proxy.double.question import BadRequest, Count, Plan, Question, words
from tests.llm_proxy.double.wire import Frame, event, required, texts

Json = dict[str, Any]
FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_use": "tool_use"}
FAILURES = {
    "rate_limit": (429, "rate_limit_error", "Number of requests has exceeded your rate limit"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "context": (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
    "filtered": (400, "invalid_request_error", "Output blocked by content filtering policy"),
    "authentication": (401, "authentication_error", "invalid x-api-key"),
    "invalid": (400, "invalid_request_error", "The request is wrong"),
    "server": (500, "api_error", "Internal server error"),
}
SIGNATURE = "c2lnbmVkIGJ5IHRoZSBkb3VibGU="


class Messages:
    """`POST /v1/messages`."""

    def question(self, path: str, headers: Mapping[str, str], body: Json) -> Question:
        if "anthropic-version" not in headers:
            raise BadRequest("anthropic-version: header is required")
        said = list(texts(body.get("system"), "text"))
        last, result = "", None
        open_calls: set[str] = set()
        thought = False
        results: list[Json] = []
        for message in required(body, "messages", list):
            content = message["content"]
            text = words(texts(content, "text"))
            blocks = content if isinstance(content, list) else []
            results = [block for block in blocks if block["type"] == "tool_result"]
            returned = words(text for block in results for text in texts(block.get("content"), "text"))
            said += [returned, text]
            if any(block.get("signature", SIGNATURE) != SIGNATURE for block in blocks):
                raise BadRequest("Invalid `signature` in `thinking` block")
            if not content:
                raise BadRequest("messages: text content blocks must be non-empty")
            if message["role"] == "assistant":
                thought = bool(blocks) and blocks[0]["type"] in ("thinking", "redacted_thinking")
                open_calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
                continue
            if message["role"] != "user":
                raise BadRequest("messages: role must be user or assistant")
            if {block["tool_use_id"] for block in results} != open_calls:
                raise BadRequest("tool_use ids were found without tool_result blocks immediately after, or none")
            last, open_calls = text, set()
            result = returned if results and not text else None
        if (body.get("thinking") or {}).get("type") == "enabled" and results and not thought:
            raise BadRequest("Expected `thinking` or `redacted_thinking`, but found `tool_use`")
        tools = tuple(tool["name"] for tool in body.get("tools") or ())
        choice = body.get("tool_choice") or {"type": "auto"}
        return Question(
            model=required(body, "model", str),
            prompt=words(said),
            last=last,
            tools=() if choice["type"] == "none" else tools,
            choice=choice.get("name", "") if choice["type"] == "tool" else tools[0] if choice["type"] == "any" else "",
            result=result,
            limit=required(body, "max_tokens", int),
            stream=body.get("stream") is True,
        )

    def whole(self, plan: Plan) -> Json:
        content: list[Json] = []
        if plan.thinking:
            content.append({"type": "thinking", "thinking": "".join(plan.thinking), "signature": SIGNATURE})
        if plan.text:
            content.append({"type": "text", "text": plan.text})
        for call in plan.calls:
            arguments = orjson.loads(call.arguments)
            content.append({"type": "tool_use", "id": _id(call.id), "name": call.name, "input": arguments})
        return {**_head(plan), "content": content, "stop_reason": FINISH[plan.finish], "usage": _usage(plan.told)}

    def frames(self, plan: Plan) -> Iterator[Frame]:
        first = None if plan.told is None else Count(plan.told.input, 1, plan.told.cache_read, plan.told.cache_write)
        message = {**_head(plan), "content": [], "stop_reason": None, "usage": _usage(first)}
        yield Frame(event({"type": "message_start", "message": message}, "message_start"))
        yield Frame(event({"type": "ping"}, "ping"))
        index = 0
        if plan.thinking:
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in plan.thinking]
            signed = {"type": "signature_delta", "signature": SIGNATURE}
            yield from _block(index, {"type": "thinking", "thinking": "", "signature": ""}, deltas, signed)
            index += 1
        if plan.pieces:
            deltas = [{"type": "text_delta", "text": piece} for piece in plan.pieces]
            yield from _block(index, {"type": "text", "text": ""}, deltas)
            index += 1
        for call in plan.calls:
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in call.pieces]
            begin = {"type": "tool_use", "id": _id(call.id), "name": call.name, "input": {}}
            yield from _block(index, begin, deltas)
            index += 1
        end: Json = {"type": "message_delta", "delta": {"stop_reason": FINISH[plan.finish], "stop_sequence": None}}
        if plan.told is not None:
            end["usage"] = {"output_tokens": plan.told.output}
        yield Frame(event(end, "message_delta"))
        yield Frame(event({"type": "message_stop"}, "message_stop"))

    def failure(self, status: int, kind: str) -> tuple[int, Json]:
        usual, type_, message = FAILURES[kind]
        error = {"type": "error", "error": {"type": type_, "message": message}, "request_id": "req_double"}
        return (usual if kind == "overloaded" else status), error

    def failure_frame(self, kind: str) -> bytes:
        return event(self.failure(500, kind)[1], "error")


def _head(plan: Plan) -> Json:
    same = {"type": "message", "role": "assistant", "model": plan.model}
    return {"id": f"msg_{plan.id}", **same, "stop_sequence": None}


def _id(call: str) -> str:
    return call.replace("call_", "toolu_")


def _block(index: int, begin: Json, deltas: list[Json], last: Json | None = None) -> Iterator[Frame]:
    start = {"type": "content_block_start", "index": index, "content_block": begin}
    yield Frame(event(start, "content_block_start"))
    for delta in deltas:
        yield Frame(event({"type": "content_block_delta", "index": index, "delta": delta}, "content_block_delta"), 1)
    if last is not None:
        yield Frame(event({"type": "content_block_delta", "index": index, "delta": last}, "content_block_delta"))
    yield Frame(event({"type": "content_block_stop", "index": index}, "content_block_stop"))


def _usage(told: Count | None) -> Json:
    """What the cache holds is not part of `input_tokens` here. One that tells nothing leaves the object empty."""
    if told is None:
        return {}
    return {
        "input_tokens": told.input - told.cache_read - told.cache_write,
        "cache_read_input_tokens": told.cache_read,
        "cache_creation_input_tokens": told.cache_write,
        "output_tokens": told.output,
    }
