"""The LLM plane's files as one value: `models.yaml`, the routing documents that it names, and what fits together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mcp_gateway.core.errors import Problem
from mcp_gateway.settings.documents import Document, read_document
from mcp_gateway.settings.gateway import GatewaySettings
from mcp_gateway.settings.governance import MetadataSettings
from mcp_gateway.settings.llm_words import METADATA
from mcp_gateway.settings.models import ModelsSettings, named_in
from mcp_gateway.settings.nodes import Entries, Loc
from mcp_gateway.settings.problems import nearest
from mcp_gateway.settings.references import Resolver
from mcp_gateway.settings.routing import RoutingDocument, RoutingRuleSettings, RoutingSettings


@dataclass(frozen=True, slots=True)
class LlmSettings:
    """The LLM plane, complete and consistent.

    `rules` are those of all routing documents, in the order in which they are tried. `document` is `models.yaml` kept
    whole: what is wrong with a part of it is seen by the room that understands it, and shown there.
    """

    document: Document[ModelsSettings]
    models: ModelsSettings
    rules: tuple[RoutingRuleSettings, ...]


@dataclass(frozen=True, slots=True)
class LlmFiles:
    """The files that were read, also those that something is wrong with."""

    models: Document[ModelsSettings]
    routing: tuple[Document[RoutingDocument], ...]

    @property
    def documents(self) -> tuple[Document[ModelsSettings] | Document[RoutingDocument], ...]:
        return (self.models, *self.routing)

    def settings(self) -> LlmSettings | None:
        """What they amount to; None while one of them cannot be used."""
        documents = [document.model for document in self.routing]
        if self.models.model is None or None in documents:
            return None
        rules = tuple(rule for document in documents if document is not None for rule in document.rules)
        return LlmSettings(self.models, self.models.model, rules)


def read_llm(gateway: GatewaySettings | None, resolver: Resolver, problems: list[Problem]) -> LlmFiles | None:
    """The files of the LLM plane that the configuration names; that there is no `models` is said elsewhere."""
    if gateway is None or gateway.models is None or not os.path.isfile(gateway.models):
        return None
    models = read_document(gateway.models, ModelsSettings, resolver, problems)
    files = LlmFiles(models, tuple(_routing(models, resolver, problems)))
    problems.extend(_unknown_providers(files))
    problems.extend(_same_ids(files))
    problems.extend(_impossible_metadata(files, gateway.metadata))
    return files


def notices(llm: LlmSettings) -> Iterator[str]:
    """One sentence for everything in the files that people should know."""
    for name, provider in llm.models.providers.items():
        if provider.plain_http and provider.base_url.startswith("http:"):
            yield f"provider `{name}`: prompts, and its key if it has one, go there over plain http."


def _routing(
    models: Document[ModelsSettings], resolver: Resolver, problems: list[Problem]
) -> Iterator[Document[RoutingDocument]]:
    if models.model is None:
        return
    for index, path in enumerate(models.model.routing):
        if os.path.isfile(path):
            yield read_document(path, RoutingDocument, resolver, problems)
        else:
            problems.append(models.problem(("routing", index), f"there is no file {path}"))


def _unknown_providers(files: LlmFiles) -> Iterator[Problem]:
    known = _provider_names(files.models)
    for document in files.routing:
        for index, rule in enumerate(document.model.rules if document.model else ()):
            for at, provider in named_in(rule):
                if provider not in known:
                    hint = nearest(provider, known) or f"{files.models.path} names no providers"
                    yield document.problem(("rules", index, *at), f"unknown provider `{provider}`", hint)


def _provider_names(models: Document[ModelsSettings]) -> frozenset[str]:
    """As written, so that a file with other faults is compared too."""
    found = models.root.entries.get("providers") if isinstance(models.root, Entries) else None
    return frozenset(found[1].entries) if found is not None and isinstance(found[1], Entries) else frozenset()


def _same_ids(files: LlmFiles) -> Iterator[Problem]:
    first: dict[str, Document[RoutingDocument]] = {}
    for document in files.routing:
        for index, rule in enumerate(document.model.rules if document.model else ()):
            if rule.id in first:
                yield document.problem(
                    ("rules", index, "id"), f"another rule has the id `{rule.id}`", f"see {first[rule.id].path}"
                )
            first.setdefault(rule.id, document)


def _impossible_metadata(files: LlmFiles, contract: MetadataSettings | None) -> Iterator[Problem]:
    """What reads a key that no request can have."""
    if contract is None:
        return
    for document, at, key in _metadata_read(files):
        if not contract.may_have(key):
            hint = nearest(key, contract.keys) or "add it to `metadata.keys` in gateway.yaml"
            yield document.problem(at, f"the metadata contract has no key `{key}` and rejects unknown ones", hint)


def _metadata_read(
    files: LlmFiles,
) -> Iterator[tuple[Document[ModelsSettings] | Document[RoutingDocument], Loc, str]]:
    models = files.models.model
    if models is not None:
        for name, routing in models.virtual_models.items():
            for at, key in _read_by(routing):
                yield files.models, ("virtual_models", name, *at), key
        for section in ("budgets", "rate_limits"):
            for index, each in enumerate(getattr(models, section)):
                for place, per in enumerate(each.per):
                    if per.startswith(METADATA):
                        yield files.models, (section, index, "per", place), per.removeprefix(METADATA)
                for at, key in _selected(each.when.metadata):
                    yield files.models, (section, index, *at), key
    for document in files.routing:
        for index, rule in enumerate(document.model.rules if document.model else ()):
            for at, key in (*_selected(rule.when.metadata), *_read_by(rule)):
                yield document, ("rules", index, *at), key


def _selected(metadata: Mapping[str, str]) -> Iterator[tuple[Loc, str]]:
    for key in metadata:
        yield ("when", "metadata", key), key


def _read_by(routing: RoutingSettings) -> Iterator[tuple[Loc, str]]:
    for index, target in enumerate(routing.load_balance_targets):
        for key in target.metadata_match:
            yield ("load_balance_targets", index, "metadata_match", key), key
    if routing.sticky_routing is not None:
        for index, identifier in enumerate(routing.sticky_routing.session_identifiers):
            if identifier.source == "metadata":
                yield ("sticky_routing", "session_identifiers", index, "key"), identifier.key
