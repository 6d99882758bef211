"""The gateway is killed at random moments under load: whatever an upstream did was recorded before, and stays proved.

`AUDIT_KILLS=200 pytest -s tests/real/test_audit_kill.py` kills that often, and prints the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from mcp_gateway.cli.recording import PURPOSE
from mcp_gateway.core.sign import Signer
from mcp_gateway.envelopes.observability.audit.bodies import PURPOSE as BODIES
from mcp_gateway.envelopes.observability.audit.bodies import keyed
from mcp_gateway.envelopes.observability.audit.find import since
from mcp_gateway.envelopes.observability.audit.verify import verify
from tests.real.processes import Gateway, configuration, free_port, gateway, serving, until, whole
from tests.real.wire import Wire

KILLS = int(os.environ.get("AUDIT_KILLS", "4"))
CALLERS = 6
MOST_SECONDS = 0.3
"""A kill comes within so long of the first answer."""

KEY = "a key for nothing but this test, of enough characters"


@dataclass(frozen=True, slots=True)
class Site:
    gateway: Gateway
    journal: Path
    audit: Path

    def effects(self) -> set[str]:
        """Every token that the upstream has written down."""
        lines = (line.split(" ", 1) for line in self.journal.read_text().splitlines())
        return {token for word, token in lines if word == "mark"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("audit")
    journal = folder / "journal"
    journal.touch()
    with serving("tests.real.upstream", "--journal", str(journal), "--era", "modern") as server:
        configuration(folder, f"  up: {{url: {server.url}}}\n", {"up": whole("up")}, port=str(free_port()))
        config = folder / "gateway.yaml"
        text = "telemetry: {audit: {path: audit, bodies: hashes, sync: interval}}\n"
        config.write_text(config.read_text() + text + "state: {encryption_keys: [env:AUDIT_KEY]}\n")
        with gateway(folder, AUDIT_KEY=KEY) as running:
            yield Site(running, journal, folder / "audit")


async def call_on(site: Site, caller: int, answered: list[str]) -> None:
    """One caller in a closed loop, until the gateway is gone. Every third call only reads nothing that is there."""
    with contextlib.suppress(httpx.HTTPError):
        async with httpx.AsyncClient(timeout=30) as http:
            wire = Wire(http, site.gateway.url("up"), modern=True)
            for number in itertools.count():
                if number % 3 == 2:
                    await wire.call("no_such_tool", {})
                    continue
                token = f"{len(answered)}x{caller}x{number}x{random.getrandbits(64):016x}"
                if (await wire.call("mark", {"token": token})).code is None:
                    answered.append(token)


@pytest.mark.timeout(60 + 20 * KILLS)
async def test_every_effect_has_an_intent(site: Site) -> None:
    answered: list[str] = []
    for _ in range(KILLS):
        before = len(answered)
        callers = [asyncio.create_task(call_on(site, number, answered)) for number in range(CALLERS)]
        await until("an answer", lambda: len(answered) > before)  # noqa: B023 -- awaited at once
        await asyncio.sleep(random.uniform(0, MOST_SECONDS))
        assert site.gateway.end(signal.SIGKILL) == -signal.SIGKILL
        await asyncio.gather(*callers)
        site.gateway.start()
    effects = site.effects()
    intended = {each["bodies"]["arguments"] for each in since(site.audit) if each["event"] == "intent"}
    digest = keyed(Signer([KEY.encode()], BODIES))
    report = verify(site.audit, Signer([KEY.encode()], PURPOSE))
    notes = [each.what for each in report.findings]
    print(f"\n{KILLS} kills, {len(effects)} effects, {len(intended)} intents, {report.records} records; notes: {notes}")
    assert effects and set(answered) <= effects
    assert {digest({"token": token}) for token in effects} <= intended
    assert report.sound, report.findings
    assert report.chains == 1
