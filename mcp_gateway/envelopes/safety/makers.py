"""Which class stands for which type of guardrail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from mcp_gateway.core.egress.fetch import Fetcher
from mcp_gateway.envelopes.safety.classifier import Classifier
from mcp_gateway.envelopes.safety.configure import Make
from mcp_gateway.envelopes.safety.content import Examiner
from mcp_gateway.envelopes.safety.detectors.code_safety import CodeSafety
from mcp_gateway.envelopes.safety.detectors.pii import Pii
from mcp_gateway.envelopes.safety.detectors.presidio import Presidio
from mcp_gateway.envelopes.safety.detectors.prompt_injection import PromptInjection
from mcp_gateway.envelopes.safety.detectors.regex import Regex
from mcp_gateway.envelopes.safety.detectors.secrets import Secrets
from mcp_gateway.envelopes.safety.detectors.size import Size
from mcp_gateway.envelopes.safety.detectors.sql import Sql
from mcp_gateway.envelopes.safety.examine_texts import ExamineTexts
from mcp_gateway.envelopes.safety.finding import Detector
from mcp_gateway.envelopes.safety.llm_judge import LlmJudge
from mcp_gateway.envelopes.safety.off_loop import OffLoop
from mcp_gateway.envelopes.safety.webhook import Webhook
from mcp_gateway.envelopes.safety.workers import Workers

ARGUMENTS: Final = "arguments"
"""The option of every detector that looks at texts: the names under which those stand that are its business."""

_DETECTORS: Final[Mapping[str, Callable[[Mapping[str, object]], Detector]]] = MappingProxyType(
    {
        "code_safety": CodeSafety.of,
        "pii": Pii.of,
        "presidio": Presidio.of,
        "prompt_injection": PromptInjection.of,
        "regex": Regex.of,
        "secrets": Secrets.of,
        "sql": Sql.of,
    }
)

_ARGUMENTS: Final[Mapping[str, frozenset[str]]] = MappingProxyType({"sql": frozenset({"sql", "query", "statement"})})
"""What a detector is about where it is not told: most texts are no statements, and would be refused for that."""

_SHORTEST: Final[Mapping[str, int]] = MappingProxyType({"pii": 6, "secrets": 8})
"""The fewest characters in which something is found: `a@b.co`, and no secret has fewer than eight. Most texts of a
message are keys and words, and looking at one costs ten times as much as passing it over."""


def makers(workers: Workers, fetcher: Fetcher) -> Mapping[str, Make]:
    """All types of guardrails but those that ask a policy. Long messages are gone through by `workers`."""
    texts = {kind: _over_texts(kind, of, workers) for kind, of in _DETECTORS.items()}

    def size(config: Mapping[str, Any], seconds: float) -> Examiner:
        return OffLoop(Size.of(config), workers)

    def webhook(config: Mapping[str, Any], seconds: float) -> Examiner:
        return Webhook.of(config, fetcher=fetcher, seconds=seconds)

    def classifier(config: Mapping[str, Any], seconds: float) -> Examiner:
        return Classifier.of(config, fetcher=fetcher, seconds=seconds)

    def llm_judge(config: Mapping[str, Any], seconds: float) -> Examiner:
        return LlmJudge.of(config, fetcher=fetcher, seconds=seconds)

    return MappingProxyType(
        {**texts, "size": size, "webhook": webhook, "classifier": classifier, "llm_judge": llm_judge}
    )


def _over_texts(kind: str, of: Callable[[Mapping[str, object]], Detector], workers: Workers) -> Make:
    def make(config: Mapping[str, Any], seconds: float) -> Examiner:
        options = dict(config)
        only = options.pop(ARGUMENTS, None)
        if only is not None and (
            not isinstance(only, (list, tuple)) or not only or not all(isinstance(name, str) for name in only)
        ):
            raise ValueError(f"`{ARGUMENTS}` must be a list of names")
        names = _ARGUMENTS.get(kind, frozenset()) if only is None else frozenset(only)
        examine = ExamineTexts(of(options), only=names, shortest=_SHORTEST.get(kind, 0))
        return OffLoop(examine, workers, always=examine.runs_model)

    return make
