"""The demo's agent: a client on the official SDK that tries what it may and what it may not.

``python -m mcp_gateway.cli.demo.agent URL`` walks through the steps and prints each with its outcome. The exit
code is 1 if an outcome was not the expected one.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextContent
from rich.console import Console

_BURST: Final = 5
_ROOM: Final = 3
"""What the composition's limit `reconcile-rarely` admits of the burst."""

_RATE_LIMITED: Final = 42900


class Walk:
    """One client's walk through the virtual server. `wrong` counts outcomes that were not as expected."""

    def __init__(self, client: Client, console: Console) -> None:
        self._client = client
        self._console = console
        self.wrong = 0

    async def listing(self) -> None:
        """What the agent sees: the composition, and nothing else."""
        tools = (await self._client.list_tools()).tools
        self._say("list", "ok", ", ".join(tool.name for tool in tools))
        self._expect({tool.name for tool in tools} >= {"now", "git_log", "ledger_book"})

    async def allowed(self) -> None:
        """Calls that pass: to a process, to another, and over HTTP with an argument the agent never sees."""
        for name, arguments in (
            ("now", {"timezone": "Europe/Paris"}),
            ("git_log", {"max_count": 1}),
            ("ledger_book", {"amount": 12.5, "memo": "paper"}),
        ):
            outcome, text = await self._call(name, arguments)
            self._say(f"call {name}", outcome, text)
            self._expect(outcome == "ok")

    async def refused(self) -> None:
        """Calls that do not pass, and why."""
        for name, arguments, why in (
            ("git_reset", {}, "the server has it, the composition leaves it out: it does not exist"),
            ("ledger_book", {"amount": 1, "currency": "USD"}, "the admin fixed the currency, an agent cannot set it"),
            ("ledger_book", {"amount": "much"}, "the arguments do not fit the schema"),
        ):
            outcome, text = await self._call(name, arguments)
            self._say(f"call {name}", f"refused ({outcome})", f"{text}\n{why}")
            self._expect(outcome != "ok")

    async def limited(self) -> None:
        """A burst beyond the composition's limit: exactly so many are answered, the rest is told when to come back."""
        waits = await asyncio.gather(*(self._wait("ledger_reconcile") for _ in range(_BURST)))
        refused = [wait for wait in waits if wait]
        self._say(
            f"call ledger_reconcile, {_BURST} at once",
            f"limited ({_RATE_LIMITED})",
            f"{len(waits) - len(refused)} answered, {len(refused)} refused by the limit reconcile-rarely\n"
            f"there is room again in {-(-max(refused, default=0) // 60_000)} minutes (retryAfterMs); "
            f"the limit is {_ROOM} calls an hour for each user",
        )
        self._expect(len(refused) == _BURST - _ROOM and None not in waits)

    async def _wait(self, name: str) -> int | None:
        """The milliseconds after which the limit lets a call pass that it refused, 0 for one that passed.

        None for a call that ended in another way.
        """
        try:
            result = await self._client.call_tool(name, {})
        except MCPError as error:
            data = error.error.data
            return data["retryAfterMs"] if error.error.code == _RATE_LIMITED and isinstance(data, dict) else None
        return None if result.is_error else 0

    async def _call(self, name: str, arguments: dict[str, Any]) -> tuple[str, str]:
        try:
            result = await self._client.call_tool(name, arguments)
        except MCPError as error:
            return str(error.error.code), error.error.message
        return ("tool error" if result.is_error else "ok"), _text(result)

    def _say(self, step: str, outcome: str, text: str) -> None:
        colour = "green" if outcome == "ok" else "yellow"
        self._console.print(f"  [bold]{step}[/bold]: [{colour}]{outcome}[/{colour}]")
        for line in text.splitlines()[:3]:
            self._console.print(f"      {line[:110]}", markup=False)

    def _expect(self, right: bool) -> None:
        if not right:
            self.wrong += 1
            self._console.print("      [red]this was not expected[/red]")


def _text(result: CallToolResult) -> str:
    return " ".join(" ".join(b.text.split()) for b in result.content if isinstance(b, TextContent))


async def walk(url: str, console: Console) -> int:
    """Walk once as a client of the newest protocol version, then look in as one of the handshake era."""
    wrong = 0
    async with Client(url) as client:
        agent = Walk(client, console)
        console.print(f"\nAn agent, protocol {client.protocol_version}")
        steps: tuple[Callable[[], Awaitable[None]], ...] = (
            agent.listing,
            agent.allowed,
            agent.refused,
            agent.limited,
        )
        for step in steps:
            await step()
        wrong += agent.wrong
    async with Client(url, mode="legacy") as client:
        agent = Walk(client, console)
        console.print(f"\nAn older agent, protocol {client.protocol_version}: the same composition")
        await agent.listing()
        await agent.allowed()
        wrong += agent.wrong
    return wrong


def main() -> None:
    """Walk through the server at the URL given as the only argument."""
    sys.exit(1 if asyncio.run(walk(sys.argv[1], Console(highlight=False, soft_wrap=True))) else 0)


if __name__ == "__main__":
    main()
