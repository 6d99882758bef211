"""What was tried at providers, told attempt by attempt. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from mcp_gateway.core.plural import count
from mcp_gateway.envelopes.policy.budgets.rules import NANO


def attempts(tried: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """One step for each attempt, and one for what they cost together."""
    if not tried:
        yield "Attempts", "no provider was asked"
        return
    for number, each in enumerate(tried, 1):
        yield f"Attempt {number}", _one(each)
    yield "Cost", _cost(tried)


def _one(each: Mapping[str, Any]) -> str:
    status = each.get("status")
    answered = f"HTTP {status}" if status else "no answer"
    error = str(each.get("error") or "")
    told = [f"{each.get('target')}: {error if error.startswith(answered) else answered}"]
    if error and not error.startswith(answered):
        told.append(error)
    if each.get("first_token_ms") is not None:
        told.append(f"first token after {each['first_token_ms']} ms")
    told.append(f"{each.get('duration_ms')} ms")
    usage = each.get("usage")
    if isinstance(usage, Mapping):
        guess = ", estimated" if each.get("estimated") else ""
        told.append(f"{count(usage.get('input') or 0, 'token')} in, {usage.get('output')} out{guess}")
    return ", ".join(told)


def _cost(tried: Sequence[Mapping[str, Any]]) -> str:
    known = [each["cost_nano_usd"] for each in tried if isinstance(each.get("cost_nano_usd"), int)]
    unknown = len(tried) - len(known)
    told = f"{dollars(sum(known))} in {count(len(tried), 'attempt')}"
    return f"{told}, {unknown} of unknown price" if unknown else told


def dollars(nanos: int) -> str:
    """An amount of nano-dollars as people read it."""
    return f"{Decimal(nanos) / NANO:.6f} USD"
