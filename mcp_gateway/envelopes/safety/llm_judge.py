"""Guard type `llm_judge`: a model judges the message by a prompt, and says how sure it is that something is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from secrets import token_hex
from typing import Any, Final

from mcp_gateway.core.egress.fetch import Fetcher
from mcp_gateway.core.secret import Secret
from mcp_gateway.core.strictjson import dumps
from mcp_gateway.envelopes.safety.content import PASSED, Content, Examined, line
from mcp_gateway.envelopes.safety.judge import AskModel, Message
from mcp_gateway.envelopes.safety.judge_wire import (
    PRESETS,
    Task,
    chat_answer,
    chat_question,
    opinion,
    question,
    schema,
)
from mcp_gateway.envelopes.safety.options import Options
from mcp_gateway.envelopes.safety.webhook_post import SECONDS, Post, Target

JUDGED: Final = "judged"
TOO_LONG: Final = "judge_too_long"
"""The kinds of findings, besides the categories."""

MAX_CHARS: Final = 16_000
"""About 4,000 tokens of English."""
_MOST_CHARS: Final = 1_000_000

_CATEGORY: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
"""Categories become kinds of findings, which stand in records."""

_NONCE_BYTES: Final = 16


class ChatModel:
    """Asks a model behind an OpenAI-compatible chat completions endpoint."""

    __slots__ = ("_model", "_post")

    def __init__(self, post: Post, model: str) -> None:
        self._post = post
        self._model = model

    async def __call__(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> bytes:
        """What the model says. Raises `UpstreamError` where it says nothing."""
        return chat_answer(await self._post.send(chat_question(self._model, messages, schema)))


class LlmJudge:
    """An examiner that denies when the score that a model gives reaches `threshold`."""

    __slots__ = ("_ask", "_max_chars", "_schema", "_task", "_threshold")

    name: Final = "llm_judge"

    def __init__(self, ask: AskModel, task: Task, *, threshold: float = 0.5, max_chars: int = MAX_CHARS) -> None:
        """A message of more than `max_chars` characters is denied: half of one would be no judgement of it."""
        self._ask = ask
        self._task = task
        self._schema = schema(task.categories)
        self._threshold = threshold
        self._max_chars = max_chars

    @classmethod
    def of(cls, config: Mapping[str, object], *, fetcher: Fetcher, seconds: float = SECONDS) -> LlmJudge:
        """From its configuration.

        `url`, `headers`, `retries`, `api_key`, `model`, `preset` or `prompt`, `categories`, `threshold` (0.5),
        `max_chars`.

        Raises:
            ValueError: an option is unknown or has no such value.
        """
        options = Options(config)
        target = _with_key(Target.of(options, seconds=seconds), options.secret("api_key"))
        model = options.text("model", default="")
        task = _task(options)
        threshold = options.fraction("threshold", default=0.5)
        max_chars = options.number("max_chars", default=MAX_CHARS, least=1, most=_MOST_CHARS)
        options.finish()
        if not model:
            raise ValueError("`model` is needed")
        if not task.prompt:
            raise ValueError("`preset` or `prompt` is needed")
        if not threshold:
            raise ValueError("`threshold` must be more than 0: every message would be refused")
        ask = ChatModel(Post(fetcher, target), model)
        return cls(ask, task, threshold=threshold, max_chars=max_chars or MAX_CHARS)

    async def __call__(self, content: Content, *, rewrite: bool) -> Examined:
        """Its judgement, of which a model's words are no part but those that it was given.

        Raises:
            UpstreamError: there is no judgement.
        """
        del rewrite  # the judgement is of the message as a whole: there is nothing to take out
        if self._task.answers_only and content.response is None:
            return PASSED
        if not any(carrier.text.strip() for carrier in content.carriers):
            return PASSED
        parts = self._parts(content)
        if parts is None:
            return Examined(denied=True, findings={TOO_LONG: 1})
        # Unknown to whoever wrote the message, and another one each time.
        messages = question(self._task, parts, token_hex(_NONCE_BYTES))
        said = opinion(await self._ask(messages, self._schema), self._task.categories)
        if said.score < self._threshold:
            return PASSED
        return Examined(denied=True, findings=dict.fromkeys(sorted(said.categories) or (JUDGED,), 1))

    def _parts(self, content: Content) -> Mapping[str, str] | None:
        """What the model is shown, None if it is too much."""
        request = ""
        if self._task.with_request and content.response is not None:
            request = dumps(content.request).decode()
        texts: list[str] = []
        left = self._max_chars - len(request)
        for carrier in content.carriers:
            texts.append(line(carrier))
            left -= len(texts[-1]) + 1
            if left < -1:
                return None
        if left < -1:
            return None
        return {"request": request, "content": "\n".join(texts)} if request else {"content": "\n".join(texts)}


def _with_key(target: Target, key: Secret | None) -> Target:
    if key is None:
        return target
    if any(name.lower() == "authorization" for name in target.headers):
        raise ValueError("`api_key` and a header `Authorization` do not go together")
    return replace(target, headers={**target.headers, "Authorization": Secret(f"Bearer {key.reveal()}")})


def _task(options: Options) -> Task:
    """From `preset`, `prompt` and `categories`; without a prompt where neither of the first two is there."""
    preset = options.word("preset", ("", *PRESETS), default="")
    prompt = options.text("prompt", default="").strip()
    if preset and prompt:
        raise ValueError("`preset` and `prompt` do not go together")
    task = PRESETS[preset] if preset else Task(prompt)
    categories = options.texts("categories", default=task.categories)
    if not all(_CATEGORY.fullmatch(category) for category in categories):
        raise ValueError("`categories` may hold words of lower case letters, digits and underscores")
    return replace(task, categories=tuple(categories))
