"""One decision, as a gateway would make it: the agent's words in, the verdict of the policies out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from mcp_gateway.cli.policy.world import World
from mcp_gateway.core.errors import InvalidArguments
from mcp_gateway.core.metadata import META_KEY, NO_METADATA
from mcp_gateway.core.named import UnknownPrincipal, named
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.cedar.compiled import Compiled
from mcp_gateway.envelopes.policy.cedar.engine import Verdict
from mcp_gateway.envelopes.policy.cedar.model import Json, Output, PolicyText, Question, Subject
from mcp_gateway.envelopes.safety.metadata.claims import read_claims
from mcp_gateway.envelopes.safety.metadata.contract import Contract
from mcp_gateway.govern import Policies, govern
from mcp_gateway.settings.settings import Settings

LOOPBACK: Final = "127.0.0.1"


class Unanswerable(Exception):
    """The question cannot be asked: there is no such tool, or the call would not get as far as the policies."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One call as an agent makes it. `tool` is the exposed name; `output` what a result's structured content is."""

    principal: Principal
    server: str
    tool: str
    arguments: Json = field(default_factory=dict)
    metadata: Mapping[str, str] | None = None
    output: Json | None = None
    is_error: bool = False
    now: datetime | None = None
    ip: str = LOOPBACK


@dataclass(frozen=True, slots=True)
class Answer:
    """What the policies say before the call and, where that was yes and there is an output, after it."""

    subject: Subject
    before: Verdict
    after: Verdict | None = None

    @property
    def verdict(self) -> Verdict:
        """The one that counts."""
        return self.before if self.after is None else self.after


class Decider:
    """Asks the policies of `text` over `world`."""

    def __init__(self, world: World, text: PolicyText) -> None:
        self._world = world
        policies = Policies(text, Compiled(text), audit=False)
        governance = govern(policies, world.facts, world.catalogs)
        self._engine = governance.engine
        self._subjects = governance.subjects

    def decide(self, ask: Ask) -> Answer:
        """The answer to `ask`. Raises `Unanswerable`."""
        catalog = self._world.catalogs.get(ask.server)
        if catalog is None:
            raise Unanswerable(f"there is no virtual server {ask.server!r}")
        tool = catalog.tools.get(ask.tool)
        if tool is None:
            down = ", ".join(catalog.unavailable)
            raise Unanswerable(f"{ask.server} has no tool {ask.tool!r}" + (f" (not available: {down})" if down else ""))
        arguments: dict[str, Any] = dict(ask.arguments)
        problem = tool.check(arguments)
        if problem is not None:
            raise Unanswerable(f"the arguments do not fit the tool: {problem[1]} (at {problem[0] or '/'})")
        try:
            given = (
                tool.bind(arguments, ask.principal, ask.metadata or NO_METADATA) if tool.bind is not None else arguments
            )
        except InvalidArguments as error:
            raise Unanswerable(error.message) from error
        subject = self._subjects[ask.server].tools[ask.tool]
        question = Question(ask.principal, subject, ask.now or datetime.now(UTC), ask.ip, given, metadata=ask.metadata)
        before = self._engine.decide(question)
        if not before.allowed or ask.output is None or not self._engine.reads_output(ask.principal, subject):
            return Answer(subject, before)
        output = Output(ask.output, ask.is_error, len(orjson.dumps(ask.output)), ("text",))
        after = Question(ask.principal, subject, question.now, ask.ip, given, metadata=ask.metadata, output=output)
        return Answer(subject, before, self._engine.decide(after))


def claims_of(options: Sequence[str]) -> dict[str, list[str]]:
    """The claims that are each written NAME=VALUE. Raises `Unanswerable`."""
    told: dict[str, list[str]] = {}
    for each in options:
        name, sign, value = each.partition("=")
        if not sign or not name:
            raise Unanswerable(f"--claim {each!r}: write NAME=VALUE")
        told.setdefault(name, []).append(value)
    return told


def metadata_of(options: Sequence[str], contract: Contract, principal: Principal) -> Mapping[str, str] | None:
    """The metadata of a call that says what is each written KEY=VALUE: held against the contract, with what the gateway
    says itself. None where there is none. Raises `Unanswerable`."""
    told: dict[str, str] = {}
    for each in options:
        key, sign, value = each.partition("=")
        if not sign or not key:
            raise Unanswerable(f"--metadata {each!r}: write KEY=VALUE")
        if told.setdefault(key, value) != value:
            raise Unanswerable(f"--metadata says two things of {key!r}")
    settled = contract.settle(read_claims({}, {META_KEY: told} if told else None), principal)
    if options and settled.faults and not contract.audit:
        raise Unanswerable(f"the metadata would be refused: {'; '.join(fault.words for fault in settled.faults)}")
    return settled.values or None


def principal_of(
    name: str,
    settings: Settings,
    *,
    teams: tuple[str, ...] = (),
    scopes: tuple[str, ...] = (),
    email: str | None = None,
    claims: Mapping[str, object] | None = None,
    client_id: str | None = None,
) -> Principal:
    """The principal called `name`, as `core.named` has it. Raises `Unanswerable` where nobody can be called that."""
    try:
        return named(
            name,
            settings.identity.by_name,
            teams=teams,
            scopes=scopes,
            email=email,
            claims=claims,
            client_id=client_id,
        )
    except UnknownPrincipal as error:
        raise Unanswerable(str(error)) from None
