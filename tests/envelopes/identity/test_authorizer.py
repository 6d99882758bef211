"""Discovery, registration and the authorization code flow, against a strict server over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from mcp_gateway.core.challenge import Challenge
from mcp_gateway.core.errors import GatewayError, UpstreamError
from mcp_gateway.envelopes.identity.authorizer import CodeAuthorizer
from mcp_gateway.envelopes.identity.authorizing import AuthorizationFailed
from mcp_gateway.envelopes.identity.registration import client_document
from mcp_gateway.envelopes.identity.stores import GrantKey
from tests.envelopes.identity.as_double import AuthorizationServer, authorization_server
from tests.envelopes.identity.outbound_rig import ALICE, REDIRECT, UPSTREAM, Rig, rig, upstream

CODE = {"type": "authorization_code"}
KEY = GrantKey(ALICE.id, UPSTREAM)


@pytest.fixture
async def server() -> AsyncIterator[AuthorizationServer]:
    async with authorization_server() as running:
        yield running


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path, document_url="https://gateway.example/connect/client.json") as made:
        yield made


def authorizer(gateway: Rig, server: AuthorizationServer, **auth: Any) -> CodeAuthorizer:
    found = gateway.make.authorizer(UPSTREAM, upstream(server, {**CODE, **auth}))
    assert found is not None
    return found


async def asked(flow: CodeAuthorizer, *scopes: str) -> dict[str, str]:
    begun = await flow.begin(state="s", redirect_uri=REDIRECT, scopes=scopes)
    return dict(parse_qsl(urlsplit(begun.url).query))


async def test_a_consent_becomes_a_grant_that_says_where_it_is_from(server: AuthorizationServer, gateway: Rig) -> None:
    flow = authorizer(gateway, server, scopes=["read"])
    described = await flow.describe(())
    assert (described.server, described.issuer, described.scopes) == (
        urlsplit(server.origin).netloc,
        server.origin,
        ("read",),
    )
    begun = await flow.begin(state="s", redirect_uri=REDIRECT, scopes=())
    grant = await flow.complete(begun.pending, server.consent(begun.url), key=KEY, agent="helper")
    assert grant.issuer == server.origin and grant.resource == server.resource and grant.asked == ("read",)
    assert grant.token_url == f"{server.origin}/token" and grant.revocation_url == f"{server.origin}/revoke"
    assert grant.tokens.access_token is not None and grant.tokens.refresh_token is not None
    assert grant.client is not None and grant.client.client_id.startswith("registered-")
    assert "s3cret" not in repr(begun) and "verifier" not in repr(begun)
    (redeemed,) = server.tokens("authorization_code")
    assert redeemed.form["resource"] == server.resource


async def test_a_code_is_redeemed_once_and_only_with_its_verifier(server: AuthorizationServer, gateway: Rig) -> None:
    flow = authorizer(gateway, server)
    one, two = [await flow.begin(state="s", redirect_uri=REDIRECT, scopes=()) for _ in range(2)]
    with pytest.raises(AuthorizationFailed, match="invalid_grant"):
        await flow.complete(two.pending, server.consent(one.url), key=KEY, agent="")
    back = server.consent(two.url)
    await flow.complete(two.pending, back, key=KEY, agent="")
    with pytest.raises(AuthorizationFailed, match="invalid_grant"):
        await flow.complete(two.pending, back, key=KEY, agent="")


@pytest.mark.parametrize(
    ("advertised", "iss", "accepted"),
    [
        (True, "right", True),
        (True, "absent", False),
        (True, "https://evil.example", False),
        (True, "normalised", False),
        (None, "right", True),
        (None, "absent", True),
        (None, "https://evil.example", False),
    ],
)
async def test_the_issuer_of_an_answer_is_compared_exactly(
    server: AuthorizationServer, gateway: Rig, advertised: bool | None, iss: str, accepted: bool
) -> None:
    server.metadata["authorization_response_iss_parameter_supported"] = advertised
    flow = authorizer(gateway, server)
    begun = await flow.begin(state="s", redirect_uri=REDIRECT, scopes=())
    back = server.consent(begun.url)
    if iss == "absent":
        del back["iss"]
    elif iss != "right":
        back["iss"] = f"{server.origin}/" if iss == "normalised" else iss
    if accepted:
        assert (await flow.complete(begun.pending, back, key=KEY, agent="")).tokens.access_token
    else:
        with pytest.raises(AuthorizationFailed, match="authorization server"):
            await flow.complete(begun.pending, back, key=KEY, agent="")
        assert server.tokens() == []  # the code went nowhere


async def test_an_error_of_another_server_is_not_repeated(server: AuthorizationServer, gateway: Rig) -> None:
    flow = authorizer(gateway, server)
    begun = await flow.begin(state="s", redirect_uri=REDIRECT, scopes=())
    with pytest.raises(AuthorizationFailed) as caught:
        await flow.complete(begun.pending, {"error": "access_denied", "iss": "https://evil.example"}, key=KEY, agent="")
    assert "another authorization server" in caught.value.message
    told = {"error": "<b>canary</b>", "error_description": "canary", "iss": server.origin}
    with pytest.raises(AuthorizationFailed) as caught:
        await flow.complete(begun.pending, told, key=KEY, agent="")
    assert "canary" not in caught.value.message
    with pytest.raises(AuthorizationFailed, match="access was refused"):
        await flow.complete(begun.pending, {"error": "access_denied", "iss": server.origin}, key=KEY, agent="")


async def test_scopes_are_those_demanded_then_those_supported_then_none(
    server: AuthorizationServer, gateway: Rig
) -> None:
    assert "scope" not in await asked(authorizer(gateway, server))
    gateway.make.discovery.forget(authorizer(gateway, server)._account.site(None))
    server.prm = {"scopes_supported": ["read", "write", "offline_access"]}
    assert (await asked(authorizer(gateway, server)))["scope"] == "read write"
    assert (await asked(authorizer(gateway, server), "admin"))["scope"] == "admin"
    assert (await asked(authorizer(gateway, server, scopes=["mine"])))["scope"] == "mine"


async def test_offline_access_is_asked_for_where_the_server_has_it(server: AuthorizationServer, gateway: Rig) -> None:
    server.metadata["scopes_supported"] = ["read", "offline_access"]
    query = await asked(authorizer(gateway, server, scopes=["read"]))
    assert query["scope"] == "read offline_access" and query["prompt"] == "consent"


async def test_a_challenge_names_the_document_and_the_scopes(server: AuthorizationServer, gateway: Rig) -> None:
    server.documents["/.well-known/oauth-protected-resource/mcp"] = None
    server.documents["/elsewhere"] = (200, {"resource": server.resource, "authorization_servers": [server.origin]})
    gateway.make._learned_of(UPSTREAM).note(
        Challenge(scopes=("tickets",), resource_metadata=f"{server.origin}/elsewhere")
    )
    assert (await asked(authorizer(gateway, server)))["scope"] == "tickets"
    assert any(each.path == "/elsewhere" for each in server.seen)


@pytest.mark.parametrize(
    ("prm", "metadata", "why"),
    [
        ({"resource": "https://other.example/mcp"}, {}, "another resource"),
        ({"authorization_servers": []}, {}, "no authorization server"),
        ({"authorization_servers": "x"}, {}, "no list of words"),
        ({}, {"issuer": "https://other.example"}, "another issuer"),
        ({}, {"code_challenge_methods_supported": None}, "PKCE"),
        ({}, {"code_challenge_methods_supported": ["plain"]}, "PKCE"),
        ({}, {"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint cannot be called"),
        ({}, {"token_endpoint": "file:///etc/passwd"}, "token_endpoint cannot be called"),
        ({}, {"token_endpoint": "https://user:pw@as.example/token"}, "token_endpoint cannot be called"),
        ({}, {"token_endpoint": None}, "no token endpoint"),
    ],
)
async def test_what_metadata_says_wrong_is_refused_and_named(
    server: AuthorizationServer, gateway: Rig, prm: dict[str, Any], metadata: dict[str, Any], why: str
) -> None:
    server.prm, server.metadata = prm, metadata
    with pytest.raises(GatewayError) as caught:
        await authorizer(gateway, server).begin(state="s", redirect_uri=REDIRECT, scopes=())
    assert why in caught.value.message
    assert "other.example" not in caught.value.message and "passwd" not in caught.value.message


async def test_what_was_learned_is_not_followed_to_private_addresses(server: AuthorizationServer, gateway: Rig) -> None:
    async with authorization_server() as internal:
        server.prm = {"authorization_servers": [internal.origin]}
        spec = upstream(server, CODE, egress={"allow": []})
        flow = gateway.make.authorizer(UPSTREAM, spec)
        assert flow is not None
        with pytest.raises(UpstreamError, match="not permitted"):
            await flow.begin(state="s", redirect_uri=REDIRECT, scopes=())
        assert internal.seen == []
    server.prm = {}
    gateway.make.discovery._kept.clear()
    # The upstream's own origin is what the operator wrote: it may be private, and so may its documents be.
    assert (await flow.begin(state="s", redirect_uri=REDIRECT, scopes=())).url.startswith(server.origin)


async def test_a_failure_is_remembered_briefly_and_looked_for_once_at_a_time(
    server: AuthorizationServer, gateway: Rig
) -> None:
    server.prm = {"resource": "https://other.example/"}
    flow = authorizer(gateway, server)
    for _ in range(5):
        with pytest.raises(UpstreamError):
            await flow.describe(())
    assert len(server.seen) == 1


async def test_an_upstream_without_any_metadata_is_its_own_authorization_server(
    server: AuthorizationServer, gateway: Rig
) -> None:
    server.prm = None
    server.documents["/.well-known/oauth-authorization-server"] = None
    flow = authorizer(gateway, server)
    begun = await flow.begin(state="s", redirect_uri=REDIRECT, scopes=())
    grant = await flow.complete(begun.pending, server.consent(begun.url), key=KEY, agent="")
    assert grant.tokens.access_token and grant.resource == server.resource


async def test_pre_registered_then_document_then_dynamic(server: AuthorizationServer, gateway: Rig) -> None:
    query = await asked(authorizer(gateway, server))
    assert query["client_id"].startswith("registered-")
    assert (await asked(authorizer(gateway, server)))["client_id"] == query["client_id"]  # kept
    registrations = [each for each in server.seen if each.path == "/register"]
    assert len(registrations) == 1
    assert registrations[0].form["application_type"] == "native"
    assert "refresh_token" in registrations[0].form["grant_types"]
    server.metadata["client_id_metadata_document_supported"] = True
    gateway.make.discovery._kept.clear()
    query = await asked(authorizer(gateway, server))
    assert query["client_id"] == "https://gateway.example/connect/client.json"
    query = await asked(authorizer(gateway, server, client_id="https://example.com/client.json", registration="cimd"))
    assert query["client_id"] == "https://example.com/client.json"
    query = await asked(authorizer(gateway, server, client_id="gateway"))
    assert query["client_id"] == "gateway"


async def test_a_client_is_never_used_at_another_server(server: AuthorizationServer, gateway: Rig) -> None:
    first = (await asked(authorizer(gateway, server)))["client_id"]
    async with authorization_server() as moved:
        server.prm = {"authorization_servers": [moved.origin]}
        gateway.make.discovery._kept.clear()
        await asked(authorizer(gateway, server))
        assert [each.path for each in moved.seen].count("/register") == 1
        assert not any(first in str(each.form) for each in moved.seen)


async def test_no_way_to_become_a_client_is_said(server: AuthorizationServer, gateway: Rig) -> None:
    server.metadata["registration_endpoint"] = None
    with pytest.raises(AuthorizationFailed, match="client_id"):
        await asked(authorizer(gateway, server))
    with pytest.raises(AuthorizationFailed, match="client metadata documents"):
        await asked(authorizer(gateway, server, registration="cimd"))


def test_the_client_document_names_itself() -> None:
    url = "https://gateway.example/connect/client.json"
    document = client_document(url, "https://gateway.example/connect/callback")
    assert document["client_id"] == url and document["application_type"] == "web"
    assert document["redirect_uris"] == ["https://gateway.example/connect/callback"]
    assert document["grant_types"] == ["authorization_code", "refresh_token"]
