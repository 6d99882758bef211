"""Token requests and their answers (RFC 6749 §§3.2, 5; RFC 7523; RFC 8693): values in, values out. No I/O."""

from __future__ import annotations

import base64
import math
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from mcp_gateway.core.egress.template import Headers
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.strictjson import JsonError, loads
from mcp_gateway.envelopes.identity.stores import ClientRegistration, Tokens

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS: Final = 60
"""How long a client assertion is good: it is made for one request."""

PERSON_MUST_ACT: Final = frozenset(
    {
        "invalid_grant",
        "access_denied",
        "interaction_required",
        "login_required",
        "consent_required",
        "account_selection_required",
        "bad_refresh_token",
    }
)
"""Error codes that say that this grant is over (RFC 6749 §5.2, OpenID Connect Core §3.1.2.6, one well-known server)."""

_FINAL: Final[frozenset[str]] = PERSON_MUST_ACT.union(
    (
        "invalid_request",
        "invalid_client",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_target",
    )
)
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,65536}")
_LONGEST: Final = 10 * 365 * 86400.0
_UNSCOPED: Final = re.compile(r"[^\x21\x23-\x5b\x5d-\x7e]")
_MOST_SCOPES: Final = 1000
_EC_ALGORITHMS: Final[Mapping[str, str]] = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}

Params = Iterable[tuple[str, str]]


class TokenError(Exception):
    """A token endpoint gave no token. Its text is public.

    `code` is the server's error code where it is a known one, else "". With `fatal` asking again is useless. `sent`
    tells whether the server may have acted on the request without our seeing its answer. `retry_after`: seconds.
    """

    def __init__(
        self, message: str, *, fatal: bool, sent: bool, code: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fatal = fatal
        self.sent = sent
        self.code = code
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What a token endpoint gave. `scopes` are None where it did not say; then they are those asked for (§5.1).

    `issued_type` is the type of a token that was exchanged for another (RFC 8693 §2.2.1), None where it did not say.
    """

    access_token: Secret
    refresh_token: Secret | None = None
    expires_at: float | None = None
    scopes: tuple[str, ...] | None = None
    issued_type: str | None = None

    def tokens(self, asked: tuple[str, ...], *, refresh_token: Secret | None = None) -> Tokens:
        """For storing. A server that gives no new refresh token leaves the old one, `refresh_token`, in force (§6)."""
        return Tokens(
            access_token=self.access_token,
            refresh_token=self.refresh_token or refresh_token,
            expires_at=self.expires_at,
            scopes=asked if self.scopes is None else self.scopes,
        )


def bearer_fields(token: Secret) -> dict[str, str]:
    """The header field that carries an access token (RFC 6750 §2.1)."""
    return {"authorization": f"Bearer {token.reveal()}"}


def build_request(client: ClientRegistration, url: str, params: Params, *, now: float) -> tuple[Headers, bytes]:
    """Headers and body of a request to a token or revocation endpoint at `url`, with the client's authentication.

    The secret of a client with private_key_jwt is its private key (PEM). Raises `TokenError` for a key that is none.
    """
    form = [*params]
    headers = [(b"content-type", b"application/x-www-form-urlencoded"), (b"accept", b"application/json")]
    secret = client.client_secret
    if client.auth_method == "client_secret_basic" and secret is not None:
        pair = f"{quote_plus(client.client_id)}:{quote_plus(secret.reveal())}"
        headers.append((b"authorization", b"Basic " + base64.b64encode(pair.encode())))
    else:
        form.append(("client_id", client.client_id))
    if client.auth_method == "client_secret_post" and secret is not None:
        form.append(("client_secret", secret.reveal()))
    if client.auth_method == "private_key_jwt" and secret is not None:
        assertion = sign_assertion(secret, client.client_id, client.issuer or url, now=now)
        form += [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]
    return headers, urlencode(form).encode("ascii")


def sign_assertion(key: Secret, client_id: str, audience: str, *, now: float, subject: str | None = None) -> str:
    """A client assertion (RFC 7523 §2.2), or about another `subject` one that the client answers for.

    `audience` is the issuer, or its token endpoint where it is not known.
    """
    algorithm, private = _private_key(key)
    claims = {
        "iss": client_id,
        "sub": client_id if subject is None else subject,
        "aud": audience,
        "iat": int(now),
        "exp": int(now) + ASSERTION_SECONDS,
        "jti": secrets.token_urlsafe(16),
    }
    return jwt.encode({"alg": algorithm, "typ": "JWT"}, claims, private, algorithms=[algorithm])


def _private_key(key: Secret) -> tuple[str, RSAKey | ECKey | OKPKey]:
    pem = key.reveal()
    for kind in (RSAKey, ECKey, OKPKey):
        try:
            found = kind.import_key(pem)
        except (JoseError, ValueError, TypeError):
            continue
        if not found.is_private:
            break
        if isinstance(found, RSAKey):
            return "RS256", found
        if isinstance(found, OKPKey):
            return "Ed25519", found
        algorithm = _EC_ALGORITHMS.get(found.curve_name)
        if algorithm is not None:
            return algorithm, found
    raise TokenError("the configured private key is not a private key that can sign", fatal=True, sent=False)


def read_answer(
    status: int, body: bytes, *, now: float, retry_after: float | None = None, types: tuple[str, ...] = ("bearer",)
) -> Issued:
    """The tokens in an answer; `types` are the accepted values of ``token_type``, in lower case.

    Raises `TokenError`. An answer with status 200 that cannot be used leaves open what the server did.
    """
    answer = _object(body)
    code = answer.get("error")
    if isinstance(code, str) and code in _FINAL and (400 <= status < 500 or status == 200):
        raise TokenError(f"the authorization server refused: {code}", fatal=True, sent=False, code=code)
    if status != 200:
        # 504 is what a proxy says when the server that it passed the request to did not answer.
        raise TokenError(
            f"the authorization server answered HTTP {status}",
            fatal=False,
            sent=status == 504 or status < 300,
            retry_after=retry_after,
        )
    token, kind = answer.get("access_token"), answer.get("token_type")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise _unusable("no usable access_token")
    if not isinstance(kind, str) or kind.lower() not in types:
        raise _unusable("a token of a type that was not asked for")
    return Issued(
        access_token=Secret(token),
        refresh_token=_refresh_token(answer.get("refresh_token")),
        expires_at=_expiry(answer.get("expires_in"), now),
        scopes=_scopes(answer.get("scope")),
        issued_type=issued if isinstance(issued := answer.get("issued_token_type"), str) else None,
    )


def _unusable(what: str) -> TokenError:
    return TokenError(f"the authorization server's answer has {what}", fatal=False, sent=True)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = loads(body)
    except JsonError:
        return {}
    return value if isinstance(value, dict) else {}


def _refresh_token(value: object) -> Secret | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > 65536:
        raise _unusable("an unusable refresh_token")
    return Secret(value)


def _expiry(value: object, now: float) -> float | None:
    """Seconds as a number; some servers write the number as a string of digits."""
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:12])
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise _unusable("an expires_in that is no number of seconds")
    return now + min(float(value), _LONGEST)


def _scopes(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _unusable("a scope that is no string")
    found = tuple(dict.fromkeys(value.split()))
    if len(found) > _MOST_SCOPES or any(_UNSCOPED.search(scope) for scope in found):
        raise _unusable("an unusable scope")
    return found


def audience_of(token: Secret) -> tuple[str, ...] | None:
    """The audiences that a JWT names, unverified; None for a token that does not show any."""
    parts = token.reveal().split(".")
    if len(parts) != 3:
        return None
    try:
        payload = _object(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    found = payload.get("aud")
    if isinstance(found, str):
        return (found,)
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else None
