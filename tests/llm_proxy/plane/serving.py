"""A gateway with an LLM plane on real sockets, before a provider double that speaks every family."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_gateway.cli.run import Running, running
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.settings.load import load
from tests.llm_proxy.double.server import Double

FAMILIES = ("openai", "anthropic", "gemini")

ENVIRONMENT: Mapping[str, str] = {**os.environ, "PROVIDER_KEY": "provider-key-1"}


@dataclass(frozen=True, slots=True)
class Gateway:
    """`url` is where clients go; `lines` are the records that were written."""

    url: str
    here: Running
    lines: MemoryLines
    folder: Path

    @property
    def records(self) -> list[dict[str, Any]]:
        """Of requests to models, in order."""
        return [line for line in self.lines.records if line["event"] == "completion"]

    async def reload(self, double: Double, **models: Any) -> None:
        write(self.folder, double, **models)
        assert (await self.here.gateway.reload()).ok


def providers(double: Double) -> dict[str, Any]:
    """One of each family, called as the family is."""
    return {
        family: {
            "type": family,
            "base_url": double.url + ("/v1" if family == "openai" else ""),
            "api_key": "env:PROVIDER_KEY",
            **({"responses": "native"} if family == "openai" else {}),
        }
        for family in FAMILIES
    }


def write(
    folder: Path, double: Double, *, gateway: Mapping[str, Any] | None = None, routing: Any = None, **models: Any
) -> Path:
    """The files of a configuration; `models` are sections of models.yaml, `gateway` of gateway.yaml."""
    plane = {"providers": providers(double), **models}
    if routing is not None:
        rules = {"name": "routes", "type": "gateway-load-balancing-config", "rules": routing}
        (folder / "routing.yaml").write_text(json.dumps(rules))
        plane["routing"] = ["routing.yaml"]
    (folder / "models.yaml").write_text(json.dumps(plane))
    (folder / "virtual_servers").mkdir(exist_ok=True)
    config = folder / "gateway.yaml"
    listeners = {"port": 0, "public_url": "http://127.0.0.1:8080", "admin": {"port": 0}}
    config.write_text(json.dumps({"server": listeners, "models": "models.yaml", **(gateway or {})}))
    return config


@asynccontextmanager
async def serving(folder: Path, double: Double, **models: Any) -> AsyncIterator[Gateway]:
    """A gateway with that configuration, until the end of the block."""
    config = write(folder, double, **models)
    lines = MemoryLines()
    settings = load(config, ENVIRONMENT)
    async with running(settings, lambda: load(config, ENVIRONMENT), records=lines, trace=False) as here:
        yield Gateway(here.data, here, lines, folder)
