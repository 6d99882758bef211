"""Tokens that must never get in: forged, for somebody else, for something else, malformed. One answer for all."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from mcp_gateway.core.errors import Unauthenticated
from tests.envelopes.identity.issuing import DESK, NOW, IssuerDouble, bearer_of, part, public, rsa_key, signed
from tests.envelopes.identity.site import OTHER, site

Bad = dict[str, tuple[str, str]]
"""By what is wrong: a token, and the reason for the log."""


def forged(idp: IssuerDouble) -> Bad:
    """Headers and signatures."""
    rsa, claims = rsa_key("k1"), idp.claims()
    mine = rsa_key("attacker")
    pem = rsa.as_pem(private=False)
    hs = f"{part({'alg': 'HS256', 'kid': 'k1'})}.{part(claims)}"
    none = f"{part({'alg': 'none'})}.{part(claims)}."
    signature = idp.token().rsplit(".", 1)[1]
    return {
        "none": (none, "malformed"),
        "none with a signature": (none + signature, "algorithm"),
        "HS256 with the public key": (f"{hs}.{part(hmac.digest(pem, hs.encode(), 'sha256'))}", "algorithm"),
        "an algorithm that is not allowed": (idp.token(header={"alg": "RS384"}), "algorithm"),
        "a key of its own": (idp.token(key=mine, header={"jwk": public(mine)}), "key_in_header"),
        "a key set of its own": (idp.token(key=mine, header={"jku": "http://127.0.0.1:1/jwks"}), "key_in_header"),
        "a certificate of its own": (idp.token(key=mine, header={"x5u": "http://127.0.0.1:1/c"}), "key_in_header"),
        "another key under a known name": (idp.token(key=mine, header={"kid": "k1"}), "signature"),
        "another key with a chain": (idp.token(key=mine, header={"kid": "k1", "x5c": ["MIIB"]}), "signature"),
        "critical header": (idp.token(header={"crit": ["exp"]}), "critical_header"),
        "empty critical header": (idp.token(header={"crit": []}), "critical_header"),
        "unencoded payload": (idp.token(header={"b64": False}), "critical_header"),
        "a path for a kid": (idp.token(key=mine, header={"kid": "../../etc/passwd"}), "unknown_key"),
        "an object for a kid": (idp.token(header={"kid": {"a": 1}}), "bad_kid"),
        "another type": (idp.token(header={"typ": "logout+jwt"}), "wrong_type"),
        "an ID-JAG": (idp.token(header={"typ": "oauth-id-jag+jwt"}), "wrong_type"),
    }


def misdirected(idp: IssuerDouble) -> Bad:
    """Times, audiences, issuers, names."""
    rsa, claims = rsa_key("k1"), idp.claims()
    head = {"alg": "RS256", "kid": "k1"}
    return {
        "no exp": (idp.token(exp=None), "no_expiry"),
        "exp far away": (idp.token(exp=1e30), "no_expiry"),
        "exp beyond 64 bits": (signed(b'{"exp": 1' + b"0" * 30 + b"}", rsa, head), "malformed"),
        "exp as text": (idp.token(exp="1900000000"), "bad_exp"),
        "exp true": (idp.token(exp=True), "bad_exp"),
        "exp null": (signed({**claims, "exp": None}, rsa, head), "bad_exp"),
        "ended": (idp.token(exp=NOW), "expired"),
        "not begun": (idp.token(nbf=NOW + 61), "not_yet_valid"),
        "made tomorrow": (idp.token(iat=NOW + 61), "not_yet_valid"),
        "no audience": (idp.token(aud=None), "no_audience"),
        "an empty list of audiences": (idp.token(aud=[]), "no_audience"),
        "an audience that is no text": (idp.token(aud=[DESK.uri, 1]), "no_audience"),
        "another audience": (idp.token(aud=OTHER.uri), "audience"),
        "an audience with a slash more": (idp.token(aud=DESK.uri + "/"), "audience"),
        "an audience in other letters": (idp.token(aud=DESK.uri.upper()), "audience"),
        "other audiences": (idp.token(aud=[OTHER.uri, "https://x.test"]), "audience"),
        "another issuer": (idp.token(iss="https://evil.test"), "unknown_issuer"),
        "the issuer with a slash": (idp.token(iss=idp.issuer + "/"), "unknown_issuer"),
        "no issuer": (idp.token(iss=None), "unknown_issuer"),
        "no subject": (idp.token(sub=None), "no_subject"),
        "an empty subject": (idp.token(sub=""), "bad_sub"),
        "a subject with NUL": (idp.token(sub="alice\0"), "bad_sub"),
        "a subject that is a number": (idp.token(sub=7), "bad_sub"),
        "a long subject": (idp.token(sub="a" * 256), "bad_sub"),
        "an agent with NUL": (idp.token(client_id="a\0b"), "bad_client_id"),
    }


def misused(idp: IssuerDouble) -> Bad:
    """Made for something else, malformed, or saying what cannot be relied on."""
    rsa, claims = rsa_key("k1"), idp.claims()
    doubled = json.dumps(claims)[:-1] + ', "sub": "root"}'
    head = {"alg": "RS256", "kid": "k1"}
    signature = idp.token().rsplit(".", 1)[1]
    return {
        "claims twice": (signed(doubled.encode(), rsa, head), "malformed"),
        "claims that are no object": (signed([claims], rsa, head), "malformed"),
        "claims deeper than any": (signed(b'{"a":' + b"[" * 60 + b"]" * 60 + b"}", rsa, head), "malformed"),
        "no signature": (idp.token().rsplit(".", 1)[0] + ".", "malformed"),
        "a signature of something else": (
            f"{part(head)}.{part({**claims, 'sub': 'root'})}.{signature}",
            "signature",
        ),
        "five parts": (idp.token() + ".a.b", "opaque"),
        "an ID token": (idp.token(nonce="n"), "not_an_access_token"),
        "an ID token by its hash": (idp.token(at_hash="h"), "not_an_access_token"),
        "a logout token": (idp.token(events={"urn:logout": {}}), "not_an_access_token"),
        "a refresh token": (idp.token(token_use="refresh"), "not_an_access_token"),
        "a refresh token by its typ claim": (idp.token(typ="Refresh"), "not_an_access_token"),
        "a token bound to a key": (idp.token(cnf={"jkt": "x"}), "sender_constrained"),
        "too many groups elsewhere": (idp.token(_claim_names={"groups": "src1"}), "groups_overage"),
        "too many groups to say": (idp.token(hasgroups=True), "groups_overage"),
        "too many groups": (idp.token(groups=[f"g{n}" for n in range(1001)]), "bad_groups"),
        "a group that is no text": (idp.token(groups=["a", 1]), "bad_groups"),
        "a group with a line break": (idp.token(groups=["a\nb"]), "bad_groups"),
        "groups in an object": (idp.token(groups={"a": 1}), "bad_groups"),
        "scopes in an object": (idp.token(scope={"a": 1}), "bad_scopes"),
        "an actor without a name": (idp.token(act={}), "bad_act"),
        "an actor that is text": (idp.token(act="agent"), "bad_act"),
        "nine actors": (idp.token(act=chain(9)), "bad_act"),
        "sealed state of the gateway": ("bXk" * 40, "opaque"),
        "a key of no account": ("mgk_abc_" + "x" * 43, "unknown_account_key"),
        "text for a database": ("mgk_'--", "not_a_bearer_token"),
        "a format": ("%s", "not_a_bearer_token"),
    }


def chain(depth: int) -> dict[str, Any]:
    act: dict[str, Any] = {"sub": "a0"}
    for number in range(1, depth):
        act = {"sub": f"a{number}", "act": act}
    return act


async def test_bad_tokens_are_refused_all_alike() -> None:
    async with site() as s:
        table = {**forged(s.idp), **misdirected(s.idp), **misused(s.idp)}
        for name, (token, reason) in table.items():
            assert await s.refused(token) == reason, name
        assert await s.enter(s.idp.token(act=chain(8), groups=[f"g{n}" for n in range(1000)]))
        # The table costs the issuer its metadata (two places), its keys, and one question for an unknown key.
        assert s.idp.asked == {
            "/.well-known/oauth-authorization-server": 1,
            "/.well-known/openid-configuration": 1,
            "/jwks": 2,
        }


async def test_with_two_keys_a_token_has_to_name_its_own() -> None:
    async with site() as s:
        nameless = s.idp.token(header={"kid": None})
        assert await s.enter(nameless)
        s.idp.keys.append(public(rsa_key("k2")))
        s.clock.passed = 200.0
        assert await s.enter(s.idp.token(key=rsa_key("k2")))
        assert await s.refused(nameless) == "unknown_key"


@pytest.mark.parametrize("exp", [NOW + 0.5, NOW + 300])
async def test_a_clock_a_minute_off_is_forgiven_at_the_beginning(exp: float) -> None:
    async with site() as s:
        assert await s.enter(s.idp.token(exp=exp, nbf=NOW + 60, iat=NOW + 60))


async def test_nothing_of_a_refused_token_is_logged() -> None:
    async with site() as s:
        token = s.idp.token(aud="canary-audience", sub="canary-subject")
        with capture_logs() as logs, pytest.raises(Unauthenticated) as caught:
            await s.door.verify(bearer_of([token]), DESK)
        told = repr(logs) + str(caught.value) + caught.value.challenge
        assert "canary" not in told and token[:20] not in told and caught.value.__cause__ is None
