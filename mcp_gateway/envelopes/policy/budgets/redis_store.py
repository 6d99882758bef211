"""Accounts in Redis or Valkey, shared by all replicas: one script holds back all that is asked, in one turn."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import InvalidResponse, NoScriptError

from mcp_gateway.core.secret import Secret
from mcp_gateway.core.state.redis_store import RedisStore, command
from mcp_gateway.envelopes.policy.budgets.store import Change, Entry, Room

SECONDS: Final = 0.25
"""The longest that a request waits for an answer."""

PAUSE: Final = 1.0
"""How long Redis is left alone after it failed."""

_TTL: Final = """
local lives = {minute = 300, hour = 10800, day = 172800, week = 864000, month = 2851200, quarter = 8208000}
"""
"""Seconds that an account outlives its last change: its window, and time for what is under way at the window's end."""

RESERVE: Final = (
    _TTL
    + """
local now = tonumber(redis.call("TIME")[1])
local function month_of(days)
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local mp = math.floor((5 * (doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))) + 2) / 153)
  local year, month = yoe + era * 400, mp < 10 and mp + 3 or mp - 9
  if month <= 2 then year = year + 1 end
  return (year - 1970) * 12 + month - 1
end
local function number_of(window)
  if window == "minute" then return math.floor(now / 60) end
  if window == "hour" then return math.floor(now / 3600) end
  if window == "day" then return math.floor(now / 86400) end
  if window == "week" then return math.floor((now + 259200) / 604800) end
  if window == "month" then return month_of(math.floor(now / 86400)) end
  if window == "quarter" then return math.floor(month_of(math.floor(now / 86400)) / 3) end
  return 0
end
local answer, accounts, numbers, refused = {}, {}, {}, redis.call("EXISTS", KEYS[1]) == 1
for i = 2, #KEYS do
  local at = 4 * (i - 1)
  local window, most, amount = ARGV[at - 3], tonumber(ARGV[at - 2]), ARGV[at - 1]
  local number = string.format("%.0f", number_of(window))
  local account = KEYS[i] .. ":" .. number
  local sums = redis.call("HMGET", account, "held", "spent")
  local fits = tonumber(amount) == 0 or (tonumber(sums[1]) or 0) + (tonumber(sums[2]) or 0) + tonumber(amount) <= most
  refused = refused or (not fits and ARGV[at] == "1")
  accounts[i - 1], numbers[i - 1] = account, number
  answer[2 * i - 3], answer[2 * i - 2] = number, fits and 1 or 0
end
if not refused then
  redis.call("SET", KEYS[1], table.concat(numbers, " "), "EX", 172800)
  for i, account in ipairs(accounts) do
    redis.call("HINCRBY", account, "held", ARGV[4 * i - 1])
    local life = lives[ARGV[4 * i - 3]]
    if life then redis.call("EXPIRE", account, life) end
  end
end
return answer
"""
)
"""Redis's clock, not a replica's, says which window it is. Sums are exact beyond 2^53, comparisons there nearly so.

The first key is the token's: it says in which windows something is held back, two days long, or that it is settled.
A token that is settled already was given up while its question was on the way, and holds nothing back.
"""

SETTLE: Final = (
    _TTL
    + """
local known = redis.call("GET", KEYS[1])
local answer = {}
local numbers = {}
if known and known ~= "settled" then
  for number in string.gmatch(known, "%S+") do numbers[#numbers + 1] = number end
end
redis.call("SET", KEYS[1], "settled", "EX", 172800)
for i = 2, #KEYS do
  local at = 4 * (i - 1)
  local held, spent = ARGV[at - 1], ARGV[at]
  local number = numbers[i - 1]
  local account = KEYS[i] .. ":" .. (number or ARGV[at - 2])
  if known ~= "settled" then
    if number and held ~= "0" then redis.call("HINCRBY", account, "held", "-" .. held) end
    local before = tonumber(redis.call("HGET", account, "spent")) or 0
    if (number or spent ~= "0") and before < 9e18 then redis.call("HINCRBY", account, "spent", spent) end
    local life = lives[ARGV[at - 3]]
    if life then redis.call("EXPIRE", account, life) end
  end
  answer[i - 1] = known == "settled" and "0" or redis.call("HGET", account, "spent") or "0"
end
return answer
"""
)
"""A change whose answer was lost is asked for again, and happens once. A server that was flushed knows no token: what
was spent is charged, and what it holds back for nobody is not taken away from it."""


class RedisAccounts:
    """Implements `Store`. Make it inside the running loop, close it there."""

    __slots__ = ("_prefix", "_store")

    overflows: Final = 0

    def __init__(self, url: Secret, *, tenant: str, seconds: float = SECONDS) -> None:
        """`url` is that of a Redis server. Raises `ConfigurationError` for any other."""
        self._store = RedisStore(url, purpose="budget store", seconds=seconds, pause=PAUSE)
        # The braces put all accounts into one slot of a cluster, as one script needs them.
        self._prefix = f"mcp-gateway:{tenant}:{{budgets}}:"

    @property
    def failures(self) -> int:
        return self._store.failures

    async def reserve(self, token: bytes, entries: Sequence[Entry]) -> Sequence[Room] | None:
        keys, numbers = packed_entries(self._prefix, token, entries)

        async def ask(redis: Redis) -> list[Room]:
            answer = await _run(redis, RESERVE, _RESERVE_SHA, keys, numbers)
            if not isinstance(answer, list) or len(answer) != 2 * len(entries):
                raise InvalidResponse("this is no answer of the script")
            return [Room(int(answer[at]), bool(int(answer[at + 1]))) for at in range(0, len(answer), 2)]

        return await self._store.ask(ask)

    async def settle(self, token: bytes, changes: Sequence[Change]) -> Sequence[int] | None:
        keys, numbers = packed_changes(self._prefix, token, changes)

        async def ask(redis: Redis) -> list[int]:
            answer = await _run(redis, SETTLE, _SETTLE_SHA, keys, numbers)
            if not isinstance(answer, list) or len(answer) != len(changes):
                raise InvalidResponse("this is no answer of the script")
            return [int(each) for each in answer]

        return await self._store.ask(ask)

    async def close(self) -> None:
        await self._store.close()


def packed_entries(prefix: str, token: bytes, entries: Sequence[Entry]) -> tuple[list[str], list[str]]:
    """The keys and the numbers that the script is given to hold `entries` back."""
    keys = [f"{prefix}token:{token.hex()}", *(f"{prefix}{entry.key.hex()}" for entry in entries)]
    rows = ((entry.window, entry.most, entry.amount, int(entry.enforced)) for entry in entries)
    return keys, [str(each) for row in rows for each in row]


def packed_changes(prefix: str, token: bytes, changes: Sequence[Change]) -> tuple[list[str], list[str]]:
    """The keys and the numbers that the script is given to carry out `changes`."""
    keys = [f"{prefix}token:{token.hex()}", *(f"{prefix}{change.key.hex()}" for change in changes)]
    rows = ((change.window, change.number, change.held, change.spent) for change in changes)
    return keys, [str(each) for row in rows for each in row]


async def _run(redis: Redis, script: str, sha: str, keys: Sequence[str], numbers: Sequence[str]) -> object:
    parts = (str(len(keys)), *keys, *numbers)
    try:
        return await command(redis, "EVALSHA", sha, *parts)
    except NoScriptError:  # a server that was restarted or flushed
        return await command(redis, "EVAL", script, *parts)


_RESERVE_SHA: Final = sha1(RESERVE.encode(), usedforsecurity=False).hexdigest()
_SETTLE_SHA: Final = sha1(SETTLE.encode(), usedforsecurity=False).hexdigest()
