"""One recorded decision, read back: who asked what, what was known of it, and what was decided. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from mcp_gateway.core.principal import Kind, Principal
from mcp_gateway.envelopes.policy.cedar.excerpt import Excerpt, read_excerpt
from mcp_gateway.envelopes.policy.cedar.model import READ_RESOURCE, Output, Path
from mcp_gateway.envelopes.policy.cedar.possible import AFTERWARDS, Known

Word = Literal["allow", "deny"]
Decision = Literal["allow", "deny", "error"]

_WOULD: Final = "would_"
"""Before the word of a decision that was recorded only (`policies.mode: audit`)."""

_ELSEWHERE: Final = "_claim_names"
_ALWAYS: Final = frozenset({("now",), ("ip",), ("agent",), ("metadata",)})
_THERE: Final = frozenset({"input", "input_omitted", "metadata", "agent", "now", "ip"})
_DONE: Final = frozenset({"ok", "tool_error"})


class Foreign(Exception):
    """A line that claims to be a decision and cannot be read as one."""


def _bare(word: object) -> object:
    return word.removeprefix(_WOULD) if isinstance(word, str) else word


_Word = Annotated[Decision, BeforeValidator(_bare)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Identity(_Strict):
    who: str
    principal: str
    kind: Kind
    subject: str
    issuer: str = ""
    email: str | None = None
    teams: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    client_id: str | None = None
    actors: tuple[str, ...] = ()
    claims: dict[str, Any] = Field(default_factory=dict)
    claims_not_recorded: tuple[str, ...] = ()


class _OutputInfo(_Strict):
    structured: bool
    is_error: bool
    bytes: Annotated[int, Field(ge=0)]
    kinds: tuple[str, ...] = ()


class _Asked(_Strict):
    who: str
    action: str
    type: str
    resource: str
    now: AwareDatetime
    ip: str
    rules: str = ""
    metadata: dict[str, str] | None = None
    input: Any = None
    output_info: _OutputInfo | None = None
    output: Any = None


class _Call(_Strict):
    time: str
    request_id: str
    server: str
    principal: str
    upstream: str | None = None
    target: str | None = None
    decision: _Word
    release: _Word | None = None
    policies: tuple[str, ...] = ()
    outcome: str = ""
    asked: _Asked


_IDENTITY: Final = TypeAdapter(_Identity)
_CALL: Final = TypeAdapter(_Call)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asked, as far as it was recorded: `hidden` are the claims that were not."""

    digest: str
    principal: Principal
    hidden: frozenset[str]


@dataclass(frozen=True, slots=True)
class Decided:
    """One recorded decision.

    `output` is there where they were asked of a result, `answered`
    where there was one, whether they were asked of it or not. `first` and `then` are the words of the two decisions,
    None where there was no second; `rules` names the policies that made them.
    """

    time: str
    request_id: str
    principal: str
    who: str
    server: str
    upstream: str
    target: str
    action: str
    resource: tuple[str, str]
    now: datetime
    ip: str
    metadata: Mapping[str, str] | None
    given: Excerpt
    returned: Excerpt
    output: Output | None
    answered: bool
    first: Decision
    then: Decision | None
    policies: tuple[str, ...]
    rules: str

    @property
    def word(self) -> Word:
        """What the policies said in the end."""
        return "allow" if self.first == "allow" and self.then in (None, "allow") else "deny"

    def known(self, hidden: frozenset[str], *, after: bool) -> Known:
        """What is known of the context of the question before the call, or of the one `after` it."""
        paths: set[Path] = {*_ALWAYS, *self.given.paths}
        if self.action == READ_RESOURCE:
            paths.add(("input",))  # there is none
        if ("input",) in paths:
            paths.add(("input_omitted",))
        if not after:
            return Known(frozenset(paths), _THERE, AFTERWARDS, hidden)
        if self.output is None:
            return Known(frozenset(paths), _THERE, hidden=hidden)
        paths |= self.returned.paths | {("output_info",)}
        if self.output.structured is None:
            paths.add(("output",))
        return Known(frozenset(paths), _THERE | AFTERWARDS, hidden=hidden)


def identity(record: Mapping[str, Any]) -> Identity:
    """A `principal` line. Raises `Foreign`."""
    try:
        read = _IDENTITY.validate_python(record)
    except ValidationError:
        raise Foreign from None
    claims = dict(read.claims)
    if _ELSEWHERE in read.claims_not_recorded:
        claims[_ELSEWHERE] = {}
    principal = Principal(
        id=read.principal,
        subject=read.subject,
        issuer=read.issuer,
        email=read.email,
        teams=read.teams,
        scopes=frozenset(read.scopes),
        claims=claims,
        client_id=read.client_id,
        kind=read.kind,
        actors=read.actors,
    )
    return Identity(read.who, principal, frozenset(read.claims_not_recorded))


def decided(record: Mapping[str, Any]) -> Decided | None:
    """A `call` line; None where no policy was asked, or nothing of the question was recorded. Raises `Foreign`."""
    if "asked" not in record or "decision" not in record:
        return None
    try:
        read = _CALL.validate_python(record)
        asked = read.asked
        given = Excerpt() if asked.input is None else read_excerpt(asked.input)
        returned = Excerpt() if asked.output is None else read_excerpt(asked.output)
    except ValueError:  # the validation's error is one
        raise Foreign from None
    info = asked.output_info
    output = None
    if info is not None:
        structured = dict(returned.below("output")) if info.structured else None
        output = Output(structured, info.is_error, info.bytes, info.kinds)
    return Decided(
        time=read.time,
        request_id=read.request_id,
        principal=read.principal,
        who=asked.who,
        server=read.server,
        upstream=read.upstream or "",
        target=read.target or asked.resource,
        action=asked.action,
        resource=(asked.type, asked.resource),
        now=asked.now,
        ip=asked.ip,
        metadata=asked.metadata,
        given=given,
        returned=returned,
        output=output,
        answered=output is not None or read.outcome in _DONE,
        first=read.decision,
        then=read.release,
        policies=read.policies,
        rules=asked.rules,
    )
