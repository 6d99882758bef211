"""Upstreams that remember what reached them, as processes: `oauth_upstream(issuer)`, `static_upstream(value)`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.real.processes import Server


@dataclass(frozen=True, slots=True)
class Recording:
    """A running upstream. Its `url` is the resource that its tokens must be for."""

    server: Server

    @property
    def url(self) -> str:
        return self.server.url

    def calls(self, tool: str = "") -> list[dict[str, Any]]:
        """Tool calls so far that were let in, with `sub`, `client_id`, `act`, `scopes`, `aud` and `token` (SHA-256)."""
        found: list[dict[str, Any]] = self._ask("GET", None)["calls"]
        return [call for call in found if tool in ("", call["tool"])]

    def requests(self) -> int:
        """How many requests came, of any kind."""
        return int(self._ask("GET", None)["requests"])

    def holds(self, needles: Sequence[str]) -> list[str]:
        """Those of `needles` that came in any request, anywhere in it."""
        found: list[str] = self._ask("POST", list(needles))
        return found

    def fail(self, status: int, times: int = 1) -> None:
        """The next requests to `/mcp` get this status."""
        self._ask("PUT", {"status": status, "times": times})

    def _ask(self, method: str, body: object) -> Any:
        with httpx2.Client(timeout=60.0) as http:
            address = f"http://127.0.0.1:{self.server.port}/received"
            return http.request(method, address, json=body).raise_for_status().json()


@contextmanager
def oauth_upstream(
    issuer: str, *, scopes: Sequence[str] = ("read",), introspection: tuple[str, str] | None = None, port: int = 0
) -> Iterator[Recording]:
    """`tests.real.upstream_oauth`, which takes tokens of `issuer` with its own URL as audience and all `scopes`."""
    arguments = ["--issuer", issuer, "--scopes", ",".join(scopes)]
    if introspection is None:
        yield from _running("tests.real.upstream_oauth", arguments, {}, port)
    else:
        client = dict(zip(("INTROSPECTION_CLIENT", "INTROSPECTION_SECRET"), introspection, strict=True))
        yield from _running("tests.real.upstream_oauth", [*arguments, "--introspect"], client, port)


@contextmanager
def static_upstream(*values: str, header: str = "X-Api-Key", port: int = 0) -> Iterator[Recording]:
    """`tests.real.upstream_static`, which takes these values of `header`; without any, everything."""
    yield from _running("tests.real.upstream_static", ["--header", header], {"STATIC_VALUES": " ".join(values)}, port)


def _running(module: str, arguments: list[str], variables: dict[str, str], port: int) -> Iterator[Recording]:
    server = Server(module, *arguments, **variables)
    server.port = port
    server.start()
    try:
        yield Recording(server)
    finally:
        server.kill()
