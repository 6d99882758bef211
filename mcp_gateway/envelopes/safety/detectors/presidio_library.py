"""Presidio's analyzer over one spaCy pipeline that is there already: nothing is fetched and nothing is logged.

The only module that imports the two: it is loaded by name (docs/decisions/009).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from time import monotonic, process_time
from typing import Any, Final

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, pattern_recognizer
from presidio_analyzer.app_tracer import AppTracer
from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
from presidio_analyzer.nlp_engine.ner_model_configuration import MODEL_TO_PRESIDIO_ENTITY_MAPPING
from presidio_analyzer.predefined_recognizers import EmailRecognizer
from presidio_analyzer.recognizer_registry import RecognizerRegistryProvider
from spacy.language import Language
from tldextract import TLDExtract

from mcp_gateway.envelopes.safety.finding import Finding, Rest, no_rest

SECONDS: Final = 2
"""How long an expression may take. The library leaves one out that takes longer, which is a failure here."""

_TOGETHER: Final = 64
"""Texts that go through the pipeline at once: short ones cost a fifth of what they do one by one."""

_ANY_LANGUAGE: Final = "xx"


class Email(EmailRecognizer):
    """Asks the list of public suffixes that the library came with: the library itself downloads one."""

    def __init__(self, like: Any) -> None:
        super().__init__(context=like.context, supported_language=like.supported_language, name=like.name)
        self._suffixes = TLDExtract(cache_dir=None, suffix_list_urls=())
        # The list is read at the first call, which takes a tenth of a second.
        self._suffixes("example.com")

    def validate_result(self, pattern_text: str) -> bool:
        """Whether what stands behind the `@` can be a domain."""
        return bool(self._suffixes(pattern_text).fqdn)


class Analysis:
    """What Presidio finds in texts. It may be called from any thread; one works at a time."""

    __slots__ = ("_engine", "_language", "_lock", "_nlp", "default", "known")

    def __init__(self, model: str, language: str) -> None:
        """Raises `ValueError` where there is no such pipeline."""
        pattern_recognizer.REGEX_TIMEOUT_SECONDS = SECONDS
        self._language = language
        self._nlp = _pipeline(model, language)
        # A pipeline keeps the words of texts, and not for several threads at once.
        self._lock = Lock()
        own = _labels(self._nlp)
        mapping = {label: MODEL_TO_PRESIDIO_ENTITY_MAPPING.get(label, label) for label in own}
        engine: Any = SpacyNlpEngine(
            ner_model_configuration=NerModelConfiguration(model_to_presidio_entity_mapping=mapping)
        )
        # Loaded by itself it would download a pipeline that it does not find.
        engine.nlp = {language: self._nlp}
        registry = _registry(language)
        patterns = {entity for one in registry.recognizers for entity in one.supported_entities}
        if mapping:
            registry.add_nlp_recognizer(engine)
        self._engine: Any = AnalyzerEngine(
            registry=registry,
            nlp_engine=engine,
            app_tracer=AppTracer(enabled=False),
            supported_languages=[language],
        )
        self.known: Final = frozenset(patterns.union(mapping.values()))
        """The entities that can be asked for."""
        self.default: Final = self.known.intersection(patterns.union(MODEL_TO_PRESIDIO_ENTITY_MAPPING.values()))
        """Those that are looked for where none is named: not what only this pipeline knows."""

    def find(
        self, pieces: Sequence[tuple[int, str]], entities: Sequence[str], threshold: float, rest: Rest = no_rest
    ) -> list[Finding]:
        """What is found in each of `pieces`, which begin where the numbers say.

        Raises:
            TimeoutError: an expression took too long.
        """
        found: list[Finding] = []
        # In a zone the words of these texts are forgotten; otherwise the pipeline would keep them for ever.
        with self._lock, self._nlp.memory_zone():
            read = self._engine.nlp_engine.process_batch(
                [text for _, text in pieces], self._language, batch_size=_TOGETHER
            )
            for (start, text), (_, artifacts) in zip(pieces, read, strict=True):
                rest()
                results = self._results(text, artifacts, entities, threshold)
                found += [Finding(one.entity_type.lower(), start + one.start, start + one.end) for one in results]
        return found

    def _results(self, text: str, artifacts: object, entities: Sequence[str], threshold: float) -> Iterable[Any]:
        # Which clock the library goes by depends on the platform.
        begun = monotonic(), process_time()
        results: Iterable[Any] = self._engine.analyze(
            text, self._language, entities=entities, score_threshold=threshold, nlp_artifacts=artifacts
        )
        if max(monotonic() - begun[0], process_time() - begun[1]) >= SECONDS:
            raise TimeoutError("an expression took too long")
        return results


def _pipeline(model: str, language: str) -> Language:
    path = Path(model)
    if not path.is_absolute() and path.name != model:
        raise ValueError("`model` must be the name of an installed spaCy pipeline or an absolute path")
    if not (path.is_dir() if path.is_absolute() else spacy.util.is_package(model)):
        raise ValueError("`model` names no spaCy pipeline that is here; `python -m spacy download NAME` installs one")
    try:
        nlp = spacy.load(model)
    except (OSError, ValueError, ImportError) as error:
        raise ValueError(f"the spaCy pipeline in `model` cannot be loaded ({type(error).__name__})") from error
    if nlp.lang not in (language, _ANY_LANGUAGE):
        raise ValueError(f"`language` is not that of the spaCy pipeline, which is `{nlp.lang}`")
    return nlp


def _labels(nlp: Language) -> frozenset[str]:
    """What the pipeline calls what it finds."""
    naming = [name for name in nlp.pipe_names if "doc.ents" in nlp.get_pipe_meta(name).assigns]
    return frozenset(label for name in naming for label in nlp.pipe_labels.get(name, ()))


def _registry(language: str) -> RecognizerRegistry:
    registry = RecognizerRegistryProvider(
        registry_configuration={"supported_languages": [language]}
    ).create_recognizer_registry()
    registry.recognizers = [Email(one) if isinstance(one, EmailRecognizer) else one for one in registry.recognizers]
    return registry
