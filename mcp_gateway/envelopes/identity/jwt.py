"""JSON Web Tokens, taken apart and judged (RFC 7519, RFC 8725, RFC 9068). Pure: keys and clock come from outside.

joserfc verifies the signature; what it leaves to callers is here: exact types, times, and what is no access token.
"""

from __future__ import annotations

import binascii
import math
import re
from dataclasses import dataclass
from typing import Final

from mcp_gateway.core import strictjson
from mcp_gateway.core.strictjson import JsonError, JsonLimits
from mcp_gateway.envelopes.identity.verified import TokenRefused

LEEWAY: Final = 60.0
"""Seconds that an issuer's clock may be ahead of ours. None at expiry: a token is short-lived or it is not."""

_MOST_YEARS: Final = 10 * 366 * 86_400.0
"""An expiry further away is no expiry."""

_LIMITS: Final = JsonLimits(depth=32, nodes=8_000, string=16_384)
_PART: Final = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_KID: Final = 512
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_OWN_KEYS: Final = frozenset({"jwk", "jku", "x5u"})
"""Header parameters by which a token would bring or name the key that vouches for it."""

_OTHER_TOKENS: Final = frozenset({"at_hash", "c_hash", "s_hash", "nonce", "events"})
"""Claims of ID tokens (OpenID Connect Core §2, §3.3.2) and of security events such as logout tokens (RFC 8417)."""
_OTHER_USES: Final = frozenset({"id", "refresh", "offline", "logout", "id_token", "refresh_token"})
"""Values of `token_use`, `token_type` or `typ` claims by which issuers mark what is no access token."""


@dataclass(frozen=True, slots=True)
class Jwt:
    """A signed token, taken apart and not yet believed."""

    algorithm: str
    kid: str | None
    claims: dict[str, object]
    signed: bytes
    signature: bytes

    @property
    def issuer(self) -> str:
        """The `iss` claim, empty if there is none."""
        issuer = self.claims.get("iss")
        return issuer if isinstance(issuer, str) else ""


def read(token: str) -> Jwt:
    """Take a compact JWS apart. Raises `TokenRefused` for what no verification could make acceptable."""
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenRefused("malformed")
    header, claims, signature = (_decoded(part) for part in parts)
    algorithm, kid = _judged(_object(header))
    return Jwt(algorithm, kid, _object(claims), f"{parts[0]}.{parts[1]}".encode(), signature)


def _decoded(part: str) -> bytes:
    if not _PART.fullmatch(part):
        raise TokenRefused("malformed")
    try:
        return binascii.a2b_base64(part.translate(_URLSAFE) + "=" * (-len(part) % 4), strict_mode=True)
    except binascii.Error:
        raise TokenRefused("malformed") from None


_URLSAFE: Final = str.maketrans("-_", "+/")


def _object(raw: bytes) -> dict[str, object]:
    try:
        value = strictjson.loads(raw, _LIMITS)
    except JsonError:
        raise TokenRefused("malformed") from None
    if not isinstance(value, dict):
        raise TokenRefused("malformed")
    return value


def _judged(header: dict[str, object]) -> tuple[str, str | None]:
    """Algorithm and key id of a header that may be acted on."""
    if "crit" in header or header.get("b64", True) is not True:
        raise TokenRefused("critical_header")  # no extension is understood here (RFC 7515 §4.1.11)
    if not _OWN_KEYS.isdisjoint(header):
        raise TokenRefused("key_in_header")
    kind = header.get("typ")
    if kind is not None and not (isinstance(kind, str) and kind.lower() in _TYPES):
        raise TokenRefused("wrong_type")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        raise TokenRefused("algorithm")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= _LONGEST_KID):
        raise TokenRefused("bad_kid")
    return algorithm, kid


def expiry(claims: dict[str, object], now: float) -> float:
    """When the token ends, in Unix seconds, after judging all its times.

    Raises `TokenRefused` for one that has ended, has not begun, or never ends.
    """
    ends = number(claims, "exp")
    if ends is None or not ends <= now + _MOST_YEARS:
        raise TokenRefused("no_expiry")
    if ends <= now:
        raise TokenRefused("expired")
    for claim in ("nbf", "iat"):
        begins = number(claims, claim)
        if begins is not None and begins > now + LEEWAY:
            raise TokenRefused("not_yet_valid")
    return ends


def number(claims: dict[str, object], claim: str) -> float | None:
    """A NumericDate (RFC 7519 §2); None if it is absent. Raises `TokenRefused` for anything else."""
    value = claims.get(claim)
    if value is None and claim not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TokenRefused(f"bad_{claim}")
    return float(value)


def require_access_token(claims: dict[str, object]) -> None:
    """Raises `TokenRefused` for a token that is made for something else than calling a resource as its bearer."""
    if not _OTHER_TOKENS.isdisjoint(claims):
        raise TokenRefused("not_an_access_token")
    for claim in ("token_use", "token_type", "typ"):
        use = claims.get(claim)
        if isinstance(use, str) and use.lower() in _OTHER_USES:
            raise TokenRefused("not_an_access_token")
    if "cnf" in claims:
        # Bound to a key (RFC 7800): whoever presents it as a mere bearer has not shown that key.
        raise TokenRefused("sender_constrained")
