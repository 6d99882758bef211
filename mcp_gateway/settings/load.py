"""From `gateway.yaml` to `Settings`: the only reader of the environment and of secret files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.settings import llm as llm_files
from mcp_gateway.settings import lock as lock_file
from mcp_gateway.settings.availability import notices
from mcp_gateway.settings.consistency import check_together
from mcp_gateway.settings.documents import Document, read_document
from mcp_gateway.settings.gateway import GatewaySettings
from mcp_gateway.settings.governance import PolicySettings
from mcp_gateway.settings.guardrails import GuardrailsSettings
from mcp_gateway.settings.nodes import Entries, Scalar
from mcp_gateway.settings.policy_files import policy_files, read_policies
from mcp_gateway.settings.references import Resolver
from mcp_gateway.settings.settings import Settings
from mcp_gateway.settings.virtual_servers import VirtualServerSettings

MAX_FILES: Final = 1000
"""Most virtual server files in a folder."""

_INHERITED: Final = frozenset(
    [
        "HOME",
        "LANG",
        "LANGUAGE",
        "LOGNAME",
        "PATH",
        "SHELL",
        "TEMP",
        "TERM",
        "TMP",
        "TMPDIR",
        "TZ",
        "USER",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "APPDATA",
        "HOMEDRIVE",
        "HOMEPATH",
        "LOCALAPPDATA",
        "PATHEXT",
        "PROCESSOR_ARCHITECTURE",
        "SYSTEMDRIVE",
        "SYSTEMROOT",
        "USERNAME",
        "USERPROFILE",
    ]
)


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The configuration at `path`, with secrets resolved from `environ` and from files.

    Raises ConfigurationError with every problem of every file; no message holds a secret. Blocks on files.
    """
    path = path.absolute()
    problems: list[Problem] = []
    resolver = Resolver(environ, path.parent)
    gateway = read_document(path, GatewaySettings, resolver, problems)
    folder = _folder(gateway, path.parent)
    servers = [read_document(each, VirtualServerSettings, resolver, problems) for each in _files_in(folder, problems)]
    problems.extend(check_together(gateway, servers))
    policies = _policies(gateway.model, problems)
    guardrails = _guardrails(gateway.model, resolver, problems)
    llm = llm_files.read_llm(gateway.model, resolver, problems)
    locked = lock_file.contents(path.parent, problems)
    lock = lock_file.read_into(locked, str(path.parent / lock_file.NAME), problems)
    beside = [*((each, text.encode()) for each, text in policies or ())]
    if locked is not None:
        beside.append((path.parent / lock_file.NAME, locked))
    models = [server.model for server in servers if server.model is not None]
    if problems or gateway.model is None:
        raise ConfigurationError(_in_order(problems, [path, *(server.path for server in servers)]))
    llm_settings = None if llm is None else llm.settings()
    documents = [
        gateway,
        *servers,
        *([] if guardrails is None else [guardrails]),
        *(() if llm is None else llm.documents),
    ]
    return Settings(
        gateway=gateway.model,
        servers=MappingProxyType({model.name: model for model in models}),
        base_dir=path.parent,
        files=tuple(sorted({*resolver.files, *(each for each, _ in beside)})),
        folders=(folder, *_policy_folders(gateway.model)),
        digest=_digest([*_contents(documents), *beside], path.parent),
        policies=policies,
        guardrails=guardrails,
        llm=llm_settings,
        lock=lock,
        environment=MappingProxyType(
            {k: v for k, v in environ.items() if k.upper() in _INHERITED or k.startswith("LC_")}
        ),
        notices=(
            *notices(gateway.model, models, locked=lock is not None),
            *(() if llm_settings is None else llm_files.notices(llm_settings)),
        ),
    )


def _folder(gateway: Document[GatewaySettings], base_dir: Path) -> Path:
    """Where the virtual servers are, also when something else in the file is wrong."""
    if gateway.model is not None:
        return gateway.model.virtual_servers
    root = gateway.root
    named = root.entries.get("virtual_servers") if isinstance(root, Entries) else None
    if named is not None and isinstance(named[1], Scalar) and isinstance(named[1].value, str):
        return base_dir / named[1].value.replace("\x00", "")
    return base_dir / "virtual_servers"


def _files_in(folder: Path, problems: list[Problem]) -> Sequence[Path]:
    try:
        found = sorted(
            each
            for each in folder.iterdir()
            if each.suffix in (".yaml", ".yml") and not each.name.startswith(".") and os.path.isfile(each)
        )
    except FileNotFoundError:
        return ()
    except OSError as error:
        problems.append(Problem(str(folder), 0, 0, f"cannot read the folder: {error.strerror}"))
        return ()
    if len(found) > MAX_FILES:
        problems.append(Problem(str(folder), 0, 0, f"more than {MAX_FILES} virtual servers"))
    return found[:MAX_FILES]


def _in_order(problems: Sequence[Problem], files: Sequence[Path]) -> list[Problem]:
    order = {str(file): index for index, file in enumerate(files)}
    return sorted(problems, key=lambda each: (order.get(each.file, len(order)), each.file, each.line, each.column))


def _policy_folders(gateway: GatewaySettings) -> Sequence[Path]:
    return (gateway.policies.path,) if isinstance(gateway.policies, PolicySettings) else ()


def _policies(gateway: GatewaySettings | None, problems: list[Problem]) -> tuple[tuple[Path, str], ...] | None:
    if gateway is None or not isinstance(gateway.policies, PolicySettings):
        return None
    return read_policies(policy_files(gateway.policies.path, problems), problems)


def _guardrails(
    gateway: GatewaySettings | None, resolver: Resolver, problems: list[Problem]
) -> Document[GuardrailsSettings] | None:
    """The guardrails that the configuration names; that there is no such file is said elsewhere."""
    if gateway is None or gateway.guardrails is None or not os.path.isfile(gateway.guardrails):
        return None
    return read_document(gateway.guardrails, GuardrailsSettings, resolver, problems)


def _contents(documents: Sequence[Document[Any]]) -> list[tuple[Path, bytes]]:
    return [(document.path, document.data) for document in documents]


def _digest(contents: Sequence[tuple[Path, bytes]], base_dir: Path) -> str:
    """SHA-256 over files by name and content."""
    digest = sha256()
    for path, data in contents:
        name = str(path.relative_to(base_dir) if path.is_relative_to(base_dir) else path)
        for part in (name.encode(), data):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
