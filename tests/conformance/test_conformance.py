"""The official suite through the gateway, in both directions and both revisions."""

from __future__ import annotations

import pytest

from tests.conformance import auth_driver, node
from tests.conformance.client_driver import SCENARIOS
from tests.conformance.required import client_run, server_run
from tests.conformance.suite import HANDSHAKE, MODERN

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    node.require()


@pytest.mark.parametrize("revision", [MODERN, HANDSHAKE])
def test_the_fixture_itself_conforms(revision: str) -> None:
    run = server_run("direct", revision)
    assert run.report.complaints() == []
    assert run.ok


@pytest.mark.parametrize("revision", [MODERN, HANDSHAKE])
def test_a_virtual_server_conforms(revision: str) -> None:
    run = server_run("gateway", revision)
    assert [c for c in run.report.complaints() if "FAILURE" in c] == []
    assert run.report.failed == 0
    assert run.report.passed >= run.required


@pytest.mark.parametrize(("revision", "scenario"), [*SCENARIOS, *auth_driver.SCENARIOS])
def test_the_gateway_conforms_as_a_client(revision: str, scenario: str) -> None:
    run = client_run(revision, scenario)
    assert run.report.failed == 0, "\n".join(run.report.complaints())
    assert run.report.passed > 0
