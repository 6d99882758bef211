"""The everything server's tools that ask their client: elicitation, sampling and roots, in one round or several.

The conformance suite calls some of these in one era only; all of them work in both (`Call.ask`).
"""

from __future__ import annotations

import json
from typing import Any

from mcp_types import (
    CallToolResult,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    GetPromptResult,
    InputRequest,
    InputRequiredResult,
    InputResponse,
    ListRootsRequest,
    ListRootsResult,
    PromptMessage,
    SamplingMessage,
    TextContent,
)

from tests.upstreams.fixture import Call, ToolSpec, object_schema, text, tool

Reply = CallToolResult | InputRequiredResult

NAME = object_schema({"name": {"type": "string"}}, "name")
COLOR = object_schema({"color": {"type": "string"}}, "color")
CONFIRM = object_schema({"ok": {"type": "boolean"}}, "ok")
CONTEXT = object_schema({"context": {"type": "string"}}, "context")
RESPONSE = object_schema({"response": {"type": "string", "description": "User's response"}}, "response")
DEFAULTS = object_schema(
    {
        "name": {"type": "string", "description": "User name", "default": "John Doe"},
        "age": {"type": "integer", "description": "User age", "default": 30},
        "score": {"type": "number", "description": "User score", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "description": "Verification status", "default": True},
    }
)
ENUMS = object_schema(
    {
        "untitledSingle": {"type": "string", "enum": ["red", "green", "blue"]},
        "titledSingle": {
            "type": "string",
            "oneOf": [{"const": "low", "title": "Low priority"}, {"const": "high", "title": "High priority"}],
        },
        "legacyEnum": {"type": "string", "enum": ["s", "m", "l"], "enumNames": ["Small", "Medium", "Large"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["read", "write", "run"]}},
        "titledMulti": {
            "type": "array",
            "items": {"anyOf": [{"const": "bug", "title": "Bug fix"}, {"const": "docs", "title": "Documentation"}]},
        },
    }
)


def form(message: str, schema: dict[str, Any]) -> ElicitRequest:
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(prompt: str, max_tokens: int = 100) -> CreateMessageRequest:
    messages = [SamplingMessage(role="user", content=TextContent(type="text", text=prompt))]
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=messages, max_tokens=max_tokens))


def field_of(answer: InputResponse, name: str) -> Any:
    """A field of an accepted form; None when the user declined or left it out."""
    return answer.content.get(name) if isinstance(answer, ElicitResult) and answer.content else None


def text_of(answer: InputResponse) -> str:
    if isinstance(answer, CreateMessageResult) and isinstance(answer.content, TextContent):
        return answer.content.text
    return "(no text)"


async def sampling(call: Call) -> Reply:
    answers = await call.ask({"answer": sample(str(call.arguments.get("prompt", "")))})
    if isinstance(answers, InputRequiredResult):
        return answers
    return text(f"LLM response: {text_of(answers['answer'])}")


async def _elicited(call: Call, message: str, schema: dict[str, Any]) -> Reply:
    answers = await call.ask({"answer": form(message, schema)})
    if isinstance(answers, InputRequiredResult):
        return answers
    answer = answers["answer"]
    assert isinstance(answer, ElicitResult)
    return text(f"User response: action={answer.action}, content={json.dumps(answer.content or {})}")


async def elicitation(call: Call) -> Reply:
    return await _elicited(call, str(call.arguments.get("message", "")), RESPONSE)


async def streaming_elicitation(call: Call) -> Reply:
    await call.progress(0, 1, "about to ask")
    return await _elicited(call, "Please answer", RESPONSE)


async def elicitation_defaults(call: Call) -> Reply:
    return await _elicited(call, "Please review the defaults", DEFAULTS)


async def elicitation_enums(call: Call) -> Reply:
    return await _elicited(call, "Please choose", ENUMS)


async def ask_name(call: Call) -> Reply:
    answers = await call.ask({"user_name": form("What is your name?", NAME)})
    if isinstance(answers, InputRequiredResult):
        return answers
    return text(f"Hello, {field_of(answers['user_name'], 'name')}!")


async def ask_capital(call: Call) -> Reply:
    answers = await call.ask({"capital_question": sample("What is the capital of France?")})
    if isinstance(answers, InputRequiredResult):
        return answers
    return text(f"The model said: {text_of(answers['capital_question'])}")


async def ask_roots(call: Call) -> Reply:
    answers = await call.ask({"client_roots": ListRootsRequest()})
    if isinstance(answers, InputRequiredResult):
        return answers
    roots = answers["client_roots"]
    return text(f"Roots: {[str(root.uri) for root in roots.roots] if isinstance(roots, ListRootsResult) else []}")


async def ask_with_state(call: Call) -> Reply:
    answers = await call.ask({"confirm": form("Please confirm", CONFIRM)}, state="the state of round one")
    if isinstance(answers, InputRequiredResult):
        return answers
    if call.modern and call.state != "the state of round one":
        return text("the state did not come back", is_error=True)
    return text("state-ok: confirmation received")


async def ask_several(call: Call) -> Reply:
    requests: dict[str, InputRequest] = {
        "user_name": form("What is your name?", NAME),
        "greeting": sample("Generate a greeting", 50),
        "client_roots": ListRootsRequest(),
    }
    answers = await call.ask(requests, state="several")
    return answers if isinstance(answers, InputRequiredResult) else text("All inputs received")


async def ask_in_rounds(call: Call) -> Reply:
    """Round 1 asks for a name, round 2 for a colour; the new era keeps what it knows in the request state."""
    known: dict[str, Any] = json.loads(call.state) if call.state else {}
    if "name" not in known:
        first = await call.ask({"step1": form("Step 1: What is your name?", NAME)}, state=json.dumps({"round": 1}))
        if isinstance(first, InputRequiredResult):
            return first
        known = {"round": 2, "name": field_of(first["step1"], "name")}
    second = await call.ask({"step2": form("Step 2: What is your favourite colour?", COLOR)}, state=json.dumps(known))
    if isinstance(second, InputRequiredResult):
        return second
    return text(f"{known['name']} likes {field_of(second['step2'], 'color')}")


async def ask_what_is_declared(call: Call) -> Reply:
    declared = call.ctx.session.client_capabilities
    requests: dict[str, InputRequest] = {}
    if declared is not None and declared.sampling is not None:
        requests["sample"] = sample("Say hello", 50)
    if declared is not None and declared.elicitation is not None:
        requests["ask"] = form("What is your name?", NAME)
    answers = await call.ask(requests, state="declared") if requests else {}
    return answers if isinstance(answers, InputRequiredResult) else text(f"Asked for {sorted(requests)}")


async def context_prompt(call: Call) -> GetPromptResult | InputRequiredResult:
    answers = await call.ask({"user_context": form("What context should the prompt use?", CONTEXT)})
    if isinstance(answers, InputRequiredResult):
        return answers
    wanted = f"Use this context: {field_of(answers['user_context'], 'context')}"
    return GetPromptResult(messages=[PromptMessage(role="user", content=TextContent(type="text", text=wanted))])


def asking_tools() -> list[ToolSpec]:
    prompt = object_schema({"prompt": {"type": "string"}}, "prompt")
    message = object_schema({"message": {"type": "string"}}, "message")
    rounds = "test_input_required_result_"
    return [
        tool("test_sampling", "Has the client's model answer a prompt", sampling, prompt),
        tool("test_elicitation", "Asks the user one question", elicitation, message),
        tool("test_streaming_elicitation", "Reports progress, then asks the user", streaming_elicitation),
        tool("test_elicitation_sep1034_defaults", "Asks with a default of every type", elicitation_defaults),
        tool("test_elicitation_sep1330_enums", "Asks with every form of enumeration", elicitation_enums),
        tool(f"{rounds}elicitation", "Asks the user's name", ask_name),
        tool(f"{rounds}sampling", "Asks the client's model", ask_capital),
        tool(f"{rounds}list_roots", "Asks for the client's roots", ask_roots),
        tool(f"{rounds}request_state", "Gives out state and wants it back", ask_with_state),
        tool(f"{rounds}multiple_inputs", "Asks for three things at once", ask_several),
        tool(f"{rounds}multi_round", "Asks twice, one after the other", ask_in_rounds),
        tool(f"{rounds}tampered_state", "Gives out state that must come back unchanged", ask_with_state),
        tool(f"{rounds}capabilities", "Asks only for what the client declared", ask_what_is_declared),
    ]
