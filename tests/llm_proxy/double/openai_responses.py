"""OpenAI responses, as the double speaks them: stateless, with functions as the only tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.llm_proxy.double.openai_chat import CREATED, FAILURES, OpenAIErrors
from tests.llm_proxy.double.question import BadRequest, Call, Count, Plan, Question, words
from tests.llm_proxy.double.wire import Frame, event, required, texts

Json = dict[str, Any]
PROOF = "cHJvb2YgYnkgdGhlIGRvdWJsZQ=="


class Responses(OpenAIErrors):
    """`POST /v1/responses`."""

    def question(self, path: str, headers: Mapping[str, str], body: Json) -> Question:
        given = body.get("input")
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        if not items:
            raise BadRequest("input is required")
        said, last, result = [body.get("instructions") or ""], "", None
        open_calls: set[str] = set()
        for item in items:
            kind = item.get("type", "message")
            if kind == "message":
                text = words(texts(item["content"], "input_text", "output_text"))
                last, result = (text if item["role"] == "user" else last), None
            elif kind == "function_call":
                open_calls.add(item["call_id"])
                text, result = "", None
            elif kind == "function_call_output":
                if item["call_id"] not in open_calls:
                    raise BadRequest(f"No tool call found for function call output with call_id {item['call_id']}.")
                text = words(texts(item["output"], "input_text"))
                result = text if result is None else words((result, text))
            elif kind == "reasoning":
                if item.get("encrypted_content", PROOF) not in (PROOF, None):
                    raise BadRequest("The encrypted content could not be verified.")
                text = ""
            else:
                raise BadRequest(f"Invalid value: {kind!r}")
            said.append(text)
        choice = body.get("tool_choice")
        tools = tuple(tool["name"] for tool in body.get("tools") or () if tool["type"] == "function")
        named = choice["name"] if isinstance(choice, dict) else tools[0] if choice == "required" and tools else ""
        return Question(
            model=required(body, "model", str),
            prompt=words(said),
            last=last,
            tools=() if choice == "none" else tools,
            choice=named,
            result=result,
            limit=body.get("max_output_tokens"),
            stream=body.get("stream") is True,
        )

    def whole(self, plan: Plan) -> Json:
        return _response(plan, _output(plan), "incomplete" if plan.finish == "length" else "completed")

    def frames(self, plan: Plan) -> Iterator[Frame]:
        number = 0

        def say(type_: str, tokens: int = 0, **rest: Any) -> Frame:
            nonlocal number
            number += 1
            return Frame(event({"type": type_, "sequence_number": number - 1, **rest}, type_), tokens)

        yield say("response.created", response=_response(plan, [], "in_progress"))
        yield say("response.in_progress", response=_response(plan, [], "in_progress"))
        output = _output(plan)
        for index, item in enumerate(output):
            place: Json = {"output_index": index, "item_id": item["id"]}
            yield say("response.output_item.added", output_index=index, item=_begun(item))
            if item["type"] == "message":
                part = {**place, "content_index": 0}
                empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
                yield say("response.content_part.added", **part, part=empty)
                for piece in plan.pieces:
                    yield say("response.output_text.delta", 1, **part, delta=piece, logprobs=[])
                yield say("response.output_text.done", **part, text=plan.text, logprobs=[])
                yield say("response.content_part.done", **part, part=item["content"][0])
            elif item["type"] == "reasoning":
                for piece in plan.thinking:
                    yield say("response.reasoning_summary_text.delta", 1, **place, summary_index=0, delta=piece)
            else:
                call = next(call for call in plan.calls if call.id == item["call_id"])
                for piece in call.pieces:
                    yield say("response.function_call_arguments.delta", 1, **place, delta=piece)
                done: Json = {"name": call.name, "arguments": call.arguments}
                yield say("response.function_call_arguments.done", **place, **done)
            yield say("response.output_item.done", output_index=index, item=item)
        status = "incomplete" if plan.finish == "length" else "completed"
        yield say(f"response.{status}", response=_response(plan, output, status))

    def failure_frame(self, kind: str) -> bytes:
        _, _, code, message = FAILURES[kind]
        said = {"type": "error", "code": code or "server_error", "message": message, "param": None}
        return event({**said, "sequence_number": 99}, "error")


def _response(plan: Plan, output: list[Json], status: str) -> Json:
    done = status != "in_progress"
    return {
        "id": f"resp_{plan.id}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None,
        "max_output_tokens": plan.question.limit,
        "model": plan.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(plan.told) if done and plan.told is not None else None,
        "metadata": {},
    }


def _output(plan: Plan) -> list[Json]:
    items: list[Json] = []
    if plan.thinking:
        summary = [{"type": "summary_text", "text": "".join(plan.thinking)}]
        items.append({"id": f"rs_{plan.id}", "type": "reasoning", "summary": summary, "encrypted_content": PROOF})
    if plan.text or not plan.calls:
        content = [{"type": "output_text", "text": plan.text, "annotations": [], "logprobs": []}]
        message: Json = {"id": f"msg_{plan.id}", "type": "message", "role": "assistant"}
        items.append({**message, "status": "completed", "content": content})
    return items + [_call(call, number) for number, call in enumerate(plan.calls)]


def _call(call: Call, number: int) -> Json:
    same = {"type": "function_call", "call_id": call.id, "name": call.name, "status": "completed"}
    return {"id": f"fc_{number}_{call.id}", **same, "arguments": call.arguments}


def _begun(item: Json) -> Json:
    empty: Json = {"message": {"content": []}, "reasoning": {"summary": []}, "function_call": {"arguments": ""}}
    return {**item, **empty[item["type"]], **({"status": "in_progress"} if "status" in item else {})}


def _usage(told: Count) -> Json:
    return {
        "input_tokens": told.input,
        "input_tokens_details": {"cached_tokens": told.cache_read, "cache_write_tokens": told.cache_write},
        "output_tokens": told.output,
        "output_tokens_details": {"reasoning_tokens": told.reasoning},
        "total_tokens": told.input + told.output,
    }
