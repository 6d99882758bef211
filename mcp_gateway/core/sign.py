"""Signatures of the gateway on what it keeps: HMAC-SHA256 under a key ring (first key signs, all verify).

Each purpose has its own key, derived as those of `core.seal` are: who holds one signs nothing else with it.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from mcp_gateway.core.seal import derive


class Signer:
    """Signs and verifies for one purpose. Key names and signatures are hexadecimal."""

    __slots__ = ("_keys", "first")

    def __init__(self, keys: Sequence[bytes], purpose: str) -> None:
        """`keys` are at least 32 random bytes each; the first one signs, and is called `first`."""
        if not keys:
            raise ValueError("a signer needs at least one key")
        derived = [derive(key, purpose) for key in keys]
        self._keys = {name.hex(): key for name, key in derived}
        self.first = derived[0][0].hex()

    def sign(self, what: bytes) -> str:
        """The signature of `what` under the first key."""
        return hmac.digest(self._keys[self.first], what, "sha256").hex()

    def knows(self, key: str) -> bool:
        """Whether the key of this name is in the ring."""
        return key in self._keys

    def fits(self, key: str, signature: str, what: bytes) -> bool:
        """Whether `signature` is that of `what` under `key`; false for a key that is not in the ring."""
        found = self._keys.get(key)
        expected = "" if found is None else hmac.digest(found, what, "sha256").hex()
        return hmac.compare_digest(expected.encode(), signature.encode()) and found is not None
