"""Guard type `classifier`: a text classification endpoint says which texts are, for instance, injected instructions.

The contract is the one that inference servers for text classification share: POST ``{"inputs": [text, …]}``, answered
for each text by ``{label, score}`` or by a list of those.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from mcp_gateway.core.egress.fetch import Fetcher
from mcp_gateway.core.errors import ProtocolViolation
from mcp_gateway.core.strictjson import JsonError, loads
from mcp_gateway.envelopes.safety.content import PASSED, Content, Examined
from mcp_gateway.envelopes.safety.options import Options
from mcp_gateway.envelopes.safety.webhook_post import SECONDS, Post, Target

WINDOW: Final = 2000
"""Characters of one input: about the 512 tokens that such models read. Longer texts are cut, with half an overlap."""

_BATCH: Final = 32


class Classifier:
    """An examiner that denies when the score of a text for one of `labels` reaches `threshold`."""

    __slots__ = ("_kind", "_labels", "_post", "_threshold")

    name: Final = "classifier"

    def __init__(self, post: Post, labels: Sequence[str], *, threshold: float, kind: str) -> None:
        self._post = post
        self._labels = frozenset(label.casefold() for label in labels)
        self._threshold = threshold
        self._kind = kind

    @classmethod
    def of(cls, config: Mapping[str, object], *, fetcher: Fetcher, seconds: float = SECONDS) -> Classifier:
        """From its configuration: `url`, `headers`, `retries`, `labels` (INJECTION by default), `threshold` (0.5).

        Raises:
            ValueError: an option is unknown or has no such value.
        """
        options = Options(config)
        target = Target.of(options, seconds=seconds)
        labels = options.texts("labels", default=("INJECTION",))
        threshold = options.fraction("threshold", default=0.5)
        options.finish()
        if not labels:
            raise ValueError("`labels` is empty")
        return cls(Post(fetcher, target), labels, threshold=threshold, kind="classified")

    async def __call__(self, content: Content, *, rewrite: bool) -> Examined:
        """Raises `UpstreamError` where there is no judgement."""
        del rewrite  # a class is of a text as a whole: there is nothing to take out
        inputs = [piece for carrier in content.carriers for piece in pieces(carrier.text)]
        batches = [inputs[start : start + _BATCH] for start in range(0, len(inputs), _BATCH)]
        scores = await asyncio.gather(*(self._scores(batch) for batch in batches))
        found = sum(score >= self._threshold for batch in scores for score in batch)
        return Examined(denied=True, findings={self._kind: found}) if found else PASSED

    async def _scores(self, inputs: Sequence[str]) -> Sequence[float]:
        body = orjson.dumps({"inputs": [text.encode("utf-8", "replace").decode() for text in inputs]})
        return scores(await self._post.send(body), len(inputs), self._labels)


def pieces(text: str) -> Sequence[str]:
    """`text` as inputs of at most `WINDOW` characters; what is shorter than half of one stands whole in some input."""
    if not text.strip():
        return ()
    return [text[start : start + WINDOW] for start in range(0, max(1, len(text) - WINDOW // 2), WINDOW // 2)]


def scores(body: bytes, inputs: int, labels: frozenset[str]) -> Sequence[float]:
    """The score of each input for the most probable of `labels` (in folded case), 0 for none.

    Raises:
        ProtocolViolation: the answer is not of the contract.
    """
    try:
        said = loads(body)
    except JsonError:
        raise ProtocolViolation("the classifier's answer is not JSON") from None
    if not isinstance(said, list) or len(said) != inputs:
        raise ProtocolViolation("the classifier's answer is not a list with one item for each input")
    return [_score(item if isinstance(item, list) else [item], labels) for item in said]


def _score(classes: Sequence[object], labels: frozenset[str]) -> float:
    best = 0.0
    for one in classes:
        if not isinstance(one, dict):
            raise ProtocolViolation("a class in the classifier's answer is not an object")
        label, score = one.get("label"), one.get("score")
        if not isinstance(label, str) or isinstance(score, bool) or not isinstance(score, int | float):
            raise ProtocolViolation("a class in the classifier's answer has no label or no score")
        if label.casefold() in labels:
            best = max(best, float(score))
    return best
