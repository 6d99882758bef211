"""The ticket of a page for people is in no record, log, metric or span, whichever door it was shown at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import pytest

from tests.real.recording import Recording, static_upstream
from tests.telemetry.receiver import Receiver, receiving
from tests.telemetry.site import Site, site, spans


class Shown(NamedTuple):
    """How a link is opened wrongly, and what is said of it. `TICKET` stands for the ticket."""

    plane: str
    reason: str
    status: int
    path: str = "/connect/TICKET"
    method: str = "GET"
    headers: Mapping[str, str] = {}
    control: bool = False


FORM: Final = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
CASES: Final = (
    Shown("connect", "host_not_allowed", 421, headers={"host": "evil.example"}),
    Shown("connect", "origin_not_allowed", 403, headers={"origin": "https://evil.example"}),
    Shown("connect", "method_not_allowed", 405, method="PUT"),
    Shown("connect", "link_unknown", 404, "/connect/TICKETx"),
    Shown("connect", "not_found", 404, "/connect/TICKET/mcp"),
    Shown("connect", "invalid_request", 400, "/connect/TICKET?a=1&a=TICKET"),
    Shown("connect", "page_out_of_date", 403, method="POST", headers=FORM),
    Shown("mcp", "not_found", 404, "/behind/a/proxy/connect/TICKET"),
    Shown("mcp", "not_found", 404, "/Connect/TICKET"),
    Shown("edge", "headers_too_large", 431, headers={"x": "y" * 40_000}),
    Shown("edge", "url_too_long", 414, "/connect/TICKET" + "x" * 9_000),
    Shown("edge", "ambiguous_path", 400, "/connect//TICKET"),
    Shown("control", "host_not_allowed", 421, headers={"host": "evil.example"}, control=True),
    Shown("control", "not_found", 404, method="POST", control=True),
    Shown("edge", "headers_too_large", 431, headers={"x": "y" * 40_000}, control=True),
)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recording]:
    with static_upstream() as running:
        yield running


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


async def ask(here: Site, shown: Shown, ticket: str) -> httpx.Response:
    base = here.gateway.here.control if shown.control else here.gateway.url
    url = httpx.URL(base).copy_with(raw_path=shown.path.replace("TICKET", ticket).encode())
    headers = {"referer": f"{base}/connect/{ticket}", **shown.headers}
    async with httpx.AsyncClient(timeout=30) as http:
        return await http.request(shown.method, url, headers=headers)


async def test_it_is_nowhere(
    tmp_path: Path, upstream: Recording, collector: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    account = {"type": "header", "level": "per_user", "headers": {"X-Key": None}}
    upstreams = {"upstreams": {"archive": {"url": upstream.url, "auth": account}}}
    async with site(tmp_path, upstream, collector, gateway=upstreams) as here:
        answer = await here.call(name="a_look_up", arguments={"word": "x"})
        link = answer["error"]["data"]["link"]
        ticket = link.rpartition("/")[2]
        assert len(ticket) > 100
        opened = await here.http.get(f"{here.gateway.url}/connect/{ticket}")
        assert opened.status_code == 200, "the ticket is good"
        answers = [await ask(here, each, ticket) for each in CASES]
        metrics = await here.metrics()
        traced = await spans(collector, len(CASES))
        records = here.gateway.lines.records
    assert [each.status_code for each in answers] == [each.status for each in CASES]
    told = {str(each["request_id"]): each for each in records if each["event"] in ("refused", "control")}
    assert len(told) == len(CASES)
    for shown, each in zip(CASES, answers, strict=True):
        record = told[each.headers["x-request-id"]]
        assert record["reason"] == shown.reason and record.get("plane", "control") == shown.plane
        assert str(record["path"]).lower().endswith(("/connect/…", "/connect//…"))
    seen = {span.attributes["mcp_gateway.request.id"]: span.attributes.get("url.path") for span in traced}
    refused = {key: each["path"] for key, each in told.items() if each["event"] == "refused"}
    assert refused.items() <= seen.items(), "each refusal has a span, on the control plane as well"
    logged = capfd.readouterr()
    said = json.dumps(records) + metrics + str(traced) + logged.out + logged.err
    assert link not in said and ticket[:40] not in said and ticket[-40:] not in said
