"""The bench runs: every scenario gives right answers and the report has its shape. No figure is judged here."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench.load import Sample
from tests.bench.measure import Figures, Plan, Round, figures, spread
from tests.bench.models import model_scenarios
from tests.bench.scenarios import GOVERNED, GUARDED, OBSERVED, chosen, scenarios
from tests.bench.targets import Report
from tests.support import need

TINY = Plan(rounds=1, warm=0, seconds=30, requests=4)
LLM_FIGURES = ("llm_rps", "llm_added_ms", "llm_chunks_per_s", "llm_first_token_added_ms", "llm_rss_mb", "llm_cpu_us")
FIGURES = {"rps", "p50_ms", "p99_ms", "added_p50_ms", "ratio_to_forwarder"}
PROMISED = [
    f"{system}_{era}_{shape}_c{connections}"
    for system in ("direct", "forwarder", "open")
    for era in ("new", "old")
    for shape in ("json", "sse")
    for connections in (1, 32)
]


def need_linux() -> None:
    need(Path("/proc/self/statm").exists(), "the bench pins processes and reads their memory as Linux has it")


def test_every_promised_scenario_exists_once() -> None:
    names = [one.name for one in scenarios()]
    assert len(names) == len(set(names))
    assert {
        *PROMISED,
        "identity_new_json_c1",
        "identity_old_json_c32",
        "tools_list_200",
        "governed_new_json_c1",
        "governed_new_json_c32",
        "governed_tools_list_200",
        "governed_new_full_c1",
        "guarded_new_full_c1",
        "guarded_new_full_c32",
        "observed_new_json_c1",
        "observed_new_json_c32",
        "open_new_to_old_json_c32",
        "open_old_to_new_json_c32",
    } <= set(names)


def test_one_scenario_brings_its_yardsticks() -> None:
    names = [one.name for one in chosen(["open_old_json_c1"])]
    assert names == ["direct_old_json_c1", "forwarder_old_json_c1", "open_old_json_c1"]
    names = [one.name for one in chosen(["identity_new_json_c1"])]
    assert names == ["direct_new_json_c1", "forwarder_new_json_c1", "open_new_json_c1", "identity_new_json_c1"]
    names = [one.name for one in chosen(["governed_tools_list_200"])]
    assert names == ["direct_tools_list_200", "forwarder_tools_list_200", "tools_list_200", "governed_tools_list_200"]
    names = [one.name for one in chosen(["guarded_new_full_c1"])]
    assert names == ["direct_new_full_c1", "forwarder_new_full_c1", "governed_new_full_c1", "guarded_new_full_c1"]
    names = [one.name for one in chosen(["observed_new_json_c1"]) if one.system in (GOVERNED, OBSERVED)]
    assert names == ["governed_new_json_c1", "observed_new_json_c1"]
    names = [one.name for one in chosen(["llm_governed_stream_c1"])]
    assert names == ["llm_direct_stream_c1", "llm_forwarder_stream_c1", "llm_governed_stream_c1"]
    with pytest.raises(ValueError, match="no scenario fast"):
        chosen(["fast"])


def test_the_name_of_a_system_stands_for_all_its_scenarios() -> None:
    assert [one.name for one in chosen(["guarded"]) if one.system == GUARDED] == [
        "guarded_new_full_c1",
        "guarded_new_full_c32",
    ]
    assert chosen(["guarded"]) == chosen(["guarded_new_full_c1", "guarded_new_full_c32"])
    assert chosen(["llm"]) == chosen(["llm_governed"]) == list(model_scenarios())


def test_comparisons_stay_inside_their_round() -> None:
    names = ["direct_new_json_c1", "forwarder_new_json_c1", "open_new_json_c1"]

    def one_round(speed: float) -> Round:
        return {
            name: Sample(1000 * speed / slower, 0.1 * slower / speed, 0.2, 10, ())
            for name, slower in zip(names, (1, 2, 4), strict=True)
        }

    rounds = [one_round(speed) for speed in (1, 2, 0.5)]
    direct, _, opened = chosen(["open_new_json_c1"])
    assert figures(opened, rounds) == Figures(250.0, 0.4, 0.2, 0.3, 0.5)
    assert figures(direct, rounds).added_p50_ms == 0
    assert spread(direct, rounds) == 1.5


def test_a_scenario_without_answers_has_no_figures_instead_of_wrong_ones() -> None:
    silent = Sample(0.0, math.nan, math.nan, 0, ("no answer",))
    _, _, opened = chosen(["open_new_json_c1"])
    assert figures(opened, [{opened.name: silent}]) == Figures(0.0, None, None, None, None)


def test_what_guardrails_add_is_above_the_same_call_without_them() -> None:
    governed, guarded = (Sample(1000.0, p50, 2.0, 10, ()) for p50 in (0.75, 1.0))
    rounds = [{"governed_new_full_c1": governed, "guarded_new_full_c1": guarded}]
    found = bench.added_by("guarded", "governed", chosen(["guarded_new_full_c1"]), rounds)
    assert found == {"new_full_c1": 0.25}
    report = Report({}, 100.0, 1.0, {}, {}, {}, guarded_added_ms=found)
    assert report.as_json()["guarded_added_ms"] == found
    assert report.verdicts()["guarded_added_ms"] == {"wanted": 0.4, "measured": 0.25, "met": True}


def test_targets_are_judged_from_what_was_measured() -> None:
    slow = Figures(rps=100.0, p50_ms=1.0, p99_ms=2.0, added_p50_ms=0.5, ratio_to_forwarder=0.6)
    report = Report({"open_new_json_c32": slow, "tools_list_200": slow}, 130.0, 1.0, {}, {}, {})
    verdicts = report.verdicts()
    assert {name: one["met"] for name, one in verdicts.items()} == {
        "ratio_new_c32": True,
        "tools_list_200_rps": False,
        "rss_mb": False,
        "cold_start_s": True,
    }
    assert verdicts["rss_mb"] == {"wanted": 120.0, "measured": 130.0, "met": False}


@pytest.mark.timeout(300)
def test_every_scenario_is_answered_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    need_linux()
    monkeypatch.setattr(bench, "QUICK", TINY)
    monkeypatch.setattr(bench, "COLD_STARTS", 1)
    code = bench.main(["--quick", "--output", str(tmp_path / "bench.json")])
    shown = capsys.readouterr().out
    last = json.loads(shown.splitlines()[-1])
    assert (code, last["wrong_answers"]) == (0, {}), shown
    assert last == json.loads((tmp_path / "bench.json").read_text())
    assert set(last["scenarios"]) >= {one.name for one in chosen([])}
    for name, found in last["scenarios"].items():
        assert set(found) == FIGURES, name
        assert all(isinstance(value, float) for value in found.values()), name
    assert set(last["identity_added_p50_ms"]) == {f"{era}_json_c{count}" for era in ("new", "old") for count in (1, 32)}
    assert set(last["guarded_added_ms"]) == {"new_full_c1", "new_full_c32"}
    assert set(last["observed_added_ms"]) == {"new_json_c1", "new_json_c32"}
    assert last["rss_mb"] > 0 and last["guarded_rss_mb"] > 0
    assert all(last[name] is not None for name in LLM_FIGURES)
    assert last["cold_start_s"] > 0
    assert set(last["machine"]["core"]) == {"before", "after"}
    assert all(speed["loop_us"] > 0 for speed in last["machine"]["core"].values())
    assert all(set(verdict) == {"wanted", "measured", "met"} for verdict in last["targets"].values())


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "scenario", [[], ["--scenario", "guarded"], ["--scenario", "llm"]], ids=["open", "guarded", "llm"]
)
def test_a_profile_names_functions_of_the_gateway(scenario: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    need_linux()
    assert bench.main(["--quick", "--profile", *scenario]) == 0
    assert "mcp_gateway/" in capsys.readouterr().out
