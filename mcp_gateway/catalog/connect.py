"""The tool that stands for a source whose lists only a person's account can read, until somebody has connected one."""

from __future__ import annotations

import re
from typing import Final

from mcp_gateway.calls.kinds import ToolBinding
from mcp_gateway.catalog.draft import Draft
from mcp_gateway.catalog.spec import SourceSpec
from mcp_gateway.core.call import Json

_LONGEST: Final = 64
_UNNAMEABLE: Final = re.compile(r"[^A-Za-z0-9_./-]")


def draft_connect(source: SourceSpec) -> Draft[ToolBinding]:
    """``{prefix}connect_{upstream}``: a call connects the caller's account, and the source's tools take its place."""
    upstream = source.upstream
    own = f"connect_{_UNNAMEABLE.sub('_', upstream)}"
    definition: Json = {
        "name": own,
        "title": f"Connect {upstream}",
        "description": f"Connects your account at {upstream}. Its tools appear in this list afterwards.",
        "inputSchema": {"type": "object", "properties": {}, "additionalProperties": False},
        "annotations": {
            "readOnlyHint": True,
            "destructiveHint": False,
            "idempotentHint": True,
            "openWorldHint": True,
        },
    }

    def make(name: str) -> ToolBinding:
        return ToolBinding(
            name=name,
            upstream=upstream,
            upstream_name=own,
            definition={**definition, "name": name},
            check=_takes_nothing,
            read_only=True,
            destructive=False,
            idempotent=True,
            connects=True,
        )

    return Draft(upstream, own, (source.prefix + own)[:_LONGEST], True, make)


def _takes_nothing(arguments: Json) -> tuple[str, str] | None:
    return None if not arguments else ("", "this tool takes no arguments")
