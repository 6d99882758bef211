"""`server`: the data plane's listener and what a single request may cost; the control plane's is in `admin`."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field

from mcp_gateway.settings.addresses import Host, Origin, PublicUrl, is_loopback
from mcp_gateway.settings.admin import AdminSettings
from mcp_gateway.settings.base import Model, Port, Whole, section
from mcp_gateway.settings.units import Duration, Size

_KIB = 1024
_MIB = 1024 * 1024


class LimitSettings(Model):
    """What a request, a connection and an upstream answer may cost before they are refused."""

    body: Size = Field(default=4 * _MIB, description="Largest request body.")
    header_timeout: Duration = Field(default=10.0, description="Time for the complete request head to arrive.")
    body_timeout: Duration = Field(default=30.0, description="Time for the complete request body to arrive.")
    request_timeout: Duration = Field(
        default=120.0, description="Time for a request as a whole, streams of changes excepted."
    )
    keepalive: Duration = Field(default=75.0, description="Time an idle connection is kept for the next request.")
    headers: Size = Field(default=32 * _KIB, description="Largest request head.")
    header_count: Whole = Field(default=100, description="Most header fields of a request.")
    json_depth: Whole = Field(default=64, description="Deepest nesting of a JSON body.")
    json_nodes: Whole = Field(default=100_000, description="Most values in a JSON body.")
    in_flight: Whole = Field(default=256, description="Requests being worked on at once; one more is answered 503.")
    in_flight_per_client: Whole = Field(default=64, description="The same for one client address.")
    response: Size = Field(default=16 * _MIB, description="Largest answer, event or message taken from an upstream.")


class ServerSettings(Model):
    """The data plane, the control plane and their limits."""

    host: Host = Field(default="127.0.0.1", description="Interface of the data plane.")
    port: Port = Field(default=8080, description="Port of the data plane. 0 picks a free one.")
    public_url: PublicUrl | None = Field(
        default=None,
        description="What clients type. Default: http://{host}:{port}. Host and Origin allow-lists derive from it.",
    )
    allowed_hosts: tuple[Host, ...] = Field(
        default=(), description="Further host names that requests may be addressed to."
    )
    allowed_origins: tuple[Origin, ...] = Field(default=(), description="Further origins from which browsers may call.")
    admin: AdminSettings = section()
    limits: LimitSettings = section()

    @property
    def base_url(self) -> str:
        """`public_url`, or the address of the data plane where it is not given; without a trailing slash."""
        return self.base_url_at(self.port)

    def base_url_at(self, port: int) -> str:
        """The same with the port that is bound, where the configuration leaves it to the system."""
        if self.public_url is not None:
            return self.public_url
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port}"

    @property
    def on_loopback(self) -> bool:
        """Whether the data plane can be reached from this machine only."""
        return is_loopback(self.host)

    @property
    def public_on_loopback(self) -> bool:
        """Whether what clients type leads to this machine only."""
        return is_loopback(urlsplit(self.base_url).hostname or "")
