"""What docs/llm.md shows of the official clients works, on the files that it shows, with a double for the providers."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from mcp_gateway.cli.run import running
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.settings.load import load
from tests.docs.blocks import blocks
from tests.docs.started import environment
from tests.llm_proxy.double.server import Double
from tests.support import ROOT

PAGE = ROOT / "docs/llm.md"
KEYS = {"OPENAI_API_KEY": "k1", "ANTHROPIC_API_KEY": "k2"}
SERVER = "server: {port: 0, public_url: 'http://127.0.0.1:8080', admin: {port: 0}}\n"


async def test_the_clients_of_the_page(tmp_path: Path) -> None:
    async with Double() as double:
        for block in blocks(PAGE, "yaml"):
            text = re.sub(r"https?://(api\.openai\.com|api\.anthropic\.com|vllm:8000)", double.url, block.text)
            text = text.replace("models: models.yaml", SERVER + "models: models.yaml")
            (tmp_path / str(block.file)).write_text(text)
        config = tmp_path / "gateway.yaml"
        settings = load(config, KEYS)
        async with running(settings, lambda: settings, records=MemoryLines(), trace=False) as here:
            (text,) = (block.text for block in blocks(PAGE, "python"))
            program = text.replace("http://127.0.0.1:8080", here.data)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                program,
                env=environment(),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            printed, failed = await process.communicate()
    assert process.returncode == 0, failed.decode()
    assert printed.decode().splitlines() == ["You said: Hi"] * 3
    assert double.calls().total() == 3
