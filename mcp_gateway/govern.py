"""The policy envelope, built: from the texts of the policies and what upstreams really offer to a decision.

Policies are parsed and checked when a configuration is loaded. The engine is made anew whenever an upstream's offer
changes, since its schema is made of what is really offered; the policies stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mcp_gateway.calls.decide import DecideByPolicy
from mcp_gateway.calls.note import NoteQuestions
from mcp_gateway.calls.subjects import Subjects
from mcp_gateway.catalog.catalog import Catalog
from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.envelopes.policy.cedar.check import check
from mcp_gateway.envelopes.policy.cedar.compiled import Compiled
from mcp_gateway.envelopes.policy.cedar.engine import Engine
from mcp_gateway.envelopes.policy.cedar.model import Facts, PolicyText, Remark, Source, ToolFacts
from mcp_gateway.envelopes.policy.cedar.read_policies import read_policies
from mcp_gateway.envelopes.policy.cedar.visibility import Visibility
from mcp_gateway.envelopes.safety.engine import Engine as GuardEngine
from mcp_gateway.envelopes.safety.rules import Rulebook
from mcp_gateway.methods.access import Rules
from mcp_gateway.methods.offer import ByPolicy, Everything, Offer
from mcp_gateway.settings.governance import PolicySettings
from mcp_gateway.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of one configuration: their text, and compiled.

    `audit`: only record what would be denied. `values`: record what policies read of the content of calls.
    """

    text: PolicyText
    compiled: Compiled
    audit: bool
    values: bool = False


@dataclass(frozen=True, slots=True)
class Governance:
    """The policies at work over one state of all catalogs."""

    audit: bool
    engine: Engine
    decide: DecideByPolicy
    subjects: Mapping[str, Subjects]
    note: NoteQuestions

    @property
    def rules(self) -> Rules | None:
        """What decides who sees what; None where nothing is denied."""
        return None if self.audit else Rules(self.engine, self.subjects)

    def offer(self, catalog: Catalog) -> Offer:
        """The part of `catalog` that each caller may see; all of it where nothing is denied."""
        if self.audit:
            return Everything(catalog)
        return ByPolicy(catalog, self.subjects[catalog.server], Visibility(self.engine), self.decide.may_read)


def policy_text(settings: Settings) -> PolicyText | None:
    """The policies that `settings` holds, read; None without any. What is wrong with them is among the remarks."""
    if settings.policies is None or not isinstance(settings.gateway.policies, PolicySettings):
        return None
    sources = [Source(_shown(path, settings), text) for path, text in settings.policies]
    return read_policies(sources, folder=_shown(settings.gateway.policies.path, settings))


def policies_of(settings: Settings) -> Policies | None:
    """The policies that `settings` holds, parsed; None without any.

    Raises `ConfigurationError` with every problem that needs no schema to be seen.
    """
    text = policy_text(settings)
    if text is None or not isinstance(settings.gateway.policies, PolicySettings):
        return None
    _refuse(text.remarks)
    try:
        compiled = Compiled(text)
    except ValueError as error:
        raise ConfigurationError([Problem("policies", 0, 0, f"not a set of policies: {error}")]) from error
    written = settings.gateway.policies
    return Policies(text, compiled, audit=written.mode == "audit", values=written.record == "values")


def same_policies(one: Policies | None, other: Policies | None) -> bool:
    """Whether the two let everybody see the same."""
    if one is None or other is None:
        return one is other
    return (one.text.digest, one.audit) == (other.text.digest, other.audit)


def checked(policies: Policies, facts: Facts, servers: Sequence[str]) -> Sequence[Remark]:
    """Hold `policies` against what there is; the warnings. Raises `ConfigurationError` where a policy is wrong."""
    remarks = check(policies.text, facts, servers)
    _refuse(remarks)
    return [remark for remark in (*policies.text.remarks, *remarks) if remark.severity == "warning"]


def govern(policies: Policies, facts: Facts, catalogs: Mapping[str, Catalog]) -> Governance:
    """The policies over `catalogs`, whose tools are those of `facts` and the gateway's own."""
    own = [
        ToolFacts(tool.upstream, tool.upstream_name, tool.definition["inputSchema"])
        for catalog in catalogs.values()
        for tool in catalog.tools.values()
        if tool.connects
    ]
    facts = replace(facts, tools=(*facts.tools, *{tool.uid: tool for tool in own}.values()))
    engine = Engine(policies.compiled, facts)
    subjects = {
        name: Subjects.of(
            name, facts, (*catalog.tools.values(), *catalog.quarantined.values()), catalog.prompts.values()
        )
        for name, catalog in catalogs.items()
    }
    note = NoteQuestions(engine, policies.compiled.tags, policies.text.digest, values=policies.values)
    decide = DecideByPolicy(engine, subjects, note, audit=policies.audit)
    return Governance(policies.audit, engine, decide, subjects, note)


@dataclass(frozen=True, slots=True)
class Guards:
    """The guardrails of a configuration, and what those ask that ask a policy, by name.

    `parallel`: those that only refuse look at prompts while models answer.
    """

    rulebook: Rulebook
    engine: GuardEngine
    governances: Mapping[str, Governance]
    parallel: bool = True


class GuardPolicies:
    """The policies of guardrails, parsed when a configuration is loaded and kept for as long as it is in force."""

    def __init__(self) -> None:
        self._parsed: dict[str, Policies] = {}

    def of(self, texts: Mapping[str, str | None]) -> Mapping[str, Policies]:
        """Those of `texts`, by the name of their guardrail. Raises `ConfigurationError` for what is no policy."""
        parsed = {text: self._parsed.get(text) or _parsed(name, text) for name, text in texts.items() if text}
        self._parsed = parsed
        return {name: parsed[text] for name, text in texts.items() if text}


def guard_engines(
    names: Iterable[str],
    policies: Mapping[str, Policies],
    governance: Governance | None,
    facts: Facts,
    catalogs: Mapping[str, Catalog],
) -> Mapping[str, Governance]:
    """What the guardrails `names` ask; one without `policies` of its own asks the gateway's."""
    own = {name: govern(policies[name], facts, catalogs) for name in names if name in policies}
    return own if governance is None else {**dict.fromkeys(names, governance), **own}


def _parsed(guardrail: str, text: str) -> Policies:
    read = read_policies([Source(f"the policy of the guardrail {guardrail}", text)], folder="")
    _refuse(read.remarks)
    return Policies(read, Compiled(read), audit=False)


def _refuse(remarks: Sequence[Remark]) -> None:
    problems = [
        Problem(remark.file, remark.line, remark.column, remark.message)
        for remark in remarks
        if remark.severity == "error"
    ]
    if problems:
        raise ConfigurationError(problems)


def _shown(path: Path, settings: Settings) -> str:
    return str(path.relative_to(settings.base_dir) if path.is_relative_to(settings.base_dir) else path)
