"""The exception tree. Errors carry facts; one table per plane renders them on the wire.

    GatewayError
    ├─ Refusal                   the gateway says no: a correct, expected answer
    │  ├─ Unauthenticated        no acceptable credential; `challenge`
    │  ├─ InsufficientScope      a valid credential that grants too little; `challenge`
    │  ├─ IdentityUnavailable    what proves or holds an identity is out of reach; `retry_after`
    │  ├─ Forbidden              a policy decided; `policies` names the determining ones
    │  ├─ Blocked                a guardrail decided; `guardrail` names it, never the text
    │  ├─ MetadataRequired       what must be said about a request is not; `faults` names what
    │  ├─ ToolQuarantined        the upstream's tool is not the one that was accepted
    │  ├─ LimitExceeded          a limit decided; `limit` and `retry_after`
    │  │  └─ BudgetExhausted     the same, of a budget: there is no money or no tokens left
    │  ├─ Overloaded             the gateway itself is at capacity; `retry_after`
    │  ├─ AuditUnavailable       what the call may change could not be recorded before
    │  ├─ ConnectionRequired     a person must act first; `link`
    │  │  └─ UrlElicitation      the same, for a handshake-era client that opens links; `elicitation`
    │  └─ Invalid                the request is wrong; `pointer` is a JSON pointer to what
    │     ├─ UnknownMethod       no such method for this client
    │     ├─ UnknownName         no such tool or prompt, or not visible: the two look alike
    │     ├─ UnknownResource     no such resource, or not visible; `uri`
    │     ├─ InvalidArguments    arguments do not fit the tool's schema
    │     ├─ HeaderMismatch      a routing header contradicts the body
    │     ├─ MissingCapability   the client did not declare what is needed; `required`
    │     └─ UnsupportedVersion  `requested` is not one of `supported`
    ├─ UpstreamError             the other side failed; `upstream` names it
    │  ├─ Unreachable            no connection, or it broke; `sent` tells whether the request may have been processed
    │  ├─ TimedOut               no answer within the deadline
    │  ├─ ProtocolViolation      what came is not what the protocol allows
    │  └─ Rejected               a well-formed error answer: `code`, `message`, `data`, `status`
    └─ ConfigurationError        at load only; every problem with file, line and column

Every message is public: it may be shown to the client and written to logs, so it never holds
a secret or the content of a call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class GatewayError(Exception):
    """Base of all errors the gateway raises on purpose. `reason` is the stable machine-readable word."""

    reason: ClassVar[str] = "internal_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Refusal(GatewayError):
    """The gateway says no."""

    reason = "refused"


class Unauthenticated(Refusal):
    """No acceptable credential was presented. `challenge` is the value of ``WWW-Authenticate`` (RFC 9110 §11.6.1).

    `why` is a word for the record: what is wrong with the credential, which its bearer is not told.
    """

    reason = "unauthenticated"

    def __init__(self, message: str, *, challenge: str = "Bearer", why: str = "") -> None:
        super().__init__(message)
        self.challenge = challenge
        self.why = why


class InsufficientScope(Refusal):
    """The credential is valid and grants too little (RFC 6750 §3.1). `challenge` names all scopes that are needed.

    `principal` is the id of whoever presented it, for the record.
    """

    reason = "insufficient_scope"

    def __init__(self, message: str, *, challenge: str = "Bearer", principal: str = "") -> None:
        super().__init__(message)
        self.challenge = challenge
        self.principal = principal


class IdentityUnavailable(Refusal):
    """An identity provider or the vault cannot be asked, and nothing that is known still holds. `retry_after`: seconds.

    Not `Unauthenticated`: nobody should be sent through a sign-in because something else is down.
    """

    reason = "identity_unavailable"

    def __init__(self, message: str, *, retry_after: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Forbidden(Refusal):
    """A policy denied the call. `policies` are the ids of the determining policies."""

    reason = "policy_denied"

    def __init__(self, message: str, *, policies: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.policies = tuple(policies)


class Blocked(Refusal):
    """A guardrail stopped content. `guardrail` is its configured name."""

    reason = "guardrail_blocked"

    def __init__(self, message: str, *, guardrail: str) -> None:
        super().__init__(message)
        self.guardrail = guardrail


class MetadataRequired(Refusal):
    """The request breaks the metadata contract. `faults` are the keys of the contract, or the places, at fault."""

    reason = "metadata_required"

    def __init__(self, message: str, *, faults: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class ToolQuarantined(Refusal):
    """The upstream's tool is not the one that was accepted; it can be used once somebody has reviewed it."""

    reason = "tool_quarantined"


class LimitExceeded(Refusal):
    """A configured limit is used up. `retry_after` is in seconds, None when waiting does not help."""

    reason = "rate_limited"

    def __init__(self, message: str, *, limit: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.limit = limit
        self.retry_after = retry_after


class BudgetExhausted(LimitExceeded):
    """A budget has no room for what is asked. `limit` is its id; `retry_after` None where it is for good."""

    reason = "budget_exhausted"


class Overloaded(Refusal):
    """The gateway is at capacity. `retry_after` is in seconds."""

    reason = "overloaded"

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AuditUnavailable(Refusal):
    """The record of calls cannot be written, and nothing is changed without it. Nothing was sent to an upstream."""

    reason = "audit_unavailable"


class ConnectionRequired(Refusal):
    """A person has to connect an account at `upstream` before the call can work.

    `scopes` are what the connection must grant. `link` is the page to open; empty where the error is raised, by
    what misses a credential, and set where the client is answered.
    """

    reason = "connection_required"

    def __init__(self, message: str, *, upstream: str, scopes: Sequence[str] = (), link: str = "") -> None:
        super().__init__(message)
        self.upstream = upstream
        self.scopes = tuple(scopes)
        self.link = link


class UrlElicitation(ConnectionRequired):
    """`ConnectionRequired` for a handshake-era client with URL mode (2025-11-25); `elicitation` is its id."""

    def __init__(self, message: str, *, upstream: str, link: str, elicitation: str) -> None:
        super().__init__(message, upstream=upstream, link=link)
        self.elicitation = elicitation


class Invalid(Refusal):
    """The request is wrong. `pointer` is a JSON pointer (RFC 6901) into the request."""

    reason = "invalid_request"

    def __init__(self, message: str, *, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


class UnknownMethod(Invalid):
    """The method does not exist for this client."""

    reason = "unknown_method"


class UnknownName(Invalid):
    """No such tool, prompt or model; one that the principal may not see gives the same answer."""

    reason = "unknown_name"


class UnknownResource(Invalid):
    """No such resource; one that the principal may not see gives the same answer."""

    reason = "unknown_resource"

    def __init__(self, message: str, *, uri: str) -> None:
        super().__init__(message, pointer="/params/uri")
        self.uri = uri


class InvalidArguments(Invalid):
    """The arguments do not fit the tool's input schema."""

    reason = "invalid_arguments"


class HeaderMismatch(Invalid):
    """A routing header is missing, malformed, or contradicts the body."""

    reason = "header_mismatch"


class MissingCapability(Invalid):
    """The client did not declare a capability that the answer needs. `required` is a ClientCapabilities object."""

    reason = "missing_capability"

    def __init__(self, message: str, *, required: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.required = required


class UnsupportedVersion(Invalid):
    """The protocol version asked for is not served."""

    reason = "unsupported_version"

    def __init__(self, message: str, *, supported: Sequence[str], requested: str) -> None:
        super().__init__(message)
        self.supported = tuple(supported)
        self.requested = requested


class UpstreamError(GatewayError):
    """An upstream failed. `upstream` is its configured name, empty where the transport does not know it."""

    reason = "upstream_unavailable"

    def __init__(self, message: str, *, upstream: str = "") -> None:
        super().__init__(message)
        self.upstream = upstream


class Unreachable(UpstreamError):
    """No connection, or it broke. With `sent=False` the upstream provably never saw the request."""

    def __init__(self, message: str, *, sent: bool, upstream: str = "") -> None:
        super().__init__(message, upstream=upstream)
        self.sent = sent


class TimedOut(UpstreamError):
    """No answer within the deadline; whether the upstream acted is unknown unless `sent=False`."""

    reason = "upstream_timeout"

    def __init__(self, message: str, *, sent: bool = True, upstream: str = "") -> None:
        super().__init__(message, upstream=upstream)
        self.sent = sent


class ProtocolViolation(UpstreamError):
    """The upstream sent what the protocol does not allow, or more of it than the caps allow."""

    reason = "upstream_protocol_error"


class Rejected(UpstreamError):
    """The upstream answered with an error of its own, well formed: it is passed on as it came.

    `retry_after` (seconds) is what the upstream said about trying again, if it did.
    """

    reason = "upstream_rejected"
    retry_after: float | None = None

    def __init__(
        self,
        code: int,
        message: str,
        data: object = None,
        *,
        has_data: bool = False,
        status: int = 200,
        upstream: str = "",
    ) -> None:
        super().__init__(message, upstream=upstream)
        self.code = code
        self.data = data
        self.has_data = has_data or data is not None
        self.status = status


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the configuration. Line and column count from 1; 0 means the whole file."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class ConfigurationError(GatewayError):
    """The configuration cannot be used. `problems` lists everything found, not only the first."""

    reason = "configuration_error"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems) or "the configuration cannot be used")
        self.problems = tuple(problems)
