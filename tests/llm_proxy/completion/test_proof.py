"""Proofs of reasoning as the responses API carries them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.completion.proof import decrypted, encrypted, foreign
from llm_proxy.completion.request import Reasoning

words = st.text(min_size=1)
# Google's and OpenAI's are base64, and so are those without a mark: none looks like a mark itself.
signatures = st.sampled_from(("", "openai:", "gemini:")).flatmap(
    lambda mark: st.from_regex(r"[A-Za-z0-9+/]+=*", fullmatch=True).map(lambda proof: mark + proof)
)


@pytest.mark.parametrize(
    ("reasoning", "content", "refused"),
    [
        (Reasoning("t", "openai:P"), "P", False),
        (Reasoning("t", "gemini:P"), "gemini:P", True),
        (Reasoning("t", "P"), "anthropic:P", True),
        (Reasoning("t", redacted="P"), "redacted:P", True),
        (Reasoning("t"), "", False),
    ],
)
def test_each_says_whose_it_is(reasoning: Reasoning, content: str, refused: bool) -> None:
    assert encrypted(reasoning.signature, reasoning.redacted) == content
    assert decrypted("t", content) == reasoning
    assert foreign(content) is refused


@given(signatures, words)
def test_all_come_back(signature: str, redacted: str) -> None:
    assert decrypted("t", encrypted(signature, "")) == Reasoning("t", signature)
    assert decrypted("t", encrypted(signature, redacted)) == Reasoning("t", redacted=redacted)
