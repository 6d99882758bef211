"""Errors in the shape and with the status that official clients make the right exception of, in every dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import orjson
import pytest
import pytest_asyncio

from llm_proxy.completion.dialect import Speech
from llm_proxy.faults import headers_of, status_of
from llm_proxy.ingress.chat.dialect import Chat
from llm_proxy.ingress.embeddings import Embeddings
from llm_proxy.ingress.messages.dialect import Messages
from llm_proxy.ingress.responses.dialect import Responses
from tests.llm_proxy.double.faults import ContextExceeded, ErrorInStream, Failure, Fault429, Fault500
from tests.llm_proxy.plane.refusals import REFUSALS, Met
from tests.llm_proxy.plane.site import BASE, Site, official

DIALECTS: dict[str, Speech] = {
    "chat": Chat(),
    "responses": Responses(),
    "messages": Messages(),
    "embeddings": Embeddings(),
}
HI: Any = [{"role": "user", "content": "Hi"}]


def named(met: Met) -> str:
    return type(met.error).__name__


async def asked(dialect: str, http: httpx2.AsyncClient, retries: int) -> None:
    """One request of the official client of `dialect`, which repeats it up to `retries` times."""
    if dialect == "messages":
        async with anthropic.AsyncAnthropic(
            api_key="k", base_url="http://gateway.test", http_client=http, max_retries=retries
        ) as second:
            await second.messages.create(model="m", max_tokens=9, messages=HI)
        return
    async with openai.AsyncOpenAI(
        api_key="k", base_url="http://gateway.test/v1", http_client=http, max_retries=retries
    ) as first:
        if dialect == "chat":
            await first.chat.completions.create(model="m", messages=HI)
        elif dialect == "responses":
            await first.responses.create(model="m", input="Hi")
        else:
            await first.embeddings.create(model="m", input="Hi")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("met", REFUSALS, ids=named)
async def test_each_client_raises_the_exception_that_fits(met: Met, dialect: str) -> None:
    status = status_of(met.error) if met.status != 404 else 404
    assert status == met.status
    body = DIALECTS[dialect].error(met.error, status, "req-1")
    requests: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        headers = [(name.decode(), value.decode()) for name, value in headers_of(met.error)]
        # Whoever may try again need not wait in a test.
        told = {"x-request-id": "req-1", "request-id": "req-1", **dict(headers)}
        again = {"retry-after-ms": "1"} if met.again else {}
        return httpx2.Response(status, json=body, headers={**told, **again})

    package: Any = anthropic if dialect == "messages" else openai
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http:
        with pytest.raises(package.APIStatusError) as raised:
            await asked(dialect, http, 1)
    assert isinstance(raised.value, getattr(package, met.raised))
    assert len(requests) == (2 if met.again else 1)
    assert raised.value.status_code == met.status
    if dialect == "messages":
        assert body["error"]["reason"] == met.error.reason
        assert body["request_id"] == "req-1"
        assert raised.value.body == body
    else:
        assert raised.value.code == met.error.reason
        assert raised.value.body == body["error"]
        assert body["error"]["request_id"] == "req-1"


LIMITS = [{"id": "rare", "limit": 1, "unit": "requests_per_hour", "when": {"models": ["openai/rare"]}}]
BUDGETS = [{"id": "spent", "limits": {"tokens_per_lifetime": 1}, "when": {"models": ["openai/spent"]}}]
GONE = [
    {
        "id": "gone",
        "type": "priority-based-routing",
        "when": {"models": ["gone"]},
        "load_balance_targets": [
            {"target": "openai/a", "retry_config": {"attempts": 0}},
            {"target": "anthropic/b", "retry_config": {"attempts": 0}, "priority": 1},
        ],
    }
]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    async with official(folder, rate_limits=LIMITS, budgets=BUDGETS, routing=GONE) as site:
        yield site


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("dialect", BASE)
@pytest.mark.parametrize(
    ("model", "steps", "raised", "reason"),
    [
        ("nowhere/m", (), "NotFoundError", "unknown_model"),
        ("openai/rare", (), "RateLimitError", "rate_limited"),
        ("openai/spent", (), "RateLimitError", "budget_exhausted"),
        ("openai/m", (ContextExceeded(),), "BadRequestError", "provider_refused"),
        ("openai/m", (Failure(422, "invalid"),), "UnprocessableEntityError", "provider_refused"),
        ("gone", (Fault500(), Fault500()), "InternalServerError", "upstream_unavailable"),
        ("gone", (Failure(401, "authentication"), Failure(403, "authentication")), "InternalServerError", None),
        ("gone", (Fault429(retry_after=70), Fault429(retry_after=90)), "RateLimitError", "upstream_unavailable"),
    ],
)
async def test_through_sockets_and_without_a_request_too_many(
    site: Site, dialect: str, model: str, steps: tuple[Any, ...], raised: str, reason: str | None
) -> None:
    package: Any = anthropic if dialect == "messages" else openai
    patient = Site(
        site.openai.with_options(max_retries=2), site.anthropic.with_options(max_retries=2), site.double, site.gateway
    )
    if model == "openai/rare" and dialect == "chat":
        await site.ask(dialect, model, {})
    sent, recorded = len(site.double.requests), len(site.gateway.records)
    site.double.script(*steps)
    with pytest.raises(package.APIStatusError) as error:
        await patient.ask(dialect, model, {})
    assert isinstance(error.value, getattr(package, raised))
    said = error.value.response.json()["error"]
    assert reason in (None, said["reason" if dialect == "messages" else "code"])
    assert len(site.double.requests) == sent + len(steps)
    assert len(site.gateway.records) == recorded + 1
    assert error.value.response.headers["x-request-id"] == site.gateway.records[-1]["request_id"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("family", ["openai", "native", "anthropic", "gemini"])
@pytest.mark.parametrize("dialect", BASE)
async def test_a_stream_that_fails_raises_too(site: Site, dialect: str, family: str) -> None:
    package: Any = anthropic if dialect == "messages" else openai
    late = 3_000  # frames: too many to arrive at once, so that some have left when the stream fails
    site.double.script(ErrorInStream(after=late))
    said: dict[str, Any] = {"max_tokens": 5_000} if dialect == "messages" else {}
    said["input" if dialect == "responses" else "messages"] = [{"role": "user", "content": "count to 4000"}]
    seen = 0
    with pytest.raises(package.APIError) as error:
        async for _ in await site.ask(dialect, f"{family}/m", {**said, "stream": True}):
            seen += 1
    assert seen > 100
    assert b"Overloaded" not in orjson.dumps(error.value.body)
    assert "middle" in error.value.message or "in the middle" in str(error.value.body)
