"""`env:NAME` and `file:/path`: how a file names a secret without holding it.

The loader passes a `Resolver` as validation context; it holds the environment and the folder that relative
paths start from, and notes every file it opened. Without one (models built in code) paths stay as they are
and a secret must already be a `Secret`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from mcp_gateway.core.secret import REDACTED, Secret
from mcp_gateway.settings.base import refusal

REFERENCE_PATTERN: Final = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"
_REFERENCE: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)|file:(.+)", re.DOTALL)
_MAX_SECRET: Final = 64 * 1024
_MAX_PATH: Final = 4096


class Resolver:
    """Turns references into secrets. The only place of the project that looks into the environment."""

    __slots__ = ("base_dir", "environ", "files")

    def __init__(self, environ: Mapping[str, str], base_dir: Path) -> None:
        self.environ = environ
        self.base_dir = base_dir
        self.files: set[Path] = set()

    def path(self, text: str) -> Path:
        """`text` as a path, relative to the configuration file. Raises a validation refusal."""
        if not text or len(text) > _MAX_PATH or "\x00" in text:
            raise refusal("expected a path")
        return self.base_dir / text

    def secret(self, reference: str) -> Secret:
        """What `reference` stands for. Raises a validation refusal that never quotes what was found."""
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            raise _literal()
        if match[1] is not None:
            value = self.environ.get(match[1])
            if value is None:
                raise refusal(f"the environment variable {match[1]} is not set")
            if not value:
                raise refusal(f"the environment variable {match[1]} is empty")
            return Secret(value)
        return self._file(self.path(match[2]))

    def _file(self, path: Path) -> Secret:
        self.files.add(path)
        try:
            with path.open("rb") as stream:
                data = stream.read(_MAX_SECRET + 1)
        except OSError as error:
            raise refusal(f"cannot read the secret file {path}: {error.strerror}") from error
        if len(data) > _MAX_SECRET:
            raise refusal(f"the secret file {path} is larger than {_MAX_SECRET // 1024} KiB")
        try:
            text = data.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise refusal(f"the secret file {path} is not UTF-8 text") from None
        if not text:
            raise refusal(f"the secret file {path} is empty")
        return Secret(text)


def _literal() -> PydanticCustomError:
    return refusal("a literal secret is refused: expected env:NAME or file:/path", "keep secrets out of this file")


def is_reference(value: object) -> bool:
    """Whether `value` is written as `env:…` or `file:…`."""
    return isinstance(value, str) and value.startswith(("env:", "file:"))


def resolve_secret(value: object, info: ValidationInfo) -> Secret:
    """Validator: a reference (while loading) or a `Secret` (in code)."""
    if isinstance(value, Secret):
        return value
    resolver = resolver_of(info)
    if not isinstance(value, str) or resolver is None:
        raise _literal()
    return resolver.secret(value)


def resolver_of(info: ValidationInfo) -> Resolver | None:
    """The resolver of this validation, None outside of loading."""
    return info.context if isinstance(info.context, Resolver) else None


def _path(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, Path):
        value = str(value)
    if not isinstance(value, str) or is_reference(value):
        raise refusal("expected a path")
    resolver = resolver_of(info)
    return Path(value) if resolver is None else resolver.path(value)


def _file_reference(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value.startswith("file:"):
        raise refusal("expected file:/path")
    resolver = resolver_of(info)
    if resolver is None:
        return Path(value.removeprefix("file:"))
    path = resolver.path(value.removeprefix("file:"))
    resolver.files.add(path)
    if not os.path.isfile(path):
        raise refusal(f"there is no file {path}")
    return path


def _redact(value: Any) -> str | None:
    return None if value is None else REDACTED


SECRET_SCHEMA: Final = WithJsonSchema(
    {
        "type": "string",
        "pattern": REFERENCE_PATTERN,
        "description": "A secret: env:NAME or file:/path, never the value itself.",
        "examples": ["env:API_TOKEN", "file:data/keys/token"],
    }
)

SecretRef = Annotated[
    Secret,
    PlainValidator(resolve_secret),
    PlainSerializer(_redact, return_type=str, when_used="always"),
    SECRET_SCHEMA,
]
"""A secret named by `env:NAME` or `file:/path`, resolved while loading."""

LocalPath = Annotated[Path, PlainValidator(_path), PlainSerializer(str), WithJsonSchema({"type": "string"})]
"""A path, made absolute against the folder of the configuration file while loading."""

FileRef = Annotated[
    Path,
    PlainValidator(_file_reference),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": "^file:.+$"}),
]
"""A file that a library reads by itself (certificates, keys): `file:/path`; it must exist."""
