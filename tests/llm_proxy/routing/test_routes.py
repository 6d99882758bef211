"""Which route a request takes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.routing.policy import DEFAULT
from llm_proxy.routing.routes import REMEMBERED, Routes
from mcp_gateway.core.errors import UnknownName
from tests.llm_proxy.routing.specs import routes
from tests.settings.test_models import ROUTING, SIBLINGS

RULES = """\
- {id: team, type: priority-based-routing, when: {subjects: ["team:a", "team:b"], models: ["prod/*"]}, load_balance_targets: [{target: p/1}]}
- {id: region, type: priority-based-routing, when: {metadata: {region: eu, tier: gold}}, load_balance_targets: [{target: p/2}]}
- {id: chat, type: priority-based-routing, when: {models: [prod/chat, "dev/c?at"]}, load_balance_targets: [{target: p/3}]}
"""  # noqa: E501  # one rule a line
VIRTUAL = {
    name: {"type": "priority-based-routing", "load_balance_targets": [{"target": "p/4"}]}
    for name in ("prod/chat", "prod/code")
}


def document(text: str) -> Routes:
    return routes(text, openai_main=(), anthropic_main=(), on_prem=())


@pytest.mark.parametrize(
    ("model", "metadata", "found", "targets"),
    [
        (
            "prod/engineering-assistant",
            {"workflow": "repo-understanding"},
            "simple-repo-questions",
            ["openai-main/gpt-4o-mini", "anthropic-main/claude-sonnet"],
        ),
        (
            "prod/engineering-assistant",
            {"workflow": "security-review"},
            "security-critical-review",
            ["anthropic-main/claude-opus", "openai-main/gpt-4.1"],
        ),
        ("anything", {"workflow": "security-review", "surface": "batch-pipeline"}, "security-critical-review", None),
        ("anything", {"surface": "batch-pipeline"}, "batch-processing-jobs", None),
        ("openai-main/gpt-4o", {}, "", ["openai-main/gpt-4o"]),
        ("on-prem/meta/llama:8b", {"workflow": "other"}, "", ["on-prem/meta/llama:8b"]),
    ],
)
def test_the_document_of_the_contract(
    model: str, metadata: dict[str, str], found: str, targets: list[str] | None
) -> None:
    route = document(ROUTING).find(model, frozenset(), metadata)
    assert route.id == found
    assert targets is None or [target.name for target in route.targets] == targets


@pytest.mark.parametrize(
    "model",
    [
        "",
        "gpt-4o",
        "prod/engineering-assistant",
        "openai-main/",
        "/gpt",
        "other/gpt",
        "openai-main/a b",
        "openai-main/" + "x" * 256,
    ],
)
def test_what_nothing_says_is_unknown(model: str) -> None:
    with pytest.raises(UnknownName) as refused:
        document(ROUTING).find(model, frozenset(), {})
    assert refused.value.pointer == "/model"


@pytest.mark.parametrize(
    ("model", "subjects", "metadata", "found"),
    [
        ("prod/chat", {"team:b", "user:x"}, {}, "team"),
        ("prod/chat", {"team:c"}, {}, "chat"),
        ("prod/code", set(), {}, "prod/code"),
        ("prod/code", set(), {"region": "eu", "tier": "gold", "more": "x"}, "region"),
        ("prod/code", set(), {"region": "eu"}, "prod/code"),
        ("dev/chat", set(), {}, "chat"),
        ("p/anything", set(), {}, ""),
    ],
)
def test_the_first_rule_that_matches_then_a_virtual_model_then_the_target_itself(
    model: str, subjects: set[str], metadata: dict[str, str], found: str
) -> None:
    assert routes(RULES, VIRTUAL, p=()).find(model, frozenset(subjects), metadata).id == found


def test_routes_to_what_clients_name_are_made_once_and_not_kept_without_end() -> None:
    made = document(ROUTING)
    assert made.find("on-prem/m", frozenset(), {}) is made.find("on-prem/m", frozenset(), {})
    for n in range(3 * REMEMBERED):
        assert made.find(f"on-prem/{n}", frozenset(), {}).targets[0].model == str(n)
        assert len(made._direct) <= REMEMBERED


def test_what_is_listed() -> None:
    assert routes(RULES, VIRTUAL, p=("m1", "m2")).names == ("prod/chat", "prod/code", "p/m1", "p/m2")


def test_a_target_that_no_rule_speaks_of_has_the_usual_policy() -> None:
    (target,) = document(ROUTING).find("on-prem/m", frozenset(), {}).targets
    assert (target.policy, target.parameters, target.fallback) == (DEFAULT, {}, True)


def test_all_that_a_target_may_say() -> None:
    heavy, light = document(SIBLINGS).find("prod/chat", frozenset({"virtual_account:nightly"}), {}).targets
    assert (heavy.weight, light.weight, light.fallback) == (90, 10, False)
    assert heavy.parameters["stop"] == ("a", "b")
    assert (heavy.set_headers, heavy.drop_headers) == ((("X-Project", "blue"),), frozenset({"x-debug"}))
    assert heavy.metadata == frozenset({("region", "eu")})
    (slow, _) = (
        document(SIBLINGS.replace("  - id: fastest", "  - id: x\n    when: {models: [y]}"))
        .find("prod/slow", frozenset(), {})
        .targets
    )
    assert (slow.slow_first_token, slow.slow_token) == (1.5, 0.04)


CONDITION = st.fixed_dictionaries(
    {},
    optional={
        "subjects": st.lists(st.sampled_from(["team:a", "team:b"]), max_size=2),
        "models": st.lists(st.sampled_from(["prod/chat", "prod/*", "p/m"]), max_size=2),
        "metadata": st.dictionaries(st.sampled_from(["k", "l"]), st.sampled_from(["1", "2"]), max_size=2),
    },
)


@given(
    conditions=st.lists(CONDITION, max_size=5),
    model=st.sampled_from(["prod/chat", "prod/x", "p/m"]),
    subjects=st.frozensets(st.sampled_from(["team:a", "team:b", "team:c"])),
    metadata=st.dictionaries(st.sampled_from(["k", "l"]), st.sampled_from(["1", "2"])),
)
def test_the_first_match_wins(
    conditions: list[dict[str, object]], model: str, subjects: frozenset[str], metadata: dict[str, str]
) -> None:
    rules = [
        {"id": str(n), "type": "latency-based-routing", "when": when, "load_balance_targets": [{"target": "p/m"}]}
        for n, when in enumerate(conditions)
    ]
    made = routes(json.dumps(rules), p=(), prod=())

    def fits(when: dict[str, object]) -> bool:
        wanted, models, callers = when.get("metadata", {}), when.get("models", []), when.get("subjects", [])
        assert isinstance(wanted, dict) and isinstance(models, list) and isinstance(callers, list)
        return (
            all(metadata.get(key) == value for key, value in wanted.items())
            and (not callers or any(each in subjects for each in callers))
            and (not models or model in models or ("prod/*" in models and model.startswith("prod/")))
        )

    expected = next((str(n) for n, when in enumerate(conditions) if fits(when)), "")
    assert made.find(model, subjects, metadata).id == expected
