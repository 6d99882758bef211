"""Histograms and counters: what is counted is shown, read back, and bounded whatever callers send."""

from __future__ import annotations

import math
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.envelopes.observability.metrics.exposition import counter, exposed, histogram, read
from mcp_gateway.envelopes.observability.metrics.histogram import OVERFLOW, TOKENS, Allowed, Counts, Histogram
from mcp_gateway.envelopes.observability.metrics.measures import Measures

BOUNDS = (0.1, 1.0, 10.0)
words = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('\\"\n{},= #'), max_size=8)


@given(st.lists(st.tuples(st.floats(0, 100), words), max_size=30))
def test_a_histogram_is_read_back(seen: list[tuple[float, str]]) -> None:
    metric = Histogram("a.b", "Says.", "s", BOUNDS, ("gen_ai.tool.name",))
    for value, word in seen:
        metric.observe(value, word)
    (family,) = read(histogram(metric))
    assert (family.name, family.kind) == ("a_b_seconds", "histogram")
    for word in {word for _, word in seen}:
        values = [value for value, each in seen if each == word]
        mine = [
            (suffix, labels, value) for suffix, labels, value in family.samples if labels["gen_ai_tool_name"] == word
        ]
        below = {float(labels["le"]): value for suffix, labels, value in mine if suffix == "_bucket"}
        assert below == {
            **{bound: sum(value <= bound for value in values) for bound in BOUNDS},
            math.inf: len(values),
        }
        (total,) = [value for suffix, _, value in mine if suffix == "_sum"]
        (count,) = [value for suffix, _, value in mine if suffix == "_count"]
        assert count == len(values) and math.isclose(total, sum(values))


@given(st.lists(st.tuples(words, words), max_size=40), st.integers(1, 5))
def test_label_sets_are_bounded_and_nothing_is_lost(seen: list[tuple[str, str]], most: int) -> None:
    metric = Histogram("a", "Says.", "s", BOUNDS, ("x", "y"), most=most)
    counts = Counts("c_total", "Says.", ("x", "y"), most=most)
    for labels in seen:
        metric.observe(1, *labels)
        counts.add(1, *labels)
    assert len(list(metric.series())) <= most + 1 and len(counts.counts) <= most + 1
    assert sum(sum(buckets) for _, buckets, _ in metric.series()) == sum(counts.counts.values()) == len(seen)
    apart = len(list(dict.fromkeys(seen))[:most])
    assert metric.overflows == counts.overflows == sum(each not in list(dict.fromkeys(seen))[:apart] for each in seen)


def test_values_of_a_key_are_bounded() -> None:
    allowed = Allowed(("team", "app"), most=2)
    assert [allowed({"team": each})[0] for each in ("a", "b", "c", "a", "d")] == ["a", "b", OVERFLOW, "a", OVERFLOW]
    assert allowed.overflows == 2
    assert allowed({}) == ("", "")
    assert Allowed(())({"team": "x"}) == ()


def test_counters_are_read_back() -> None:
    counts = Counts("c_total", "Says.", ("why",))
    counts.add(2, 'a"\\\n')
    counts.add(0.5, 'a"\\\n')
    (family,) = read(counter(counts))
    assert (family.kind, family.samples) == ("counter", [("", {"why": 'a"\\\n'}, 2.5)])


@pytest.mark.parametrize("text", ["x 1", "# TYPE a counter\nb 1", '# TYPE a counter\na{b="c} 1', "# TYPE a counter\na"])
def test_what_breaks_the_format_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"format|sample|unpack|could not"):
        read(text)


def test_the_bounds_are_those_of_the_conventions() -> None:
    measures = Measures(["team"])
    assert measures.client_tokens.bounds == TOKENS == tuple(4**n for n in range(14))
    assert measures.mcp_server.bounds[0] == 0.01 and measures.mcp_server.bounds[-1] == 300
    assert measures.attempts.bounds[:3] == (0.01, 0.02, 0.04) and measures.attempts.bounds[-1] == 81.92
    assert bisect_left(measures.server_first.bounds, 10.0) == len(measures.server_first.bounds) - 1
    assert measures.mcp_server.labels[-1] == "metadata_team"
    assert exposed("gen_ai.client.token.usage", "{token}") == "gen_ai_client_token_usage"
    assert read(measures.text())
