"""The configuration of the gateway that requests to models pass: everything a company switches on. Pure."""

from __future__ import annotations

from typing import Final

from tests.bench.completions import MODEL
from tests.bench.models import NAMED

MODELS: Final = """\
providers:
  {group}: {{type: openai, base_url: 'http://127.0.0.1:{provider}/v1', api_key: 'file:secret', models: [{model}]}}
prices:
  {named}: {{input: 2.5, output: 10, cache_read: 1.25}}
budgets:
  - {{id: person, limits: {{cost_per_day: 10000000}}, per: [user]}}
rate_limits:
  - {{id: person, limit: 100000000, unit: requests_per_minute, per: [user]}}
"""

POLICIES: Final = 50


def models_yaml(provider: int) -> str:
    """`models.yaml` over the provider at a port."""
    return MODELS.format(group=NAMED.partition("/")[0], model=MODEL, named=NAMED, provider=provider)


def model_policies() -> str:
    """The policies: by team and model, and one that permits."""
    texts = [f'permit (principal in Team::"team-3", action == Action::"use_model", resource == Model::"{NAMED}");']
    for number in range(POLICIES - len(texts)):
        model = f'Model::"group-{number % 7}/model-{number}"'
        texts.append(
            f'forbid (principal in Team::"department-{number}", action == Action::"use_model", resource == {model});'
            if number % 2
            else f'permit (principal in Team::"team-{number}", action == Action::"use_model", resource == {model}) '
            f'unless {{ principal has email && principal.email like "*@example-{number}.com" }};'
        )
    return "\n".join(f'@id("m{number:02}") {text}' for number, text in enumerate(texts))
