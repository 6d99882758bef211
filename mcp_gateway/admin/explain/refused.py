"""The story of a request that no pipeline saw: refused for what could be known of it at the door. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ambiguous_path": "its path could be read in two ways",
        "authorization_failed": "the authorization did not come about",
        "bad_target": "what it asked for is no path of a server",
        "body_too_large": "its body is larger than is read",
        "headers_too_large": "its headers are larger than is read",
        "header_mismatch": "its headers and its body contradict each other",
        "host_not_allowed": "the gateway is not known under that Host",
        "identity_unavailable": "whether the credential is good could not be known",
        "insufficient_scope": "the credential is good and grants too little",
        "invalid_envelope": "its body is no JSON-RPC message that is taken here",
        "invalid_json": "its body is no JSON, or JSON that two parsers read differently",
        "invalid_request": "its body is not what the method or the path takes",
        "json_limit_exceeded": "its JSON is deeper or larger than is read",
        "link_expired": "the link was good once, and is no more",
        "link_of_another": "the link was made for another person than the one who is signed in",
        "link_unknown": "the link was not made here, or not copied whole",
        "malformed_request": "it is not valid HTTP",
        "method_not_allowed": "the path does not know that HTTP method",
        "not_acceptable": "it accepts neither of the two kinds of answer",
        "not_found": "there is nothing at that path",
        "not_on_loopback": "the page opens on the machine of the gateway only",
        "nothing_to_connect": "the upstream takes no accounts of people here",
        "origin_not_allowed": "web pages of that origin may not ask",
        "other_browser": "it was begun in another browser, or by another person",
        "page_out_of_date": "the page was opened too long ago, in another browser, or its form came from another site",
        "request_timeout": "it did not arrive in time",
        "role_required": "who asked has no role, or too little of one, for that",
        "session_unknown": "the session is unknown, somebody else's, or over",
        "sign_in_failed": "the identity provider did not say who it is",
        "sign_in_unknown": "people of that issuer cannot sign in here",
        "stream_conflict": "the stream of that session is open already",
        "step_over": "the step was finished before, or took too long",
        "unauthenticated": "no credential that is accepted came with it",
        "unknown_connection": "there was no such connection",
        "unsupported_media_type": "its body does not say that it is JSON",
        "unsupported_version": "that version of the protocol is not spoken here",
        "url_too_long": "its path is longer than is read",
    }
)

_UNGOVERNED: Final = frozenset({"control", "connect"})
"""Planes on which policies, limits and guardrails are not asked."""


def refused(known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Who it was as far as anybody knows, what was asked for, and what was answered."""
    address = known.get("client_address")
    where = f", from {address}" if address else ""
    agent = f"; agent {known['agent']}" if known.get("agent") else ""
    yield "Who", f"{known.get('principal') or 'not known'}{agent}{where}"
    asked = " ".join(str(known[name]) for name in ("http_method", "path") if known.get(name))
    server = f" at the virtual server {known['server']}" if known.get("server") else ""
    control = " of the control plane" if known.get("plane") == "control" else ""
    yield "Asked", (asked or "not known: it was not read that far") + server + control
    if known.get("why"):
        yield "Credential", f"{known['why']}: its bearer was not told"
    before = "" if known.get("plane") in _UNGOVERNED else ", before policies, limits and guardrails were asked"
    yield "Answer", f"HTTP {known.get('status')}{before}"
