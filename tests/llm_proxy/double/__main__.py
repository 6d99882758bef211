"""`python -m tests.llm_proxy.double --port 0` serves until SIGINT or SIGTERM, and prints `{"port": N}` once it accepts.

`GET /counted` tells whoever measures what was used, by key and model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal

import uvloop

from tests.llm_proxy.double.server import Double


async def serve(port: int) -> None:
    """Until a signal."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Double(port=port, remember=1, again=True) as double:
        print(json.dumps({"port": double.port}), flush=True)
        await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A provider of completions that is not one.")
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(serve(parser.parse_args().port))
