"""Compositions of real servers as an admin writes them, running: `everything_at(folder)`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conformance import node
from tests.real.processes import PATIENCE, Gateway, configuration, environment, free_port, gateway, serving
from tests.support import require

OFFICE = """\
title: Office
instructions: Look before you book.
sources:
  - upstream: every
    prefix: demo/
    enabled_tools: [echo, "get-*"]
    disabled_tools: ["get-resource-*", get-annotated-message, get-tiny-image]
    enabled_prompts: [args-prompt, completable-prompt]
    enabled_resources: ["demo://resource/static/document/features.md", "demo://resource/dynamic/text/*"]
    tools:
      get-sum:
        name: add
        description: Adds to a number.
        arguments: {a: {name: number, description: What to add to.}, b: {default: 1}}
  - upstream: git
    enabled_tools: [git_status, git_log, git_add, git_commit]
    tools:
      git_status: {arguments: {repo_path: {value: REPOSITORY}}}
      git_add: {arguments: {repo_path: {value: REPOSITORY}, files: {value: [note.txt]}}}
      git_commit: {name: save, arguments: {repo_path: {value: REPOSITORY}, message: {name: why}}}
      git_log:
        name: history
        title: History
        annotations: {title: What happened, openWorldHint: true}
        arguments:
          repo_path: {value: REPOSITORY}
          max_count: {name: limit, default: 5}
          start_timestamp: {value: null}
          end_timestamp: {value: null}
  - upstream: ledger
    prefix: ledger_
    disabled_tools: [close_period, "query_b*"]
    enabled_prompts: ["*"]
    enabled_resources: ["ledger://*"]
    tools:
      post_entry:
        name: book_entry
        description: Book one entry.
        annotations: {destructiveHint: true}
        arguments:
          currency: {value: EUR}
          requester: {from: principal.id}
          memo: {default: "", description: Free text}
          amt: {name: amount}
"""

FILES = """\
sources:
  - upstream: files
    enabled_tools: [read_text_file, write_file, list_directory]
    tools:
      list_directory: {name: ls, arguments: {path: {value: FOLDER}}}
"""

TWICE = """\
conflicts: RULE
sources:
  - {upstream: ledger, enabled_tools: [query_balance, query_entries], enabled_prompts: ["*"]}
  - {upstream: archive, enabled_tools: [query_balance, reconcile], enabled_prompts: ["*"]}
"""

EVENTS = """\
sources:
  - {upstream: events, enabled_tools: [echo, get-sum, trigger-long-running-operation], enabled_prompts: ["*"]}
"""


@dataclass(frozen=True, slots=True)
class Site:
    gateway: Gateway
    folder: Path

    def url(self, server: str) -> str:
        return self.gateway.url(server)


@contextmanager
def node_server(*arguments: str, **variables: str) -> Iterator[None]:
    """The everything server of the TypeScript SDK over HTTP, once it says that it runs."""
    process = subprocess.Popen(
        [node.node(), str(node.script("@modelcontextprotocol/server-everything", "dist", "index.js")), *arguments],
        env={**node.environment(), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        assert any("running on port" in line for line in process.stderr), "the SSE server did not start"
        yield
    finally:
        process.kill()
        process.wait(PATIENCE)
        process.stderr.close()


def repository(folder: Path) -> Path:
    """A repository with one commit, and one file that is in none."""
    folder.mkdir()
    for command in (
        ("init", "--quiet", "--initial-branch=main"),
        ("config", "user.name", "Test"),
        ("config", "user.email", "test@example.com"),
        ("commit", "--quiet", "--allow-empty", "-m", "First commit"),
    ):
        subprocess.run(["git", *command], cwd=folder, check=True, env=environment())
    (folder / "note.txt").write_text("a note\n")
    return folder


@contextmanager
def everything_at(folder: Path) -> Iterator[Site]:
    """A gateway in `folder` with all of these compositions, and the servers they need."""
    node.require()
    require("mcp-server-git", "one of the servers composed")
    require("git", "its repository")
    papers = folder / "papers"
    papers.mkdir()
    (papers / "paper.txt").write_text("on paper\n")
    every = node.script("@modelcontextprotocol/server-everything", "dist", "index.js")
    files = node.script("@modelcontextprotocol/server-filesystem", "dist", "index.js")
    port = str(free_port())
    with ExitStack() as stack:
        stack.enter_context(node_server("sse", PORT=port))
        ledger = stack.enter_context(serving("tests.upstreams.plain"))
        archive = stack.enter_context(serving("tests.upstreams.plain", "--era", "legacy"))
        upstreams = f"""\
  every: {{command: [{node.node()}, {every}, stdio], env: {{GIVEN: "yes", SEALED: env:GATEWAY_SECRET}}}}
  git: {{command: [mcp-server-git]}}
  files: {{command: [{node.node()}, {files}, {papers}]}}
  ledger: {{url: {ledger.url}}}
  archive: {{url: {archive.url}}}
  events: {{url: "http://127.0.0.1:{port}/sse", transport: sse}}
"""
        servers = {
            "office": OFFICE.replace("REPOSITORY", str(repository(folder / "repository"))),
            "files": FILES.replace("FOLDER", str(papers)),
            "prefixed": TWICE.replace("RULE", "prefix"),
            "first": TWICE.replace("RULE", "priority"),
            "events": EVENTS,
        }
        configuration(folder, upstreams, servers)
        yield Site(stack.enter_context(gateway(folder, GATEWAY_SECRET="sealed", OTHER_SECRET="kept")), folder)
