"""Many texts in one look: nothing is passed over in it that a look at each by itself would find."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.envelopes.safety.content import PASSED, Carrier, line
from mcp_gateway.envelopes.safety.detectors.pii import Pii
from mcp_gateway.envelopes.safety.detectors.secrets import Secrets
from mcp_gateway.envelopes.safety.examine_texts import ExamineTexts
from mcp_gateway.envelopes.safety.lines import LONG, SEPARATOR, Batch, Lines
from mcp_gateway.envelopes.safety.scan import scan
from tests.envelopes.safety.content import Texts
from tests.envelopes.safety.support import CALLED, CREDENTIALS, DETECTORS, INNOCENT, PERSONAL, made

_ALL = [text for texts in (*PERSONAL.values(), *CALLED.values(), *CREDENTIALS.values()) for text in texts]
_EDGES = [
    "password",
    "secret=",
    "token:",
    "ssn",
    "tel",
    "-----BEGIN ",
    "\\",
    "%4",
    '"',
    "'",
    "4111",
    "+49",
    "a@",
    "=",
    "",
]
_TEXTS = st.lists(st.sampled_from(_ALL) | st.sampled_from(INNOCENT) | st.sampled_from(_EDGES), max_size=8)
_PASSWORD = made("Tr0ub4", "dor&3")


@settings(max_examples=300, deadline=None)
@given(_TEXTS)
def test_what_is_clean_together_is_clean_by_itself(texts: list[str]) -> None:
    for detector in DETECTORS:
        clean, all_clean = Batch(texts).clean(detector)
        known = list(clean)
        assert all_clean is (len(known) == len(texts))
        assert not [text for text in known if scan(text, [detector])]


@settings(max_examples=60, deadline=None)
@given(_TEXTS)
def test_a_message_is_judged_as_its_texts_are(texts: list[str]) -> None:
    for detector in DETECTORS:
        content = Texts([Carrier(text, "x") for text in texts])
        denied = any(scan(line(carrier), [detector]) for carrier in content.carriers)
        assert ExamineTexts(detector)(content, rewrite=False).denied is denied


def test_batches_cover_a_message_with_few_looks() -> None:
    assert len(list(Lines(["plain words"] * 400, keep=False).batches())) == 1


def test_what_is_said_again_in_a_small_message_is_looked_at_once() -> None:
    again, other = f"password: {_PASSWORD}", "state: posted"
    (batch,) = Lines([other, again, other, again, other], keep=True).batches()
    assert batch is not None
    lines, all_clean = batch.clean(Secrets())
    assert (list(lines), all_clean) == ([other], False)
    assert Lines([], keep=True).batches() == ()


def test_batches_are_bounded_and_a_long_line_is_in_none() -> None:
    batches = list(Lines(["a" * 5000, "b" * 5000, "c" * (LONG + 1), "d"], keep=False).batches())
    assert [batch is None for batch in batches] == [False, True, False]


def test_batches_that_are_kept_are_made_once() -> None:
    lines = Lines(iter(["a", "b"]), keep=True)
    assert lines.batches() is lines.batches()


def test_a_secret_is_known_by_the_key_that_it_stands_under() -> None:
    content = Texts([Carrier(_PASSWORD, "password"), Carrier(_PASSWORD, "title")])
    examined = ExamineTexts(Secrets())(content, rewrite=True)
    assert isinstance(examined.content, Texts)
    assert examined.content.texts == ["[SECRET]", _PASSWORD]


def test_a_number_is_known_by_the_key_that_it_stands_under() -> None:
    content = Texts([Carrier("123456789", "ssn"), Carrier("123456789", "count")])
    examined = ExamineTexts(Pii())(content, rewrite=True)
    assert isinstance(examined.content, Texts)
    assert examined.content.texts == ["[US_SSN]", "123456789"]


def test_a_key_says_no_secret_of_pages_or_of_words() -> None:
    token = made("a8F3kP9x", "Qz71LmNvBc24")
    content = Texts([Carrier(token, "nextPageToken"), Carrier("changeme-Example1", "password"), Carrier("x", "token")])
    assert ExamineTexts(Secrets())(content, rewrite=True) == PASSED


def test_the_separator_is_found_by_no_detector() -> None:
    assert all(not scan(SEPARATOR * 10, [detector]) for detector in DETECTORS)
