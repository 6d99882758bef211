"""From a question to the context that Cedar reads, as its text. Made once for each tool, run for each decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson

from mcp_gateway.envelopes.policy.cedar.model import (
    COMPLETE,
    EMBED,
    READ_RESOURCE,
    USE_MODEL,
    Output,
    Path,
    PromptFacts,
    Question,
    ToolFacts,
)
from mcp_gateway.envelopes.policy.cedar.reads import ROOTS
from mcp_gateway.envelopes.policy.cedar.shape import Attribute, Record, Scalar, prompt_record, record_of
from mcp_gateway.envelopes.policy.cedar.values import Budget, Writer, writer

INPUT: Final = "input"
OUTPUT: Final = "output"

EVERYTHING: Final = frozenset(ROOTS)

INFO: Final = frozenset({"is_error", "bytes", "kinds"})
"""The members of `output_info`."""

MORE: Final = "…"
"""In `input_omitted`, where more was left out than is named."""

NOTHING: Final = Record()
COMPLETION: Final = Record(
    (Attribute("argument", Scalar.STRING, required=True), Attribute("value", Scalar.STRING, required=True))
)

_NO_ADDRESS: Final = "unknown"
"""Not an address on purpose: the request cannot be evaluated then, which denies it."""


class Fitted(NamedTuple):
    """A context: its `text`, and the paths whose values it does not show; all of them where `all_omitted`."""

    text: str
    omitted: frozenset[Path]
    all_omitted: bool


@dataclass(frozen=True, slots=True)
class Fit:
    """Makes contexts that conform to the schema of one tool, prompt, or of what has no definition."""

    _input: Writer
    _output: Writer | None
    _metadata: frozenset[str]

    @classmethod
    def of(cls, facts: ToolFacts | PromptFacts | None, metadata: Iterable[str] = ()) -> Fit:
        """`metadata` are the keys of the contract, as in `Facts`: others are no attributes and are not shown."""
        taken, given = NOTHING, None
        if isinstance(facts, ToolFacts):
            taken, given = tool_records(facts)
        elif isinstance(facts, PromptFacts):
            taken = prompt_record(facts)
        output = None if given is None else writer(given, (OUTPUT,))
        return cls(writer(taken, (INPUT,)), output, frozenset(metadata))

    def fit(self, question: Question, roots: frozenset[str] = EVERYTHING, info: frozenset[str] = INFO) -> Fitted:
        """What a policy may know of `question`; of the attributes of the context those of `roots`, which are read, and
        of `output_info` the members `info`.

        The undeclared, and what Cedar cannot hold exactly, is left out and named. Names in `input_omitted` are
        paths below `input` with dots between; a dot or a backslash in a name has a backslash before it.
        """
        budget = Budget()
        context: dict[str, Any] = {}
        if INPUT in roots or "input_omitted" in roots:
            self._add_input(question, context, budget)
        if "metadata" in roots:
            given = question.metadata or {}
            context["metadata"] = {key: value for key, value in given.items() if key in self._metadata}
        if "agent" in roots:
            principal = question.principal
            named = {} if principal.client_id is None else {"client_id": principal.client_id}
            context["agent"] = {"actors": principal.actors, **named}
        if "now" in roots:
            context["now"] = {"__extn": {"fn": "datetime", "arg": _instant(question.now)}}
        if "ip" in roots:
            context["ip"] = {"__extn": {"fn": "ip", "arg": _address(question.ip)}}
        if question.output is not None:
            self._add_output(question.output, context, budget, roots, info)
        return Fitted(orjson.dumps(context).decode(), frozenset(budget.omitted), budget.overflowed)

    def _add_input(self, question: Question, context: dict[str, Any], budget: Budget) -> None:
        taken = _FIXED.get(question.subject.action, self._input)(question.input, budget)
        names = sorted(dotted(path[1:]) for path in budget.omitted)
        context[INPUT] = taken
        context["input_omitted"] = [*names, MORE] if budget.overflowed else names

    def _add_output(
        self, output: Output, context: dict[str, Any], budget: Budget, roots: frozenset[str], info: frozenset[str]
    ) -> None:
        if "output_info" in roots:
            told = {"is_error": output.is_error, "bytes": output.bytes, "kinds": output.kinds}
            context["output_info"] = told if info == INFO else {name: told[name] for name in told if name in info}
        if OUTPUT not in roots:
            return
        if output.structured is None:
            if self._output is not None and not output.is_error:
                budget.leave_out((OUTPUT,))  # it came another way than declared: a policy must not take it for nothing
            return
        if self._output is None:
            budget.leave_out((OUTPUT,))
        else:
            context[OUTPUT] = self._output(output.structured, budget)


def tool_records(facts: ToolFacts) -> tuple[Record, Record | None]:
    """What a tool takes and what it gives, as far as they have types."""
    output = None if facts.output_schema is None else record_of(facts.output_schema)
    return record_of(facts.input_schema) or NOTHING, output


def dotted(path: Path) -> str:
    """`path` in one word, each name told from the next."""
    return ".".join(name.replace("\\", "\\\\").replace(".", "\\.") for name in path)


def _instant(now: datetime) -> str:
    return now.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _address(ip: str) -> str:
    """The address as Cedar reads it: no zone, and an IPv4 caller of a dual-stack socket as IPv4."""
    try:
        address = ip_address(ip.partition("%")[0])
    except ValueError:
        return _NO_ADDRESS
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


_FIXED: Final[Mapping[str, Writer]] = MappingProxyType(
    {
        COMPLETE: writer(COMPLETION, (INPUT,)),
        **{action: writer(NOTHING, (INPUT,)) for action in (READ_RESOURCE, USE_MODEL, EMBED)},
    }
)
"""For actions whose input is not that of what is acted upon: completing an argument of a prompt is one."""
