"""A guardrail of the type `presidio` on the wire: names go neither to an upstream nor back to a client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.envelopes.safety.pipeline import CITY, NAME, pipeline
from tests.ingress.test_guarded import guarded, noted, spec

ACCOUNT = "DE89370400440532013000"


def names(folder: Path, **fields: Any) -> dict[str, Any]:
    config = {"model": pipeline(folder / "names"), "entities": ["PERSON", "LOCATION", "IBAN_CODE"]}
    return {"name": "names", "type": "presidio", "config": config, **fields}


async def test_names_are_taken_out_on_both_ways_of_a_call(tmp_path: Path) -> None:
    both = ["g/names"]
    async with guarded(spec(names(tmp_path, operation="mutate"), pre=both, post=both)) as rig:
        rig.terminal.answers("echo", {"content": [{"type": "text", "text": f"😀 {NAME} moved to {CITY}."}]})
        result = await rig.call("echo", {"text": f"Pay {NAME}, {ACCOUNT}."}).result()
        assert rig.terminal.calls[0].params["arguments"] == {"text": "Pay [PERSON], [IBAN_CODE]."}
        assert result["content"] == [{"type": "text", "text": "😀 [PERSON] moved to [LOCATION]."}]
        assert noted(rig) == [("g/names", "deny", "mutate")] * 2
        assert [each["findings"] for each in rig.audit[-1]["guardrails"]] == [
            {"person": 1, "iban_code": 1},
            {"person": 1, "location": 1},
        ]
        assert NAME not in json.dumps(rig.lines.records)


async def test_a_call_with_a_name_is_refused(tmp_path: Path) -> None:
    async with guarded(spec(names(tmp_path), pre=["g/names"], post=())) as rig:
        error = await rig.call("echo", {"text": NAME}).error()
        assert (error["code"], error["data"]["guardrail"]) == (40301, "g/names")
        assert NAME not in json.dumps(error)
        assert rig.terminal.calls == []
