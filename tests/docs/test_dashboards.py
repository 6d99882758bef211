"""Every metric and label that a dashboard or an alert names is on /metrics of a gateway that serves."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from mcp_gateway.envelopes.observability.metrics.exposition import read
from tests.llm_proxy.double.faults import Fault500
from tests.real.recording import Recording, static_upstream
from tests.support import ROOT, require
from tests.telemetry.receiver import Receiver, receiving
from tests.telemetry.site import site

ALERTS = ROOT / "docs" / "prometheus" / "alerts.yaml"
DASHBOARDS = sorted((ROOT / "docs" / "grafana").glob("*.json"))

_NAME = re.compile(r"\b(?:mcp|gen_ai)_[a-z_]+\b(?=[{\[ )]|$)")
_MATCHERS = re.compile(r"\b((?:mcp|gen_ai)_[a-z_]+)\{([^}]*)\}")
_GROUPED = re.compile(r"by \(([^)]*)\)")
_LABEL = re.compile(r"([a-z_]+)\s*(?:=~|!=|=)")
_TEMPLATE = re.compile(r"\{\{ ?(?:\$labels\.)?([a-z_]+) ?\}\}")


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recording]:
    with static_upstream() as running:
        yield running


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def rules() -> list[dict[str, Any]]:
    (group,) = YAML(typ="safe").load(ALERTS.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def expressions() -> Iterator[tuple[str, str, str]]:
    """Where it stands, the expression, and the texts that name labels of its result."""
    for rule in rules():
        yield rule["alert"], rule["expr"], rule["annotations"]["summary"]
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield f"{path.name}: {panel['title']}", target["expr"], target["legendFormat"]
        for note in dashboard["annotations"]["list"]:
            yield f"{path.name}: {note['name']}", note["expr"], note["titleFormat"]


def names_in(expression: str) -> set[str]:
    """The metrics of an expression: labels that it groups by, and in braces, are none."""
    bare = re.sub(r"\{[^}]*\}", "", _GROUPED.sub("", expression))
    return set(_NAME.findall(bare))


async def test_what_dashboards_and_alerts_name_is_there(
    tmp_path: Path, upstream: Recording, collector: Receiver
) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.cedar").write_text('@id("all")\npermit(principal, action, resource);\n')
    gateway = {"policies": {"path": "policies/"}}
    price = {"openai/m": {"input": 1000, "output": 1000}}
    audit = {"path": "audit", "ship": [{"to": "copy.jsonl"}]}
    async with site(tmp_path, upstream, collector, gateway=gateway, models={"prices": price}, audit=audit) as here:
        await here.complete()
        await here.complete(stream=True)
        here.double.script(*[Fault500()] * 5)
        await here.complete()
        await here.call(name="a_look_up", arguments={"word": "x"})
        await here.call(name="a_look_up", arguments={})
        shown = await here.metrics()
    families = {family.name: family for family in read(shown)}
    labels: dict[str, set[str]] = {}
    for family in families.values():
        for suffix, given, _ in family.samples:
            labels.setdefault(family.name + suffix, set()).update(given)
    wrong = []
    for where, expression, texts in expressions():
        for name in names_in(expression):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            if name not in labels and not (base in families and not families[base].samples):
                wrong.append(f"{where}: no metric {name}")
        known = {label for name in names_in(expression) for label in labels.get(name, ())}
        if not known:
            continue
        used = {each.strip() for group in _GROUPED.findall(expression) for each in group.split(",")}
        used |= {label for _, matchers in _MATCHERS.findall(expression) for label in _LABEL.findall(matchers)}
        wrong += [f"{where}: no label {label}" for label in sorted((used | set(_TEMPLATE.findall(texts))) - known)]
    assert wrong == []
    counted = {name for _, expression, _ in expressions() for name in names_in(expression)}
    assert len(counted & labels.keys()) >= 20, "most of them have samples here, so that their labels were looked at"


def test_dashboards_are_whole() -> None:
    assert len(DASHBOARDS) == 2
    uids = set()
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        uids.add(dashboard["uid"])
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(set(ids)) == len(ids)
        places = [tuple(sorted(panel["gridPos"].items())) for panel in dashboard["panels"]]
        assert len(set(places)) == len(places)
        assert all(
            target["expr"].count("(") == target["expr"].count(")")
            for panel in dashboard["panels"]
            for target in panel["targets"]
        )
    assert len(uids) == len(DASHBOARDS)


def test_alerts_are_taken_by_prometheus() -> None:
    promtool = require("promtool", "it checks the rules as Prometheus reads them")
    done = subprocess.run([str(promtool), "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_have_what_whoever_is_called_needs() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}, rule["alert"]
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]
