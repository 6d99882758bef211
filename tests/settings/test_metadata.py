"""What reads metadata is held against the contract when a configuration is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.files import GATEWAY, SERVER, complaints

REJECT = GATEWAY + "metadata: {keys: {team: {}}, unknown_keys: reject, stamp: [{set: {c: x}}]}\n"
LIMIT = SERVER + "rate_limits: [{id: a, limit: 1, unit: calls_per_day, %s}]\n"
ARGUMENT = SERVER + "    tools: {t: {arguments: {a: {from: metadata.%s}}}}\n"

READERS = {
    "per": (LIMIT % "per: [user, metadata.%s]", "4:66"),
    "when": (LIMIT % "when: {metadata: {%s: x}}", "4:78"),
    "argument": (ARGUMENT, "4:39"),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_key_that_no_request_can_have_is_found_where_it_is_read(tmp_path: Path, reader: str) -> None:
    text, place = READERS[reader]
    (found,) = complaints(tmp_path, REJECT, one=text % "tema")
    assert found.startswith(f"virtual_servers/one.yaml:{place}")
    assert "the metadata contract has no key `tema` and rejects unknown ones (did you mean `team`?)" in found


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("key", ["team", "c"])
def test_what_is_declared_or_stamped_can_be_read(tmp_path: Path, reader: str, key: str) -> None:
    assert complaints(tmp_path, REJECT, one=READERS[reader][0] % key) == []


@pytest.mark.parametrize("gateway", [GATEWAY, GATEWAY + "metadata: {keys: {team: {}}}\n"])
@pytest.mark.parametrize("reader", READERS)
def test_any_key_can_be_read_where_any_is_taken(tmp_path: Path, gateway: str, reader: str) -> None:
    assert complaints(tmp_path, gateway, one=READERS[reader][0] % "whatever") == []
