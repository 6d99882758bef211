"""Gemini's native API, as the double speaks it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from tests.llm_proxy.double.openai_embeddings import vector
from tests.llm_proxy.double.question import BadRequest, Count, Plan, Question, words
from tests.llm_proxy.double.wire import Frame, event, required

Json = dict[str, Any]
FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "tool_use": "STOP"}
FAILURES = {
    "rate_limit": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "overloaded": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "context": (400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."),
    "filtered": (400, "INVALID_ARGUMENT", "The prompt was blocked"),
    "authentication": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "invalid": (400, "INVALID_ARGUMENT", "The request is wrong"),
    "server": (500, "INTERNAL", "An internal error has occurred."),
}
PATH = re.compile(
    r"/v1beta/models/(?P<model>[^/:]+):(?P<what>generateContent|streamGenerateContent|embedContent|batchEmbedContents)"
)
SIGNATURE = "dGhvdWdodCBieSB0aGUgZG91Ymxl"
UNCHECKED = "skip_thought_signature_validator"


class Gemini:
    """`POST /v1beta/models/{model}:…`."""

    def question(self, path: str, headers: Mapping[str, str], body: Json) -> Question:
        found = PATH.match(path)
        if found is None:
            raise BadRequest("no such method")
        if "mbed" in found["what"]:
            return _documents(found["model"], body, batch=found["what"] == "batchEmbedContents")
        said = [_text(body.get("systemInstruction") or body.get("system_instruction") or {})]
        last, result = "", None
        for content in required(body, "contents", list):
            text = _text(content)
            if any(part.get("thoughtSignature", SIGNATURE) not in (SIGNATURE, UNCHECKED) for part in content["parts"]):
                raise BadRequest("Thought signature is not valid.")
            results = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
            returned = words(_returned(one["response"]) for one in results)
            said += [returned, text]
            if content.get("role", "user") == "user":
                last, result = text, returned if results and not text else None
            elif content["role"] != "model":
                raise BadRequest("Please use a valid role: user, model.")
        declared = (one for tool in body.get("tools") or () for one in tool.get("functionDeclarations") or ())
        tools = tuple(one["name"] for one in declared)
        calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
        mode, allowed = calling.get("mode", "AUTO"), calling.get("allowedFunctionNames")
        settings = body.get("generationConfig") or {}
        return Question(
            model=found["model"],
            prompt=words(said),
            last=last,
            tools=() if mode == "NONE" else tools,
            choice=(allowed or tools)[0] if mode == "ANY" else "",
            result=result,
            limit=settings.get("maxOutputTokens"),
            choices=settings.get("candidateCount") or 1,
            stream=found["what"] == "streamGenerateContent",
        )

    def whole(self, plan: Plan) -> Json:
        documents = plan.question.documents
        if documents is not None:
            made = [{"values": vector(document)} for document in documents]
            return {"embeddings": made} if plan.question.choice == "batch" else {"embedding": made[0]}
        parts: list[Json] = []
        if plan.thinking:
            parts.append({"text": "".join(plan.thinking), "thought": True})
        if plan.text:
            parts.append({"text": plan.text})
        parts += [_call(plan, number) for number in range(len(plan.calls))]
        candidates = [
            {"content": {"parts": parts, "role": "model"}, "finishReason": FINISH[plan.finish], "index": index}
            for index in range(plan.question.choices)
        ]
        told = {"usageMetadata": _usage(plan.told)} if plan.told is not None else {}
        return {"candidates": candidates, **told, "modelVersion": plan.model, "responseId": plan.id}

    def frames(self, plan: Plan) -> Iterator[Frame]:
        same = {"modelVersion": plan.model, "responseId": plan.id}

        def chunk(index: int, part: Json, finish: str | None = None, told: Json | None = None) -> bytes:
            candidate: Json = {"content": {"parts": [part], "role": "model"}, "index": index}
            if finish is not None:
                candidate["finishReason"] = finish
            return event({"candidates": [candidate], **({"usageMetadata": told} if told else {}), **same})

        for index in range(plan.question.choices):
            for piece in plan.thinking:
                yield Frame(chunk(index, {"text": piece, "thought": True}), 1)
            for piece in plan.pieces:
                yield Frame(chunk(index, {"text": piece}), 1)
            for number, call in enumerate(plan.calls):
                yield Frame(chunk(index, _call(plan, number)), len(call.pieces))
            told = _usage(plan.told) if plan.told is not None and index == plan.question.choices - 1 else None
            yield Frame(chunk(index, {"text": ""}, FINISH[plan.finish], told))

    def failure(self, status: int, kind: str) -> tuple[int, Json]:
        usual, word, message = FAILURES[kind]
        status = usual if kind == "authentication" else status
        error: Json = {"code": status, "message": message, "status": word}
        if kind == "authentication":
            about = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "domain": "googleapis.com"}
            error["details"] = [{**about, "reason": "API_KEY_INVALID"}]
        return status, {"error": error}

    def failure_frame(self, kind: str) -> bytes:
        return event(self.failure(FAILURES[kind][0], kind)[1])


def _documents(model: str, body: Json, *, batch: bool) -> Question:
    asked = required(body, "requests", list) if batch else [body]
    documents = tuple(_text(required(one, "content", dict)) for one in asked)
    return Question(model=model, prompt=words(documents), documents=documents, choice="batch" if batch else "")


def _text(content: Json) -> str:
    return words(part["text"] for part in content.get("parts") or () if "text" in part and not part.get("thought"))


def _returned(response: Json) -> str:
    """What a tool said: Gemini takes an object, under whose names nobody agrees."""
    return words(value if isinstance(value, str) else orjson.dumps(value).decode() for value in response.values())


def _call(plan: Plan, number: int) -> Json:
    call = plan.calls[number]
    part: Json = {"functionCall": {"name": call.name, "args": orjson.loads(call.arguments)}}
    if plan.thinking and number == 0:
        part["thoughtSignature"] = SIGNATURE
    return part


def _usage(told: Count) -> Json:
    """What was thought is not part of `candidatesTokenCount` here."""
    return {
        "promptTokenCount": told.input,
        "candidatesTokenCount": told.output - told.reasoning,
        "thoughtsTokenCount": told.reasoning,
        "cachedContentTokenCount": told.cache_read,
        "totalTokenCount": told.input + told.output,
    }
