"""Guard type `presidio`: Microsoft's analyzer, with a model that knows names. An extra, loaded by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from logging import getLogger
from typing import Any, Final, Protocol

from mcp_gateway.envelopes.safety.finding import Finding, Rest, no_rest
from mcp_gateway.envelopes.safety.options import Options

_LIBRARY: Final = "mcp_gateway.envelopes.safety.detectors.presidio_library"
_PACKAGES: Final = frozenset({"presidio_analyzer", "spacy", "tldextract"})
_LOGGERS: Final = ("presidio-analyzer", "decision_process", "tldextract")
"""Where the library logs, as soon as it is loaded. It may log what it reads."""

_LONGEST: Final = 512
"""How much of what follows a model reads with a word: some sentences. Long texts are gone through in parts."""

_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
_WORD: Final = re.compile(r"\w")


class Analyzer(Protocol):
    """What looks."""

    @property
    def known(self) -> Collection[str]:
        """The entities that can be asked for."""
        ...

    @property
    def default(self) -> Collection[str]:
        """Those that are looked for where none is named."""
        ...

    def find(
        self, pieces: Sequence[tuple[int, str]], entities: Sequence[str], threshold: float, rest: Rest = no_rest
    ) -> Sequence[Finding]:
        """What is found in each of `pieces`, which begin where the numbers say."""
        ...


class Presidio:
    """Finds the `entities` that `analyzer` gives a score from `threshold` on."""

    __slots__ = ("_analyzer", "_between", "_entities", "_threshold")

    name: Final = "presidio"
    longest: Final = _LONGEST
    runs_model: Final = True
    joins: Final = True

    def __init__(self, analyzer: Analyzer, entities: Sequence[str], threshold: float) -> None:
        self._analyzer = analyzer
        self._entities = tuple(sorted(entities))
        self._threshold = threshold
        own = "|".join(re.escape(entity.upper()) for entity in self._entities)
        self._between = re.compile(rf"(?:\[(?:{own})\]|[\[\]])+")

    @classmethod
    def of(cls, config: Mapping[str, object]) -> Presidio:
        """Reads `model`, `language` (en), `entities` (all of Presidio's) and `threshold` (0.5).

        Raises:
            ValueError: an option is unknown or has no such value, or what is needed is not installed.
        """
        options = Options(config)
        model = options.text("model", default="")
        language = options.text("language", default="en")
        entities = options.texts("entities")
        threshold = options.fraction("threshold", default=0.5)
        options.finish()
        if not model:
            raise ValueError("`model` is needed: the name of an installed spaCy pipeline or an absolute path")
        if not _LANGUAGE.fullmatch(language):
            raise ValueError("`language` must be a code such as en")
        if "entities" in config and not entities:
            raise ValueError("`entities` is empty")
        analyzer = _analyzer(model, language)
        for entity in entities:
            if entity not in analyzer.known:
                near = get_close_matches(entity, analyzer.known, 1)
                hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(sorted(analyzer.known))}"
                raise ValueError(f"`entities` holds what neither Presidio nor the pipeline knows: {hint}")
        return cls(analyzer, [*(entities or analyzer.default)], threshold)

    def find(self, text: str, rest: Rest = no_rest) -> Sequence[Finding]:
        """What is found between the brackets in `text`.

        A model reads a name by what stands beside it, so that a placeholder might change what it finds, or be a name
        itself: what it reads ends where one begins.
        """
        pieces = list(self._pieces(text))
        return self._analyzer.find(pieces, self._entities, self._threshold, rest) if pieces else ()

    def _pieces(self, text: str) -> Iterator[tuple[int, str]]:
        place = 0
        for match in self._between.finditer(text):
            yield from _piece(text, place, match.start())
            place = match.end()
        yield from _piece(text, place, len(text))


def _piece(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    piece = text[start:end].lstrip()
    if _WORD.search(piece):
        yield end - len(piece), piece.rstrip()


def _analyzer(model: str, language: str) -> Analyzer:
    for name in _LOGGERS:
        getLogger(name).disabled = True
    try:
        library: Any = import_module(_LIBRARY)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PACKAGES:
            raise
        raise ValueError("Presidio is not installed: pip install 'mcp-gateway[presidio]'") from None
    made: Analyzer = library.Analysis(model, language)
    return made
