"""The stage before every request: what it tallies, notes and hands on, also of what was said before."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mcp_gateway.core.call import Call, Trail
from mcp_gateway.core.errors import MetadataRequired
from mcp_gateway.core.principal import ANONYMOUS, Principal
from mcp_gateway.envelopes.safety.metadata.contract import Contract
from mcp_gateway.envelopes.safety.metadata.require import MetadataTallies, RequireMetadata
from mcp_gateway.settings.governance import MetadataSettings

PAYING = Principal(id="corp|p", subject="p", teams=("payments",))
STAGING = '{"environment": "staging"}'


def stage(tallies: MetadataTallies | None = None, **spec: Any) -> RequireMetadata:
    return RequireMetadata(Contract.of(MetadataSettings.model_validate(spec)), tallies or MetadataTallies())


def call(said: str, who: Principal = ANONYMOUS, method: str = "tools/call") -> Call:
    return Call(
        id=1,
        request_id="r",
        server="desk",
        method=method,
        params={},
        principal=who,
        client=cast("Any", None),
        link=cast("Any", None),
        deadline=1.0,
        snapshot="s",
        trail=Trail(),
        headers={"x-tfy-metadata": (said,)},
    )


async def answered(by: RequireMetadata, asked: Call) -> Call:
    """The call as the next stage gets it."""
    seen: list[Call] = []

    async def last(call: Call) -> dict[str, Any]:
        seen.append(call)
        return {}

    await by(asked, last)
    return seen[0]


async def test_what_breaks_the_contract_is_tallied_each_time_it_is_said() -> None:
    tallies = MetadataTallies()
    enforced = stage(tallies, keys={"environment": {"allowed": ["production"]}})
    for count in (1, 2, 3):
        asked = call(STAGING)
        with pytest.raises(MetadataRequired):
            await answered(enforced, asked)
        assert tallies.refused == {("desk", "environment"): count}
        assert asked.trail.notes["metadata_faults"] == ("environment",)
    audited = stage(tallies, keys={"environment": {"allowed": ["production"]}}, mode="audit")
    for count in (1, 2):
        asked = call(STAGING)
        assert (await answered(audited, asked)).metadata == {"environment": "staging"}
        assert tallies.would_refuse == {("desk", "environment"): count}
        assert asked.trail.notes["would_metadata_faults"] == ("environment",)


async def test_each_call_has_what_its_own_principal_is_stamped_with() -> None:
    stamps = [{"when": {"subjects": ["team:payments"]}, "set": {"cost_center": "pay"}}]
    stamped = stage(keys={"environment": {}}, stamp=stamps)
    for who, wanted in ((PAYING, {"cost_center": "pay"}), (ANONYMOUS, {}), (PAYING, {"cost_center": "pay"})):
        asked = call(STAGING, who)
        assert (await answered(stamped, asked)).metadata == {"environment": "staging", **wanted}
        assert asked.trail.notes["metadata"] == {"environment": "staging", **wanted}


async def test_a_new_contract_is_not_answered_from_what_the_old_one_settled() -> None:
    tallies = MetadataTallies()
    before = stage(tallies, keys={"environment": {"allowed": ["staging"]}}, stamp=[{"set": {"owner": "old"}}])
    after = stage(tallies, keys={"environment": {"allowed": ["production"]}}, stamp=[{"set": {"owner": "new"}}])
    assert (await answered(before, call(STAGING))).metadata == {"environment": "staging", "owner": "old"}
    with pytest.raises(MetadataRequired):
        await answered(after, call(STAGING))
    assert (await answered(after, call('{"environment": "production"}'))).metadata["owner"] == "new"


async def test_lists_and_pings_are_handed_on_as_they_came() -> None:
    asked = call("[", method="tools/list")
    assert await answered(stage(keys={"environment": {"required": True}}), asked) is asked
