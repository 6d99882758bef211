"""The rows of the table of what translates: content, tools, parameters. What the words mean stands in `features`."""

from __future__ import annotations

from typing import Any, Final

from tests.llm_proxy.plane.features import (
    CHAT_TOOL,
    HI,
    MESSAGES_TOOL,
    RESPONSES_TOOL,
    SCHEMA,
    TOOLS,
    Dropped,
    Feature,
    Refused,
    Sent,
    both,
    called,
    chat,
    messages,
    responses,
)

PNG: Final = "iVBORw0KGgo="
IMAGE: Final = "https://pictures.example.com/cat.png"
PDF: Final = "JVBERi0xLjQ="
PAPER: Final = "https://papers.example.com/a.pdf"
WAV: Final = "UklGRg=="
_INLINE: Final = f"data:image/png;base64,{PNG}"
_FORMAT: Final[dict[str, Any]] = {"name": "place", "schema": SCHEMA, "strict": True}
_LARGE: Final = 20_000


def _image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def _block(kind: str, **source: str) -> dict[str, Any]:
    return {"type": kind, "source": source}


CONTENT: Final = (
    Feature(
        "system prompt",
        {"chat": "`system`, `developer`", "responses": "`instructions`", "messages": "`system`"},
        {
            "chat": {"messages": [{"role": "system", "content": "Be kind."}, HI]},
            "responses": {"instructions": "Be kind."},
            "messages": {"system": "Be kind."},
        },
        Sent({"/messages/0": {"role": "system", "content": "Be kind."}}),
        Sent({"/system": [{"type": "text", "text": "Be kind."}]}),
        Sent({"/systemInstruction": {"parts": [{"text": "Be kind."}]}}),
    ),
    Feature(
        "image, inline",
        {"chat": "`image_url`", "responses": "`input_image`", "messages": "`image`"},
        {
            "chat": chat(_image(_INLINE)),
            "responses": responses({"type": "input_image", "image_url": _INLINE, "detail": "auto"}),
            "messages": messages(_block("image", type="base64", media_type="image/png", data=PNG)),
        },
        Sent({"/messages/0/content/1": _image(_INLINE)}),
        Sent({"/messages/0/content/1": _block("image", type="base64", media_type="image/png", data=PNG)}),
        Sent({"/contents/0/parts/1": {"inlineData": {"mimeType": "image/png", "data": PNG}}}),
    ),
    Feature(
        "image by URL",
        {"chat": "`image_url`", "responses": "`input_image`", "messages": "`image`"},
        {
            "chat": chat(_image(IMAGE)),
            "responses": responses({"type": "input_image", "image_url": IMAGE, "detail": "auto"}),
            "messages": messages(_block("image", type="url", url=IMAGE)),
        },
        Sent({"/messages/0/content/1": _image(IMAGE)}),
        Sent({"/messages/0/content/1": _block("image", type="url", url=IMAGE)}),
        Sent({"/contents/0/parts/1": {"fileData": {"fileUri": IMAGE}}}),
    ),
    Feature(
        "PDF, inline",
        {"chat": "`file`", "responses": "`input_file`", "messages": "`document`"},
        {
            "chat": chat(
                {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}}
            ),
            "responses": responses(
                {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
            ),
            "messages": messages(
                {**_block("document", type="base64", media_type="application/pdf", data=PDF), "title": "a.pdf"}
            ),
        },
        Sent({"/messages/0/content/1/file/file_data": f"data:application/pdf;base64,{PDF}"}),
        Sent(
            {
                "/messages/0/content/1/source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                "/messages/0/content/1/title": "a.pdf",
            }
        ),
        Sent({"/contents/0/parts/1": {"inlineData": {"mimeType": "application/pdf", "data": PDF}}}),
    ),
    Feature(
        "PDF by URL",
        {"responses": "`input_file`", "messages": "`document`"},
        {
            "responses": responses({"type": "input_file", "file_url": PAPER}),
            "messages": messages(_block("document", type="url", url=PAPER)),
        },
        Refused(),
        Sent({"/messages/0/content/1": _block("document", type="url", url=PAPER)}),
        Sent({"/contents/0/parts/1": {"fileData": {"mimeType": "application/pdf", "fileUri": PAPER}}}),
    ),
    Feature(
        "file that is stored at a provider",
        {"chat": "`file_id`", "responses": "`file_id`", "messages": "`file`"},
        {
            "chat": chat({"type": "file", "file": {"file_id": "file-1"}}),
            "responses": responses({"type": "input_file", "file_id": "file-1"}),
            "messages": messages(_block("document", type="file", file_id="file_1")),
        },
        Refused(),
        Refused(),
        Refused(),
    ),
    Feature(
        "sound",
        {"chat": "`input_audio`", "responses": "`input_audio`"},
        {
            "chat": chat({"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}),
            "responses": responses({"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}),
        },
        Sent({"/messages/0/content/1": {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}}),
        Refused(),
        Sent({"/contents/0/parts/1": {"inlineData": {"mimeType": "audio/wav", "data": WAV}}}),
    ),
    Feature(
        "citations of documents",
        {"messages": "`citations`"},
        {
            "messages": messages(
                {**_block("document", type="url", url=PAPER), "citations": {"enabled": True}},
            )
        },
        Refused(),
        None,
        Refused(),
    ),
)

_DECLARED: Final[dict[str, Any]] = {"name": "weather", "parametersJsonSchema": SCHEMA}

TOOLING: Final = (
    Feature(
        "tools",
        dict.fromkeys(("chat", "responses", "messages"), "`tools`"),
        TOOLS,
        Sent({"/tools/0/function/name": "weather", "/tools/0/function/parameters": SCHEMA}),
        Sent({"/tools/0/name": "weather", "/tools/0/input_schema": SCHEMA}),
        Sent({"/tools": [{"functionDeclarations": [_DECLARED]}]}),
    ),
    Feature(
        "a certain tool",
        dict.fromkeys(("chat", "responses", "messages"), "`tool_choice`"),
        {
            "chat": {"tools": [CHAT_TOOL], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
            "responses": {"tools": [RESPONSES_TOOL], "tool_choice": {"type": "function", "name": "weather"}},
            "messages": {"tools": [MESSAGES_TOOL], "tool_choice": {"type": "tool", "name": "weather"}},
        },
        Sent({"/tool_choice": {"type": "function", "function": {"name": "weather"}}}),
        Sent({"/tool_choice": {"type": "tool", "name": "weather"}}),
        Sent({"/toolConfig/functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}}),
    ),
    Feature(
        "one call at a time",
        {
            "chat": "`parallel_tool_calls`",
            "responses": "`parallel_tool_calls`",
            "messages": "`disable_parallel_tool_use`",
        },
        {
            "chat": {**TOOLS["chat"], "parallel_tool_calls": False},
            "responses": {**TOOLS["responses"], "parallel_tool_calls": False},
            "messages": {**TOOLS["messages"], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        },
        Sent({"/parallel_tool_calls": False}),
        Sent({"/tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}),
        Dropped(),
    ),
    Feature(
        "several calls and their results",
        {"chat": "`tool`", "responses": "`function_call_output`", "messages": "`tool_result`"},
        {dialect: called(dialect) for dialect in ("chat", "responses", "messages")},
        Sent(both("openai")),
        Sent(both("anthropic")),
        Sent(both("gemini")),
    ),
    Feature(
        "result of a tool that failed",
        {"messages": "`is_error`"},
        {"messages": called("messages", is_error=True)},
        Sent(both("openai", "[tool error] cold"), "as text"),
        None,
        Sent({"/contents/2/parts/0/functionResponse/response": {"error": "cold"}}),
    ),
    Feature(
        "image in a result",
        {"responses": "`output`", "messages": "`tool_result`"},
        {
            "responses": called("responses", [{"type": "input_image", "image_url": _INLINE, "detail": "auto"}]),
            "messages": called("messages", [_block("image", type="base64", media_type="image/png", data=PNG)]),
        },
        Sent({"/messages/2/content": "", "/messages/4/content/1": _image(_INLINE)}, "behind the result"),
        Sent({"/messages/2/content/0/content/0/source/data": PNG}),
        Sent({"/contents/2/parts/2/inlineData/data": PNG}, "behind the result"),
    ),
    Feature(
        "tools that a provider runs",
        {"chat": "`web_search_options`", "responses": "`web_search`, …", "messages": "`web_search_…`, …"},
        {
            "chat": {"web_search_options": {}},
            "responses": {"tools": [{"type": "web_search"}]},
            "messages": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        },
        Refused(),
        Refused(),
        Refused(),
    ),
)

PARAMETERS: Final = (
    Feature(
        "JSON that fits a schema",
        {"chat": "`response_format`", "responses": "`text.format`", "messages": "`output_config.format`"},
        {
            "chat": {"response_format": {"type": "json_schema", "json_schema": _FORMAT}},
            "responses": {"text": {"format": {"type": "json_schema", **_FORMAT}}},
            "messages": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        },
        Sent({"/response_format/type": "json_schema", "/response_format/json_schema/schema": SCHEMA}),
        Sent({"/output_config/format": {"type": "json_schema", "schema": SCHEMA}}),
        Sent(
            {
                "/generationConfig/responseMimeType": "application/json",
                "/generationConfig/responseJsonSchema": SCHEMA,
            }
        ),
    ),
    Feature(
        "any JSON",
        {"chat": "`json_object`", "responses": "`json_object`"},
        {
            "chat": {"response_format": {"type": "json_object"}},
            "responses": {"text": {"format": {"type": "json_object"}}},
        },
        Sent({"/response_format": {"type": "json_object"}}),
        Refused(),
        Sent({"/generationConfig/responseMimeType": "application/json"}),
    ),
    Feature(
        "effort of thinking",
        {"chat": "`reasoning_effort`", "responses": "`reasoning.effort`", "messages": "`thinking`, `effort`"},
        {
            "chat": {"reasoning_effort": "medium", "max_completion_tokens": _LARGE},
            "responses": {"reasoning": {"effort": "medium"}, "max_output_tokens": _LARGE},
            "messages": {"thinking": {"type": "enabled", "budget_tokens": 8192}, "max_tokens": _LARGE},
        },
        Sent({"/reasoning_effort": "medium"}),
        Sent({"/thinking": {"type": "enabled", "budget_tokens": 8192}}),
        Sent({"/generationConfig/thinkingConfig": {"includeThoughts": True, "thinkingLevel": "medium"}}),
    ),
    Feature(
        "limit of tokens",
        {"chat": "`max_completion_tokens`", "responses": "`max_output_tokens`", "messages": "`max_tokens`"},
        {
            "chat": {"max_completion_tokens": 77},
            "responses": {"max_output_tokens": 77},
            "messages": {"max_tokens": 77},
        },
        Sent({"/max_completion_tokens": 77}),
        Sent({"/max_tokens": 77}),
        Sent({"/generationConfig/maxOutputTokens": 77}),
    ),
    Feature(
        "stop sequences",
        {"chat": "`stop`", "messages": "`stop_sequences`"},
        {"chat": {"stop": ["END"]}, "messages": {"stop_sequences": ["END"]}},
        Sent({"/stop": ["END"]}),
        Sent({"/stop_sequences": ["END"]}),
        Sent({"/generationConfig/stopSequences": ["END"]}),
    ),
    Feature(
        "temperature",
        dict.fromkeys(("chat", "responses", "messages"), "`temperature`"),
        {
            "chat": {"temperature": 0.5},
            "responses": {"temperature": 0.5},
            "messages": {"extra_body": {"temperature": 0.5}},
        },
        Sent({"/temperature": 0.5}),
        Sent({"/temperature": 0.5}),
        Sent({"/generationConfig/temperature": 0.5}),
    ),
    Feature(
        "nucleus",
        dict.fromkeys(("chat", "responses", "messages"), "`top_p`"),
        {
            "chat": {"top_p": 0.9},
            "responses": {"top_p": 0.9},
            "messages": {"extra_body": {"top_p": 0.9}},
        },
        Sent({"/top_p": 0.9}),
        Sent({"/top_p": 0.9}),
        Sent({"/generationConfig/topP": 0.9}),
    ),
    Feature(
        "top k",
        {"chat": "`top_k`", "messages": "`top_k`"},
        {"chat": {"extra_body": {"top_k": 7}}, "messages": {"extra_body": {"top_k": 7}}},
        Dropped(),
        Sent({"/top_k": 7}),
        Sent({"/generationConfig/topK": 7}),
    ),
    Feature(
        "several answers",
        {"chat": "`n`"},
        {"chat": {"n": 3}},
        None,
        Refused(),
        Sent({"/generationConfig/candidateCount": 3}),
    ),
    Feature(
        "seed",
        {"chat": "`seed`"},
        {"chat": {"seed": 7}},
        None,
        Dropped(),
        Sent({"/generationConfig/seed": 7}),
    ),
    Feature(
        "penalties",
        {"chat": "`presence_penalty`, `frequency_penalty`"},
        {"chat": {"presence_penalty": 0.25, "frequency_penalty": 0.5}},
        None,
        Dropped(),
        Sent({"/generationConfig": {"presencePenalty": 0.25, "frequencyPenalty": 0.5}}),
    ),
    Feature(
        "probabilities of tokens",
        {"chat": "`logprobs`, `logit_bias`", "responses": "`top_logprobs`"},
        {"chat": {"logprobs": True, "top_logprobs": 2}, "responses": {"top_logprobs": 2}},
        Refused(),
        Refused(),
        Refused(),
    ),
    Feature(
        "who asks",
        {"chat": "`user`", "responses": "`user`", "messages": "`metadata.user_id`"},
        {"chat": {"user": "u-1"}, "responses": {"user": "u-1"}, "messages": {"metadata": {"user_id": "u-1"}}},
        Sent({"/user": "u-1"}),
        Sent({"/metadata/user_id": "u-1"}),
        Dropped(),
    ),
    Feature(
        "hints to caches, storage, tiers",
        {
            "chat": "`store`, `metadata`, `service_tier`, `prompt_cache_key`",
            "responses": "the same",
            "messages": "`cache_control`, `service_tier`",
        },
        {
            "chat": {"store": True, "metadata": {"a": "b"}, "service_tier": "auto", "prompt_cache_key": "k"},
            "responses": {"store": True, "metadata": {"a": "b"}, "service_tier": "auto", "prompt_cache_key": "k"},
            "messages": {"cache_control": {"type": "ephemeral"}, "service_tier": "auto"},
        },
        Dropped(),
        Dropped(),
        Dropped(),
    ),
    Feature(
        "earlier answers by their id",
        {"responses": "`previous_response_id`, `conversation`"},
        {"responses": {"previous_response_id": "resp_1"}},
        Refused(),
        Refused(),
        Refused(),
    ),
    Feature(
        "parameters that nobody knows",
        dict.fromkeys(("chat", "responses", "messages"), "any"),
        {dialect: {"extra_body": {"zeal": 11}} for dialect in ("chat", "responses", "messages")},
        Refused(),
        Refused(),
        Refused(),
    ),
)

FEATURES: Final = (*CONTENT, *TOOLING, *PARAMETERS)
