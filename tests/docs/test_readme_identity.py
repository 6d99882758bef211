"""The README's section about an identity provider, done as it says, with a real provider in place of its example."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.docs.blocks import blocks
from tests.docs.started import gateway
from tests.docs.test_examples import README, run
from tests.real.idp import Client, Idp, Resource
from tests.real.idp import require as require_provider
from tests.real.processes import free_port
from tests.real.wire import Wire
from tests.support import require

ISSUER = "https://login.example.com"
ADDRESS = "http://127.0.0.1:8080"
PUBLIC = f"  public_url: {ADDRESS}\n"


@dataclass(frozen=True, slots=True)
class Corp:
    """The example, served: `folder` is where its folder `corp` is, `base` stands for the README's address."""

    idp: Idp
    folder: Path
    base: str

    @property
    def url(self) -> str:
        return f"{self.base}/servers/clock/mcp"

    def console(self, command: str) -> tuple[str, list[str]]:
        """The one console block that begins with `command`, with the address of here: what to type, what it prints."""
        (found,) = (each.text for each in blocks(README, "console") if each.text.startswith(f"$ {command}"))
        typed, *printed = found.replace(ADDRESS, self.base).splitlines()
        return typed.removeprefix("$ "), printed

    def type(self, line: str) -> str:
        return run(self.folder, "bash", "-euo", "pipefail", "-c", line)

    async def now(self, bearer: str) -> str:
        """What the tool says about Paris, asked in both eras."""
        said = []
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {bearer}"}, timeout=60) as http:
            for modern in (True, False):
                wire = Wire(http, self.url, modern=modern)
                if not modern:
                    await wire.initialize()
                answer = await wire.call("get_current_time", {"timezone": "Europe/Paris"})
                said.append(answer.result["content"][0]["text"])
        return "\n".join(said)


@pytest.fixture(scope="module")
def corp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corp]:
    """The two files as they stand there; of them, the provider and the ports are others."""
    require_provider()
    require("mcp-server-time", "is the upstream of the example")
    require("curl", "is what the README asks with")
    folder, base = tmp_path_factory.mktemp("corp"), f"http://127.0.0.1:{free_port()}"
    with Idp("corp", [Client("agent")], resources={"*": Resource(("clock.read", "other"), base=("other",))}) as idp:
        for block in blocks(README, "yaml"):
            if block.file is None or not block.file.startswith("corp/"):
                continue
            text = block.text
            if block.file == "corp/gateway.yaml":
                assert text.count(ISSUER) == 1 and text.count(PUBLIC) == 1
                port = base.rpartition(":")[2]
                text = text.replace(ISSUER, idp.issuer)
                text = text.replace(PUBLIC, f"  public_url: {base}\n  port: {port}\n  admin: {{port: 0}}\n")
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        with gateway(folder, "--config", "corp/gateway.yaml") as started:
            assert started.data == base
            yield Corp(idp, folder, base)


def test_who_comes_without_a_token_is_told_what_the_readme_says(corp: Corp) -> None:
    typed, (status, challenge) = corp.console("curl")
    printed = corp.type(typed).replace("\r", "").splitlines()
    assert printed[0] == status
    assert challenge in printed


async def test_a_person_signs_in_and_calls(corp: Corp) -> None:
    signed_in = await corp.idp.sign_in("alice", "agent", resource=corp.url, scopes=["clock.read"])
    assert (await corp.now(signed_in.access_token)).count('"timezone": "Europe/Paris"') == 2


async def test_a_token_without_the_scope_is_sent_back_for_it(corp: Corp) -> None:
    signed_in = await corp.idp.sign_in("alice", "agent", resource=corp.url, scopes=["other"])
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {signed_in.access_token}"}) as http:
        wire = Wire(http, corp.url, modern=True)
        async with wire.open("tools/call", {"name": "get_current_time", "arguments": {}}) as refused:
            assert refused.status_code == 403
            assert 'scope="clock.read"' in refused.headers["www-authenticate"]


async def test_a_program_has_a_key_and_calls(corp: Corp) -> None:
    typed, printed = corp.console("mcp-gateway keys create")
    assert not printed
    key = corp.type(typed).strip()
    assert (await corp.now(key)).count('"timezone": "Europe/Paris"') == 2
