"""Sealed tokens: state that travels through a client and comes back unread and unchanged.

AES-256-GCM under a key ring (first key seals, all open). Each purpose has its own key, derived by
HKDF-SHA256, so that a token of one purpose never opens as another. `bound` is additional data that
must be the same when the token is opened: a principal, an upstream, a digest of the request.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE = 12
_KEY_ID = 4


class SealBroken(Exception):
    """The token is not ours, was changed, or belongs to something else."""


class Sealer:
    """Seals and opens tokens of one purpose. Tokens are URL-safe base64 without padding (visible ASCII)."""

    __slots__ = ("_first", "_keys")

    def __init__(self, keys: Sequence[bytes], purpose: str) -> None:
        """`keys` are at least 32 random bytes each; the first one seals."""
        if not keys:
            raise ValueError("a sealer needs at least one key")
        derived = [derive(key, purpose) for key in keys]
        self._keys = {key_id: AESGCM(key) for key_id, key in derived}
        self._first = derived[0][0]

    def seal(self, payload: bytes, bound: bytes = b"") -> str:
        """The sealed form of `payload`."""
        nonce = os.urandom(_NONCE)
        box = self._keys[self._first].encrypt(nonce, payload, bound)
        return base64.urlsafe_b64encode(self._first + nonce + box).rstrip(b"=").decode("ascii")

    def open(self, token: str, bound: bytes = b"") -> bytes:
        """The payload of `token`; raises `SealBroken` for every kind of wrong token alike."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise SealBroken from error
        if base64.urlsafe_b64encode(raw).rstrip(b"=") != token.encode():
            raise SealBroken  # another spelling of the same bytes: one sealed value has one token
        key = self._keys.get(raw[:_KEY_ID])
        if key is None or len(raw) < _KEY_ID + _NONCE + 16:
            raise SealBroken
        try:
            return key.decrypt(raw[_KEY_ID : _KEY_ID + _NONCE], raw[_KEY_ID + _NONCE :], bound)
        except InvalidTag as error:
            raise SealBroken from error


def derive(key: bytes, purpose: str) -> tuple[bytes, bytes]:
    """The key of `purpose` that is made of `key`, after four bytes that name it and tell nothing of it."""
    if len(key) < 32:
        raise ValueError("a sealing key needs at least 32 bytes")
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"mcp-gateway/" + purpose.encode()).derive(key)
    return sha256(derived).digest()[:_KEY_ID], derived
