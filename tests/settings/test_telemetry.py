"""`telemetry`: what is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mcp_gateway.settings.governance import TelemetrySettings


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"metric_labels": ["a-b", "a.b"]}, "the same label"),
        ({"metric_labels": ["team", "team"]}, "the same label"),
        ({"metric_labels": ["a b"]}, "expected a key"),
        ({"otlp_endpoint": "http://collector.example:4318"}, "plain http"),
        ({"otlp_protocol": "udp"}, "http"),
        ({"otlp_headers": {"a b": "env:X"}}, "pattern"),
        ({"otlp_headers": {"Authorization": "Bearer in the clear"}}, "env:"),
        ({"content": "everything"}, "redacted"),
        ({"baggage": {"forward": ["a b"]}}, "pattern"),
        ({"baggage": {"attributes": ["a=b"]}}, "pattern"),
        ({"audit": {"unknown_per_minute": -1}}, "greater than or equal"),
        ({"trace_ratio": 1.5}, "less than or equal"),
    ],
)
def test_what_is_wrong_is_refused(written: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TelemetrySettings.model_validate(written)
    assert message in str(refused.value)


def test_keys_are_labels_under_names_of_their_own() -> None:
    assert TelemetrySettings(metric_labels=("team", "cost-center")).metric_labels == ("team", "cost-center")
