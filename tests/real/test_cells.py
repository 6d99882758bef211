"""The four bridging cells, with real processes: a client pinned to either era, an upstream of either era.

`pytest -s tests/real/test_cells.py` prints the table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import fastmcp
import pytest

from tests.real import cells
from tests.real.cells import WORKS, Cell
from tests.real.processes import configuration, gateway, serving, whole
from tests.real.strange import strange

pytestmark = pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")  # what is deprecated is bridged too

CELLS = (("modern", "modern"), ("modern", "legacy"), ("legacy", "modern"), ("legacy", "legacy"))
Row = Callable[[Cell], Awaitable[str]]
EVERYWHERE = (WORKS, WORKS, WORKS, WORKS)
ACROSS = ("error -32601", "error 50201")
"""Nothing is declared to an upstream of the other era, so it must not ask. One that does is told so and says it in
its answer (old era), or has broken the protocol (new era)."""

TABLE: dict[str, tuple[Row, tuple[str, str, str, str]]] = {
    # row: what it does, and what is to come of it in each cell
    "lists": (cells.lists, EVERYWHERE),
    "calls": (cells.calls, EVERYWHERE),
    "prompts": (cells.prompts, EVERYWHERE),
    "resources and templates": (cells.resources, EVERYWHERE),
    "completion": (cells.completion, EVERYWHERE),
    "progress": (cells.progress, EVERYWHERE),
    "logging": (cells.logging, EVERYWHERE),
    "cancellation": (cells.cancellation, EVERYWHERE),
    "hanging up": (cells.hanging_up, ("cancels", "cancels", "runs on", "runs on")),
    "list changes": (cells.list_changes, EVERYWHERE),
    "resource updates": (cells.updates, EVERYWHERE),
    "error codes": (cells.error_codes, EVERYWHERE),
    "missing capability": (cells.missing_capability, ("error -32021", "error -32021", "error -32603", "error -32603")),
    "unknown fields": (cells.unknown_fields, EVERYWHERE),
    "caching hints": (cells.hints, ("given", "given", "left out", "left out")),
    "elicitation": (cells.asking("elicitation", "Hello, Ada!"), (WORKS, *ACROSS, WORKS)),
    "sampling": (cells.asking("sampling", "Paris"), (WORKS, *ACROSS, WORKS)),
    "roots": (cells.asking("list_roots", "file:///work"), (WORKS, *ACROSS, WORKS)),
}


@dataclass(slots=True)
class Site:
    """The running cells, and what came of each row."""

    cells: dict[tuple[str, str], Cell]
    outcomes: dict[tuple[str, tuple[str, str]], str] = field(default_factory=dict)

    def table(self) -> str:
        lines = [["client → upstream", *(f"{client} → {upstream}" for client, upstream in CELLS)]]
        lines += [[row, *(self.outcomes.get((row, cell), "") for cell in CELLS)] for row in TABLE]
        widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
        return "\n".join(
            "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)) for line in lines
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("cells")
    journal = folder / "journal"
    journal.touch()
    with ExitStack() as stack:
        upstreams = ""
        servers: dict[str, str] = {}
        direct, odd = {}, {}
        for era in ("modern", "legacy"):
            server = stack.enter_context(serving("tests.real.upstream", "--journal", str(journal), "--era", era))
            direct[era], odd[era] = server.url, stack.enter_context(strange(modern=era == "modern"))
            upstreams += f"  {era}: {{url: {server.url}}}\n  odd-{era}: {{url: {odd[era].url}}}\n"
            servers |= {era: whole(era), f"odd-{era}": whole(f"odd-{era}")}
        configuration(folder, upstreams, servers)
        running = stack.enter_context(gateway(folder))
        found = {
            (client, upstream): Cell(
                client,
                upstream,
                running.url(upstream),
                direct[upstream],
                running.url(f"odd-{upstream}"),
                odd[upstream],
                Path(journal),
            )
            for client, upstream in CELLS
        }
        site = Site(found)
        yield site
        print("\n" + site.table())


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell[0]}-client-{cell[1]}-upstream")
@pytest.mark.parametrize("row", TABLE)
async def test_the_cell(site: Site, row: str, cell: tuple[str, str]) -> None:
    check, expected = TABLE[row]
    outcome = site.outcomes[row, cell] = await check(site.cells[cell])
    assert outcome == expected[CELLS.index(cell)]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell[0]}-client-{cell[1]}-upstream")
async def test_the_client_of_fastmcp(site: Site, cell: tuple[str, str]) -> None:
    client_era, _ = cell
    steps: list[float] = []

    async def step(done: float, total: float | None, message: str | None) -> None:
        steps.append(done)

    mode = "2026-07-28" if client_era == "modern" else "legacy"
    async with fastmcp.Client(site.cells[cell].url, mode=mode, progress_handler=step) as client:
        names = {tool.name for tool in await client.list_tools()}
        result = await client.call_tool("test_tool_with_progress", {})
        read = await client.read_resource("test://static-text")
        prompt = await client.get_prompt("test_simple_prompt")
    assert {"mark", "test_simple_text"} <= names
    assert (result.is_error, steps) == (False, [0, 50, 100])
    assert read and prompt.messages
