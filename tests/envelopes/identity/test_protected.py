"""Protected resources: identifiers, documents and challenges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.core.challenge import Challenge
from mcp_gateway.envelopes.identity.issuer_metadata import metadata_urls
from mcp_gateway.envelopes.identity.protected import ProtectedResource

SCOPE = st.text(st.sampled_from("abcdefgh.:/*-"), min_size=1, max_size=8)
PATH = "/servers/desk/mcp"


@pytest.mark.parametrize(
    ("base", "uri", "metadata"),
    [
        ("https://h.test", "https://h.test" + PATH, "https://h.test/.well-known/oauth-protected-resource" + PATH),
        (
            "http://[::1]:8080",
            "http://[::1]:8080" + PATH,
            "http://[::1]:8080/.well-known/oauth-protected-resource" + PATH,
        ),
        (
            "https://h.test/gw",
            "https://h.test/gw" + PATH,
            "https://h.test/.well-known/oauth-protected-resource/gw" + PATH,
        ),
    ],
)
def test_the_document_stands_between_host_and_path(base: str, uri: str, metadata: str) -> None:
    resource = ProtectedResource.of(base, PATH)
    assert (resource.uri, resource.metadata_url) == (uri, metadata)


def test_the_document_says_where_to_get_a_token_for_what() -> None:
    resource = ProtectedResource.of(
        "https://h.test", PATH, name="Desk", scopes=["a", "b"], supported=["b", "c", "offline_access"]
    )
    assert resource.document(["https://idp.test/"]) == {
        "resource": "https://h.test/servers/desk/mcp",
        "authorization_servers": ["https://idp.test/"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["a", "b", "c"],
        "resource_name": "Desk",
    }


def test_what_there_is_not_is_not_said() -> None:
    resource = ProtectedResource.of("https://h.test", PATH, documented=False)
    assert resource.challenge == "Bearer"
    assert set(resource.document(["i"])) == {"resource", "authorization_servers", "bearer_methods_supported"}


@given(st.lists(SCOPE, max_size=5, unique=True), st.lists(SCOPE, max_size=5, unique=True))
def test_challenges_can_be_read_back(scopes: list[str], needed: list[str]) -> None:
    resource = ProtectedResource.of("https://h.test", PATH, scopes=scopes)
    url = resource.metadata_url
    assert Challenge.parse(resource.challenge) == Challenge(None, tuple(scopes), url)
    assert Challenge.parse(resource.bad_token_challenge) == Challenge("invalid_token", tuple(scopes), url)
    told = Challenge.parse(resource.scope_challenge(needed))
    assert told == Challenge("insufficient_scope", tuple(needed or scopes), url)


@pytest.mark.parametrize(
    ("issuer", "paths"),
    [
        ("https://h.test", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]),
        ("https://h.test/", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]),
        (
            "https://h.test/t/1",
            [
                "/.well-known/oauth-authorization-server/t/1",
                "/.well-known/openid-configuration/t/1",
                "/t/1/.well-known/openid-configuration",
            ],
        ),
    ],
)
def test_metadata_is_sought_in_the_order_of_the_standards(issuer: str, paths: list[str]) -> None:
    assert metadata_urls(issuer) == tuple("https://h.test" + path for path in paths)
