"""`mcp-gateway demo`: start everything, run the agent, show what the gateway recorded, clean up."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Final

import typer
import uvloop
from rich.console import Console

from mcp_gateway.cli.check import WRONG, print_problems
from mcp_gateway.cli.logs import configure
from mcp_gateway.cli.run import load_file, running
from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.envelopes.observability.lines import MemoryLines

_NEEDED: Final = ("mcp_server_time", "mcp_server_git")
_FILES: Final = "mcp_gateway.cli.demo.files"
_SHOWN: Final = 8


def demo(
    keep: Path | None = typer.Option(None, "--keep", help="Write the demo's configuration here and leave it."),
) -> None:
    """Compose three real MCP servers, run an agent against them, and say what happened and why."""
    console = Console(highlight=False, soft_wrap=True)
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing or shutil.which("git") is None:
        wanted = ", ".join([*missing, *([] if shutil.which("git") else ["git"])])
        console.print(f"[red]The demo needs {wanted}.[/red] Install them with: pip install 'mcp-gateway\\[demo]', git")
        raise typer.Exit(WRONG)
    configure("error")
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcp-gateway-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                code = runner.run(_demo(folder, console))
        except ConfigurationError as error:
            print_problems(error, Console(stderr=True, highlight=False, soft_wrap=True))
            code = WRONG
    raise typer.Exit(code)


async def _demo(folder: Path, console: Console) -> int:
    async with _ledger() as ledger:
        config = _write(folder, ledger)
        console.print(f"Composing [bold]office[/bold] from mcp-server-time, mcp-server-git and a ledger at {ledger}")
        records = MemoryLines()
        async with running(load_file(config), lambda: load_file(config), records=records, trace=False) as here:
            url = f"{here.data}/servers/office/mcp"
            console.print(f"Serving it at [bold]{url}[/bold]")
            agent = await asyncio.create_subprocess_exec(sys.executable, "-m", "mcp_gateway.cli.demo.agent", url)
            code = await agent.wait()
        _show(records, console)
    return code


def _show(records: MemoryLines, console: Console) -> None:
    calls = [record for record in records.records if record.get("method") == "tools/call"]
    console.print(f"\nWhat the gateway recorded ({len(records.records)} lines, {len(calls)} tool calls, of which)")
    for record in calls[:_SHOWN]:
        aim = f"{record['upstream']}/{record['target']}" if record["upstream"] else "nothing by that name"
        why = f" because of {record['reason']}" if record["reason"] else ""
        console.print(f"  {record['request_id']}  {record['outcome']}{why}: {aim}, {record['duration_ms']} ms")


@contextlib.asynccontextmanager
async def _ledger() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mcp_gateway.cli.demo.ledger", stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = (await process.stdout.readline()).decode().strip()
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _write(folder: Path, ledger: str) -> Path:
    """The demo's files in `folder`, and a repository with one commit to look at."""
    repository = folder / "repository"
    if not repository.exists():
        repository.mkdir()
        (repository / "README").write_text("A repository for the demo.\n")
        identity = ("-c", "user.name=Demo", "-c", "user.email=demo@example.com", "-c", "commit.gpgsign=false")
        for command in (("init", "--quiet"), ("add", "."), (*identity, "commit", "--quiet", "-m", "First commit")):
            subprocess.run(["git", *command], cwd=repository, check=True)
    values = {"PYTHON": sys.executable, "REPOSITORY": str(repository), "LEDGER": ledger}
    config = folder / "gateway.yaml"
    config.write_text(_filled("gateway.yaml", values))
    servers = folder / "virtual_servers"
    servers.mkdir(exist_ok=True)
    (servers / "office.yaml").write_text(_filled("office.yaml", values))
    return config


def _filled(name: str, values: dict[str, str]) -> str:
    text = resources.files(_FILES).joinpath(name).read_text()
    for key, value in values.items():
        text = text.replace(key, value)
    return text
