"""The JSON Schemas accept what the loader accepts and show defaults as a file spells them."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from mcp_gateway.settings.jsonschema import DIALECT, gateway_schema, virtual_server_schema
from mcp_gateway.settings.nodes import plain
from mcp_gateway.settings.yaml import read
from tests.settings.test_load import CONTRACT, FINANCE


def valid(schema: dict[str, Any], text: str) -> bool:
    return jsonschema_rs.validator_for(schema).is_valid(plain(read(text.encode())))


def test_both_are_schemas_of_2020_12() -> None:
    for schema in (gateway_schema(), virtual_server_schema()):
        jsonschema_rs.meta.validate(schema)
        assert schema["$schema"] == DIALECT


def test_the_documents_of_the_contract_are_valid() -> None:
    assert valid(gateway_schema(), CONTRACT)
    assert valid(virtual_server_schema(), FINANCE)


@pytest.mark.parametrize(
    "text",
    [
        "serer: {}",
        "server: {limits: {body: 4}}",
        "server: {limits: {keepalive: fast}}",
        "state: {encryption_keys: [abc]}",
        "upstreams: {a: {}}",
        "upstreams: {A: {command: [x]}}",
        "policies: off",
        "upstreams: {a: {url: 'https://x', auth: {}}}",
    ],
)
def test_what_the_loader_refuses_is_invalid(text: str) -> None:
    assert not valid(gateway_schema(), text)


def test_defaults_are_spelled_as_in_a_file() -> None:
    limits = gateway_schema()["$defs"]["LimitSettings"]["properties"]
    assert (limits["body"]["default"], limits["header_timeout"]["default"]) == ("4MiB", "10s")
    assert (
        gateway_schema()["$defs"]["StateSettings"]["properties"]["database"]["default"] == "sqlite:///data/gateway.db"
    )
