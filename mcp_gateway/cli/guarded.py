"""The guardrails of a configuration, built without a gateway: for commands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.envelopes.policy.cedar.compiled import Compiled
from mcp_gateway.envelopes.policy.cedar.model import Source
from mcp_gateway.envelopes.policy.cedar.read_policies import read_policies
from mcp_gateway.envelopes.safety.configure import Configured
from mcp_gateway.envelopes.safety.safeguard import BadGuardrails, Safeguard
from mcp_gateway.settings.documents import Document
from mcp_gateway.settings.guardrails import GuardrailsSettings
from mcp_gateway.settings.settings import Settings


@asynccontextmanager
async def guardrails_of(settings: Settings | None) -> AsyncIterator[Configured]:
    """The guardrails of `settings`; the bundled ones where it has none. Their threads and connections end with it.

    Raises `ConfigurationError` with what is wrong with each, also with the text of a policy of its own.
    """
    document = None if settings is None else settings.guardrails
    spec = None if document is None else document.model
    safeguard = Safeguard(None if settings is None else Allowed.parse(settings.gateway.egress.allow))
    governed = settings is not None and settings.policies is not None
    try:
        found = safeguard.configured(spec or GuardrailsSettings(), governed=governed)
        if document is not None and (problems := list(_bad_policies(document, found))):
            raise ConfigurationError(problems)
        yield found
    except BadGuardrails as error:
        if document is None:
            raise
        raise ConfigurationError(
            [document.problem(fault.at, fault.message, fault.hint) for fault in error.faults]
        ) from error
    finally:
        await safeguard.close()


def _bad_policies(document: Document[GuardrailsSettings], found: Configured) -> Iterator[Problem]:
    for number, group in enumerate(document.model.groups if document.model is not None else ()):
        for index, guardrail in enumerate(group.guardrails):
            text = found.policies.get(f"{group.name}/{guardrail.name}")
            if text is not None:
                at = ("groups", number, "guardrails", index, "config", "policy")
                for message in _wrong(text):
                    yield document.problem(at, message)


def _wrong(text: str) -> Iterator[str]:
    """What is wrong with a policy, by the place in its text."""
    read = read_policies([Source("policy", text)], folder="")
    errors = [remark for remark in read.remarks if remark.severity == "error"]
    for remark in errors:
        yield f"line {remark.line}, column {remark.column} of the policy: {remark.message}"
    if not errors:
        try:
            Compiled(read)
        except ValueError as error:
            yield f"not a set of policies: {error}"
