"""What follows a failed attempt."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.routing.policy import DEFAULT, PATIENCE, Failure, Policy, Retry, Verdict
from tests.llm_proxy.routing.specs import route

CLASSES = ["rate_limit", "overloaded", "context_window", "content_filter", "authentication", "invalid", "server"]
FAILURES = st.one_of(
    st.builds(
        Failure,
        status=st.none() | st.integers(400, 599),
        kind=st.none() | st.sampled_from(CLASSES),
        retry_after=st.none() | st.floats(0, 1e6),
    ),
    st.builds(Failure, lost=st.sampled_from(["connection", "timeout"])),
)


def after(
    failure: Failure, policy: Policy = DEFAULT, *, retried: int = 0, others: bool = True, left: float = 60.0
) -> Verdict:
    return policy.after(failure, retried=retried, others=others, left=left)


@pytest.mark.parametrize("status", range(400, 600))
def test_the_defaults(status: int) -> None:
    first, last = after(Failure(status)), after(Failure(status), retried=2)
    again = status in (429, 500, 502, 503, 529)
    falls = again or status in (401, 403, 404)
    assert first == (Retry(0.1) if again else "next" if falls else "fail")
    assert last == ("next" if falls else "fail")


@pytest.mark.parametrize(
    ("failure", "first", "last"),
    [
        (Failure(lost="connection"), Retry(0.1), "next"),
        (Failure(lost="timeout"), "next", "next"),
        (Failure(529, "overloaded"), Retry(0.1), "next"),
        (Failure(529), Retry(0.1), "next"),
        (Failure(None, "overloaded"), Retry(0.1), "next"),
        (Failure(None, "rate_limit"), Retry(0.1), "next"),
        (Failure(None, "server"), Retry(0.1), "next"),
        (Failure(None, "authentication"), "next", "next"),
        (Failure(None, "invalid"), "fail", "fail"),
        (Failure(400, "context_window"), "fail", "fail"),
        (Failure(504, "server"), "fail", "fail"),
        (Failure(400, "rate_limit"), "fail", "fail"),
    ],
)
def test_what_has_no_usual_status(failure: Failure, first: Verdict, last: Verdict) -> None:
    assert (after(failure), after(failure, retried=2)) == (first, last)


def test_a_rule_may_name_statuses_and_classes() -> None:
    spec = {
        "target": "a/m",
        "retry_config": {"attempts": 1, "delay": 250, "on_status_codes": [418, "overloaded"]},
        "fallback_status_codes": ["context_window", "504"],
    }
    policy = route("priority", spec).targets[0].policy
    assert after(Failure(418), policy) == Retry(0.25)
    assert after(Failure(418), policy, retried=1) == "fail"
    assert after(Failure(503, "overloaded"), policy) == Retry(0.25)
    assert after(Failure(400, "context_window"), policy) == "next"
    assert after(Failure(504, "server"), policy) == "next"
    assert after(Failure(429, "rate_limit"), policy) == "fail"


@pytest.mark.parametrize(
    ("asked", "others", "left", "verdict"),
    [
        (1.0, True, 60.0, Retry(1.0)),
        (0.01, True, 60.0, Retry(0.1)),
        (PATIENCE + 1, True, 60.0, "next"),
        (PATIENCE + 1, False, 60.0, Retry(PATIENCE + 1)),
        (90.0, False, 60.0, "next"),
        (1.0, False, 1.0, "next"),
        (None, False, 0.05, "next"),
    ],
)
def test_a_provider_may_ask_for_a_wait_within_the_deadline(
    asked: float | None, others: bool, left: float, verdict: Verdict
) -> None:
    assert after(Failure(429, retry_after=asked), others=others, left=left) == verdict


@given(FAILURES, st.integers(0, 12), st.booleans(), st.floats(0, 1e6))
def test_retries_end_and_fit_in_the_deadline(failure: Failure, retried: int, others: bool, left: float) -> None:
    verdict = after(failure, retried=retried, others=others, left=left)
    if isinstance(verdict, Retry):
        assert retried < DEFAULT.retries
        assert DEFAULT.delay <= verdict.delay < left
        assert verdict.delay >= (failure.retry_after or 0)
        assert not others or verdict.delay <= PATIENCE
        assert math.isfinite(verdict.delay)


@given(FAILURES)
def test_waiting_decides_only_about_trying_again(failure: Failure) -> None:
    assert after(failure, retried=2) == after(failure, retried=2, others=False, left=0.0)


@pytest.mark.parametrize(
    ("failure", "ill"),
    [
        (Failure(500, "server"), True),
        (Failure(529, "overloaded"), True),
        (Failure(429), True),
        (Failure(401, "authentication"), True),
        (Failure(None, "server"), True),
        (Failure(lost="timeout"), True),
        (Failure(lost="connection"), True),
        (Failure(400, "invalid"), False),
        (Failure(400, "context_window"), False),
        (Failure(403, "content_filter"), False),
        (Failure(404), False),
        (Failure(403), False),
        (Failure(422), False),
    ],
)
def test_a_request_that_is_wrong_says_nothing_about_its_target(failure: Failure, ill: bool) -> None:
    assert failure.ill is ill
