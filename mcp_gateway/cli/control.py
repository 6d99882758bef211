"""Asking the gateway that runs on a configuration, over its control plane."""

from __future__ import annotations

import http.client
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import typer
from pydantic import TypeAdapter, ValidationError

from mcp_gateway.cli.words import printable
from mcp_gateway.settings.addresses import is_loopback
from mcp_gateway.settings.settings import Settings

SECONDS: Final = 30.0
"""The longest that an answer is waited for."""

CONTROL: Final = typer.Option(
    None, "--control", metavar="URL", help="Where the control plane is. Default: `server.admin`."
)

MAX_BYTES: Final = 64 << 20
"""Largest answer that is read."""

_SENDABLE: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,16384}=*")
_REFUSAL: Final[TypeAdapter[dict[str, Any]]] = TypeAdapter(dict[str, Any])


class Unreadable(Exception):
    """What answers on the control plane's port is no gateway of this version. The message is public."""


TOKEN: Final = "MCP_GATEWAY_ADMIN_TOKEN"
"""The variable with the token for a control plane that wants one: on a command line, others could read it."""


class ControlPlane:
    """The control plane at a base URL, as the environment's `TOKEN` lets one in. No proxy has a part in it."""

    def __init__(self, base: str, environ: Mapping[str, str] = os.environ) -> None:
        """Raises `Unreadable` where the token would be sent in the clear over a network, or cannot be sent at all."""
        parts = urlsplit(base)
        self._base = base
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (443 if self._secure else 80)
        self._headers: Mapping[str, str] = {}
        token = environ.get(TOKEN, "").strip()
        if not token:
            return
        if not _SENDABLE.fullmatch(token):
            raise Unreadable(f"what {TOKEN} holds is no token")
        if not self._secure and not is_loopback(self._host):
            raise Unreadable(f"the token in {TOKEN} is sent over https or to this machine only, not to {base}")
        self._headers = {"Authorization": f"Bearer {token}"}

    def listens(self) -> bool:
        """Whether anybody does. Raises `Unreadable` where it is no gateway."""
        try:
            return self._get("/healthz", ())[0] == http.client.OK
        except ConnectionRefusedError:
            return False

    def ask(self, path: str, adapter: TypeAdapter[Any], query: Sequence[tuple[str, str]] = ()) -> Any | None:
        """What a GET of `path` answers, read by `adapter`; None where there is no such thing. Raises `Unreadable`."""
        try:
            status, body = self._get(path, query)
        except ConnectionRefusedError:
            raise Unreadable("the control plane stopped answering") from None
        if status == http.client.NOT_FOUND:
            return None
        if status == http.client.UNAUTHORIZED:
            hint = "does not accept the token in" if self._headers else "wants a token: put one in"
            raise Unreadable(f"the control plane {hint} {TOKEN}")
        if status == http.client.FORBIDDEN:
            raise Unreadable(f"the control plane refuses {path}: {_detail(body)}")
        if status != http.client.OK:
            raise Unreadable(f"the control plane answers {status} to {path}")
        try:
            return adapter.validate_json(body)
        except ValidationError:
            raise Unreadable(f"what the control plane says of {path} is not understood") from None

    def _get(self, path: str, query: Sequence[tuple[str, str]]) -> tuple[int, bytes]:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=SECONDS)
        try:
            connection.request("GET", f"{path}?{urlencode(query)}" if query else path, headers=dict(self._headers))
            response = connection.getresponse()
            return response.status, response.read(MAX_BYTES)
        except ConnectionRefusedError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise Unreadable(f"the control plane at {self._base} does not answer: {type(error).__name__}") from None
        finally:
            connection.close()


def _detail(body: bytes) -> str:
    """What the control plane says of a refusal, as far as it says something."""
    try:
        return printable(str(_REFUSAL.validate_json(body).get("detail", "")))
    except ValidationError:
        return "it does not say why"


def control_of(settings: Settings) -> str | None:
    """Where the control plane of a gateway of `settings` is; None where its port is whichever is free."""
    admin = settings.server.admin
    if not admin.port:
        return None
    # What listens on every interface listens on this machine's own too.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(admin.host, admin.host)
    if not is_loopback(host) and admin.public_url is not None:
        return admin.public_url
    return f"http://[{host}]:{admin.port}" if ":" in host else f"http://{host}:{admin.port}"
