"""Every cell of the table of what translates: asked for by official clients, seen at the provider, through sockets."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio

from tests.llm_proxy.plane.features import PAIRS, Dropped, Feature, Refused, Sent
from tests.llm_proxy.plane.site import Site, official
from tests.llm_proxy.plane.translations import FEATURES

CELLS = [
    pytest.param(feature, dialect, family, id=f"{feature.name}-{dialect}-{family}")
    for feature in FEATURES
    for dialect, family in PAIRS
    if dialect in feature.said
]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with official(tmp_path_factory.mktemp("site")) as site:
        yield site


def at(body: Any, pointer: str) -> Any:
    for token in pointer.split("/")[1:]:
        body = body[int(token) if isinstance(body, list) else token]
    return body


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("feature", "dialect", "family"), CELLS)
async def test_what_becomes_of_it(site: Site, feature: Feature, dialect: str, family: str) -> None:
    said = feature.said[dialect]
    asked = len(site.double.requests)
    match getattr(feature, family):
        case Sent(values):
            await site.ask(dialect, f"{family}/m", said)
            assert {pointer: at(site.received, pointer) for pointer in values} == values
        case Dropped():
            kept = {key: value for key, value in said.items() if key == "tools"}
            if "tool_choice" in said:
                kept["tool_choice"] = {"type": said["tool_choice"]["type"]}
            await site.ask(dialect, f"{family}/m", kept)
            without = site.received
            await site.ask(dialect, f"{family}/m", said)
            assert site.received == without
        case _:
            assert isinstance(getattr(feature, family), Refused)
            package: Any = anthropic if dialect == "messages" else openai
            with pytest.raises(package.BadRequestError) as refused:
                await site.ask(dialect, f"{family}/m", said)
            error = refused.value.response.json()["error"]
            place = error["pointer"] if dialect == "messages" else error["param"]
            assert re.split(r"[/.\[]", place.lstrip("/"))[0] in {*said, *said.get("extra_body", ())}
            assert len(site.double.requests) == asked
