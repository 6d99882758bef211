"""docs/configuration.md names every key, and its examples load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from mcp_gateway.settings.fields import all_models, key_of
from mcp_gateway.settings.gateway import GatewaySettings
from mcp_gateway.settings.guardrails import GuardrailsSettings
from mcp_gateway.settings.load import load
from mcp_gateway.settings.models import ModelsSettings
from mcp_gateway.settings.routing import RoutingDocument
from mcp_gateway.settings.virtual_servers import VirtualServerSettings
from tests.settings.files import write

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(# (gateway\.yaml|virtual_servers/\S+)[^\n]*\n.*?)```", PAGE, re.DOTALL)
ENVIRON = {"TICKETS_TOKEN": "Bearer t", "GITHUB_TOKEN": "t"}


@pytest.mark.parametrize(
    "model", [GatewaySettings, VirtualServerSettings, GuardrailsSettings, ModelsSettings, RoutingDocument]
)
def test_every_key_is_documented(model: type[BaseModel]) -> None:
    keys = {key_of(each, field) for each in all_models(model) for field in each.model_fields}
    assert len(keys) > 20
    assert {key for key in keys if f"`{key}`" not in PAGE} == set()


def test_the_examples_of_the_page_load_together(tmp_path: Path) -> None:
    assert len(EXAMPLES) >= 2
    gateway = next(text for text, name in EXAMPLES if name == "gateway.yaml")
    servers = [text for text, name in EXAMPLES if name != "gateway.yaml"]
    settings = load(write(tmp_path, gateway, **{f"s{n}": text for n, text in enumerate(servers)}), ENVIRON)
    assert len(settings.servers) == len(servers)


def test_the_example_folder_loads() -> None:
    settings = load(ROOT / "docs/examples/config/gateway.yaml", ENVIRON)
    assert sorted(settings.servers) == ["developer", "support"]
