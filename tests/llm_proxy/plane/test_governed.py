"""Identity, policies and metadata on requests to models: the same as on calls of tools, through sockets."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.envelopes.identity.issuing import IssuerDouble, issuer_double
from tests.llm_proxy.double.clients import anthropic_client, openai_client
from tests.llm_proxy.double.server import Double
from tests.llm_proxy.plane.serving import Gateway, serving

AUDIENCE = "http://127.0.0.1:8080/v1"
POLICIES = """\
@id("engineers-use-models")
permit (principal in Team::"engineering", action == Action::"use_model", resource)
when { context.metadata has workflow && context.metadata.workflow != "forbidden" };

@id("everybody-uses-the-small-one")
permit (principal, action == Action::"use_model", resource == Model::"openai/small");

@id("engineers-embed")
permit (principal in Team::"engineering", action == Action::"embed", resource == Model::"openai/embed");
"""
MODELS = {"openai": ["small", "large", "embed"]}


@pytest.fixture
async def issuer() -> AsyncIterator[IssuerDouble]:
    async with issuer_double() as (issuer, _):
        yield issuer


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with Double() as double:
        yield double


def configured(folder: Path, issuer: IssuerDouble, **gateway: Any) -> dict[str, Any]:
    (folder / "policies").mkdir(exist_ok=True)
    (folder / "policies" / "models.cedar").write_text(POLICIES)
    return {
        "identity": {"anonymous": "never", "issuers": [{"name": "corp", "issuer": issuer.issuer}]},
        "policies": {"path": "policies"},
        "metadata": {"keys": {"workflow": {}}},
        **gateway,
    }


@pytest.fixture
async def gateway(tmp_path: Path, double: Double, issuer: IssuerDouble) -> AsyncIterator[Gateway]:
    listed = {"openai": {"type": "openai", "base_url": f"{double.url}/v1", "models": MODELS["openai"]}}
    files = configured(tmp_path, issuer)
    async with serving(tmp_path, double, gateway=files, providers=listed) as gateway:
        yield gateway


def token(issuer: IssuerDouble, *groups: str, **changes: Any) -> str:
    now = int(time.time())
    return issuer.token(aud=AUDIENCE, iat=now, exp=now + 300, groups=list(groups), **changes)


def body(model: str = "openai/small") -> dict[str, Any]:
    return {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}


async def test_who_does_not_say_who_he_is_is_told_where_to_get_a_token(gateway: Gateway, double: Double) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{gateway.url}/v1/chat/completions", json=body())
        bad = await http.post(f"{gateway.url}/v1/messages", json=body(), headers={"x-api-key": "sk-nonsense"})
        nobody = await http.post(f"{gateway.url}/v1/messages", json=body(), headers={"x-api-key": "anonymous"})
    assert answer.status_code == bad.status_code == nobody.status_code == 401
    assert answer.json()["error"]["code"] == "unauthenticated"
    assert bad.json()["type"] == "error"
    assert bad.json()["error"]["type"] == "authentication_error"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert not double.requests


async def test_a_token_comes_as_each_client_sends_its_key(gateway: Gateway, issuer: IssuerDouble) -> None:
    presented = token(issuer)
    async with openai_client(gateway.url, presented) as openai, anthropic_client(gateway.url, presented) as anthropic:
        one = await openai.chat.completions.create(model="openai/small", messages=[{"role": "user", "content": "Hi"}])
        two = await anthropic.messages.create(
            model="openai/small", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
        )
    assert one.choices[0].message.content == "You said: Hi"
    assert [block.text for block in two.content if block.type == "text"] == ["You said: Hi"]
    assert [record["principal"] for record in gateway.records] == ["corp|alice"] * 2
    assert presented not in str(gateway.lines.records)


async def test_two_credentials_are_none(gateway: Gateway, issuer: IssuerDouble) -> None:
    one, other = token(issuer), token(issuer, sub="bob")
    async with httpx.AsyncClient() as http:

        async def ask(**headers: str) -> int:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return (await http.post(f"{gateway.url}/v1/messages", json=body(), headers=named)).status_code

        assert await ask(x_api_key=one, authorization=f"Bearer {one}") == 200
        assert await ask(x_api_key=one, authorization=f"Bearer {other}") == 401
        assert await ask(x_api_key="anonymous", authorization=f"Bearer {one}") == 200


async def test_policies_decide_which_model_who_may_use(gateway: Gateway, double: Double, issuer: IssuerDouble) -> None:
    async with httpx.AsyncClient() as http:

        async def ask(model: str, *groups: str, workflow: str = "") -> tuple[int, str | None]:
            headers = {"authorization": f"Bearer {token(issuer, *groups)}"}
            if workflow:
                headers["x-tfy-metadata"] = f'{{"workflow": "{workflow}"}}'
            answer = await http.post(f"{gateway.url}/v1/chat/completions", json=body(model), headers=headers)
            return answer.status_code, answer.json().get("error", {}).get("code")

        assert await ask("openai/small") == (200, None)
        assert await ask("openai/large") == (404, "unknown_model")
        assert await ask("openai/large", "engineering") == (403, "policy_denied")
        assert await ask("openai/large", "engineering", workflow="forbidden") == (403, "policy_denied")
        assert await ask("openai/large", "engineering", workflow="review") == (200, None)
    assert len(double.requests) == 2
    last = gateway.records[-1]
    assert (last["decision"], last["policies"]) == ("allow", ("engineers-use-models",))
    assert last["asked"]["action"] == "use_model"


async def test_the_list_of_models_is_what_a_caller_may_use(gateway: Gateway, issuer: IssuerDouble) -> None:
    async with openai_client(gateway.url, token(issuer)) as anybody:
        assert [model.id async for model in anybody.models.list()] == ["openai/small"]
        with pytest.raises(Exception, match="no model"):
            await anybody.models.retrieve("openai/large")
    async with openai_client(gateway.url, token(issuer, "engineering")) as engineer:
        assert [model.id async for model in engineer.models.list()] == ["openai/small", "openai/large", "openai/embed"]
        assert (await engineer.models.retrieve("openai/large")).id == "openai/large"


async def test_embeddings_are_an_action_of_their_own(gateway: Gateway, issuer: IssuerDouble) -> None:
    async with openai_client(gateway.url, token(issuer, "engineering")) as client:
        assert (await client.embeddings.create(model="openai/embed", input="x")).data
        with pytest.raises(Exception, match=r"denied|no model"):
            await client.embeddings.create(model="openai/large", input="x")


async def test_metadata_is_demanded_as_everywhere(tmp_path: Path, double: Double, issuer: IssuerDouble) -> None:
    files = configured(tmp_path, issuer, metadata={"keys": {"workflow": {}, "team": {"required": True}}})
    async with serving(tmp_path, double, gateway=files) as gateway, httpx.AsyncClient() as http:
        headers = {"authorization": f"Bearer {token(issuer)}"}
        answer = await http.post(f"{gateway.url}/v1/chat/completions", json=body(), headers=headers)
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "metadata_required"
        assert answer.json()["error"]["metadata"] == ["team"]
        headers["x-gateway-metadata"] = '{"team": "payments"}'
        assert (await http.post(f"{gateway.url}/v1/chat/completions", json=body(), headers=headers)).status_code == 200
        assert gateway.records[-1]["metadata"]["team"] == "payments"
    assert len(double.requests) == 1
