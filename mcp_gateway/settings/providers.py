"""`providers`: where models are, and the credential that goes there."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Final, Literal
from urllib.parse import parse_qsl

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, Strict, ValidationInfo, model_validator
from pydantic.json_schema import WithJsonSchema

from mcp_gateway.core.secret import REDACTED, Secret
from mcp_gateway.settings.addresses import is_loopback, split_url
from mcp_gateway.settings.base import Flag, FrozenMapping, Model, Whole, empty_mapping, refusal
from mcp_gateway.settings.llm_words import ModelName
from mcp_gateway.settings.references import SecretRef, is_reference, resolve_secret
from mcp_gateway.settings.routing import HeaderField
from mcp_gateway.settings.units import Duration
from mcp_gateway.settings.upstreams import TlsSettings
from mcp_gateway.settings.words import holds_password, looks_secret

_INSIDE: Final = ("localhost", "local", "internal", "intranet", "lan", "svc", "home.arpa")
"""Names under which no host of the public internet is found."""


def is_inside(host: str) -> bool:
    """Whether `host` can only be one of the own network: a private address, a bare name, or one below `.internal`."""
    host = host.strip("[]").rstrip(".").lower()
    if is_loopback(host) or any(host.endswith(f".{name}") for name in _INSIDE):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host and ":" not in host


def _base_url(value: str) -> str:
    parts = split_url(value)
    if any(looks_secret(key) for key, _ in parse_qsl(parts.query)):
        raise refusal("a literal secret in a URL is refused", "give it as `api_key`")
    if parts.query or value.endswith("?"):
        raise refusal("a base URL has no query")
    return value.rstrip("/")


def _header(value: object, info: ValidationInfo) -> Secret | str:
    if isinstance(value, Secret) or is_reference(value):
        held: Secret | str = resolve_secret(value, info)
    elif isinstance(value, str):
        held = value
    else:
        raise refusal("expected a string", "put it in quotes")
    text = held.reveal() if isinstance(held, Secret) else held
    if not text.isprintable() or not text.isascii() or text != text.strip():
        raise refusal("expected a header value of visible ASCII characters")
    return held


def _shown(value: Secret | str) -> str:
    return REDACTED if isinstance(value, Secret) else value


def _key(value: Secret) -> Secret:
    text = value.reveal()
    if not text.isprintable() or not text.isascii() or " " in text:
        raise refusal("the secret is not a key: it holds a space, a line break or a control character")
    return value


BaseUrl = Annotated[str, Strict(), AfterValidator(_base_url), Field(json_schema_extra={"format": "uri"})]
ApiKey = Annotated[SecretRef, AfterValidator(_key)]
HeaderText = Annotated[
    Secret | str,
    PlainValidator(_header),
    PlainSerializer(_shown, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["env:PROJECT_TOKEN"]}),
]


class ProviderSettings(Model):
    """One place that serves models."""

    type: Literal["openai", "anthropic", "gemini"] = Field(
        description="What it speaks; openai is also what most others and local servers speak."
    )
    base_url: BaseUrl = Field(
        description="Its address: with /v1 for openai, without a version for the others. https, or http inside."
    )
    plain_http: Flag = Field(
        default=False, description="true: http also to a host that is not evidently one of the own network."
    )
    api_key: ApiKey | None = Field(default=None, description="The credential that goes there; the caller's never does.")
    timeout: Duration | None = Field(default=None, description="Time for one attempt; default `defaults.timeout`.")
    max_concurrency: Whole = Field(default=256, description="Requests to it at once.")
    max_connections: Whole | None = Field(default=None, description="Connections to it; default `max_concurrency`.")
    tls: TlsSettings | None = Field(default=None, description="Certificates other than the system's.")
    headers: FrozenMapping[HeaderField, HeaderText] = Field(
        default_factory=empty_mapping, description="Further header fields; secrets as env:NAME or file:/path."
    )
    responses: Literal["auto", "native", "translate"] = Field(
        default="auto",
        description="Whether it has /responses: native, or translated to what it has; auto is native at OpenAI itself.",
    )
    models: tuple[ModelName, ...] = Field(default=(), description="Its models that /v1/models lists.")

    @model_validator(mode="after")
    def _in_private(self) -> ProviderSettings:
        parts = split_url(self.base_url)
        if parts.scheme == "http" and not self.plain_http and not is_inside(parts.hostname or ""):
            raise refusal(
                "plain http is accepted for loopback and the own network only",
                "use https; `plain_http: true` if this host is in the own network",
                ("base_url",),
            )
        return self

    @model_validator(mode="after")
    def _no_literal_secrets(self) -> ProviderSettings:
        for name, value in self.headers.items():
            if isinstance(value, str) and (looks_secret(name) or holds_password(value)):
                raise refusal(
                    "a literal secret is refused: expected env:NAME or file:/path",
                    "keep secrets out of this file",
                    ("headers", name),
                )
        return self

    @model_validator(mode="after")
    def _only_openai_has_responses(self) -> ProviderSettings:
        if self.responses == "native" and self.type != "openai":
            raise refusal("only providers of the type openai have /responses", at=("responses",))
        return self

    @property
    def native_responses(self) -> bool:
        """Whether requests of the dialect `responses` go there as they are."""
        if self.responses == "auto":
            return self.type == "openai" and split_url(self.base_url).hostname == "api.openai.com"
        return self.responses == "native"
