"""The four lists: pages, sealed cursors, caching hints."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.catalog.listing import PAGE_SIZE
from mcp_gateway.core.seal import Sealer
from tests.ingress.agent import opened
from tests.ingress.rig import KEYS, Rig, composition, desk, offer, tool

MANY = offer("up", [tool(f"t{number:04}") for number in range(2_500)])


async def pages(rig: Rig, method: str = "tools/list", **options: Any) -> list[dict[str, Any]]:
    found = [await rig.modern(method, **options).result()]
    while "nextCursor" in found[-1]:
        found.append(await rig.modern(method, {"cursor": found[-1]["nextCursor"]}, **options).result())
    return found


async def test_pages_together_are_the_list_in_its_order() -> None:
    rig = Rig(composition(disabled_tools=[]), inventories=[MANY])
    found = await pages(rig)
    assert [entry["name"] for page in found for entry in page["tools"]] == [f"t{number:04}" for number in range(2_500)]
    assert [len(page["tools"]) for page in found] == [1_000, 1_000, 500]
    assert {(page["ttlMs"], page["cacheScope"]) for page in found} == {(60_000, "public")}


@pytest.mark.parametrize(
    ("method", "key"),
    [
        ("tools/list", "tools"),
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ],
)
async def test_each_list_in_each_era(method: str, key: str) -> None:
    rig = Rig()
    modern = await rig.modern(method).result()
    before = await (await opened(rig)).request(method).result()
    assert modern[key] and modern[key] == before[key]
    assert set(modern) == {key, "resultType", "ttlMs", "cacheScope", "_meta"} and set(before) == {key}


async def test_a_list_from_which_something_is_kept_is_private() -> None:
    assert (await Rig().modern("tools/list").result())["cacheScope"] == "private"
    assert (await Rig().modern("prompts/list").result())["cacheScope"] == "public"


async def second(rig: Rig, **options: Any) -> str:
    cursor: str = (await rig.modern("tools/list", **options).result())["nextCursor"]
    return cursor


@pytest.mark.parametrize("cursor", ["", "1", "x" * 100, None, 5, [], {}, "ü", "=" * 8])
async def test_a_made_up_cursor_is_refused_and_the_empty_one_is_a_cursor(cursor: Any) -> None:
    error = await Rig().modern("tools/list", {"cursor": cursor}, id="c").error()
    assert error["code"] == -32602


async def test_a_cursor_is_good_for_its_list_its_server_and_its_principal_only() -> None:
    servers = (composition("desk", disabled_tools=[]), composition("other", disabled_tools=[]))
    rig = Rig(*servers, inventories=[MANY])
    cursor = await second(rig, user="alice")
    good = rig.modern("tools/list", {"cursor": cursor}, user="alice")
    assert await good.result()
    for exchange in (
        rig.modern("tools/list", {"cursor": cursor}, user="mallory"),
        rig.modern("tools/list", {"cursor": cursor}),
        rig.modern("tools/list", {"cursor": cursor}, user="alice", server="other"),
        rig.modern("prompts/list", {"cursor": cursor}, user="alice"),
        rig.modern("tools/list", {"cursor": cursor[:-2]}, user="alice"),
        rig.modern("tools/list", {"cursor": cursor + "A"}, user="alice"),
    ):
        assert (await exchange.error())["code"] == -32602


async def test_a_cursor_of_an_earlier_catalog_is_refused() -> None:
    rig = Rig(composition(disabled_tools=[]), inventories=[MANY])
    cursor = await second(rig)
    rig.swap(MANY)
    await rig.modern("tools/list", {"cursor": cursor}).result()
    rig.swap(offer("up", [*MANY.tools, tool("one-more")]))
    assert (await rig.modern("tools/list", {"cursor": cursor}).error())["code"] == -32602


async def test_a_cursor_is_read_by_another_replica() -> None:
    first, other = (Rig(composition(disabled_tools=[]), inventories=[MANY]) for _ in range(2))
    assert await other.modern("tools/list", {"cursor": await second(first)}).result()


async def test_a_cursor_sealed_for_something_else_is_refused() -> None:
    token = Sealer(KEYS, "session").seal(b"1", b"tools\0desk\0anonymous\0")
    assert (await Rig().modern("tools/list", {"cursor": token}).error())["code"] == -32602


async def test_lists_do_not_depend_on_what_was_asked_before() -> None:
    rig = Rig()
    before = await rig.modern("tools/list").result()
    await rig.call("echo").result()
    assert await rig.modern("tools/list").result() == before


async def test_a_required_source_that_is_down_fails_the_list() -> None:
    spec = composition().model_copy(update={"best_effort": False})
    rig = Rig(spec, inventories=[offer("up", desk().tools, available=False)])
    error = await rig.modern("tools/list").error()
    assert error["code"] == 50200 and error["data"]["reason"] == "upstream_unavailable"


def test_the_page_size_is_what_the_tests_above_take_it_for() -> None:
    assert PAGE_SIZE == 1_000
