"""Asking the gateway that runs on a configuration, over its control plane."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import typer
from pydantic import TypeAdapter, ValidationError

from mcp_gateway.settings.settings import Settings

SECONDS: Final = 30.0
"""The longest that an answer is waited for."""

CONTROL: Final = typer.Option(
    None, "--control", metavar="URL", help="Where the control plane is. Default: `server.admin`."
)

MAX_BYTES: Final = 64 << 20
"""Largest answer that is read."""


class Unreadable(Exception):
    """What answers on the control plane's port is no gateway of this version. The message is public."""


class ControlPlane:
    """The control plane at a base URL. It listens on loopback: no proxy of the environment has a part in it."""

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        self._base = base
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80

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
        if status != http.client.OK:
            raise Unreadable(f"the control plane answers {status} to {path}")
        try:
            return adapter.validate_json(body)
        except ValidationError:
            raise Unreadable(f"what the control plane says of {path} is not understood") from None

    def _get(self, path: str, query: Sequence[tuple[str, str]]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=SECONDS)
        try:
            connection.request("GET", f"{path}?{urlencode(query)}" if query else path)
            response = connection.getresponse()
            return response.status, response.read(MAX_BYTES)
        except ConnectionRefusedError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise Unreadable(f"the control plane at {self._base} does not answer: {type(error).__name__}") from None
        finally:
            connection.close()


def control_of(settings: Settings) -> str | None:
    """Where the control plane of a gateway of `settings` is; None where its port is whichever is free."""
    admin = settings.server.admin
    host = f"[{admin.host}]" if ":" in admin.host else admin.host
    return f"http://{host}:{admin.port}" if admin.port else None
