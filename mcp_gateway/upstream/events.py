"""What an upstream says outside any request, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from mcp_gateway.calls.inventory import Change
from mcp_gateway.core.call import Json, Session
from mcp_gateway.core.hub import Hub

UPDATED: Final = "notifications/resources/updated"
_ANSWERED: Final = "notifications/elicitation/complete"

LIST_CHANGED: Final[Mapping[str, Change]] = MappingProxyType(
    {
        "notifications/tools/list_changed": Change.TOOLS,
        "notifications/prompts/list_changed": Change.PROMPTS,
        "notifications/resources/list_changed": Change.RESOURCES,
    }
)


class Events:
    """Routes the events of one conversation. Called as its `on_event`.

    Changes of lists go to `announce`, updates of resources to whoever listens to `updates`. That a person
    answered a URL-mode elicitation is passed on to the client's session that the conversation belongs to, if any.
    """

    __slots__ = ("_announce", "_session", "updates")

    def __init__(self, announce: Callable[[Change], None], session: Session | None = None) -> None:
        self.updates: Hub[Json] = Hub()
        self._announce = announce
        self._session = session

    def __call__(self, method: str, params: Json) -> None:
        change = LIST_CHANGED.get(method)
        if change is not None:
            self._announce(change)
        elif method == UPDATED:
            self.updates.publish(params)
        elif method == _ANSWERED and self._session is not None:
            self._session.notify(method, params)
