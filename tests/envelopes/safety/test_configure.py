"""From what an admin wrote to guardrails, and every way of writing it wrong."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.core.egress.fetch import Fetcher
from mcp_gateway.envelopes.safety.bundled import BUNDLED
from mcp_gateway.envelopes.safety.configure import Configured, Fault, configure
from mcp_gateway.envelopes.safety.makers import makers
from mcp_gateway.envelopes.safety.safeguard import BadGuardrails, Safeguard
from mcp_gateway.envelopes.safety.verdict import Mode, Operation
from mcp_gateway.envelopes.safety.workers import Workers
from mcp_gateway.settings.guardrails import GuardrailsSettings

HOOK = "mcp_tool_pre_invoke_guardrails"


async def read(*, governed: bool = True, **spec: Any) -> tuple[Configured | None, list[Fault]]:
    workers = Workers()
    fetcher = Fetcher()
    try:
        found, faults = configure(GuardrailsSettings.model_validate(spec), makers(workers, fetcher), governed=governed)
        return found, list(faults)
    finally:
        workers.close()
        await fetcher.close()


def group(*guardrails: dict[str, Any], name: str = "ours") -> list[dict[str, Any]]:
    return [{"name": name, "guardrails": list(guardrails)}]


async def test_the_bundled_guardrails_are_there_without_being_declared() -> None:
    found, _ = await read()
    assert found is not None
    assert set(found.rulebook.names) == set(BUNDLED)


async def test_a_bundled_guardrail_that_is_declared_keeps_what_is_not_said_of_it() -> None:
    found, _ = await read(
        groups=group({"name": "sql-sanitizer", "type": "sql", "mode": "audit"}, name="global"),
        rules=[{"id": "r", HOOK: ["global/sql-sanitizer"]}],
    )
    assert found is not None
    guard = found.rulebook.guard("global/sql-sanitizer")
    assert (guard.mode, guard.operation) == (Mode.AUDIT, Operation.VALIDATE)


async def test_when_a_guardrail_is_left_alone_is_said_of_each() -> None:
    found, _ = await read(
        groups=group(
            {"name": "sql-sanitizer", "type": "sql", "circuit": {"failures": 2, "cooldown": "1h"}}, name="global"
        )
    )
    assert found is not None
    declared, plain = (found.rulebook.guard(f"global/{name}").circuit for name in ("sql-sanitizer", "pii-redaction"))
    for circuit, failures, cooldown in ((declared, 2, 3600.0), (plain, 5, 10.0)):
        for _ in range(failures):
            assert circuit.admit(0.0)
            circuit.failed(0.0)
        assert not circuit.admit(cooldown - 0.1)
        assert circuit.admit(cooldown)


async def test_what_only_an_admin_can_complete_is_there_once_it_is_declared() -> None:
    config = {"url": "https://models.example.com/chat", "model": "small", "preset": "hallucination"}
    judge = {"name": "hallucination-check", "type": "llm_judge", "config": config}
    found, faults = await read(
        groups=group(judge, name="global"), rules=[{"id": "r", HOOK: ["global/hallucination-check"]}]
    )
    assert faults == []
    assert found is not None
    assert set(found.rulebook.names) == {*BUNDLED, "global/hallucination-check"}


async def test_policies_are_told_apart_from_detectors() -> None:
    found, _ = await read(groups=group({"name": "p", "type": "cedar", "config": {"policy": "permit(…);"}}))
    assert found is not None
    assert found.policies == {"ours/p": "permit(…);", "global/cedar-permissions": None}


async def test_without_policies_there_is_none_to_ask() -> None:
    found, _ = await read(governed=False)
    assert found is not None
    assert "global/cedar-permissions" not in found.rulebook.names


INSTANCE = ("groups", 0, "guardrails", 0)


@pytest.mark.parametrize(
    ("spec", "at", "message"),
    [
        ({"groups": group({"name": "x", "type": "regx"})}, INSTANCE, "did you mean `regex`?"),
        ({"groups": group({"name": "x", "type": "regex"})}, INSTANCE, ""),
        (
            {"groups": group({"name": "x", "type": "regex", "config": {"custom_patterns": [{"pattern": "(?=a)"}]}})},
            INSTANCE,
            "",
        ),
        ({"groups": group({"name": "x", "type": "size", "config": {"max_byte": 1}})}, INSTANCE, "max_bytes"),
        (
            {"groups": group({"name": "x", "type": "sql", "config": {"dialect": "postgres", "arguments": "sql"}})},
            INSTANCE,
            "`arguments` must be a list of names",
        ),
        ({"groups": group({"name": "x", "type": "webhook"})}, INSTANCE, "`url` is needed"),
        ({"groups": group({"name": "x", "type": "cedar", "config": {"policy": 1}})}, INSTANCE, "the text of a policy"),
        ({"groups": group({"name": "x", "type": "cedar", "config": {"text": ""}})}, INSTANCE, "knows only `policy`"),
        (
            {"groups": group({"name": "x", "type": "cedar"}), "governed": False},
            INSTANCE,
            "has no policies that it could ask",
        ),
        (
            {"rules": [{"id": "r", HOOK: ["global/pii-redactio"]}]},
            ("rules", 0, HOOK, 0),
            "there is no guardrail `global/pii-redactio`",
        ),
        (
            {"rules": [{"id": "r", HOOK: ["global/hallucination-check"]}]},
            ("rules", 0, HOOK, 0),
            "declare it in a group `global` with `type: llm_judge`",
        ),
        (
            {"rules": [{"id": "r", HOOK: ["global/cedar-permissions"]}], "governed": False},
            ("rules", 0, HOOK, 0),
            "has no policies that it could ask",
        ),
    ],
)
async def test_what_is_wrong_is_said_with_its_place(spec: dict[str, Any], at: tuple[Any, ...], message: str) -> None:
    found, faults = await read(**spec)
    assert found is None
    (fault,) = faults
    assert fault.at == at
    assert message in fault.message


async def test_all_faults_are_told_at_once() -> None:
    _, faults = await read(
        groups=group({"name": "x", "type": "nope"}, {"name": "y", "type": "webhook"}),
        rules=[{"id": "r", HOOK: ["ours/x", "ours/z"]}],
    )
    assert [fault.at for fault in faults] == [INSTANCE, ("groups", 0, "guardrails", 1), ("rules", 0, HOOK, 1)]


async def test_a_configuration_is_built_once_for_all_its_snapshots_and_as_long_as_it_stays() -> None:
    safeguard = Safeguard()
    try:
        written = {"groups": group({"name": "x", "type": "regex", "config": {"presets": ["email"]}})}
        built = safeguard.configured(GuardrailsSettings.model_validate(written), governed=True)
        assert safeguard.configured(GuardrailsSettings.model_validate(written), governed=True) is built
        assert safeguard.configured(GuardrailsSettings.model_validate(written), governed=False) is not built
        other = GuardrailsSettings.model_validate({"groups": group({"name": "x", "type": "nope"})})
        with pytest.raises(BadGuardrails):
            safeguard.configured(other, governed=True)
    finally:
        await safeguard.close()
