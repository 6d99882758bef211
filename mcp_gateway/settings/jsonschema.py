"""JSON Schemas (2020-12) of the kinds of file, from the models, so that editors complete the YAML. Pure."""

from __future__ import annotations

from types import NoneType
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import WithDefaultSchema

from mcp_gateway.settings.gateway import GatewaySettings
from mcp_gateway.settings.guardrails import GuardrailsSettings
from mcp_gateway.settings.models import ModelsSettings
from mcp_gateway.settings.routing import RoutingDocument
from mcp_gateway.settings.virtual_servers import VirtualServerSettings

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
GATEWAY: Final = "gateway.schema.json"
VIRTUAL_SERVER: Final = "virtual-server.schema.json"
GUARDRAILS: Final = "guardrails.schema.json"
MODELS: Final = "models.schema.json"
ROUTING: Final = "routing.schema.json"


class _FileSchema(GenerateJsonSchema):
    """Leaves out the titles that are only a field's name again."""

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        """Defaults as a file spells them: `30s`, not 30.0."""
        result = super().default_schema(schema)
        spelling = schema["schema"].get("serialization", {})
        if not isinstance(result.get("default"), (str, NoneType)) and spelling.get("type") == "function-plain":
            result["default"] = spelling["function"](schema["default"])
        return result

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True, schema_generator=_FileSchema)
    return {"$schema": DIALECT, **schema, "title": title}


def gateway_schema() -> dict[str, Any]:
    """The JSON Schema of gateway.yaml."""
    return _schema(GatewaySettings, "gateway.yaml")


def virtual_server_schema() -> dict[str, Any]:
    """The JSON Schema of a file in the folder of virtual servers."""
    return _schema(VirtualServerSettings, "Virtual server")


def guardrails_schema() -> dict[str, Any]:
    """The JSON Schema of the file of guardrails."""
    return _schema(GuardrailsSettings, "guardrails.yaml")


def models_schema() -> dict[str, Any]:
    """The JSON Schema of the file of the LLM plane."""
    return _schema(ModelsSettings, "models.yaml")


def routing_schema() -> dict[str, Any]:
    """The JSON Schema of a document of rules that choose targets."""
    return _schema(RoutingDocument, "Routing")
