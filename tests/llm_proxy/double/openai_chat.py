"""OpenAI chat completions, as the double speaks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.llm_proxy.double.question import BadRequest, Count, Plan, Question, words
from tests.llm_proxy.double.wire import Frame, event, required, texts

Json = dict[str, Any]
CREATED = 1_790_000_000
FINISH = {"stop": "stop", "length": "length", "tool_use": "tool_calls"}
FAILURES = {
    "rate_limit": (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests"),
    "overloaded": (503, "server_error", "server_overloaded", "The engine is currently overloaded"),
    "context": (
        400, "invalid_request_error", "context_length_exceeded", "This model's maximum context length is 8 tokens",
    ),
    "filtered": (400, "invalid_request_error", "content_filter", "The prompt was filtered"),
    "authentication": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided"),
    "invalid": (400, "invalid_request_error", None, "The request is wrong"),
    "server": (500, "server_error", None, "The server had an error"),
}  # fmt: skip


class OpenAIErrors:
    """Errors of all of this provider's endpoints."""

    def failure(self, status: int, kind: str) -> tuple[int, Json]:
        _, type_, code, message = FAILURES[kind]
        return status, {"error": {"message": message, "type": type_, "param": None, "code": code}}

    def failure_frame(self, kind: str) -> bytes:
        return event(self.failure(500, kind)[1])


class Chat(OpenAIErrors):
    """`POST /v1/chat/completions`."""

    def question(self, path: str, headers: Mapping[str, str], body: Json) -> Question:
        messages = required(body, "messages", list)
        said, last, result = [], "", None
        open_calls: set[str] = set()
        for message in messages:
            text = words(texts(message.get("content"), "text"))
            said.append(text)
            role = message["role"]
            if role == "tool":
                if message["tool_call_id"] not in open_calls:
                    raise BadRequest("a tool message must follow the message with its tool call")
                result = text if result is None else words((result, text))
                continue
            result = None
            if role == "user":
                last = text
            elif role == "assistant":
                if "thinking_blocks" in message:
                    raise BadRequest("Additional properties are not allowed ('thinking_blocks' was unexpected)")
                open_calls = {call["id"] for call in message.get("tool_calls") or ()}
        choice = body.get("tool_choice")
        tools = tuple(tool["function"]["name"] for tool in body.get("tools") or ())
        return Question(
            model=required(body, "model", str),
            prompt=words(said),
            last=last,
            tools=() if choice == "none" else tools,
            choice=_forced(choice, tools),
            result=result,
            limit=body.get("max_completion_tokens") or body.get("max_tokens"),
            choices=body.get("n") or 1,
            stream=body.get("stream") is True,
            tells_usage=body.get("stream") is not True or bool((body.get("stream_options") or {}).get("include_usage")),
        )

    def whole(self, plan: Plan) -> Json:
        message: Json = {"role": "assistant", "content": plan.text or None, "refusal": None, "annotations": []}
        if plan.thinking:
            message["reasoning_content"] = "".join(plan.thinking)
        if plan.calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in plan.calls
            ]
        end = {"logprobs": None, "finish_reason": FINISH[plan.finish]}
        choices = [{"index": index, "message": message, **end} for index in range(plan.question.choices)]
        body = {"id": f"chatcmpl-{plan.id}", "object": "chat.completion", "created": CREATED, "model": plan.model}
        return {**body, "choices": choices, **({"usage": usage(plan.told)} if plan.told else {})}

    def frames(self, plan: Plan) -> Iterator[Frame]:
        same = {"id": f"chatcmpl-{plan.id}", "object": "chat.completion.chunk", "created": CREATED, "model": plan.model}
        tail: Json = {"usage": None} if plan.question.tells_usage else {}

        def chunk(index: int, delta: Json, finish: str | None = None) -> bytes:
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            return event({**same, "choices": [choice], **tail})

        for index in range(plan.question.choices):
            yield Frame(chunk(index, {"role": "assistant", "content": "", "refusal": None}))
            for piece in plan.thinking:
                yield Frame(chunk(index, {"reasoning_content": piece}), 1)
            for piece in plan.pieces:
                yield Frame(chunk(index, {"content": piece}), 1)
            for number, call in enumerate(plan.calls):
                begin = {"index": number, "id": call.id, "type": "function"}
                function = {"name": call.name, "arguments": ""}
                yield Frame(chunk(index, {"tool_calls": [{**begin, "function": function}]}))
                for piece in call.pieces:
                    yield Frame(chunk(index, {"tool_calls": [{"index": number, "function": {"arguments": piece}}]}), 1)
            yield Frame(chunk(index, {}, FINISH[plan.finish]))
        if plan.told is not None and plan.question.tells_usage:
            yield Frame(event({**same, "choices": [], "usage": usage(plan.told)}))
        yield Frame(b"data: [DONE]\n\n")


def _forced(choice: Any, tools: tuple[str, ...]) -> str:
    if isinstance(choice, dict):
        return str(choice["function"]["name"])
    return tools[0] if choice == "required" and tools else ""


def usage(told: Count) -> Json:
    """A `usage` object."""
    prompt = {"cached_tokens": told.cache_read, "cache_write_tokens": told.cache_write, "audio_tokens": 0}
    return {
        "prompt_tokens": told.input,
        "completion_tokens": told.output,
        "total_tokens": told.input + told.output,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": told.reasoning, "audio_tokens": 0},
    }
