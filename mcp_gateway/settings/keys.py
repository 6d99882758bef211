"""The key ring as bytes, making the first key where the configuration allows its absence."""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from mcp_gateway.core.errors import ConfigurationError, Problem
from mcp_gateway.core.secret import Secret
from mcp_gateway.settings.state import MIN_KEY, StateSettings


def key_ring(state: StateSettings) -> tuple[bytes, ...]:
    """The keys in their order, for `core.seal.Sealer`; each has at least 32 bytes.

    A key whose file is absent is made there, readable by its owner only. Processes that start together agree
    on one: the file appears complete or not at all, and who comes second reads it. Blocks on files.
    Raises ConfigurationError if the file cannot be made or read.
    """
    return tuple(_key(key.secret, key.path) for key in state.encryption_keys)


def _key(secret: Secret | None, path: Path | None) -> bytes:
    if secret is not None:
        return secret.reveal().encode()
    if path is None:
        raise ConfigurationError([Problem("state.encryption_keys", 0, 0, "a key has neither a value nor a file")])
    try:
        _make(path)
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationError([Problem(str(path), 0, 0, f"cannot make the encryption key: {reason}")]) from error
    if len(text) < MIN_KEY:
        raise ConfigurationError([Problem(str(path), 0, 0, f"an encryption key has at least {MIN_KEY} characters")])
    return text.encode()


def _make(path: Path) -> None:
    for folder in reversed(path.parents):  # `parents=True` would make all but the last for everybody
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    # mkstemp makes the file 0600; a hard link never replaces what another process put there meanwhile.
    handle, temporary = tempfile.mkstemp(prefix=".key-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(base64.b64encode(secrets.token_bytes(32)) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)
