"""Subscriptions: `subscriptions/listen` in the modern era, `resources/subscribe` in sessions before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol

from mcp_gateway.calls.inventory import Change
from mcp_gateway.calls.kinds import Result
from mcp_gateway.core.call import Call, Json, Trail
from mcp_gateway.core.errors import GatewayError, Invalid, UnknownResource
from mcp_gateway.core.hub import Hub
from mcp_gateway.core.principal import Principal
from mcp_gateway.methods.invocation import text
from mcp_gateway.methods.offer import Offer

SUBSCRIPTION_ID: Final = "io.modelcontextprotocol/subscriptionId"
_MAX_URIS: Final = 1_000

LIST_CHANGED: Final = (
    (Change.TOOLS, "tools", "toolsListChanged", "notifications/tools/list_changed"),
    (Change.PROMPTS, "prompts", "promptsListChanged", "notifications/prompts/list_changed"),
    (Change.RESOURCES, "resources", "resourcesListChanged", "notifications/resources/list_changed"),
)
"""Each list: the change, its capability, its key in a listen filter, its notification."""

Release = Callable[[], None]


class WatchResource(Protocol):
    """Follows one resource of one upstream for one principal; `on_update` gets the params of each update.

    Raises `UpstreamError` where the upstream cannot be subscribed to.
    """

    def __call__(
        self, upstream: str, uri: str, principal: Principal, on_update: Callable[[Json], None]
    ) -> Awaitable[Release]: ...


class Listen:
    """subscriptions/listen: acknowledges what it honours, then notifies until the client or the gateway ends it."""

    __slots__ = ("_capabilities", "_changes", "_closing", "_offer", "_offer_now", "_watch")

    def __init__(
        self,
        *,
        capabilities: Json,
        changes: Hub[frozenset[Change]],
        offer: Offer,
        offer_now: Callable[[], Offer | None],
        watch: WatchResource,
        closing: Callable[[], Awaitable[object]],
    ) -> None:
        """`offer_now` is asked at each update: what a reload took away is not told any more. `closing` returns when
        the gateway shuts down."""
        self._capabilities = capabilities
        self._changes = changes
        self._offer = offer
        self._offer_now = offer_now
        self._watch = watch
        self._closing = closing

    async def __call__(self, call: Call) -> Result:
        wanted = call.params.get("notifications")
        if not isinstance(wanted, dict):
            raise Invalid("notifications must be an object", pointer="/params/notifications")
        mark = {"_meta": {SUBSCRIPTION_ID: call.id}}
        releases: list[Release] = []
        pending: list[tuple[str, Json]] = []
        notify = call.link.notify
        acknowledged = False

        def deliver(method: str, params: Json) -> None:
            # What arrives while upstreams are still being subscribed to waits: the acknowledgement comes first.
            if acknowledged:
                notify(method, params)
            else:
                pending.append((method, params))

        try:
            honoured = self._follow_lists(wanted, mark, deliver, releases)
            uris = await self._follow_resources(call, wanted, mark, deliver, releases)
            if uris:
                honoured["resourceSubscriptions"] = uris
            notify("notifications/subscriptions/acknowledged", {"notifications": honoured, **mark})
            acknowledged = True
            for method, params in pending:
                notify(method, params)
            await self._closing()
        finally:
            for release in releases:
                release()
        return {"resultType": "complete", **mark}

    def _follow_lists(
        self, wanted: Json, mark: Json, deliver: Callable[[str, Json], None], releases: list[Release]
    ) -> Json:
        methods = {
            change: method
            for change, capability, key, method in LIST_CHANGED
            if wanted.get(key) is True and (self._capabilities.get(capability) or {}).get("listChanged")
        }

        def on_change(changes: frozenset[Change]) -> None:
            for change in sorted(changes):
                if change in methods:
                    deliver(methods[change], mark)

        if methods:
            releases.append(self._changes.listen(on_change))
        return {key: True for change, _, key, _ in LIST_CHANGED if change in methods}

    async def _follow_resources(
        self, call: Call, wanted: Json, mark: Json, deliver: Callable[[str, Json], None], releases: list[Release]
    ) -> list[str]:
        uris = wanted.get("resourceSubscriptions") or []
        if not isinstance(uris, list) or len(uris) > _MAX_URIS or not all(isinstance(uri, str) for uri in uris):
            raise Invalid(
                f"resourceSubscriptions must be at most {_MAX_URIS} URIs",
                pointer="/params/notifications/resourceSubscriptions",
            )

        def on_update(uri: str, params: Json) -> None:
            if not _may_follow(self._offer_now(), uri, call):
                return
            meta = params.get("_meta")
            merged = {**(meta if isinstance(meta, dict) else {}), **mark["_meta"]}
            deliver("notifications/resources/updated", {**params, "_meta": merged})

        honoured: list[str] = []
        for uri in dict.fromkeys(uris):
            source = self._offer.followed(uri, call)
            if source is None:
                continue
            try:
                watching = self._watch(source.upstream, uri, call.principal, partial(on_update, uri))
                releases.append(await watching)
            except GatewayError:
                # What cannot be honoured is left out of the acknowledgement: that is its meaning.
                continue
            honoured.append(uri)
        return honoured


class Subscribe:
    """resources/subscribe: updates go to the session's standalone stream until unsubscribed or the session ends."""

    __slots__ = ("_offer", "_offer_now", "_watch")

    def __init__(self, offer: Offer, offer_now: Callable[[], Offer | None], watch: WatchResource) -> None:
        self._offer = offer
        self._offer_now = offer_now
        self._watch = watch

    async def __call__(self, call: Call) -> Result:
        uri = text(call.params, "uri")
        source = self._offer.followed(uri, call)
        if source is None:
            raise UnknownResource("Resource not found", uri=uri)
        session = call.session
        if session is not None:

            def on_update(params: Json) -> None:
                if _may_follow(self._offer_now(), uri, call):
                    session.notify("notifications/resources/updated", params)

            session.hold(_key(uri), await self._watch(source.upstream, uri, call.principal, on_update))
        return {}


async def unsubscribe(call: Call) -> Result:
    """resources/unsubscribe."""
    uri = text(call.params, "uri")
    if call.session is not None:
        call.session.release(_key(uri))
    return {}


def _may_follow(offer: Offer | None, uri: str, call: Call) -> bool:
    """Whether `call` may be told of `uri` now. What is decided on the way is no part of the call's own record."""
    return offer is not None and offer.followed(uri, call._replace(trail=Trail())) is not None


def _key(uri: str) -> str:
    return f"resource {uri}"
