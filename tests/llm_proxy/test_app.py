"""The front of the LLM plane, where what stands behind it fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from llm_proxy.app import Plane, Snapshot
from llm_proxy.asking import Ask, Reply
from llm_proxy.ingress.endpoint import Limits, Serving
from mcp_gateway.core.asgi.types import REQUEST_ID
from mcp_gateway.core.live import Live
from mcp_gateway.core.principal import Principal
from mcp_gateway.core.strictjson import JsonLimits
from mcp_gateway.envelopes.identity.protected import ProtectedResource
from mcp_gateway.envelopes.observability.lines import MemoryLines
from mcp_gateway.envelopes.observability.metrics.measures import Measures
from mcp_gateway.envelopes.observability.refusals import Refusals


class Broken:
    """A door that fails before it has looked. Holds itself, as doors are held."""

    @property
    def current(self) -> Broken:
        return self

    def recall(self, scope: Mapping[str, Any], resource: ProtectedResource) -> Principal | None:
        raise RuntimeError("a defect with canary-77")

    async def verify(self, scope: Mapping[str, Any], resource: ProtectedResource) -> Principal:
        raise AssertionError("what is not recalled for a defect is not verified")


async def nobody(ask: Ask) -> Reply:
    raise AssertionError("nothing gets here")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_a_defect_of_the_door_is_answered_in_the_dialect_and_told(path: str) -> None:
    snapshot = Snapshot(
        serving=Serving(nobody, "s", 1.0, drain=False),
        models=(),
        providers=(),
        usable=lambda principal, names: names,
        resource=ProtectedResource.of("http://gw.test", "/v1", name="Models", documented=False),
    )
    lines, defects, sent = MemoryLines(), list[tuple[str, Exception]](), list[Mapping[str, Any]]()
    app = Plane(
        Live[Snapshot | None](snapshot),
        Broken(),
        Limits(1_000, JsonLimits()),
        lambda request_id, error: defects.append((request_id, error)),
        Refusals(lines, Measures(())),
    )

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the body is not read")

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": [], REQUEST_ID: "r-1"}
    await app(scope, receive, send)
    start, body = sent
    assert start["status"] == 500
    assert orjson.loads(body["body"])["error"]["message"] == "internal error"
    assert [request_id for request_id, _ in defects] == ["r-1"]
    assert [(line["event"], line["request_id"]) for line in lines.records] == [("refused", "r-1")]
    assert "canary-77" not in str(lines.records) + str(sent)
