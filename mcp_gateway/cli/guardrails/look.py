"""A text as a guardrail of a running gateway sees it, and the guardrails that a command is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from mcp_gateway.cli.state import settings_of, stopped
from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.envelopes.safety.configure import Configured
from mcp_gateway.envelopes.safety.content import Carrier, line
from mcp_gateway.envelopes.safety.examine_texts import ExamineTexts
from mcp_gateway.envelopes.safety.finding import Finding
from mcp_gateway.envelopes.safety.guard import Guard
from mcp_gateway.envelopes.safety.lines import Lines
from mcp_gateway.envelopes.safety.message import MOMENT_CHARACTERS
from mcp_gateway.envelopes.safety.off_loop import OffLoop
from mcp_gateway.envelopes.safety.verdict import Hook
from mcp_gateway.envelopes.safety.walk import weight
from mcp_gateway.settings.settings import Settings

DEFAULT: Final = Path("gateway.yaml")


@dataclass(frozen=True, slots=True)
class Text:
    """A message with one text, under `name`."""

    text: str
    name: str

    @property
    def small(self) -> bool:
        return weight(self.text) <= MOMENT_CHARACTERS

    @property
    def carriers(self) -> Iterable[Carrier]:
        return (Carrier(self.text, self.name),)

    @property
    def lines(self) -> Lines:
        return Lines((line(Carrier(self.text, self.name)),), keep=False)

    @property
    def request(self) -> dict[str, Any]:
        return {"name": "text", "arguments": {self.name: self.text}}

    @property
    def response(self) -> dict[str, Any] | None:
        return None

    @property
    def principal(self) -> Principal:
        return ANONYMOUS

    @property
    def metadata(self) -> Mapping[str, str]:
        return {}

    def rewritten(self, texts: Mapping[int, str]) -> Text:
        return replace(self, text=texts[0])

    def replaced(self, body: dict[str, Any]) -> Text:
        text = body.get("arguments", {}).get(self.name)
        if not isinstance(text, str):
            raise ValueError("a guardrail left something else than a text")
        return replace(self, text=text)

    def permitted(self, guardrail: str) -> bool:
        raise ValueError("there is no call that a policy could be asked about")


def findings(guard: Guard, text: Text) -> Sequence[Finding]:
    """Where `guard` finds something in `text`, in order; nothing of one that does not say where."""
    examine = guard.examine.examine if isinstance(guard.examine, OffLoop) else None
    if not isinstance(examine, ExamineTexts):
        return ()
    (carrier,) = text.carriers
    return examine.findings(carrier)


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column of a character of `text`, both from 1, the column in characters."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def settings_at(config: Path | None) -> Settings | None:
    """The configuration; None where none is named and none is here: then there are the bundled guardrails."""
    if config is None and not DEFAULT.is_file():
        return None
    return settings_of(config or DEFAULT)


def wanted(found: Configured, names: Sequence[str], hook: Hook | None, settings: Settings | None) -> list[Guard]:
    """The guardrails with these names, those that a rule brings to `hook`, or all. Leaves with 2 for a name in vain."""
    known = [name for name in found.rulebook.names if name not in found.policies]
    for name in names:
        if name in found.policies:
            raise stopped(f"the guardrail {name!r} asks a policy about calls, not about texts")
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise stopped(f"there is no guardrail {name!r}" + (f": did you mean {near[0]!r}?" if near else ""))
    if hook is not None:
        document = None if settings is None else settings.guardrails
        rules = document.model.rules if document is not None and document.model is not None else ()
        names = [*names, *(name for rule in rules for name in rule.named(hook) if name in known)]
    chosen = dict.fromkeys(names if names or hook is not None else known)
    return [found.rulebook.guard(name) for name in chosen]
