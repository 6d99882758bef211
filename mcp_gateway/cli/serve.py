"""`mcp-gateway serve`: run the gateway."""

from __future__ import annotations

import asyncio
import enum
import sys
from pathlib import Path

import structlog
import typer
import uvloop
from rich.console import Console

from mcp_gateway import __version__
from mcp_gateway.cli.check import WRONG, print_problems
from mcp_gateway.cli.logs import configure
from mcp_gateway.cli.run import Running, load_file, load_models, run
from mcp_gateway.core.errors import ConfigurationError


class LogLevel(enum.StrEnum):
    """What is logged: this and everything graver."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Part(enum.StrEnum):
    """What of the configuration is served."""

    ALL = "all"
    MODELS = "models"


def serve(
    config: Path = typer.Option("gateway.yaml", "--config", "-c", help="The gateway's configuration file."),
    watch: bool = typer.Option(False, "--watch", help="Reload whenever a configuration file changes."),
    only: Part = typer.Option(Part.ALL, "--only", help="models serves the LLM plane alone, and starts no upstreams."),
    log_level: LogLevel = typer.Option(LogLevel.INFO, "--log-level", help="debug adds a line with timings per call."),
) -> None:
    """Serve virtual servers and models until Ctrl-C. SIGHUP reloads; a configuration with errors is refused as a whole.

    One JSON line per call goes to standard output, everything else to standard error.
    """
    configure(log_level.value)
    try:
        load_again = load_models if only is Part.MODELS else load_file
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(config, load_again, watch=watch, trace=log_level is LogLevel.DEBUG, announce=_announce))
    except ConfigurationError as error:
        print_problems(error, Console(stderr=True, highlight=False, soft_wrap=True))
        raise typer.Exit(WRONG) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _announce(running: Running) -> None:
    """Say where to connect: as a person reads it on a terminal, as a log line elsewhere."""
    servers = [f"{running.data}/servers/{name}/mcp" for name in running.gateway.settings.servers]
    models = None if running.gateway.settings.llm is None else f"{running.data}/v1"
    if sys.stderr.isatty():
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"[bold]mcp-gateway {__version__}[/bold]  control plane {running.control}/docs")
        for url in servers:
            console.print(f"  [green]{url}[/green]")
        if models is not None:
            console.print(f"  [green]{models}[/green]  models")
    else:
        log = structlog.get_logger("gateway")
        log.info("ready", version=__version__, servers=servers, models=models, control=running.control)
