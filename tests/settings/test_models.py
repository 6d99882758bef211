"""`models.yaml` and the routing documents that it names: what loads, and what is refused where."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.core.secret import Secret
from mcp_gateway.settings.jsonschema import models_schema, routing_schema
from mcp_gateway.settings.llm import LlmSettings
from mcp_gateway.settings.load import load
from mcp_gateway.settings.nodes import plain
from mcp_gateway.settings.providers import is_inside
from mcp_gateway.settings.settings import Settings
from mcp_gateway.settings.yaml import read

CONTRACT = """\
providers:
  openai-main:    {type: openai, base_url: https://api.openai.com/v1, api_key: env:OPENAI_API_KEY}
  anthropic-main: {type: anthropic, base_url: https://api.anthropic.com, api_key: env:ANTHROPIC_API_KEY}
  on-prem:        {type: openai, base_url: http://vllm:8000/v1}
prices: {on-prem/llama-3.1-70b: {input: 0.2, output: 0.4}}     # USD per million; others from the bundled price data
routing: [routing.yaml]                      # gateway-load-balancing-config documents
budgets:
  - {id: per-project, when: {}, limits: {cost_per_day: 50}, per: [metadata.project_id], mode: enforce}
rate_limits: [{id: surface, limit: 1000, unit: requests_per_hour, per: [metadata.surface], when: {models: ["prod/*"]}, mode: enforce}]
"""  # noqa: E501  # the document of the contract as it stands
ROUTING = """\
name: engineering-agent-routing
type: gateway-load-balancing-config
rules:
  - id: simple-repo-questions
    type: priority-based-routing
    when: {models: [prod/engineering-assistant], metadata: {workflow: repo-understanding}}
    load_balance_targets:
      - {target: openai-main/gpt-4o-mini, priority: 0, retry_config: {attempts: 2, delay: 100, on_status_codes: ['429','500']}, fallback_status_codes: ['429','500','502','503']}
      - {target: anthropic-main/claude-sonnet, priority: 1}
  - id: security-critical-review
    type: priority-based-routing
    when: {metadata: {workflow: security-review}}
    load_balance_targets: [{target: anthropic-main/claude-opus, priority: 0}, {target: openai-main/gpt-4.1, priority: 1}]
  - id: batch-processing-jobs
    type: priority-based-routing
    when: {metadata: {surface: batch-pipeline}}
    load_balance_targets: [{target: on-prem/llama-3.1-70b, priority: 0}, {target: openai-main/gpt-4o-mini, priority: 1}]
"""  # noqa: E501  # the document of the contract as it stands
SIBLINGS = """\
name: siblings
type: gateway-load-balancing-config
rules:
  - id: canary
    type: weight-based-routing
    when: {subjects: ["team:payments", "virtualaccount:nightly"], models: [prod/chat]}
    sticky_routing:
      ttl_seconds: 600
      session_identifiers: [{source: headers, key: x-session}, {source: metadata, key: ticket_id}]
    load_balance_targets:
      - target: openai-main/gpt-4o
        weight: 90
        override_params: {temperature: 0.2, response_format: {type: json_object}, stop: [a, b]}
        headers_override: {set: {X-Project: blue}, remove: [X-Debug]}
        metadata_match: {region: eu}
      - {target: on-prem/llama-3.1-70b, weight: 10, fallback_candidate: false}
  - id: fastest
    type: latency-based-routing
    load_balance_targets:
      - {target: openai-main/gpt-4o, retry_config: {attempts: 0}}
      - {target: anthropic-main/claude-sonnet, fallback_status_codes: [429, "529", overloaded, context_window]}
  - id: ordered
    type: priority-based-routing
    when: {models: [prod/slow]}
    load_balance_targets:
      - {target: openai-main/gpt-4o, sla_cutoff: {time_per_output_token_ms: 40, time_to_first_token_ms: 1500}}
      - {target: on-prem/llama-3.1-70b, priority: 1}
"""
KEYS = {"OPENAI_API_KEY": "canary-1", "ANTHROPIC_API_KEY": "canary-2"}
PROVIDERS = "providers:\n  a: {type: openai, base_url: https://a.example.com/v1}\n"


def settings(folder: Path, models: str, routing: str | None = None, gateway: str = "", **environ: str) -> Settings:
    (folder / "gateway.yaml").write_text(f"models: models.yaml\n{gateway}")
    (folder / "models.yaml").write_text(models)
    if routing is not None:
        (folder / "routing.yaml").write_text(routing)
    return load(folder / "gateway.yaml", {**KEYS, **environ})


def loaded(folder: Path, models: str, routing: str | None = None, gateway: str = "", **environ: str) -> LlmSettings:
    llm = settings(folder, models, routing, gateway, **environ).llm
    assert llm is not None
    return llm


def complaints(folder: Path, models: str, routing: str | None = None, gateway: str = "") -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        settings(folder, models, routing, gateway)
    assert "canary" not in str(caught.value)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_the_documents_of_the_contract(tmp_path: Path) -> None:
    llm = loaded(tmp_path, CONTRACT, ROUTING)
    main, on_prem = llm.models.providers["openai-main"], llm.models.providers["on-prem"]
    assert (main.api_key, on_prem.api_key) == (Secret("canary-1"), None)
    assert (main.native_responses, on_prem.native_responses) == (True, False)
    price = llm.models.prices["on-prem/llama-3.1-70b"]
    assert (price.input, price.output, price.cache_read) == (Decimal("0.2"), Decimal("0.4"), None)
    (budget,) = llm.models.budgets
    assert budget.limits.given == (("cost_per_day", Decimal(50)),)
    assert (budget.per, budget.alerts.thresholds) == (("metadata.project_id",), (75, 90, 95, 100))
    assert [rule.id for rule in llm.rules] == [
        "simple-repo-questions",
        "security-critical-review",
        "batch-processing-jobs",
    ]
    first, second = llm.rules[0].load_balance_targets
    assert (first.retry_config.attempts, first.retry_config.delay) == (2, 100)
    assert first.retry_config.on_status_codes == ("429", "500")
    assert first.fallback_status_codes == ("429", "500", "502", "503")
    assert (second.retry_config.attempts, second.retry_config.delay, second.priority) == (2, 100, 1)
    assert second.retry_config.on_status_codes == ("429", "500", "502", "503")
    assert second.fallback_status_codes == ("401", "403", "404", "429", "500", "502", "503")
    assert "canary" not in repr(llm) + str(llm.models.model_dump())


def test_the_siblings_with_all_their_fields(tmp_path: Path) -> None:
    llm = loaded(tmp_path, CONTRACT, SIBLINGS)
    canary, fastest, ordered = llm.rules
    assert canary.when.subjects == ("team:payments", "virtual_account:nightly")
    assert canary.sticky_routing is not None and canary.sticky_routing.ttl_seconds == 600
    heavy, light = canary.load_balance_targets
    assert (heavy.weight, light.weight, light.fallback_candidate) == (90, 10, False)
    assert heavy.override_params["stop"] == ("a", "b")
    assert (dict(heavy.headers_override.set), heavy.headers_override.remove) == ({"X-Project": "blue"}, ("X-Debug",))
    assert heavy.metadata_match == {"region": "eu"}
    assert fastest.load_balance_targets[0].retry_config.attempts == 0
    assert fastest.load_balance_targets[1].fallback_status_codes == ("429", "529", "overloaded", "context_window")
    sla = ordered.load_balance_targets[0].sla_cutoff
    assert sla is not None and (sla.time_per_output_token_ms, sla.time_to_first_token_ms) == (40, 1500)


def test_nothing_that_was_loaded_can_be_changed(tmp_path: Path) -> None:
    parameters: Any = loaded(tmp_path, CONTRACT, SIBLINGS).rules[0].load_balance_targets[0].override_params
    for place in (parameters, parameters["response_format"]):
        with pytest.raises(TypeError):
            place["x"] = 1


def test_virtual_models_are_routing_without_a_condition(tmp_path: Path) -> None:
    text = PROVIDERS + (
        "virtual_models:\n  prod/chat: {type: weight-based-routing, load_balance_targets: [{target: a/m, weight: 1}]}\n"
    )
    llm = loaded(tmp_path, text)
    assert llm.models.virtual_models["prod/chat"].load_balance_targets[0].target == "a/m"
    assert llm.rules == ()


def test_every_default(tmp_path: Path) -> None:
    models = loaded(tmp_path, PROVIDERS).models
    provider = models.providers["a"]
    assert (provider.api_key, provider.timeout, provider.tls, provider.models) == (None, None, None, ())
    assert (provider.max_concurrency, provider.max_connections, dict(provider.headers)) == (256, None, {})
    assert (models.prices, models.virtual_models, models.budgets, models.rate_limits) == ({}, {}, (), ())
    defaults = models.defaults
    assert (defaults.max_output_tokens, defaults.on_disconnect, defaults.timeout) == (4096, "drain", 300)
    assert (defaults.first_token_timeout, defaults.idle_timeout) == (None, 60)
    assert (defaults.cache.enabled, defaults.cache.ttl, defaults.cache.max_entries) == (False, 3600, 1000)


def test_without_the_file_there_is_no_plane(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("")
    assert load(tmp_path / "gateway.yaml", {}).llm is None


def test_all_files_are_watched_and_part_of_the_digest(tmp_path: Path) -> None:
    before = settings(tmp_path, CONTRACT, ROUTING)
    after = settings(tmp_path, CONTRACT, ROUTING.replace("priority: 1", "priority: 2"))
    assert before.digest != after.digest
    assert {tmp_path / "models.yaml", tmp_path / "routing.yaml"} <= set(after.files)


def test_a_webhook_may_be_a_secret_and_is_never_shown(tmp_path: Path) -> None:
    text = PROVIDERS + "budgets: [{id: b, limits: {tokens_per_day: 9}, alerts: {thresholds: [50], webhook: HOOK}}]\n"
    for written in ("https://hooks.example.com/canary", "env:HOOK"):
        models = loaded(tmp_path, text.replace("HOOK", written, 1), HOOK="https://hooks.example.com/canary").models
        (budget,) = models.budgets
        assert budget.alerts.webhook == Secret("https://hooks.example.com/canary")
        assert "canary" not in repr(models) + str(models.model_dump())


def test_a_header_may_be_a_secret(tmp_path: Path) -> None:
    text = (
        "providers: {a: {type: openai, base_url: 'https://a', headers: {X-Org: blue, X-Token: env:OPENAI_API_KEY}}}\n"
    )
    headers = loaded(tmp_path, text).models.providers["a"].headers
    assert (headers["X-Org"], headers["X-Token"]) == ("blue", Secret("canary-1"))


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("192.168.0.9", True),
        ("vllm", True),
        ("vllm.models.svc", True),
        ("vllm.models.svc.cluster.local", True),
        ("gpu.corp.internal", True),
        ("8.8.8.8", False),
        ("api.openai.com", False),
        ("internal.example.com", False),
        ("2606:4700::1111", False),
    ],
)
def test_which_hosts_are_of_the_own_network(host: str, inside: bool) -> None:
    assert is_inside(host) is inside


def test_plain_http_elsewhere_needs_a_word_and_is_told(tmp_path: Path) -> None:
    text = "providers: {a: {type: openai, base_url: 'http://llm.example.com/v1', plain_http: true}}\n"
    assert any("plain http" in notice for notice in settings(tmp_path, text).notices)
    inside = text.replace("llm.example.com", "vllm")
    assert not any(
        "plain http" in notice for notice in settings(tmp_path, inside.replace(", plain_http: true", "")).notices
    )


A = "{type: openai, base_url: 'https://a/v1'"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("provider: {}", "1:1", "unknown key `provider` (did you mean `providers`?)"),
        ("prices: {}", "1:1", "missing key `providers`"),
        (f"providers: {{a: {A}, api_key: canary}}}}", "1:66", "a literal secret is refused"),
        (f"providers: {{a: {A}, key: env:X}}}}", "1:57", "unknown key `key`"),
        (f"providers: {{a: {A}, headers: {{X-Api-Token: canary}}}}}}", "1:80", "a literal secret is refused"),
        (f"providers: {{a: {A}, headers: {{Host: x}}}}}}", "1:67", "set by the gateway itself"),
        ("providers: {a: {type: opena, base_url: 'https://a'}}", "1:23", "did you mean `openai`?"),
        ("providers: {a: {type: openai, base_url: 'http://a.example.com'}}", "1:41", "plain http"),
        ("providers: {a: {type: openai, base_url: 'https://a?key=canary'}}", "1:41", "a literal secret"),
        ("providers: {a: {type: openai, base_url: 'https://u:canary@a'}}", "1:41", "no user or password"),
        ("providers: {a: {type: gemini, base_url: 'https://a', responses: native}}", "1:65", "only providers of the"),
        (PROVIDERS + "prices: {b/m: {input: 1}}", "3:10", "unknown provider `b`"),
        (PROVIDERS + "prices: {m: {input: 1}}", "3:10", "expected provider/model"),
        (PROVIDERS + "prices: {a/m: {input: -1}}", "3:23", "expected an amount in USD"),
        (PROVIDERS + "prices: {a/m: {input: cheap}}", "3:23", "expected an amount in USD"),
        (PROVIDERS + "prices: {a/m: {input: true}}", "3:23", "expected an amount in USD"),
        (PROVIDERS + "routing: [none.yaml]", "3:11", "there is no file"),
        (PROVIDERS + "budgets: [{id: b, limits: {}}]", "3:19", "expected at least one limit"),
        (PROVIDERS + "budgets: [{id: b, limits: {cost_per_year: 1}}]", "3:28", "unknown key `cost_per_year`"),
        (PROVIDERS + "budgets: [{id: b, limits: {cost_per_day: 1}, per: [tool]}]", "3:52", "expected user, team"),
        (
            PROVIDERS + "budgets: [{id: b, limits: {cost_per_day: 1}}, {id: b, limits: {cost_per_day: 1}}]",
            "3:52",
            "another one has this id",
        ),
        (
            PROVIDERS
            + "budgets: [{id: b, limits: {cost_per_day: 1}, alerts: {webhook: 'http://h.example.com/canary'}}]",
            "3:64",
            "plain http",
        ),
        (PROVIDERS + "rate_limits: [{id: r, limit: 1, unit: calls_per_day}]", "3:39", "requests_per_day"),
        (PROVIDERS + "defaults: {cache: {ttl: 4d}}", "3:25", "expected at most 3d"),
        (PROVIDERS + "defaults: {on_disconnect: wait}", "3:27", "expected drain or cancel"),
        (PROVIDERS + "virtual_models: {chat: {}}", "3:18", "expected group/name"),
        (
            PROVIDERS + "virtual_models: {a/x: {type: latency-based-routing, load_balance_targets: [{target: a/m}]}}",
            "3:18",
            "`a` is a provider",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, place: str, message: str) -> None:
    found = complaints(tmp_path, text)
    assert any(each.startswith(f"models.yaml:{place}: ") and message in each for each in found), found


RULE = "type: gateway-load-balancing-config\nrules:\n  - id: r\n    type: {}\n    load_balance_targets:\n      - {}\n"


@pytest.mark.parametrize(
    ("strategy", "target", "place", "message"),
    [
        ("priority-based-routing", "{target: opanai-main/gpt}", "6:18", "did you mean `openai-main`?"),
        ("priority-based-routing", "{target: gpt}", "6:18", "expected provider/model"),
        ("priority-based-routing", "{target: on-prem/m, weight: 4}", "6:37", "belongs to weight-based-routing"),
        ("weight-based-routing", "{target: on-prem/m, weight: 4, priority: 0}", "6:50", "belongs to priority-based"),
        ("latency-based-routing", "{target: on-prem/m, sla_cutoff: {time_to_first_token_ms: 1}}", "6:29", "priority-b"),
        ("weight-based-routing", "{target: on-prem/m}", "6:9", "missing key `weight`"),
        ("weight-based-routing", "{target: on-prem/m, weight: 0}", "5:5", "a weight of more than 0"),
        ("weight-based-routing", "{target: on-prem/m, weight: 101}", "6:37", "expected 100 or less"),
        ("priority-based-routing", "{target: on-prem/m, sla_cutoff: {}}", "6:29", "time_per_output_token_ms"),
        (
            "priority-based-routing",
            "{target: on-prem/m, retry_config: {attempt: 1}}",
            "6:44",
            "did you mean `attempts`",
        ),
        ("priority-based-routing", "{target: on-prem/m, retry_config: {delay: 1s}}", "6:51", "expected a whole number"),
        ("priority-based-routing", "{target: on-prem/m, fallback_status_codes: ['200']}", "6:53", "expected a status"),
        ("priority-based-routing", "{target: on-prem/m, override_params: {model: x}}", "6:54", "cannot be overridden"),
        (
            "priority-based-routing",
            "{target: on-prem/m, headers_override: {set: {X-Token: canary}}}",
            "6:63",
            "literal",
        ),
        ("prority-based-routing", "{target: on-prem/m}", "4:11", "did you mean `priority-based-routing`?"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_with_its_place(
    tmp_path: Path, strategy: str, target: str, place: str, message: str
) -> None:
    found = complaints(tmp_path, CONTRACT, RULE.format(strategy, target))
    assert any(each.startswith(f"routing.yaml:{place}: ") and message in each for each in found), found


def test_sticky_routing_belongs_to_weights(tmp_path: Path) -> None:
    sticky = "    sticky_routing: {ttl_seconds: 1, session_identifiers: [{source: headers, key: x}]}\n"
    text = RULE.format("latency-based-routing", "{target: on-prem/m}") + sticky
    assert complaints(tmp_path, CONTRACT, text) == [
        "routing.yaml:7:5: `sticky_routing` belongs to weight-based-routing"
    ]


def test_ids_of_rules_are_unique_over_all_files(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(ROUTING)
    found = complaints(tmp_path, CONTRACT.replace("[routing.yaml]", "[more.yaml, routing.yaml]"), ROUTING)
    assert found[0].startswith("routing.yaml:4:9: another rule has the id `simple-repo-questions` (see more.yaml)")
    assert len(found) == 3


def test_metadata_that_no_request_can_have(tmp_path: Path) -> None:
    contract = "metadata: {keys: {workflow: {}, surface: {}}, unknown_keys: reject}\n"
    found = complaints(tmp_path, CONTRACT, ROUTING + SIBLINGS[SIBLINGS.index("  - id: canary") :], contract)
    assert [each.split(": ")[0] for each in found] == [
        "models.yaml:8:67",
        "routing.yaml:23:88",
        "routing.yaml:29:34",
    ]
    assert all("the metadata contract has no key" in each for each in found)


def test_the_schemas_take_what_the_loader_takes() -> None:
    models, routing = (jsonschema_rs.validator_for(schema) for schema in (models_schema(), routing_schema()))
    assert models.is_valid(plain(read(CONTRACT.encode())))
    assert routing.is_valid(plain(read(ROUTING.encode())))
    assert routing.is_valid(plain(read(SIBLINGS.encode())))
    assert not models.is_valid(plain(read(b"providers: {a: {type: openai}}")))
    assert not routing.is_valid(plain(read(b"{type: gateway-load-balancing-config, rules: [{id: r}]}")))
