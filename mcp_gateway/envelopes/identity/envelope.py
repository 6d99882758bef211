"""Envelope encryption of what is stored: a data key for each text, itself sealed by a key of the key ring.

AES-256-GCM twice. The data key is random and used for one text only, so no nonce can ever meet its like; the
key-encryption key only ever sees data keys, and a change of it means sealing those anew and not the texts. Both are
bound to the same parts (whose text it is, and which version of it): what was sealed for one row opens in no other.
Removing the sealed data key removes the text.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mcp_gateway.core.seal import SealBroken

FORMAT: Final = "mcp-gateway/vault/1"
"""Bound into everything, so that another format can never be taken for this one."""

_NONCE: Final = 12
_MIN_KEY: Final = 32


@dataclass(frozen=True, slots=True)
class Sealed:
    """A text as it is stored: the id of the key-encryption key, the sealed data key, the sealed text."""

    kek: str
    wrapped: bytes
    text: bytes


class Envelopes:
    """Seals under the first key of a ring and opens under any. Every failure to open is `SealBroken`."""

    __slots__ = ("_keys", "first")

    def __init__(self, keys: Sequence[bytes]) -> None:
        """`keys` are at least 32 random bytes each."""
        if not keys:
            raise ValueError("a vault needs at least one key")
        self._keys: Mapping[str, AESGCM] = dict(map(_derive, keys))
        self.first: str = next(iter(self._keys))
        """The id of the key that seals."""

    @property
    def known(self) -> frozenset[str]:
        """The ids of all keys of the ring."""
        return frozenset(self._keys)

    def seal(self, text: bytes, parts: Sequence[str]) -> Sealed:
        """`text` under a new data key, bound to `parts`."""
        bound, data_key = encode(parts), AESGCM.generate_key(256)
        return Sealed(
            kek=self.first,
            wrapped=_encrypt(self._keys[self.first], data_key, bound),
            text=_encrypt(AESGCM(data_key), text, bound),
        )

    def open(self, sealed: Sealed, parts: Sequence[str]) -> bytes:
        """The text, if `sealed` was made from it under a key of this ring and for these `parts`."""
        bound = encode(parts)
        return _decrypt(AESGCM(self._data_key(sealed, bound)), sealed.text, bound)

    def rewrap(self, sealed: Sealed, parts: Sequence[str]) -> Sealed:
        """The same text with its data key under the first key; the text itself is not opened."""
        bound = encode(parts)
        data_key = self._data_key(sealed, bound)
        return Sealed(self.first, _encrypt(self._keys[self.first], data_key, bound), sealed.text)

    def _data_key(self, sealed: Sealed, bound: bytes) -> bytes:
        key = self._keys.get(sealed.kek)
        if key is None:
            raise SealBroken
        data_key = _decrypt(key, sealed.wrapped, bound)
        if len(data_key) != 32:
            raise SealBroken
        return data_key


def encode(parts: Sequence[str]) -> bytes:
    """One spelling for each sequence of strings: a part is preceded by its length, so none can run into the next."""
    encoded = [part.encode() for part in (FORMAT, *parts)]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _encrypt(key: AESGCM, text: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + key.encrypt(nonce, text, bound)


def _decrypt(key: AESGCM, box: bytes, bound: bytes) -> bytes:
    try:
        return key.decrypt(box[:_NONCE], box[_NONCE:], bound)
    except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce or a tag
        raise SealBroken from None


def _derive(key: bytes) -> tuple[str, AESGCM]:
    if len(key) < _MIN_KEY:
        raise ValueError(f"a vault key needs at least {_MIN_KEY} bytes")
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"mcp-gateway/vault").derive(key)
    return sha256(derived).hexdigest()[:16], AESGCM(derived)
