"""What `policy explain` takes for the metadata of a call: as a gateway would settle it."""

from __future__ import annotations

import pytest

from mcp_gateway.cli.policy.decide import Unanswerable, metadata_of
from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.safety.metadata.contract import Contract
from mcp_gateway.settings.gateway import GatewaySettings

FAY = Principal("corp|fay", "fay", teams=("finance",))
CONTRACT: dict[str, object] = {
    "keys": {"environment": {"allowed": ["staging", "production"]}},
    "stamp": [{"when": {"subjects": ["team:finance"]}, "set": {"cost_center": "fin"}}],
}


def contract(metadata: dict[str, object] | None) -> Contract:
    told = {"upstreams": {"a": {"url": "http://127.0.0.1:9000/mcp"}}}
    gateway = GatewaySettings.model_validate({**told, **({"metadata": metadata} if metadata else {})})
    return Contract.of(gateway.metadata)


def test_what_is_said_and_what_the_gateway_says_add_up() -> None:
    assert metadata_of(["environment=staging"], contract(CONTRACT), FAY) == {
        "environment": "staging",
        "cost_center": "fin",
    }
    assert metadata_of(["cost_center=mine"], contract(CONTRACT), FAY) == {"cost_center": "fin"}
    assert metadata_of([], contract(CONTRACT), FAY) == {"cost_center": "fin"}


def test_without_a_contract_everything_is_taken_and_nothing_is_needed() -> None:
    assert metadata_of(["a=b=c"], contract(None), FAY) == {"a": "b=c"}
    assert metadata_of([], contract(None), FAY) is None


def test_what_a_gateway_would_refuse_is_no_question() -> None:
    with pytest.raises(Unanswerable, match="one of staging, production"):
        metadata_of(["environment=moon"], contract(CONTRACT), FAY)
    audit = contract({**CONTRACT, "mode": "audit"})
    assert metadata_of(["environment=moon"], audit, FAY) == {"environment": "moon", "cost_center": "fin"}
