"""What the control plane shows, in the Prometheus text format: read back by the format's own rules."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway import inspection
from mcp_gateway.envelopes.policy.budgets.alerts import Alerts
from mcp_gateway.envelopes.policy.budgets.settling import BudgetTallies, Settling
from mcp_gateway.envelopes.policy.budgets.store import MemoryStore
from mcp_gateway.envelopes.policy.bulkhead import Places
from mcp_gateway.envelopes.policy.limits.limit import LimitTallies
from mcp_gateway.envelopes.safety.engine import GuardTallies
from mcp_gateway.envelopes.safety.metadata.require import MetadataTallies
from mcp_gateway.envelopes.safety.verdict import Action, Hook, Verdict

_LABEL: Final = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
_SAMPLE: Final = re.compile(r"([a-z_]+)\{(.*)\} (\d+)", re.DOTALL)
_WRITTEN: Final = re.compile(r"\\(.)")


def read(text: str) -> dict[tuple[str, ...], int]:
    """Every sample, by metric and label values. Fails where the format is broken."""
    found: dict[tuple[str, ...], int] = {}
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# TYPE "):
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample is not None, line
        labels, end = [], 0
        while end < len(sample[2]):
            label = _LABEL.match(sample[2], end)
            assert label is not None, line
            labels.append(_WRITTEN.sub(lambda found: "\n" if found[1] == "n" else found[1], label[2]))
            end = label.end()
        key = (sample[1], *labels)
        assert key not in found, f"twice: {line}"
        found[key] = int(sample[3])
    return found


ids = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('\\"\n{},=# n'), min_size=1)
tallies = st.dictionaries(st.tuples(st.sampled_from(["desk", "office"]), ids), st.integers(1, 1 << 60), max_size=4)


@given(tallies, tallies, tallies, tallies)
def test_whatever_a_limit_is_called_the_totals_are_read_back(
    refused: dict[tuple[str, str], int],
    would: dict[tuple[str, str], int],
    opened: dict[tuple[str, str], int],
    closed: dict[tuple[str, str], int],
) -> None:
    given_tallies = LimitTallies(Counter(refused), Counter(would), Counter(opened), Counter(closed))
    outcomes = {"refused": refused, "would_refuse": would, "failed_open": opened, "failed_closed": closed}
    assert read(inspection.limits(given_tallies)) == {
        ("mcp_gateway_limited_calls_total", server, rule, outcome): total
        for outcome, tally in outcomes.items()
        for (server, rule), total in tally.items()
    }


def test_a_name_that_no_encoding_can_write_spoils_nothing() -> None:
    given_tallies = LimitTallies(Counter({("desk", "a\ud800b"): 1}))
    shown = inspection.limits(given_tallies)
    assert shown.encode()
    assert read(shown) == {("mcp_gateway_limited_calls_total", "desk", "a?b", "refused"): 1}


def test_places_are_shown_in_use_and_waiting() -> None:
    desk = Places(2)
    assert desk.try_take()
    assert read(inspection.places("server", {"desk": desk, "office": Places(1)})) == {
        ("mcp_gateway_server_places_in_use", "desk"): 1,
        ("mcp_gateway_server_places_in_use", "office"): 0,
        ("mcp_gateway_server_places_waiting", "desk"): 0,
        ("mcp_gateway_server_places_waiting", "office"): 0,
    }


def test_breaches_of_the_metadata_contract_are_counters() -> None:
    tallies = MetadataTallies(Counter({("desk", "team"): 2}), Counter({("desk", 'a"b'): 1}))
    assert inspection.metadata(tallies).splitlines() == [
        "# TYPE mcp_gateway_metadata_faults_total counter",
        'mcp_gateway_metadata_faults_total{server="desk",fault="team",outcome="refused"} 2',
        'mcp_gateway_metadata_faults_total{server="desk",fault="a\\"b",outcome="would_refuse"} 1',
    ]


def test_what_guardrails_said_and_what_came_of_it_are_counters() -> None:
    judged = ("global/pii-redaction", Hook.POST_INVOKE, Verdict.DENY, Action.MUTATE)
    assert inspection.guardrails(GuardTallies(Counter({judged: 3}))).splitlines() == [
        "# TYPE mcp_gateway_guardrail_judgements_total counter",
        'mcp_gateway_guardrail_judgements_total{guardrail="global/pii-redaction",'
        'hook="mcp_tool_post_invoke_guardrails",verdict="deny",action="mutate"} 3',
    ]


@given(st.dictionaries(ids, st.integers(1, 1 << 60), max_size=4))
def test_whatever_a_budget_is_called_the_totals_are_read_back(counts: dict[str, int]) -> None:
    tallies = BudgetTallies(*(Counter(counts) for _ in range(6)))
    alerts = Alerts()
    alerts.counts.update({(budget, "sent"): count for budget, count in counts.items()})
    shown = inspection.budgets(Settling(MemoryStore(), tallies), alerts)
    labelled = "\n".join(line for line in shown[:-1].split("\n") if line.startswith("#") or "{" in line) + "\n"
    outcomes = ("matched", "refused", "would_refuse", "failed_open", "failed_closed", "unsettled")
    assert read(labelled) == {
        **{("mcp_gateway_budget_requests_total", id, out): count for id, count in counts.items() for out in outcomes},
        **{("mcp_gateway_budget_alerts_total", id, "sent"): count for id, count in counts.items()},
    }
    assert "\nmcp_gateway_budget_store_failures_total 0\n" in shown
    assert "\nmcp_gateway_budget_overflows_total 0\n" in shown
