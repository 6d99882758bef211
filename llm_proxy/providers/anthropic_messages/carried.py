"""Turns that models of other families made earlier in a conversation, in a body that goes on as it came. Pure.

Anthropic refuses a thought that it has not signed, a turn without content, ids of tool calls that hold anything but
letters, digits, `_` and `-`, and, while a model is to think by a budget, results of tools that were called by a turn
which shows no thinking. So, and only where a body holds it:

* thoughts without a signature, and with one of another family, are left out, and turns of which nothing is left;
* anything else in an id becomes `_`, in the call and in its result;
* `thinking` is left out for the one request that brings such results.
"""

from __future__ import annotations

from typing import Any, Final

from llm_proxy.completion.signature import marked
from llm_proxy.providers.anthropic_messages.thinking import hides_thinking
from llm_proxy.providers.anthropic_messages.turns import plain

Json = dict[str, Any]

_IDS: Final = (("tool_use", "id"), ("tool_result", "tool_use_id"))


def carried(body: Json) -> Json:
    """`body`, itself if there is nothing of the kind in it. What is not as it should be is the provider's to tell."""
    messages = body.get("messages")
    if type(messages) is not list:
        return body
    turns = [_turn(message) for message in messages]
    if all(new is old for new, old in zip(turns, messages, strict=True)):
        return body
    kept = [new for new, old in zip(turns, messages, strict=True) if new is old or new["content"]]
    sent = {**body, "messages": kept}
    thinking = body.get("thinking")
    if type(thinking) is dict and thinking.get("type") == "enabled" and _shows_none(kept):
        del sent["thinking"]
    return sent


def _turn(message: Any) -> Any:
    content = message.get("content") if type(message) is dict else None
    if type(content) is not list:
        return message
    blocks = [fitting for block in content if (fitting := _block(block)) is not None]
    same = len(blocks) == len(content) and all(new is old for new, old in zip(blocks, content, strict=True))
    return message if same else {**message, "content": blocks}


def _block(block: Any) -> Any:
    """The block as Anthropic takes it; None if it does not."""
    kind = block.get("type") if type(block) is dict else None
    if kind == "thinking":
        signature = block.get("signature")
        return None if signature == "" or (type(signature) is str and marked(signature)) else block
    if kind == "redacted_thinking":
        data = block.get("data")
        return None if type(data) is str and marked(data) else block
    for of, key in _IDS:
        if kind == of and type(block.get(key)) is str and plain(block[key]) != block[key]:
            return {**block, key: plain(block[key])}
    return block


def _shows_none(turns: list[Any]) -> bool:
    return len(turns) > 1 and all(type(turn) is dict for turn in turns[-2:]) and hides_thinking(turns)
