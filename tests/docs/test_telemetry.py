"""docs/telemetry.md: its configuration loads, and its table of metrics is what a gateway measures."""

from __future__ import annotations

import re
from pathlib import Path

from mcp_gateway.envelopes.observability.metrics.exposition import exposed
from mcp_gateway.envelopes.observability.metrics.histogram import Counts, Histogram
from mcp_gateway.envelopes.observability.metrics.measures import Measures
from mcp_gateway.settings.load import load
from tests.support import ROOT

PAGE = (ROOT / "docs" / "telemetry.md").read_text()


def test_the_configuration_loads(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    config = tmp_path / "gateway.yaml"
    config.write_text(block)
    (tmp_path / "virtual_servers").mkdir()
    settings = load(config, {"COLLECTOR_TOKEN": "Bearer t"})
    assert settings.telemetry.metric_labels == ("team",)
    assert any("metric_labels" in notice for notice in settings.notices), "the key is not in the contract"
    assert not any("no effect" in notice for notice in settings.notices)


def test_the_table_has_every_metric_of_requests_with_its_labels() -> None:
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.*) \|$", PAGE, re.MULTILINE))
    measures = Measures()
    for metric in (getattr(measures, name) for name in Measures.__slots__):
        if isinstance(metric, Histogram):
            name = exposed(metric.name, metric.unit)
        elif isinstance(metric, Counts):
            name = metric.name
        else:
            continue
        assert name in rows
        if "the same" not in rows[name]:
            wanted = {exposed(label) for label in metric.labels}
            assert wanted <= set(re.findall(r"`([a-z_]+)`", rows[name])), name
