"""`guardrails.yaml`: what loads, in both spellings, and what is refused where."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.core.secret import Secret
from mcp_gateway.settings.guardrails import GuardrailsSettings
from mcp_gateway.settings.load import load

HOOK = "mcp_tool_pre_invoke_guardrails"

OTHER_SPELLING = """\
name: company-guardrails
type: gateway-guardrails-config
groups:
  - name: payments
    type: provider-account/guardrail-config-group
    integrations:
      - name: no-cards
        type: integration/guardrail-config/tfy-pii
        description: Cards stay here.
        operation: mutate
        priority: 1
        enforcing_strategy: enforce_but_ignore_on_error
rules:
  - id: production
    when:
      target:
        operator: or
        conditions:
          model: {condition: in, values: ["openai-main/*"]}
          mcpServers: {condition: in, values: [tickets, "crm:get_customer"]}
          mcpTools: {condition: in, values: [{name: ledger, enable_all_tools: true}, {name: hr, enabled_tools: [find]}]}
      subjects: {operator: and, conditions: {in: ["team:payments"]}}
      metadata: {environment: production}
    llm_input_guardrails: [global/pii-redaction]
    llm_output_guardrails: []
    mcp_tool_pre_invoke_guardrails: [payments/no-cards]
    mcp_tool_post_invoke_guardrails: []
    custom_error_message: "Blocked: {{guardrail_message}}"
"""


def read(folder: Path, text: str, **environ: str) -> GuardrailsSettings:
    (folder / "gateway.yaml").write_text("guardrails: guardrails.yaml\n")
    (folder / "guardrails.yaml").write_text(text)
    document = load(folder / "gateway.yaml", environ).guardrails
    assert document is not None and document.model is not None
    return document.model


def test_the_fields_of_other_gateways_load_as_the_own_ones(tmp_path: Path) -> None:
    model = read(tmp_path, OTHER_SPELLING)
    ((instance,),) = [group.guardrails for group in model.groups]
    assert (instance.type, instance.mode, instance.operation) == ("pii", "enforce_but_ignore_on_error", "mutate")
    (rule,) = model.rules
    assert rule.when.tools == ("tickets:*", "crm:get_customer", "ledger:*", "hr:find")
    assert rule.when.models == ("openai-main/*",)
    assert rule.when.subjects == ("team:payments",)
    assert rule.named(HOOK) == ("payments/no-cards",)


def test_a_target_of_models_only_is_about_no_tool(tmp_path: Path) -> None:
    text = "rules: [{id: r, when: {target: {conditions: {model: {condition: in, values: [a]}}}}}]"
    (rule,) = read(tmp_path, text).rules
    assert (rule.when.tools, rule.when.models) == (("",), ("a",))


def test_an_empty_file_is_a_configuration_with_the_bundled_guardrails_only(tmp_path: Path) -> None:
    assert read(tmp_path, "") == GuardrailsSettings()


def test_a_header_of_an_external_guardrail_may_be_a_secret_that_is_named(tmp_path: Path) -> None:
    text = """\
groups:
  - name: ours
    guardrails:
      - name: hook
        type: webhook
        config: {url: "http://127.0.0.1:1/", headers: {Authorization: env:TOKEN, X-Plain: yes-please}}
"""
    headers = read(tmp_path, text, TOKEN="Bearer canary").groups[0].guardrails[0].config["headers"]
    assert headers["Authorization"] == Secret("Bearer canary")
    assert headers["X-Plain"] == "yes-please"
    assert "canary" not in repr(headers)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("groups: [{name: Ours}]", "1:17", "expected a name"),
        ("groups: [{name: a}, {name: a}]", "1:28", "another group has this name"),
        ("rules: [{id: a}, {id: a}]", "1:23", "another rule has this id"),
        ("rules: [{id: a, when: {tool: [x]}}]", "1:24", "unknown"),
        ("rules: [{id: a, when: {subjects: [alice]}}]", "1:35", "expected user:"),
        ("groups: [{name: a, guardrails: [{name: x, type: pii, mode: off}]}]", "1:60", "expected"),
        ("groups: [{name: a, guardrails: [{name: x}]}]", "1:33", "type"),
        ("groups: [{name: a, guardrails: [{name: x, type: pii, timeout: 5}]}]", "1:63", "expected a duration"),
        (
            "groups: [{name: a, guardrails: [{name: x, type: pii, circuit: {failures: 0}}]}]",
            "1:74",
            "expected 1 or more",
        ),
        (
            "groups: [{name: a, guardrails: [{name: x, type: pii, mode: audit, enforcing_strategy: audit}]}]",
            "1:87",
            "another spelling of `mode`",
        ),
        (
            "rules: [{id: a, when: {target: {conditions: {model: {condition: not_in, values: [a]}}}}}]",
            "1:46",
            "only the condition `in` is known",
        ),
        ("rules: [{id: a, when: {subjects: {conditions: {not_in: [a]}}}}]", "1:48", "expected only in"),
        (
            "groups: [{name: a, guardrails: [{name: x, type: webhook, config: {headers: {Authorization: canary}}}]}]",
            "1:58",
            "a literal secret is refused",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, place: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text)
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{tmp_path / 'guardrails.yaml'}:{place}: ")
    assert message in problem.message
    assert "canary" not in str(problem)


def test_the_file_is_part_of_the_digest(tmp_path: Path) -> None:
    read(tmp_path, "")
    before = load(tmp_path / "gateway.yaml", {})
    read(tmp_path, "rules: [{id: a}]")
    after = load(tmp_path / "gateway.yaml", {})
    assert before.digest != after.digest
    assert tmp_path / "guardrails.yaml" in after.files


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("guardrails: guardrails.yaml\n")
    with pytest.raises(ConfigurationError, match="there is no file"):
        load(tmp_path / "gateway.yaml", {})


JUDGE = """\
groups:
  - name: global
    guardrails:
      - name: hallucination-check
        type: llm_judge
        mode: audit
        config: {url: "https://models.example.com/chat", model: small, preset: hallucination, api_key: KEY}
rules:
  - id: all
    mcp_tool_post_invoke_guardrails: [global/hallucination-check]
"""


def test_the_key_of_a_judge_is_named_and_never_written_out(tmp_path: Path) -> None:
    model = read(tmp_path, JUDGE.replace("KEY", "env:JUDGE_KEY"), JUDGE_KEY="canary")
    ((instance,),) = [group.guardrails for group in model.groups]
    key = instance.config["api_key"]
    assert isinstance(key, Secret) and key.reveal() == "canary"
    assert "canary" not in repr(model)
    with pytest.raises(ConfigurationError) as refused:
        read(tmp_path, JUDGE.replace("KEY", "canary"))
    assert "canary" not in str(refused.value)
