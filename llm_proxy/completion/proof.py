"""How clients keep a proof of reasoning in dialects that are not its provider's own. Pure.

`encrypted_content` of OpenAI's responses API says whose proof it is:

OpenAI's own stands there bare, so that a client can send it on to OpenAI as it came. All others say what they are.

    what is known                    encrypted_content
    a signature of OpenAI's          as OpenAI gave it
    a signature of Gemini's          gemini:…
    a signature without a mark       anthropic:…
    redacted thinking                redacted:…

`thinking_blocks` of chat completions are nobody's own, so there every proof says whose it is: Anthropic's as
`anthropic:…`. What has no such word is taken for Anthropic's, in the way other gateways write it.
"""

from __future__ import annotations

from typing import Final

from llm_proxy.completion.request import Reasoning
from llm_proxy.completion.signature import mark, marked, own

_UNMARKED: Final = "anthropic:"
_REDACTED: Final = "redacted:"


def encrypted(signature: str, redacted: str) -> str:
    """The `encrypted_content` that says them; empty if there is neither."""
    if redacted:
        return _REDACTED + redacted
    if not signature or marked(signature):
        return own("openai", signature) or signature
    return _UNMARKED + signature


def decrypted(text: str, content: str) -> Reasoning:
    """The thought `text` with the proof that `content` says."""
    if content.startswith(_REDACTED):
        return Reasoning(text, redacted=content[len(_REDACTED) :])
    if content.startswith(_UNMARKED):
        return Reasoning(text, content[len(_UNMARKED) :])
    return Reasoning(text, content if marked(content) else mark("openai", content))


def foreign(content: str) -> bool:
    """Whether OpenAI would refuse it, because it gave no such proof."""
    return content.startswith((_REDACTED, _UNMARKED)) or marked(content)


def named(proof: str) -> str:
    """A signature, or what redacted thinking holds, as `thinking_blocks` say it; an empty one stays empty."""
    return proof if not proof or marked(proof) else _UNMARKED + proof


def unnamed(proof: str) -> str:
    """What `named` made of it, undone."""
    return proof.removeprefix(_UNMARKED)


def translated(proof: str) -> bool:
    """Whether a gateway wrote it for a client of another dialect: the server that speaks this one did not give it."""
    return not proof or proof.startswith(_UNMARKED) or marked(proof)
