"""`telemetry.audit.ship`: where copies of the record of calls are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    Strict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from mcp_gateway.core.secret import REDACTED, Secret
from mcp_gateway.settings.addresses import endpoint
from mcp_gateway.settings.base import FrozenMapping, Model, Name, empty_mapping, refusal
from mcp_gateway.settings.references import Resolver, SecretRef, is_reference, resolve_secret, resolver_of
from mcp_gateway.settings.words import holds_password

Kind = Literal["postgresql", "otlp", "file"]

_DATABASES: Final = ("postgresql://", "postgres://")
_COLLECTORS: Final = ("https://", "http://")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to ship to: the URL of a database or a collector, or the path of a file. It may hold a password."""

    kind: Kind
    address: Secret

    @property
    def place(self) -> str:
        """What tells it from others: the address without user, password and options, which may change."""
        text = self.address.reveal()
        if self.kind != "postgresql":
            return text
        parts = urlsplit(text)
        return f"{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def path(self) -> Path:
        """That of a file."""
        return Path(self.address.reveal())


def destination(value: object, info: ValidationInfo) -> Destination:
    """Validator: a URL or path, or what an `env:` or `file:` reference holds."""
    if isinstance(value, Destination):
        return value
    if not isinstance(value, str) or not value or "\x00" in value:
        raise refusal("expected postgresql://…, the https://… of a collector, or the path of a file")
    if not is_reference(value) and holds_password(value):
        raise refusal("a literal secret is refused: this URL holds a password", "give the whole URL as env:NAME")
    text = resolve_secret(value, info).reveal() if is_reference(value) else value
    if text.startswith(_DATABASES):
        return Destination("postgresql", Secret(text))
    if text.startswith(_COLLECTORS):
        return Destination("otlp", Secret(endpoint(text)))
    if _SCHEME.match(text) or is_reference(value):
        raise refusal("expected postgresql://…, the https://… of a collector, or the path of a file")
    resolver = resolver_of(info)
    return Destination("file", Secret(text if resolver is None else str(resolver.path(text))))


To = Annotated[
    Destination,
    PlainValidator(destination),
    PlainSerializer(lambda value: REDACTED, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "examples": ["env:AUDIT_DATABASE", "https://collector.example.com:4318", "/mnt/worm/audit.jsonl"],
        }
    ),
]


def named(text: str, environ: Mapping[str, str], base_dir: Path) -> Destination:
    """The same for a text that stands in no file. Raises `ValueError`, which never quotes a secret."""
    try:
        return TypeAdapter(To).validate_python(text, context=Resolver(environ, base_dir))
    except ValidationError as error:
        raise ValueError(error.errors(include_input=False)[0]["msg"]) from None


def _field_value(value: Secret) -> Secret:
    text = value.reveal()
    if not text.isascii() or not text.isprintable():
        raise refusal("the secret cannot stand in a header: expected visible ASCII characters")
    return value


CollectorField = Annotated[str, Strict(), StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]
CollectorValue = Annotated[SecretRef, AfterValidator(_field_value)]


class ShipSettings(Model):
    """One place that the record of calls is copied to."""

    to: To = Field(
        description="postgresql://…, the base URL of an OTLP collector, or the path of a file. With a password: "
        "env:NAME or file:/path that holds the URL."
    )
    name: Name | None = Field(
        default=None, description="What metrics, logs and commands call it. Default: postgresql, otlp or file."
    )
    protocol: Literal["http", "grpc"] = Field(default="http", description="How a collector is spoken to.")
    headers: FrozenMapping[CollectorField, CollectorValue] = Field(
        default_factory=empty_mapping, description="Header fields for a collector, as env:NAME or file:/path."
    )

    @property
    def called(self) -> str:
        """Its name."""
        return self.name or self.to.kind

    @model_validator(mode="after")
    def _fits(self) -> ShipSettings:
        for each in ("protocol", "headers"):
            if self.to.kind != "otlp" and each in self.model_fields_set:
                raise refusal("this is for a collector only", at=(each,))
        return self


def check_ship(path: Path | None, ship: tuple[ShipSettings, ...]) -> None:
    """Refuse names that two have, and copies that lie in the record itself. `path` is the record's."""
    seen: set[str] = set()
    for index, each in enumerate(ship):
        if each.called in seen:
            raise refusal(
                f"another place is called `{each.called}`", "give one of them a `name`", at=("ship", index, "to")
            )
        seen.add(each.called)
        if each.to.kind == "file" and path is not None and each.to.path.is_relative_to(path):
            raise refusal("a copy in the folder of the record is lost with it", at=("ship", index, "to"))
