"""A process that is killed with entries that are in no database yet: the next one counts them before it serves."""

from __future__ import annotations

from pathlib import Path

from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.process import alone
from tests.llm_proxy.plane.serving import write
from tests.real.processes import free_port

ASKED = {"model": "openai/m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50}


async def test_a_budget_goes_on_where_a_killed_process_was(tmp_path: Path) -> None:
    port, admin = free_port(), free_port()
    async with Double() as double:
        write(
            tmp_path,
            double,
            gateway={"server": {"port": port, "admin": {"port": admin}}},
            prices={"openai/m": {"input": 0, "output": 1000}},
            # Room for one request of at most 0.05, and for no other once something of it is spent.
            budgets=[{"id": "all", "limits": {"cost_per_lifetime": 0.0501}}],
        )
        async with alone(tmp_path, port=port, admin=admin) as plane:
            assert (await plane.http.post("/v1/chat/completions", json=ASKED)).status_code == 200
            plane.process.kill()
            plane.process.wait(30)
        async with alone(tmp_path, port=port, admin=admin) as plane:
            refused = await plane.http.post("/v1/chat/completions", json=ASKED)
    assert refused.status_code == 429, refused.text
    assert refused.json()["error"]["code"] == "budget_exhausted"
    assert sum(double.calls().values()) == 1
