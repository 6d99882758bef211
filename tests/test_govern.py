"""The policies of guardrails, which are parsed with the configuration and not with what upstreams offer."""

from __future__ import annotations

import pytest

from mcp_gateway.core.errors import ConfigurationError
from mcp_gateway.govern import GuardPolicies

ALL = '@id("all") permit (principal, action, resource);'
NONE = '@id("none") forbid (principal, action, resource);'


def test_a_policy_is_parsed_once_for_as_long_as_it_is_in_force() -> None:
    kept = GuardPolicies()
    first = kept.of({"g/a": ALL, "g/b": NONE, "g/gateway": None})
    assert set(first) == {"g/a", "g/b"}
    again = kept.of({"g/a": ALL, "g/c": NONE})
    assert again["g/a"] is first["g/a"]
    assert again["g/c"] is first["g/b"]
    kept.of({"g/a": ALL})
    assert kept.of({"g/b": NONE})["g/b"] is not first["g/b"]


def test_what_is_no_policy_is_refused_with_the_guardrail_s_name() -> None:
    with pytest.raises(ConfigurationError, match="the policy of the guardrail g/a"):
        GuardPolicies().of({"g/a": "permit (principal, action"})
