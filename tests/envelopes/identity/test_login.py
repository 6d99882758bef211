"""Signing in at an issuer, against a provider over real sockets; every way in which its answer can be another's."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc.jwk import RSAKey

from mcp_gateway.core.egress.fetch import Fetcher, Trust
from mcp_gateway.core.errors import IdentityUnavailable
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.keys import read_keys
from mcp_gateway.envelopes.identity.keyset import KeySet
from mcp_gateway.envelopes.identity.login import Login, Person, SignInFailed, may_be_sent_to
from tests.envelopes.identity.idp_double import CLIENT, Provider, provider

REDIRECT = "https://gw.test/connect/signed-in"


class Desk:
    """A login at a provider, and the person at the browser."""

    def __init__(self, provider: Provider, fetcher: Fetcher, secret: str | None = "s3cret&%") -> None:
        self.provider = provider
        self.login = Login(
            fetcher,
            name="corp",
            issuer=provider.issuer,
            client_id=CLIENT,
            client_secret=None if secret is None else Secret(secret),
            scopes=("openid", "email"),
            algorithms=("RS256",),
            keys=KeySet(self._load, max_stale=60.0, report=lambda problem: None),
            redirect_uri=REDIRECT,
        )
        self._fetcher = fetcher

    async def _load(self) -> Any:
        return read_keys((await self._fetcher.fetch(f"{self.provider.issuer}/jwks", trust=Trust.OPERATOR)).body)

    async def sign_in(self, **params: str | None) -> Person:
        """Alice all the way; `params` change what comes back to the redirect URI, None takes it away."""
        url, pending = await self.login.begin("the-state")
        back: dict[str, str | None] = {**self.provider.consent(url, "alice"), **params}
        return await self.login.complete({n: v for n, v in back.items() if v is not None}, pending.dump())

    async def refused(self, **params: str | None) -> str:
        with pytest.raises(SignInFailed) as caught:
            await self.sign_in(**params)
        return caught.value.message


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    fetcher = Fetcher()
    async with provider() as double:
        yield Desk(double, fetcher)
        await fetcher.close()


async def test_a_person_signs_in(desk: Desk) -> None:
    assert await desk.sign_in() == Person("corp|alice", "alice@example.com")


async def test_the_request_says_all_that_it_should(desk: Desk) -> None:
    url, pending = await desk.login.begin("the-state")
    asked = dict(parse_qsl(urlsplit(url).query))
    assert asked["redirect_uri"] == REDIRECT and asked["state"] == "the-state" and asked["scope"] == "openid email"
    assert asked["nonce"] == pending.nonce and pending.verifier not in url and "prompt" not in asked
    again, other = await desk.login.begin("the-state", again=True)
    assert dict(parse_qsl(urlsplit(again).query))["prompt"] == "login"
    assert other.nonce != pending.nonce and other.verifier != pending.verifier


async def test_the_client_proves_itself_as_the_provider_wants(desk: Desk) -> None:
    await desk.sign_in()
    _, headers, form = desk.provider.seen[-1] if desk.provider.seen[-1][0] == "/token" else desk.provider.seen[-2]
    assert headers["authorization"].startswith("Basic ") and "client_secret" not in form


async def test_by_post_where_only_that_is_offered(desk: Desk) -> None:
    desk.provider.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    await desk.sign_in()
    form = next(form for path, _, form in desk.provider.seen if path == "/token")
    assert form["client_secret"] == "s3cret&%" and form["client_id"] == CLIENT


async def test_a_public_client_sends_its_name_alone(desk: Desk) -> None:
    fetcher = Fetcher()
    await Desk(desk.provider, fetcher, secret=None).sign_in()
    _, headers, form = next(seen for seen in desk.provider.seen if seen[0] == "/token")
    assert "authorization" not in headers and form["client_id"] == CLIENT and "client_secret" not in form
    await fetcher.close()


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.test"},
        {"iss": None},
        {"aud": "another-client"},
        {"aud": ["another-client", "third"]},
        {"aud": [CLIENT, "another-client"]},
        {"aud": None},
        {"azp": "another-client"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": int(time.time()) - 120},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": None},
        {"iat": int(time.time()) + 3600},
        {"nbf": int(time.time()) + 3600},
        {"at_hash": "x" * 22},
        {"at_hash": 5},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\nb"},
        {"sub": "x" * 256},
    ],
)
async def test_an_id_token_that_is_not_the_answer_is_refused(desk: Desk, claims: dict[str, Any]) -> None:
    desk.provider.claims = claims
    assert "ID token" in await desk.refused()


async def test_a_token_signed_by_somebody_else_is_refused(desk: Desk) -> None:
    await desk.sign_in()
    desk.provider.key = RSAKey.generate_key(2048, {"kid": "one"})
    assert "signed" in await desk.refused()


@pytest.mark.parametrize("header", [{"alg": "PS256"}, {"kid": "two"}, {"typ": "logout+jwt"}])
async def test_a_header_that_is_not_allowed_for_is_refused(desk: Desk, header: dict[str, Any]) -> None:
    desk.provider.header = header
    assert "ID token" in await desk.refused()


@pytest.mark.parametrize("token", ["", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "x" * 20_000, None, 7])
async def test_what_is_no_id_token_is_refused(desk: Desk, token: object) -> None:
    desk.provider.answer = (200, {"access_token": "a", "token_type": "Bearer", "id_token": token})
    assert "ID token" in await desk.refused()


@pytest.mark.parametrize("iss", ["https://evil.test", "", None])
async def test_the_answer_of_another_issuer_is_refused_before_it_is_read(desk: Desk, iss: str | None) -> None:
    for extra in ({}, {"error": "access_denied", "code": None}):
        message = await desk.refused(iss=iss, **extra)
        assert "does not come from" in message
    assert all(path != "/token" for path, _, _ in desk.provider.seen)


async def test_a_provider_that_does_not_name_itself_may_leave_it_out(desk: Desk) -> None:
    desk.provider.metadata["authorization_response_iss_parameter_supported"] = False
    assert (await desk.sign_in(iss=None)).id == "corp|alice"
    assert "does not come from" in await desk.refused(iss="https://evil.test")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"error": "access_denied", "code": None}, "cancelled"),
        ({"error": "server_error", "error_description": "canary", "code": None}, "refused the sign-in"),
        ({"code": None}, "no code"),
        ({"code": ""}, "no code"),
        ({"code": "made-up"}, "did not accept the code"),
    ],
)
async def test_an_answer_without_a_code_is_told_in_our_words(
    desk: Desk, params: dict[str, str | None], words: str
) -> None:
    message = await desk.refused(**params)
    assert words in message and "canary" not in message


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.test"},
        {"issuer": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http://evil.test/authorize"},
        {"authorization_endpoint": None},
        {"token_endpoint": "file:///etc/passwd"},
    ],
)
async def test_metadata_that_leads_astray_is_refused(desk: Desk, metadata: dict[str, Any]) -> None:
    desk.provider.metadata = metadata
    with pytest.raises(SignInFailed):
        await desk.login.begin("the-state")


async def test_a_token_endpoint_at_a_private_address_elsewhere_is_not_called(desk: Desk) -> None:
    desk.provider.metadata["token_endpoint"] = "https://10.0.0.1/token"
    with pytest.raises(IdentityUnavailable):
        await desk.sign_in()


async def test_a_provider_that_is_down_is_no_failed_sign_in(desk: Desk) -> None:
    desk.provider.down = True
    with pytest.raises(IdentityUnavailable):
        await desk.login.begin("the-state")
    desk.provider.down = False
    desk.provider.answer = (503, {})
    with pytest.raises(IdentityUnavailable):
        await desk.sign_in()


async def test_metadata_is_read_once(desk: Desk) -> None:
    for _ in range(3):
        await desk.sign_in()
    paths = [path for path, _, _ in desk.provider.seen]
    assert paths.count("/.well-known/openid-configuration") == 1 and paths.count("/jwks") == 1


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://as.example/authorize?x=1", True),
        ("http://127.0.0.1:9/a", True),
        ("http://localhost/a", True),
        ("http://[::1]:80/a", True),
        ("http://as.example/a", False),
        ("http://127.0.0.1.evil.test/a", False),
        ("http://localhost:80@evil.test/", False),
        ("https://as.example\\@evil.test/", False),
        ("https://as.example/#f", False),
        ("https://as.example/ a", False),
        ("javascript:alert(1)", False),
        ("//as.example/a", False),
        ("-oProxyCommand=x", False),
        ("https://" + "a" * 9000, False),
    ],
)
def test_browsers_are_sent_to_https_and_to_this_machine_only(url: str, fine: bool) -> None:
    assert may_be_sent_to(url) == fine
