"""What is measured of requests on both planes: the conventions' histograms, and counters of what the gateway did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from mcp_gateway.core.errors import UpstreamError
from mcp_gateway.envelopes.observability import names
from mcp_gateway.envelopes.observability.metrics import histogram as h
from mcp_gateway.envelopes.observability.metrics.exposition import Original, counter, histogram, originals, single
from mcp_gateway.envelopes.observability.metrics.histogram import Allowed, Counts, Histogram

MCP: Final = "mcp"
LLM: Final = "llm"

LABEL: Final = "metadata_"
"""Before a key of metadata that is a label."""


class Measures:
    """Every metric that requests are counted in. `metric_labels` are keys of metadata that become labels of them."""

    __slots__ = (
        "allowed",
        "attempts",
        "client_first",
        "client_sessions",
        "client_tokens",
        "cost",
        "decisions",
        "lag",
        "mcp_client",
        "mcp_server",
        "refusals",
        "server_duration",
        "server_first",
        "server_per_token",
        "server_sessions",
        "uncounted",
        "unrecorded",
    )

    def __init__(self, metric_labels: Sequence[str] = ()) -> None:
        self.allowed = Allowed(metric_labels)
        keys = tuple(LABEL + key for key in metric_labels)
        self._of_calls(keys)
        self._of_models(keys)
        self.decisions = Counts(
            "mcp_gateway_decisions_total",
            "What policies said, of calls and of results.",
            ("plane", "stage", "decision"),
        )
        self.refusals = Counts(
            "mcp_gateway_refusals_total", "Requests that were refused or failed, by reason.", ("plane", "reason")
        )
        says = "Refused requests of unknown callers that were counted and not recorded one by one."
        self.unrecorded = Counts("mcp_gateway_refusals_unrecorded_total", says, ("plane", "reason"))
        says = "Requests let pass because what counts them could not be asked."
        self.uncounted = Counts("mcp_gateway_failed_open_total", says, ("plane", "what"))
        self.lag = Histogram("mcp_gateway.event_loop.lag", "How late the event loop was.", "s", h.LAG_SECONDS, ())

    def _of_calls(self, keys: tuple[str, ...]) -> None:
        tool, error = names.TOOL_NAME, names.ERROR_TYPE
        self.mcp_server = Histogram(
            names.MCP_SERVER_DURATION,
            "How long requests of MCP clients took.",
            "s",
            h.MCP_SECONDS,
            (names.MCP_METHOD, error, tool, names.PROMPT_NAME, names.SERVER, *keys),
        )
        self.mcp_client = Histogram(
            names.MCP_CLIENT_DURATION,
            "How long upstreams took.",
            "s",
            h.MCP_SECONDS,
            (names.MCP_METHOD, error, tool, names.UPSTREAM),
        )

        labels = (names.MCP_VERSION, error, names.TRANSPORT, names.UPSTREAM)
        says = "How long sessions with upstreams lasted."
        self.client_sessions = Histogram(names.MCP_CLIENT_SESSION, says, "s", h.MCP_SECONDS, labels)
        says, asked = "How long sessions of MCP clients lasted.", (names.MCP_VERSION, names.SERVER)
        self.server_sessions = Histogram(names.MCP_SERVER_SESSION, says, "s", h.MCP_SECONDS, asked)

    def _of_models(self, keys: tuple[str, ...]) -> None:
        seconds, error = h.GEN_AI_SECONDS, names.ERROR_TYPE
        asked = (names.OPERATION, names.REQUEST_MODEL)
        model = (names.OPERATION, names.PROVIDER, names.REQUEST_MODEL)
        says = "How long each attempt at a provider took."
        self.attempts = Histogram(names.CLIENT_DURATION, says, "s", seconds, (*model, error, names.OWN_PROVIDER))
        labels = (*model, names.TOKEN_TYPE, *keys)
        self.client_tokens = Histogram(names.CLIENT_TOKENS, "Tokens of each attempt.", "{token}", h.TOKENS, labels)
        says = "How long after an attempt began its stream brought something."
        self.client_first = Histogram(names.CLIENT_FIRST_CHUNK, says, "s", seconds, model)
        says = "How long requests to models took."
        self.server_duration = Histogram(names.SERVER_DURATION, says, "s", seconds, (*asked, error, *keys))
        says = "How long streams took to begin, as clients saw it."
        self.server_first = Histogram(names.SERVER_FIRST_TOKEN, says, "s", h.FIRST_TOKEN_SECONDS, asked)
        says = "How long each token of a stream took after the first."
        self.server_per_token = Histogram(names.SERVER_PER_TOKEN, says, "s", h.PER_TOKEN_SECONDS, asked)
        says = "What attempts at providers cost."
        self.cost = Counts("mcp_gateway_cost_usd_total", says, ("provider", "model", *keys))

    def keys(self, notes: Mapping[str, object]) -> tuple[str, ...]:
        """The label values of the metadata that stands on a trail."""
        if not self.allowed.keys:
            return ()
        metadata = notes.get("metadata")
        return self.allowed(metadata if isinstance(metadata, Mapping) else {})

    def noted(self, plane: str, notes: Mapping[str, object]) -> None:
        """Count what stages left on a trail: decisions, and what failed open."""
        for stage in ("decision", "release"):
            word = notes.get(stage)
            if isinstance(word, str):
                self.decisions.add(1, plane, stage, word)
        if "uncounted_limits" in notes:
            self.uncounted.add(1, plane, "limit")
        if "uncounted_budgets" in notes:
            self.uncounted.add(1, plane, "budget")

    def session_of_client(self, server: str, version: str, seconds: float) -> None:
        """A session at a virtual server is over (`ingress.sessions.Ended`)."""
        self.server_sessions.observe(seconds, version, server)

    def session_with_upstream(self, upstream: str, transport: str, version: str, seconds: float, well: bool) -> None:
        """A session with an upstream is over (`upstream.fleet.SessionEnded`)."""
        error = "" if well else UpstreamError.reason
        self.client_sessions.observe(seconds, version, error, transport, upstream)

    @property
    def originals(self) -> Mapping[str, Original]:
        """The conventions' names for what `text` shows. Keys of metadata are called as they are in spans."""
        keys = {LABEL + key: names.METADATA + key for key in self.allowed.keys}
        return originals((*self._histograms(), *self._counters()), keys)

    @property
    def overflows(self) -> int:
        """Observations whose labels were one too many."""
        series = sum(each.overflows for each in self._histograms())
        return self.allowed.overflows + series + sum(each.overflows for each in self._counters())

    def text(self) -> str:
        """All of it in the Prometheus text format."""
        shown = "".join(histogram(each) for each in self._histograms())
        shown += "".join(counter(each) for each in self._counters())
        return shown + single(
            "mcp_gateway_metric_overflows_total",
            "counter",
            "Observations whose labels were too many to be told apart.",
            self.overflows,
        )

    def _histograms(self) -> Sequence[Histogram]:
        return (
            self.mcp_server,
            self.mcp_client,
            self.server_sessions,
            self.client_sessions,
            self.attempts,
            self.client_tokens,
            self.client_first,
            self.server_duration,
            self.server_first,
            self.server_per_token,
            self.lag,
        )

    def _counters(self) -> Sequence[Counts]:
        return (self.decisions, self.refusals, self.unrecorded, self.cost, self.uncounted)
