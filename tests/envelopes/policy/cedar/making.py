"""A small company to decide about: its facts, its engine, its questions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.cedar.compiled import Compiled
from mcp_gateway.envelopes.policy.cedar.engine import Engine, Verdict
from mcp_gateway.envelopes.policy.cedar.model import Facts, Output, PolicyText, Question, Source, Subject, ToolFacts
from mcp_gateway.envelopes.policy.cedar.read_policies import read_policies

ALICE = Principal(
    id="corp|alice",
    subject="alice",
    issuer="https://login.example.com",
    email="alice@example.com",
    teams=("finance",),
    client_id="agent-1",
)
INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "amount": {"type": "number"},
        "count": {"type": "integer"},
        "memo": {"type": "string"},
        "urgent": {"type": "boolean"},
        "labels": {"type": "array", "items": {"type": "string"}},
        "to": {"type": "object", "properties": {"iban": {"type": "string"}}, "required": ["iban"]},
    },
    "required": ["amount"],
}
OUTPUT: dict[str, Any] = {"type": "object", "properties": {"ssn": {"type": "string"}, "rows": {"type": "integer"}}}
REFUND = ToolFacts("payments", "create_refund", INPUT, OUTPUT)
STATUS = ToolFacts("vcs", "git-status", {"type": "object", "properties": {}}, read_only=True, destructive=False)
FACTS = Facts(upstreams=("payments", "vcs", "files"), tools=(REFUND, STATUS), metadata=("environment",))
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def text(*policies: str) -> PolicyText:
    """Policies with ids p0, p1, … where they name none."""
    named = [each if "@id(" in each else f'@id("p{index}") {each}' for index, each in enumerate(policies)]
    read = read_policies([Source("test.cedar", "\n".join(named))])
    assert not [remark for remark in read.remarks if remark.severity == "error"], read.remarks
    return read


def engine(*policies: str, facts: Facts = FACTS) -> Engine:
    return Engine(Compiled(text(*policies)), facts)


def of(tool: ToolFacts, server: str = "support") -> Subject:
    return Subject(tool.action, tool.uid, tool.upstream, server, tool)


def ask(
    tool: ToolFacts,
    given: Mapping[str, Any],
    *,
    principal: Principal = ALICE,
    server: str = "support",
    ip: str = "10.0.0.7",
    metadata: Mapping[str, str] | None = None,
    output: Output | None = None,
) -> Question:
    return Question(principal, of(tool, server), NOW, ip, given, metadata, output)


def decide(given: Mapping[str, Any], *policies: str, **about: Any) -> Verdict:
    """What `policies` say of a refund with these arguments."""
    return engine(*policies).decide(ask(REFUND, given, **about))
