"""From policy files to `PolicyText`: every policy with its place, and all that is wrong before there is a schema."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from cedarpy import policies_to_pst, pst

from mcp_gateway.envelopes.policy.cedar.lint_names import suspect
from mcp_gateway.envelopes.policy.cedar.model import Policy, PolicyText, Remark, Source
from mcp_gateway.envelopes.policy.cedar.positions import Lines, Span, find, spans, tokens
from mcp_gateway.envelopes.policy.cedar.remarks import remark

_MODES: Final = ("enforce", "audit")
_QUOTED: Final = re.compile(r"[`\"]([^`\"]+)[`\"]|[:@?]\s*(\w+)")
_UNEXPECTED: Final = re.compile(r"unexpected token `(.+)`\Z", re.DOTALL)
_UNFINISHED: Final = "unexpected end of input"


def read_policies(sources: Sequence[Source], *, folder: str = "policies") -> PolicyText:
    """Parse `sources`, in the order of their names. `folder` is what remarks call the whole.

    A file with an error contributes no policies: the text is usable only where no remark is an error.
    """
    found: list[Policy] = []
    said: list[Remark] = []
    texts: list[str] = []
    for source in sorted(sources, key=lambda each: each.name):
        places = spans(source.text)
        wrong = _syntax(source, places)
        if wrong:
            said.extend(wrong)
            continue
        for span in places:
            # By itself, so that the place and the policy cannot be those of two.
            parsed = policies_to_pst(source.text[span.start : span.end])
            if parsed.templates:
                said.append(_template(source, span))
                continue
            (template,) = parsed.static_policies.values()
            policy = _policy(source, span, template, f"policy{len(found)}")
            said.extend(_annotations(policy, template.annotations, found))
            said.extend(_names(policy, template))
            found.append(policy)
            texts.append(policy.text)
    said.extend(_nothing(found, said, folder))
    text = "\n".join(texts)
    return PolicyText(tuple(found), text, _digest(sources), tuple(said))


def _digest(sources: Sequence[Source]) -> str:
    """Names and texts, so that a file that only moved is another state of the folder."""
    digest = sha256()
    for source in sorted(sources, key=lambda each: each.name):
        for part in (Path(source.name).name, source.text):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8) + data)
    return digest.hexdigest()


def _policy(source: Source, span: Span, parsed: pst.Template, key: str) -> Policy:
    line, column = Lines(source.text).at(span.start)
    annotations = parsed.annotations
    return Policy(
        id=annotations.get("id", ""),
        key=key,
        effect=parsed.effect,
        file=source.name,
        line=line,
        column=column,
        text=source.text[span.start : span.end],
        description=annotations.get("description", ""),
        audit=annotations.get("mode") == "audit",
    )


def _annotations(policy: Policy, annotations: Mapping[str, str], before: Sequence[Policy]) -> list[Remark]:
    said: list[Remark] = []
    if not policy.id.strip():
        why = "its @id is empty" if "id" in annotations else "it has no @id"
        said.append(remark(policy, (), "error", "missing-id", f'{why}: begin the policy with @id("some-name")'))
    else:
        for other in before:
            if other.id == policy.id:
                message = f'@id("{policy.id}") is taken by the policy at {other.file}:{other.line}:{other.column}'
                said.append(remark(policy, ("id", policy.id), "error", "duplicate-id", message))
                break
    mode = annotations.get("mode")
    if mode is not None and mode not in _MODES:
        message = f'@mode("{mode}") is neither "enforce" nor "audit"'
        said.append(remark(policy, ("mode", mode), "error", "unknown-mode", message))
    return said


def _names(policy: Policy, parsed: pst.Template) -> list[Remark]:
    said: list[Remark] = []
    named = {(str(uid.type), uid.id) for uid in pst.entity_uids(parsed)}
    for kind, name in sorted(named | {("@id", policy.id)}):
        why = suspect(name)
        if why is not None:
            message = f"{kind} {name!a} {why}"
            said.append(remark(policy, (name,), "warning", "confusable-name", message))
    return said


def _nothing(found: Sequence[Policy], said: Sequence[Remark], folder: str) -> list[Remark]:
    """What to say where nothing permits, unless that is because of errors."""
    if any(each.severity == "error" for each in said):
        return []
    if not found:
        return [Remark(folder, 1, 1, "warning", "denies-all", "there are no policies: everything is denied")]
    if not any(policy.effect == "permit" and not policy.audit for policy in found):
        message = "no policy permits anything: everything is denied"
        return [Remark(found[0].file, found[0].line, found[0].column, "warning", "denies-all", message)]
    return []


def _template(source: Source, span: Span) -> Remark:
    text = source.text[span.start : span.end]
    slot = next((token.start for token in tokens(text) if token.text == "?"), 0)
    line, column = Lines(source.text).at(span.start + slot)
    message = "is a template: nothing fills `?principal` and `?resource`, write the entity"
    return Remark(source.name, line, column, "error", "template", message)


def _syntax(source: Source, places: Sequence[Span]) -> list[Remark]:
    """Every policy of `source` that does not parse, at the token that is wrong where that can be told."""
    said: list[Remark] = []
    lines = Lines(source.text)
    for span in places:
        text = source.text[span.start : span.end]
        message = parse_error(text)
        if message is not None:
            line, column = lines.at(span.start + _offender(text, message))
            said.append(Remark(source.name, line, column, "error", "syntax", message))
    return said


def parse_error(text: str) -> str | None:
    """What the engine has to say against `text`, None where it can read it."""
    try:
        policies_to_pst(text)
    except ValueError as error:
        return str(error)
    return None


def _offender(text: str, message: str) -> int:
    """The offset of the first token with which `text` cannot be the beginning of a policy.

    Where every beginning could be one, the parser was content and `message` names what is wrong.
    """
    found = list(tokens(text))
    low, high = 0, len(found)
    while low < high:
        middle = (low + high) // 2
        if parse_error(text[: found[middle].end]) in (None, _UNFINISHED):
            low = middle + 1
        else:
            high = middle
    if message == _UNFINISHED:
        return len(text)
    if low < len(found) - 1 or (low < len(found) and found[low].text != ";"):
        # A number is judged when the token after it is seen.
        return found[low - 1 if low and message.startswith("integer") else low].start
    if unexpected := _UNEXPECTED.match(message):
        # The parser had gone on behind it; what it stumbled upon stands as far behind as it can.
        return next((token.start for token in reversed(found) if token.text == unexpected[1]), 0)
    named = [word for match in _QUOTED.finditer(message) for word in match.groups() if word]
    places = (find(text, re.findall(r"\w+", word)) for word in named)
    return next((place for place in places if place is not None), 0)
