"""The commands in a process of the tests' own, and a guardrail that never answers."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from mcp_gateway.cli.guardrails.command import guardrails

PII, SECRETS = "global/pii-redaction", "global/secrets-detection"


def run(*arguments: str, given: str | bytes = "") -> tuple[int, str, str]:
    """The exit code, standard output and standard error."""
    result = CliRunner().invoke(guardrails, list(arguments), input=given)
    return result.exit_code, result.stdout, result.stderr


def write_failing(folder: Path, mode: str = "enforce") -> str:
    """A configuration with a webhook at the discard port, where nobody listens; the name of the guardrail."""
    config = {"url": "http://127.0.0.1:9/", "retries": 0}
    hook = {"name": "hook", "type": "webhook", "mode": mode, "timeout": "5s", "config": config}
    (folder / "gateway.yaml").write_text("guardrails: guardrails.yaml\n")
    (folder / "guardrails.yaml").write_text(json.dumps({"groups": [{"name": "own", "guardrails": [hook]}]}))
    return "own/hook"
