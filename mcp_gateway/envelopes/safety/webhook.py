"""Guard type `webhook`: a service of one's own judges the message, over the contract of `webhook_wire`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mcp_gateway.core.egress.fetch import Fetcher
from mcp_gateway.envelopes.safety.content import PASSED, Content, Examined
from mcp_gateway.envelopes.safety.options import Options
from mcp_gateway.envelopes.safety.webhook_post import SECONDS, Post, Target
from mcp_gateway.envelopes.safety.webhook_wire import answer, question

DENIED: Final = "webhook_denied"
CHANGED: Final = "webhook_changed"
"""The kinds of findings."""

_TARGETS: Final = ("any", "request", "response")


class Webhook:
    """An examiner. What goes wrong is raised, for the guardrail's mode and circuit to deal with."""

    __slots__ = ("_config", "_post", "_target")

    name: Final = "webhook"

    def __init__(self, post: Post, config: Mapping[str, object] | None = None, *, target: str = "any") -> None:
        """`config` is passed on as it is. `target` limits it to requests or to responses."""
        self._post = post
        self._config = config
        self._target = target

    @classmethod
    def of(cls, config: Mapping[str, object], *, fetcher: Fetcher, seconds: float = SECONDS) -> Webhook:
        """From its configuration: `url`, `headers`, `retries`, `config`, `target` (any, request, response).

        Raises:
            ValueError: an option is unknown or has no such value.
        """
        options = Options(config)
        target = Target.of(options, seconds=seconds)
        passed_on = options.mapping("config")
        side = options.word("target", _TARGETS, default="any")
        options.finish()
        return cls(Post(fetcher, target), passed_on or None, target=side)

    async def __call__(self, content: Content, *, rewrite: bool) -> Examined:
        """Its judgement. A changed body counts only where the guardrail may rewrite.

        Raises:
            UpstreamError: there is no judgement.
            ValueError: the changed body is no message of this kind.
        """
        side = "request" if content.response is None else "response"
        if self._target not in ("any", side):
            return PASSED
        said = answer(await self._post.send(question(content, self._config)))
        if not said.passed:
            return Examined(denied=True, findings={DENIED: 1})
        if said.result is None or not rewrite:
            return PASSED
        return Examined(denied=True, findings={CHANGED: 1}, content=content.replaced(said.result))
