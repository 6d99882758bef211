"""A process that dies while it holds a claim: its refresh token is never redeemed again."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.state import State
from mcp_gateway.envelopes.identity.stores import Grant, GrantKey, Tokens
from tests.support import ROOT
from tests.support_state import KEY

ALICE = GrantKey("corp|alice", "tickets")
CLAIMANT = """
import asyncio, sys
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.state import State
from tests.envelopes.identity.test_vault_killed import ALICE, KEY

async def main():
    url, seconds = Secret(sys.stdin.readline().strip()), float(sys.argv[1])
    state = await State.open(url, (KEY,), "one")
    version, _ = await state.vault.version(ALICE)
    print(await state.vault.redeem(ALICE, version, seconds=seconds), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def killed_with_a_claim(url: Secret, seconds: float) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CLAIMANT,
        str(seconds),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(url.reveal().encode() + b"\n")
    process.stdin.write_eof()
    assert await process.stdout.readline() == b"mine\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def stored(state: State) -> int:
    tokens = Tokens(access_token=Secret("access"), refresh_token=Secret("refresh"))
    return (await state.vault.store(Grant(key=ALICE, kind="oauth", tokens=tokens))).version


async def test_the_claim_of_a_killed_process_holds_until_it_runs_out(state_url: Secret, tmp_path: Path) -> None:
    state = await State.open(state_url, (KEY,), "one")
    version = await stored(state)
    await killed_with_a_claim(state_url, 600)
    assert await state.vault.redeem(ALICE, version, seconds=60) == "theirs"
    assert await state.vault.settle(ALICE, version, Tokens()) is None
    await state.vault.unclaim(ALICE, version)
    assert await state.vault.redeem(ALICE, version, seconds=60) == "theirs"
    await state.close()


async def test_after_it_ran_out_a_person_has_to_act(state_url: Secret, tmp_path: Path) -> None:
    state = await State.open(state_url, (KEY,), "one")
    version = await stored(state)
    await killed_with_a_claim(state_url, 0.001)
    answers = {await state.vault.redeem(ALICE, version, seconds=60) for _ in range(3)}
    assert answers == {"changed"}
    assert await state.vault.version(ALICE) == (version + 1, "needs_consent")
    await state.close()
