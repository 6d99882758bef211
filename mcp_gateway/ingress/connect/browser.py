"""What ties a browser to what it began: the session after sign-in, a cookie for each sign-in, a token for each form.

Everything is sealed, so that any replica can read it and nobody can make it. Cookies have the prefix ``__Host-``
(RFC 6265bis §4.1.3.2) and `Secure` wherever the gateway is reached by https. By plain http, which is for loopback
only, they have neither: not every browser stores such cookies then, and they would protect nothing.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import orjson

from mcp_gateway.core.seal import SealBroken, Sealer

SESSION_SECONDS: Final = 600
"""How long a sign-in counts; allowing something makes it last as long again, to come back with the answer."""

FORM_SECONDS: Final = 600
_FLOW_SECONDS: Final = 600

Cookie = tuple[bytes, bytes]
"""A `Set-Cookie` header."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who sits in front of the browser. `id` is random and new with every person; `shown` is for display."""

    id: str
    person: str
    shown: str

    @property
    def digest(self) -> str:
        """What may be stored elsewhere: it tells whether a browser is the same, and is of no other use."""
        return digest(self.id)


class Browser:
    """Reads and makes cookies and form tokens."""

    def __init__(self, keys: Sequence[bytes], *, secure: bool, clock: Callable[[], float] = time.time) -> None:
        """`secure` tells whether browsers come by https."""
        self._sessions = Sealer(keys, "connect-session")
        self._forms = Sealer(keys, "connect-form")
        self._prefix = "__Host-mcp-gateway" if secure else "mcp-gateway"
        self._attributes = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
        self._clock = clock

    # ------------------------------------------------------------------ session

    def session(self, cookies: Mapping[str, str]) -> Session | None:
        """The session of a browser that has one."""
        try:
            made, identifier, person, shown = orjson.loads(self._sessions.open(cookies.get(self._session_name, "")))
        except SealBroken:
            return None
        return Session(identifier, person, shown) if self._fresh(made, SESSION_SECONDS) else None

    def begin(self, person: str, shown: str, before: Session | None) -> Session:
        """The session of `person` from now on.

        It is another one than `before`, unless that was the same person's: so no cookie that was there before a
        sign-in is worth anything after it, and what the person began in another tab can still be finished.
        """
        same = before is not None and before.person == person
        return Session(before.id if same and before else secrets.token_urlsafe(32), person, shown)

    def keep(self, session: Session) -> Cookie:
        """The cookie of a session, good for its whole time from now on."""
        payload = orjson.dumps([int(self._clock()), session.id, session.person, session.shown])
        return self._cookie(self._session_name, self._sessions.seal(payload), SESSION_SECONDS)

    # ------------------------------------------------------------------ sign-in

    def begin_flow(self, state: str) -> tuple[Cookie, str]:
        """A cookie for one sign-in and the digest to remember with it. Each has its own, so tabs do not interfere."""
        value = secrets.token_urlsafe(32)
        return self._cookie(self._flow_name(state), value, _FLOW_SECONDS), digest(value)

    def began_flow(self, cookies: Mapping[str, str], state: str, remembered: str) -> bool:
        """Whether this browser is the one in which the sign-in of `state` began."""
        return hmac.compare_digest(digest(cookies.get(self._flow_name(state), "")), remembered)

    def end_flow(self, state: str) -> Cookie:
        """Takes the cookie of a sign-in back."""
        return self._cookie(self._flow_name(state), "", 0)

    # ------------------------------------------------------------------ forms

    def form_token(self, session: Session, about: str) -> str:
        """A token for one form of one session; `about` is all that the person is shown and decides on."""
        return self._forms.seal(b"%d" % int(self._clock()), _bound(session, about))

    def is_form_token(self, token: str, session: Session, about: str) -> bool:
        """Whether `token` was made for this form of this session, and not too long ago."""
        try:
            return self._fresh(int(self._forms.open(token, _bound(session, about))), FORM_SECONDS)
        except SealBroken:
            return False

    # ------------------------------------------------------------------

    @property
    def _session_name(self) -> str:
        return f"{self._prefix}-session"

    def _flow_name(self, state: str) -> str:
        return f"{self._prefix}-signing-in-{digest(state)[:12]}"

    def _cookie(self, name: str, value: str, seconds: int) -> Cookie:
        return b"set-cookie", f"{name}={value}; Max-Age={seconds}{self._attributes}".encode("ascii")

    def _fresh(self, made: int, seconds: int) -> bool:
        return -60 <= self._clock() - made <= seconds  # a minute back: clocks of replicas


def digest(value: str) -> str:
    """SHA-256 in hexadecimal."""
    return sha256(value.encode()).hexdigest()


def _bound(session: Session, about: str) -> bytes:
    return f"{session.id}\0{session.person}\0{about}".encode()
