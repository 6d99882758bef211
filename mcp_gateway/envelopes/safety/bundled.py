"""The guardrails that every configuration has, usable by name without being declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Protocol

from mcp_gateway.envelopes.safety.verdict import Mode, Operation

GROUP: Final = "global"
CEDAR: Final = "global/cedar-permissions"


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


class CircuitSpec(Protocol):
    """When a guardrail that keeps failing is left alone; `cooldown` is in seconds."""

    @property
    def failures(self) -> int: ...
    @property
    def cooldown(self) -> float: ...


@dataclass(frozen=True, slots=True)
class CircuitOptions:
    """After so many failures in a row a guardrail is left alone for `cooldown` seconds."""

    failures: int = 5
    cooldown: float = 10.0


@dataclass(frozen=True, slots=True)
class Bundled:
    """A guardrail that needs no file. One that is declared under its name takes its place."""

    type: str
    operation: str = Operation.VALIDATE.value
    mode: str = Mode.ENFORCE.value
    priority: int = 1
    timeout: float = 5.0
    circuit: CircuitSpec = CircuitOptions()
    config: Mapping[str, Any] = field(default_factory=_nothing)


BUNDLED: Final[Mapping[str, Bundled]] = MappingProxyType(
    {
        # Secrets that are to be taken out are taken out first: what is left of one may look like something else.
        "global/pii-redaction": Bundled("pii", Operation.MUTATE.value, priority=10),
        "global/secrets-detection": Bundled("secrets"),
        "global/prompt-injection-detection": Bundled("prompt_injection"),
        "global/sql-sanitizer": Bundled(
            "sql", Operation.MUTATE.value, config=MappingProxyType({"dialect": "postgres"})
        ),
        CEDAR: Bundled("cedar"),
    }
)

ABSENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "global/hallucination-check": "it asks a model, so declare it in a group `global`"
        " with `type: llm_judge` and the endpoint of one"
    }
)
"""Names that are kept for what only an admin can complete, and how."""
