"""`Completion` → the body of a `generateContent` request. Pure.

Dropped, because this API has no such thing: `parallel_tools`, `strict` of tools and of a format, its name and
description, `user`. The model stands in the path, and so does whether the answer is streamed.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.completion.request import Completion, OneTool, Tool, ToolChoice
from llm_proxy.providers.gemini.contents import contents, system_instruction
from llm_proxy.providers.gemini.thinking import thinking

Json = dict[str, Any]


def request(completion: Completion, model: str) -> Json:
    """Raises `Invalid` for what this API cannot say."""
    body: Json = {
        "systemInstruction": system_instruction(completion.messages),
        "contents": contents(completion.messages),
        "generationConfig": _generation(completion, model),
    }
    if completion.tools:
        body["tools"] = [{"functionDeclarations": [_tool(tool) for tool in completion.tools]}]
        if completion.tool_choice is not None:
            body["toolConfig"] = {"functionCallingConfig": _choice(completion.tool_choice)}
    return {key: value for key, value in body.items() if value}


def _generation(completion: Completion, model: str) -> Json:
    format = completion.format
    config: Json = {
        "maxOutputTokens": completion.max_tokens,
        "temperature": completion.temperature,
        "topP": completion.top_p,
        "topK": completion.top_k,
        "stopSequences": list(completion.stop) or None,
        "candidateCount": completion.choices if completion.choices > 1 else None,
        "seed": completion.seed,
        "presencePenalty": completion.presence_penalty,
        "frequencyPenalty": completion.frequency_penalty,
        "responseMimeType": None if format is None else "application/json",
        "responseJsonSchema": None if format is None else format.schema,
        "thinkingConfig": thinking(completion.effort, model),
    }
    return {key: value for key, value in config.items() if value is not None}


def _tool(tool: Tool) -> Json:
    declared: Json = {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}
    return {key: value for key, value in declared.items() if value}


def _choice(choice: ToolChoice) -> Json:
    match choice:
        case OneTool(name):
            return {"mode": "ANY", "allowedFunctionNames": [name]}
        case "required":
            return {"mode": "ANY"}
        case "none":
            return {"mode": "NONE"}
        case "auto":
            return {"mode": "AUTO"}
