"""The official clients, pointed at a double or at what stands before it. They never retry: tests count requests."""

from __future__ import annotations

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI


def openai_client(url: str, key: str = "key-1", **options: object) -> AsyncOpenAI:
    """`url` without /v1."""
    return AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=20, **options)  # type: ignore[arg-type]  # passed on as they are


def anthropic_client(url: str, key: str = "key-1", **options: object) -> AsyncAnthropic:
    """`url` as the client takes it."""
    return AsyncAnthropic(base_url=url, api_key=key, max_retries=0, timeout=20, **options)  # type: ignore[arg-type]  # passed on as they are
