"""How an upstream is doing, for the control plane."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """One upstream at one moment.

    `kind` is ``stdio``, ``http`` or ``sse``; `version` the protocol version spoken, "" while it was never reached.
    `error` is public text, None while available. `since` is when it became available or unavailable (Unix time).
    With `waits_for_person` nothing is wrong: its lists are read when somebody has connected an account there.
    `sessions` counts open conversations, `restarts` how often the main one had to be begun again.
    """

    name: str
    kind: str
    version: str
    available: bool
    error: str | None
    since: float
    sessions: int
    restarts: int
    waits_for_person: bool
    tools: int
    prompts: int
    resources: int
