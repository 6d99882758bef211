"""Presidio and a pipeline of spaCy: what they find, what is wrong with a configuration, and that nobody is told."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.content import Carrier, Examined
from mcp_gateway.envelopes.safety.detectors.presidio import Presidio
from mcp_gateway.envelopes.safety.examine_texts import ExamineTexts
from mcp_gateway.envelopes.safety.finding import Finding
from mcp_gateway.envelopes.safety.lines import LONG
from mcp_gateway.envelopes.safety.off_loop import OffLoop
from mcp_gateway.envelopes.safety.scan import redact, scan
from mcp_gateway.envelopes.safety.workers import Workers
from tests.envelopes.safety.content import Texts
from tests.envelopes.safety.pipeline import CITY, NAME, pipeline
from tests.support import ROOT

CARD = "4111 1111 1111 1111"
LIBRARY = "mcp_gateway.envelopes.safety.detectors.presidio_library"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pipeline(tmp_path_factory.mktemp("model") / "names")


@pytest.fixture(scope="module")
def presidio(model: str) -> Presidio:
    return Presidio.of({"model": model})


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("person", NAME),
        ("location", CITY),
        ("credit_card", CARD),
        ("email_address", "alice@example.com"),
        ("iban_code", "DE89370400440532013000"),
        ("us_ssn", "536-90-4399"),
        ("ip_address", "192.0.2.17"),
    ],
)
@pytest.mark.parametrize("place", ["{}", "It is {} here.", "😀 𝒳 {} 😀", "[{}]", 'x\n"{}"\n', "größer: {}, ﬁn"])
def test_what_is_found_stands_where_it_says(presidio: Presidio, kind: str, what: str, place: str) -> None:
    text = place.format(what)
    start = text.index(what)
    assert Finding(kind, start, start + len(what)) in scan(text, (presidio,))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"{NAME} of {CITY} has {CARD}.", "[PERSON] of [LOCATION] has [CREDIT_CARD]."),
        ("Ａlice Ｓmith\N{ZERO WIDTH SPACE} and 𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏", "[PERSON]\N{ZERO WIDTH SPACE} and [CREDIT_CARD]"),
        ("aGVsbG8gQWxpY2UgU21pdGg= is hello", "[PERSON] is hello"),
        ("[PERSON] of [LOCATION], [[PERSON]]", "[PERSON] of [LOCATION], [[PERSON]]"),
        ("[Bob]", "[[PERSON]]"),
        ("PERSON", "[PERSON]"),
        ("A Gadget for [] and ][", "A Gadget for [] and ]["),
    ],
)
def test_what_is_taken_out_is_gone_and_nothing_else(presidio: Presidio, text: str, left: str) -> None:
    once = redact(text, scan(text, (presidio,)))
    assert once == left
    assert scan(once, (presidio,)) == ()


@settings(max_examples=40)
@given(st.lists(st.sampled_from([NAME, CITY, CARD, "Bob", "Alice", "Smith", "PERSON", " ", "[", "]", "\n", "x", ", "])))
def test_what_is_left_is_at_rest(presidio: Presidio, parts: list[str]) -> None:
    left = redact("".join(parts), scan("".join(parts), (presidio,)))
    assert scan(left, (presidio,)) == ()


def test_texts_together_are_read_as_each_by_itself(presidio: Presidio) -> None:
    # Between two texts stand brackets, across which no name goes.
    content = Texts.of("Alice", "Smith", f"{NAME} {CARD}", CITY, *["nothing"] * 400)
    examined = ExamineTexts(presidio)(content, rewrite=True)
    assert isinstance(examined.content, Texts)
    assert examined.content.texts[:4] == ["Alice", "Smith", "[PERSON] [CREDIT_CARD]", "[LOCATION]"]
    assert examined.findings == {"person": 1, "credit_card": 1, "location": 1}


def test_a_key_says_more_of_what_stands_behind_it(model: str) -> None:
    examine = ExamineTexts(Presidio.of({"model": model, "entities": ["PHONE_NUMBER"], "threshold": 0.7}))
    assert examine.findings(Carrier("212-456-7890", "phone")) == [Finding("phone_number", 0, 12)]
    assert examine.findings(Carrier("212-456-7890", "part")) == []


def test_a_long_text_is_gone_through_in_parts(presidio: Presidio) -> None:
    word = "nothing to see.\n"
    before = word * (LONG // len(word) + 7)
    text = f"{before}{NAME} {CARD}\n{before}{CITY}"
    assert redact(text, ExamineTexts(presidio).findings(Carrier(text))) == (
        f"{before}[PERSON] [CREDIT_CARD]\n{before}[LOCATION]"
    )


def test_of_entities_those_are_found_that_are_named(model: str) -> None:
    text = f"{NAME}, {CITY}, {CARD}, Gadget"
    one = Presidio.of({"model": model, "entities": ["PERSON", "PRODUCT"]})
    assert redact(text, scan(text, (one,))) == f"[PERSON], {CITY}, {CARD}, [PRODUCT]"


def test_what_scores_less_than_the_threshold_is_not_found(model: str) -> None:
    weak = Presidio.of({"model": model, "entities": ["US_BANK_NUMBER"], "threshold": 0.01})
    assert weak.find("945456787654") == [Finding("us_bank_number", 0, 12)]
    strong = Presidio.of({"model": model, "entities": ["US_BANK_NUMBER", "PERSON", "CREDIT_CARD"], "threshold": 0.9})
    # What a pipeline finds has 0.85.
    assert [one.kind for one in strong.find(f"945456787654 {NAME} {CARD}")] == ["credit_card"]


def test_the_language_is_that_of_the_pipeline(tmp_path: Path) -> None:
    german = pipeline(tmp_path / "german", language="de")
    text = f"{NAME} wohnt in {CITY}, DE89370400440532013000"
    found = scan(text, (Presidio.of({"model": german, "language": "de"}),))
    assert redact(text, found) == "[PERSON] wohnt in [LOCATION], [IBAN_CODE]"
    with pytest.raises(ValueError, match="`language` is not that of the spaCy pipeline, which is `de`"):
        Presidio.of({"model": german})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "`model` is needed"),
        ({"model": "xx_no_such_pipeline"}, "`python -m spacy download NAME` installs one"),
        ({"model": "/no/such/folder"}, "`model` names no spaCy pipeline that is here"),
        ({"model": "models/names"}, "an absolute path"),
        ({"model": str(ROOT / "docs")}, "cannot be loaded"),
        ({"entities": ["PERSONS"]}, "did you mean `PERSON`"),
        ({"entities": ["NRP"]}, "known are CREDIT_CARD, CRYPTO"),
        ({"entities": []}, "`entities` is empty"),
        ({"entities": "PERSON"}, "`entities` must be a list"),
        ({"threshold": 2}, "`threshold` must be a number"),
        ({"language": "English"}, "`language` must be a code"),
        ({"entity": ["PERSON"]}, "did you mean `entities`"),
    ],
)
def test_what_is_wrong_with_a_configuration_is_said(model: str, config: dict[str, Any], message: str) -> None:
    given = config if not config or "model" in config else {"model": model, **config}
    with pytest.raises(ValueError, match=message):
        Presidio.of(given)


def test_a_pipeline_without_names_has_none_to_offer(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path / "blank")
    config = {"model": str(tmp_path / "blank")}
    assert [one.kind for one in Presidio.of(config).find(f"{NAME} {CARD}")] == ["credit_card"]
    with pytest.raises(ValueError, match="what neither Presidio nor the pipeline knows"):
        Presidio.of({**config, "entities": ["PERSON"]})


@pytest.mark.parametrize("package", ["presidio_analyzer", "spacy", "tldextract"])
def test_without_the_package_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, model: str, package: str
) -> None:
    for name in [name for name in sys.modules if name == LIBRARY or name.partition(".")[0] == "presidio_analyzer"]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Without(package), *sys.meta_path])
    with pytest.raises(ValueError, match=r"pip install 'mcp-gateway\[presidio\]'"):
        Presidio.of({"model": model})


class _Without:
    """Finds modules as if `package` were not installed."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == self._package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


ALONE = f"""
import logging, sys
from mcp_gateway.envelopes.safety import makers
assert not {{"presidio_analyzer", "spacy", "tldextract"}}.intersection(sys.modules)

def hook(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.posix_spawn", "os.exec", "os.fork")) and "__new__" not in event:
        print(event, arguments, flush=True)
        raise OSError("nothing is asked of anybody")

sys.addaudithook(hook)
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
found = makers.Presidio.of({{"model": sys.argv[1]}}).find("{NAME} at alice@example.co.uk, see www.example.com, {CARD}")
print(sorted({{one.kind for one in found}}))
"""


def test_nothing_is_fetched_and_nothing_is_logged(tmp_path: Path, model: str) -> None:
    # In a process of its own, with no cache: lists that were fetched once are not fetched again.
    done = subprocess.run(
        [sys.executable, "-c", ALONE, model],
        cwd=ROOT,
        env={"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    (kinds,) = done.stdout.splitlines()
    assert kinds == "['credit_card', 'email_address', 'person', 'url']"
    assert list(tmp_path.iterdir()) == []


def test_not_even_with_everything_logged_is_a_text(presidio: Presidio, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        presidio.find(f"{NAME} at alice@example.co.uk, {CARD}, Gadget, +49 30 901820, http://www.example.com/x")
    assert caplog.records == []


def test_the_words_of_texts_are_forgotten(model: str) -> None:
    analysis = import_module(LIBRARY).Analysis(model, "en")
    strings = analysis._nlp.vocab.strings
    analysis.find([(0, f"{NAME} ordered.")], ["PERSON"], 0.5)
    before = len(strings)
    analysis.find([(0, " ".join(f"word{number}" for number in range(500)))], ["PERSON"], 0.5)
    assert len(strings) == before
    assert "word17" not in strings


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, model: str) -> Iterator[Presidio]:
    """One whose expressions have less time."""
    library = import_module(LIBRARY)
    monkeypatch.setattr(library, "SECONDS", 0.05)
    monkeypatch.setattr(library.pattern_recognizer, "REGEX_TIMEOUT_SECONDS", 0.05)
    yield Presidio.of({"model": model, "entities": ["EMAIL_ADDRESS"]})


def test_an_expression_that_was_given_up_is_a_failure(hasty: Presidio) -> None:
    with pytest.raises(TimeoutError):
        hasty.find("a." * 4000 + "@")


async def test_the_event_loop_never_runs_it_and_streams_wait(presidio: Presidio) -> None:
    workers = Workers()
    try:
        examine = ExamineTexts(presidio)
        off = OffLoop(examine, workers, always=examine.runs_model)
        assert off.waits(Texts.of(NAME, small=True))
        judged = off(Texts.of(NAME, small=True), rewrite=True)
        assert not isinstance(judged, Examined)
        assert (await judged).findings == {"person": 1}
        assert not examine.streams("text", rewrite=False)
        assert ExamineTexts(presidio, only=frozenset({"sql"})).streams("text", rewrite=True)
    finally:
        workers.close()
