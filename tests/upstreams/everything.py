"""An MCP server with everything that the official conformance suite (0.2.0-alpha.12) looks for, in both eras.

Tasks are left out. Run it with `python -m tests.upstreams.everything --port 0 [--era both|modern|legacy] [--json]`
or `--transport stdio`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from mcp_types import (
    ContentBlock,
    GetPromptResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    Resource,
    ResourceTemplate,
    TextContent,
)

from tests.upstreams.everything_asking import asking_tools, context_prompt
from tests.upstreams.everything_content import content_tools, image_block, png, text_resource
from tests.upstreams.fixture import Call, Offer, PromptBody, PromptSpec, ResourceSpec, TemplateSpec, WideServer
from tests.upstreams.serving import build_server, main

NAME = "everything"


def _said(*blocks: ContentBlock) -> GetPromptResult:
    return GetPromptResult(messages=[PromptMessage(role="user", content=block) for block in blocks])


async def simple_prompt(call: Call) -> GetPromptResult:
    return _said(TextContent(type="text", text="This is a simple prompt for testing."))


async def prompt_with_arguments(call: Call) -> GetPromptResult:
    first, second = call.arguments["arg1"], call.arguments["arg2"]
    return _said(TextContent(type="text", text=f"Prompt with arguments: arg1='{first}', arg2='{second}'"))


async def prompt_with_resource(call: Call) -> GetPromptResult:
    resource = text_resource(call.arguments["resourceUri"], "text/plain", "Embedded resource content for testing.")
    return _said(resource, TextContent(type="text", text="Please process the embedded resource above."))


async def prompt_with_image(call: Call) -> GetPromptResult:
    return _said(image_block(), TextContent(type="text", text="Please analyze the image above."))


def _prompt(name: str, description: str, body: PromptBody, *arguments: str) -> PromptSpec:
    declared = [PromptArgument(name=a, description=f"Value of {a}", required=True) for a in arguments]
    return PromptSpec(Prompt(name=name, description=description, arguments=declared or None), body)


def prompts() -> list[PromptSpec]:
    return [
        _prompt("test_simple_prompt", "One message", simple_prompt),
        _prompt("test_prompt_with_arguments", "Two arguments", prompt_with_arguments, "arg1", "arg2"),
        _prompt("test_prompt_with_embedded_resource", "Embeds a resource", prompt_with_resource, "resourceUri"),
        _prompt("test_prompt_with_image", "Shows an image", prompt_with_image),
        _prompt("test_input_required_result_prompt", "Asks for its context first", context_prompt),
    ]


def _resource(name: str, description: str, mime_type: str, body: str | bytes) -> ResourceSpec:
    resource = Resource(uri=f"test://{name}", name=name, description=description, mime_type=mime_type)

    def read(variables: Mapping[str, str]) -> str | bytes:
        return body

    return ResourceSpec(resource, read)


def resources() -> list[ResourceSpec]:
    return [
        _resource("static-text", "A text", "text/plain", "This is the content of the static text resource."),
        _resource("static-binary", "An image", "image/png", png()),
        _resource("watched-resource", "Can be subscribed to", "text/plain", "Watched resource content"),
    ]


def _read_template(variables: Mapping[str, str]) -> str:
    return json.dumps({"id": variables["id"], "templateTest": True, "data": f"Data for ID: {variables['id']}"})


def templates() -> list[TemplateSpec]:
    template = ResourceTemplate(
        uri_template="test://template/{id}/data",
        name="template",
        description="Data of one id",
        mime_type="application/json",
    )
    return [TemplateSpec(template, r"test://template/(?P<id>[^/]+)/data", _read_template)]


def complete(ref: str, argument: str, value: str) -> list[str]:
    offered = ["paris", "park", "party"] if (ref, argument) == ("test_prompt_with_arguments", "arg1") else []
    return [word for word in offered if word.startswith(value)]


def make() -> WideServer:
    offer = Offer(
        tools={spec.tool.name: spec for spec in (*content_tools(), *asking_tools())},
        prompts={spec.prompt.name: spec for spec in prompts()},
        resources={str(spec.resource.uri): spec for spec in resources()},
        templates=templates(),
        completions=complete,
    )
    return build_server(NAME, "1.0.0", offer, instructions="Everything there is to test.")


if __name__ == "__main__":
    sys.exit(main(make))
