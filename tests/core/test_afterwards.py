"""What a request leaves to do is done after its answer, in order, and before whoever waits for it goes on."""

import asyncio

from mcp_gateway.core.afterwards import afterwards


async def test_the_answer_leaves_before_what_is_left_to_do() -> None:
    told: list[str] = []

    async def request() -> None:
        afterwards(told.append, "measured")
        afterwards(told.append, "recorded")
        told.append("answered")

    await asyncio.create_task(request())
    told.append("drained")
    assert told == ["answered", "measured", "recorded", "drained"]


async def test_a_request_that_was_given_up_leaves_it_as_well() -> None:
    told: list[str] = []

    async def request() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            afterwards(told.append, "recorded")

    task = asyncio.create_task(request())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert told == ["recorded"]
