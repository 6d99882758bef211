"""A message for guardrails that no plane sends: a list of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.envelopes.safety.content import Carrier, Json, line
from mcp_gateway.envelopes.safety.lines import Lines


@dataclass(frozen=True)
class Texts:
    """The second implementation of `Content`."""

    carriers: Sequence[Carrier]
    small: bool = True
    permits: frozenset[str] = frozenset()
    principal: Principal = ANONYMOUS
    metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, *texts: str, small: bool = True) -> Texts:
        return cls([Carrier(text) for text in texts], small=small)

    @property
    def texts(self) -> list[str]:
        return [carrier.text for carrier in self.carriers]

    @property
    def lines(self) -> Lines:
        return Lines([line(carrier) for carrier in self.carriers], keep=False)

    @property
    def request(self) -> Json:
        return {"texts": self.texts}

    @property
    def response(self) -> Json | None:
        return None

    def rewritten(self, texts: Mapping[int, str]) -> Texts:
        return replace(
            self,
            carriers=[
                replace(carrier, text=texts.get(index, carrier.text)) for index, carrier in enumerate(self.carriers)
            ],
        )

    def replaced(self, body: Json) -> Texts:
        return Texts.of(*body["texts"])

    def permitted(self, guardrail: str) -> bool:
        return guardrail in self.permits
