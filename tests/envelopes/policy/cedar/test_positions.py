"""Places in the text of policies, held against the engine's own reading."""

from __future__ import annotations

from itertools import pairwise

from cedarpy import policies_to_pst
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.policy.cedar.positions import Lines, find, spans, tokens

STRINGS = st.sampled_from(['"a"', '"; permit"', '"// no comment"', r'"\" ; \" "', r'"\\"', r'"\u{61}"', '"é\n;"', '""'])
BLANKS = st.lists(
    st.sampled_from([" ", "\n", "\t", "\r\n", '// a "comment; with\n', "//\n", "// permit(\r"]), max_size=3
).map("".join)
POLICIES = st.builds(
    "@id({a}){0}permit{1}(principal, action,{2}resource){0}when {{{1}context.x == {b} {2}}}{0};".format,
    BLANKS,
    BLANKS,
    BLANKS,
    a=STRINGS,
    b=STRINGS,
)
FILES = st.lists(st.tuples(BLANKS, POLICIES), max_size=5)


@given(FILES, BLANKS)
def test_the_policies_are_those_of_the_engine_in_its_order(parts: list[tuple[str, str]], end: str) -> None:
    text = "".join(blank + policy for blank, policy in parts) + end
    found = [text[span.start : span.end] for span in spans(text)]
    assert found == [policy for _, policy in parts]
    theirs = policies_to_pst(text).static_policies
    assert len(theirs) == len(found)
    for index, policy in enumerate(found):
        (alone,) = policies_to_pst(policy).static_policies.values()
        assert theirs[f"policy{index}"].annotations == alone.annotations
        assert theirs[f"policy{index}"].clauses == alone.clauses


@given(st.text(alphabet='ab;"\\/\n\r \t@{}é', max_size=60))
def test_any_text_is_taken_apart_without_a_gap(text: str) -> None:
    found = list(tokens(text))
    assert all(text[token.start : token.end] == token.text for token in found)
    assert all(one.end <= two.start for one, two in pairwise(found))
    covered = {index for token in found for index in range(token.start, token.end)}
    inside = {index for span in spans(text) for index in range(span.start, span.end)}
    assert covered <= inside


@given(st.text(alphabet="ab\n\r", max_size=30), st.integers(0, 30))
def test_lines_and_columns_lead_back_to_the_offset(text: str, offset: int) -> None:
    offset = min(offset, len(text))
    line, column = Lines(text).at(offset)
    assert sum(len(each) + 1 for each in text.split("\n")[: line - 1]) + column - 1 == offset


def test_a_string_that_is_not_closed_takes_the_rest() -> None:
    text = 'permit (principal, action, resource) when { "a };\npermit (principal, action, resource);'
    assert len(spans(text)) == 1


def test_a_chain_of_names_is_found_before_a_name_alone() -> None:
    text = 'when { principal.amount == 1 && context.input.amount == "amount" }'
    assert find(text, ["input", "amount"]) == text.index("amount", text.index("input"))
    assert find(text, ["elsewhere", "amount"]) == text.index("amount")
    assert find(text, ["nothing"]) is None
    assert find(text, []) is None
