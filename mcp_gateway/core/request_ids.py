"""Ids of requests."""

from __future__ import annotations

import os
from itertools import count


class RequestIds:
    """Random per process, counted within: unique across restarts and replicas, cheap per request."""

    __slots__ = ("_ids", "_prefix")

    def __init__(self) -> None:
        self._prefix = os.urandom(6).hex()
        self._ids = count(1)

    def __call__(self) -> str:
        """An id that no other request has."""
        return f"{self._prefix}-{next(self._ids):x}"
