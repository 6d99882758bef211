"""The public keys of an issuer: a JWK set read strictly (RFC 7517), and which key fits which algorithm. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from mcp_gateway.core import strictjson
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.strictjson import JsonError

_MOST: Final = 100
_RSA_BITS: Final = (2048, 8192)
"""Weaker ones can be broken; larger ones only cost time."""

FITS: Final[Mapping[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
"""Algorithm → key type and curve. There is no symmetric one: whoever can verify with such a key can sign with it."""

_SAME: Final = frozenset({"EdDSA", "Ed25519"})
"""Two names of one algorithm on this curve (RFC 9864)."""

_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_TYPES: Final[Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """One public key. `algorithm` is the only one it may be used with, if it says so."""

    kid: str | None
    kind: str
    curve: str | None
    algorithm: str | None
    key: Key

    def fits(self, algorithm: str) -> bool:
        """Whether a signature by `algorithm` may be verified with it."""
        own = self.algorithm in (None, algorithm) or _SAME.issuperset((self.algorithm, algorithm))
        return own and FITS.get(algorithm) == (self.kind, self.curve)

    def verifies(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Whether `signature` is one of `signed` by this key, which must fit."""
        try:
            return JWSRegistry.algorithms[algorithm].verify(signed, signature, self.key)
        except (JoseError, ValueError):
            return False


@dataclass(frozen=True, slots=True)
class Keys:
    """A key set. `digest` tells one state of it from another."""

    keys: tuple[VerifyingKey, ...]
    digest: bytes

    def knows(self, kid: str | None) -> bool:
        return any(key.kid == kid for key in self.keys)

    def find(self, kid: str | None, algorithm: str) -> tuple[VerifyingKey, ...]:
        """The keys that `kid` names and that fit. Without `kid`, the only key of the set: with two, it is a guess."""
        if kid is None and len(self.keys) != 1:
            return ()
        return tuple(key for key in self.keys if kid in (None, key.kid) and key.fits(algorithm))


def read_keys(raw: bytes) -> Keys:
    """The usable keys of a JWK set; others (encryption, symmetric, unknown types, weak) are passed over (RFC 7517 §5).

    Raises `ProtocolViolation` for what is no key set.
    """
    try:
        document = strictjson.loads(raw)
    except JsonError as error:
        raise ProtocolViolation(f"the key set is not valid JSON: {error.message}") from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > _MOST:
        raise ProtocolViolation("the key set has no list of keys, or too many")
    keys = tuple(key for entry in listed if (key := _usable(entry)) is not None)
    return Keys(keys, sha256(raw).digest())


def _usable(entry: object) -> VerifyingKey | None:
    if not isinstance(entry, dict):
        return None
    kind, kid, algorithm, operations = (entry.get(name) for name in ("kty", "kid", "alg", "key_ops"))
    if not isinstance(kind, str) or kind not in _TYPES or entry.get("use") not in (None, "sig"):
        return None
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return None
    if not isinstance(kid, str | None) or not isinstance(algorithm, str | None):
        return None
    # Only the public members: a set that leaks private ones is not kept with them.
    public = {name: value for name in _MEMBERS[kind] if isinstance(value := entry.get(name), str) and value.isascii()}
    if len(public) < len(_MEMBERS[kind]):
        return None
    try:
        if kind == "RSA" and not _RSA_BITS[0] <= _bits(public["n"]) <= _RSA_BITS[1]:
            return None
        key = _TYPES[kind].import_key({**public, "kty": kind})
    except (JoseError, ValueError):
        return None
    curve = public.get("crv")
    return VerifyingKey(kid, kind, curve, algorithm, key)


def _bits(modulus: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(modulus + "==")).bit_length()
