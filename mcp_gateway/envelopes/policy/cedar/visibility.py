"""What each principal could use of one virtual server, found out once per principal and set of policies."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Final

from mcp_gateway.core.principal import Principal
from mcp_gateway.envelopes.policy.cedar.engine import Engine
from mcp_gateway.envelopes.policy.cedar.model import Subject

MAX_PRINCIPALS: Final = 1024
"""Most principals of whom what they see is kept."""

MAX_NAMES: Final = 4096
"""Most answers kept about one principal; names beyond those of the lists come from callers."""

_AT_A_TIME: Final = 16
"""Questions asked without a turn for others: a millisecond or two with fifty policies."""


class Visibility:
    """Answers about one virtual server, cached: policies may hold for one and not for another.

    The cache lives as long as the snapshot does, so a change of anything begins a new one.
    """

    __slots__ = ("_engine", "_held")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held: OrderedDict[int, tuple[Principal, OrderedDict[Hashable, bool]]] = OrderedDict()

    def sees(self, principal: Principal, key: Hashable, subject: Callable[[], Subject]) -> bool:
        """Whether some call of what goes by `key` could be permitted to `principal`."""
        known = self._known(principal)
        answer = known.get(key)
        if answer is None:
            (answer,) = self._engine.possible(principal, [subject()])
            self._keep(known, key, answer)
        return answer

    async def visible(self, principal: Principal, subjects: Mapping[Hashable, Subject]) -> frozenset[Hashable]:
        """Those of `subjects`, all of one virtual server, that `principal` could use."""
        known = self._known(principal)
        answers = {key: known[key] for key in subjects if key in known}
        asked = [key for key in subjects if key not in answers]
        for start in range(0, len(asked), _AT_A_TIME):
            if start:
                await asyncio.sleep(0)
            some = asked[start : start + _AT_A_TIME]
            found = self._engine.possible(principal, [subjects[key] for key in some])
            for key, answer in zip(some, found, strict=True):
                answers[key] = answer
                self._keep(known, key, answer)
        return frozenset(key for key, answer in answers.items() if answer)

    def _known(self, principal: Principal) -> OrderedDict[Hashable, bool]:
        # By identity, as the engine's entities: a verified token keeps its principal.
        held = self._held.get(id(principal))
        if held is not None and held[0] is principal:
            self._held.move_to_end(id(principal))
            return held[1]
        known: OrderedDict[Hashable, bool] = OrderedDict()
        self._held[id(principal)] = (principal, known)
        if len(self._held) > MAX_PRINCIPALS:
            self._held.popitem(last=False)
        return known

    @staticmethod
    def _keep(known: OrderedDict[Hashable, bool], key: Hashable, answer: bool) -> None:
        known[key] = answer
        if len(known) > MAX_NAMES:
            known.popitem(last=False)
