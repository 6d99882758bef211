"""Pools in Redis or Valkey, shared by all replicas: one script decides all that is asked for a call, in one turn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import sha1
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import InvalidResponse, NoScriptError

from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.redis_store import RedisStore, command
from mcp_gateway.envelopes.policy.limits.pools import Asked

SECONDS: Final = 0.25
"""The longest that a call waits for an answer."""

PAUSE: Final = 1.0
"""How long Redis is left alone after it failed: a slow one costs one wait a second, not one a call."""

SCRIPT: Final = """
local time = redis.call("TIME")
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local waits, owes, refused = {}, {}, false
for i, key in ipairs(KEYS) do
  local limit, period = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2])
  local tick, enforced = tonumber(ARGV[4 * i - 1]), ARGV[4 * i] == "1"
  local now, owed = math.floor(now_us / tick), 0
  local at, kept = string.match(redis.call("GET", key) or "", "^(%d+):(%d+)$")
  if at then
    local gone = now - tonumber(at)
    owed = tonumber(kept)
    if gone < 0 then
      redis.call("SET", key, string.format("%.0f:%.0f", now, owed), "PX", math.ceil(owed / limit * tick / 1000) + 1)
    elseif gone < period then
      owed = math.max(0, owed - gone * limit)
    else
      owed = 0
    end
  end
  local excess = owed - (limit - 1) * period
  if excess > 0 then
    waits[i] = math.ceil(excess / limit) * tick
    refused = refused or enforced
  else
    waits[i] = 0
    owes[i] = owed + period
  end
end
if not refused then
  for i, key in ipairs(KEYS) do
    if owes[i] then
      local limit, tick = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 1])
      local now = math.floor(now_us / tick)
      redis.call("SET", key, string.format("%.0f:%.0f", now, owes[i]),
                 "PX", math.ceil(owes[i] / limit * tick / 1000) + 1)
    end
  end
end
return waits
"""
"""Redis's clock, not a replica's. What a pool owes is kept instead of when it is full: the parts of that time would not
fit into a double. A pool whose moment lies ahead, because Redis's clock was set back, counts from now on: otherwise
it would not refill until then. A pool is forgotten once it is full."""

_SHA: Final = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


def packed(prefix: str, asked: Sequence[Asked]) -> tuple[str, ...]:
    """What the script is given to decide on `asked`: the number of keys, the keys, four numbers for each."""
    # The braces put all keys of a virtual server into one slot of a cluster, as one script needs them.
    keys = [f"{prefix}{{{each.rule.server}}}:{each.key.hex()}" for each in asked]
    numbers = [
        str(number)
        for each in asked
        for number in (each.rule.rate.limit, each.rule.rate.period, each.rule.rate.tick, int(each.rule.enforced))
    ]
    return (str(len(keys)), *keys, *numbers)


class RedisPools:
    """Implements `Pools`. Make it inside the running loop, close it there."""

    __slots__ = ("_prefix", "_store")

    overflows: Final = 0

    def __init__(self, url: Secret, *, tenant: str, seconds: float = SECONDS) -> None:
        """`url` is that of a Redis server, waited for `seconds` at most. Raises `ConfigurationError` for any other."""
        self._store = RedisStore(url, purpose="limit store", seconds=seconds, pause=PAUSE)
        self._prefix = f"mcp-gateway:{tenant}:limits:"

    @property
    def failures(self) -> int:
        return self._store.failures

    async def admit(self, asked: Sequence[Asked]) -> Sequence[int] | None:
        parts = packed(self._prefix, asked)

        async def count(redis: Redis) -> list[int]:
            try:
                waits = await command(redis, "EVALSHA", _SHA, *parts)
            except NoScriptError:  # a server that was restarted or flushed
                waits = await command(redis, "EVAL", SCRIPT, *parts)
            if not isinstance(waits, list) or len(waits) != len(asked):
                raise InvalidResponse("this is no answer of the script")
            return [int(wait) for wait in waits]

        return await self._store.ask(count)

    def keep(self, names: Collection[str]) -> None:
        """Nothing is kept here: pools run out by themselves."""

    async def close(self) -> None:
        await self._store.close()
