"""What the rounds say about requests to models: the figures that the LLM plane is measured by. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from tests.bench.completions import CHUNKS
from tests.bench.measure import Round, added, cpu, first_added
from tests.bench.models import LLM_DIRECT, LLM_GOVERNED, PEERS


def model_figures(rounds: Sequence[Round], rss_mb: float | None) -> Mapping[str, float | None]:
    """By name; None for what was not measured, nothing at all if no request to a model was.

    Throughput is that of 32 connections, latencies are those of one. `cpu_us` of an answer and of a chunk are what the
    gateway took of its core: where others are at work there too, they say more than what the clock says.
    """
    found: dict[str, float | None] = {}
    if rss_mb is not None:
        stream_us = cpu(f"{LLM_GOVERNED}_stream_c32", rounds)
        found = {
            **_of(LLM_GOVERNED, "llm", rounds),
            "llm_rss_mb": rss_mb,
            "llm_cpu_us": cpu(f"{LLM_GOVERNED}_whole_c32", rounds),
            "llm_chunk_cpu_us": None if stream_us is None else round(stream_us / CHUNKS, 2),
        }
    for peer in PEERS:
        if any(f"{peer}_whole_c1" in samples for samples in rounds):
            found |= _of(peer, peer, rounds)
    return found


def _of(system: str, prefix: str, rounds: Sequence[Round]) -> dict[str, float | None]:
    streams = _rates(f"{system}_stream_c32", rounds)
    return {
        f"{prefix}_rps": _rates(f"{system}_whole_c32", rounds),
        f"{prefix}_added_ms": added(f"{system}_whole_c1", f"{LLM_DIRECT}_whole_c1", rounds),
        f"{prefix}_chunks_per_s": None if streams is None else round(streams * CHUNKS),
        f"{prefix}_first_token_added_ms": first_added(f"{system}_stream_c1", f"{LLM_DIRECT}_stream_c1", rounds),
    }


def _rates(name: str, rounds: Sequence[Round]) -> float | None:
    rates = [samples[name].rps for samples in rounds if name in samples]
    return round(median(rates), 1) if rates else None
