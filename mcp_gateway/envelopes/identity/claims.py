"""From verified claims to the principal. Pure; every rule refuses rather than guesses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, cast

from mcp_gateway.core.frozen import freeze
from mcp_gateway.core.principal import Principal, claim_at
from mcp_gateway.core.secret import Secret
from mcp_gateway.envelopes.identity.spec import IssuerSpec
from mcp_gateway.envelopes.identity.verified import TokenRefused

Claims = Mapping[str, object]

_LONGEST_NAME: Final = 255
"""Of a subject, client or actor (OpenID Connect Core §2 caps `sub` so)."""
_LONGEST_EMAIL: Final = 320
_LONGEST_GROUP: Final = 256
_MOST: Final = 1000
"""Groups and scopes. More are refused, not cut off: a policy that forbids a group must not miss it."""
_MOST_ACTORS: Final = 8
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class ReadClaims:
    """Makes principals of one issuer's claims. Groups and subjects are named by issuer: equal ones stay apart."""

    __slots__ = ("_names", "_prefix", "issuer", "name")

    def __init__(self, spec: IssuerSpec) -> None:
        self.name = spec.name
        self.issuer = spec.issuer
        self._names = spec.claims
        self._prefix = spec.groups_prefix

    def __call__(self, claims: dict[str, object], token: str) -> Principal:
        """The principal of `claims`; `token` is kept for token exchange. Raises `TokenRefused`."""
        subject = named(claims, "sub")
        if subject is None:
            raise TokenRefused("no_subject")
        return Principal(
            id=f"{self.name}|{subject}",
            subject=subject,
            issuer=self.issuer,
            email=self._email(claims),
            teams=self._groups(claims),
            scopes=self._scopes(claims),
            claims=cast(Claims, freeze(claims)),
            client_id=named(claims, "client_id") or named(claims, "azp"),
            actors=_actors(claims.get("act")),
            token=Secret(token),
        )

    def _email(self, claims: Claims) -> str | None:
        """The address, unless the issuer says itself that it is nobody's yet."""
        email = claim_at(claims, self._names.email)
        if not isinstance(email, str) or not 0 < len(email) <= _LONGEST_EMAIL or _UNSEEN.search(email):
            return None
        return None if claims.get("email_verified") in (False, "false") else email

    def _groups(self, claims: Claims) -> tuple[str, ...]:
        """A list, or one group as a string: a separator would be a guess, since names of groups hold spaces."""
        given = claim_at(claims, self._names.groups)
        if _overage(claims, self._names.groups):
            raise TokenRefused("groups_overage")
        if given is None:
            return ()
        groups = [given] if isinstance(given, str) else given
        if not isinstance(groups, list) or len(groups) > _MOST:
            raise TokenRefused("bad_groups")
        for group in groups:
            if not isinstance(group, str) or not 0 < len(group) <= _LONGEST_GROUP or _UNSEEN.search(group):
                raise TokenRefused("bad_groups")
        return tuple(dict.fromkeys(self._prefix + group for group in groups))

    def _scopes(self, claims: Claims) -> frozenset[str]:
        given = claim_at(claims, self._names.scope)
        if given is None:
            given = claims.get("scp")
        scopes = given.split() if isinstance(given, str) else given
        if scopes is None:
            return frozenset()
        if not isinstance(scopes, list) or len(scopes) > _MOST or not all(isinstance(one, str) for one in scopes):
            raise TokenRefused("bad_scopes")
        return frozenset(scopes)


def named(claims: Claims, key: str) -> str | None:
    """A claim that names somebody; None if it is absent. Raises `TokenRefused` for one that is no such name."""
    value = claims.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME or _UNSEEN.search(value):
        raise TokenRefused(f"bad_{key}")
    return value


def audiences(claims: Claims) -> frozenset[str]:
    """The `aud` claim (RFC 7519 §4.1.3). Raises `TokenRefused` where it is absent or malformed."""
    given = claims.get("aud")
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not listed or not all(isinstance(one, str) and one for one in listed):
        raise TokenRefused("no_audience")
    return frozenset(listed)


def _overage(claims: Claims, groups: str) -> bool:
    """Whether the issuer says that the groups are too many to fit in and must be fetched elsewhere."""
    elsewhere = claims.get("_claim_names")
    if elsewhere is not None:
        # Malformed, it may say anything: refused as if it said so.
        return not isinstance(elsewhere, Mapping) or groups in elsewhere or "groups" in elsewhere
    return claims.get("hasgroups") in (True, "true")


def _actors(act: object) -> tuple[str, ...]:
    """The subjects of the ``act`` chain, the current actor first (RFC 8693 §4.1); a client id where one has no subject.

    Raises `TokenRefused` for a chain that is malformed or deeper than 8: who acts must not be left out.
    """
    actors: list[str] = []
    while act is not None:
        if not isinstance(act, Mapping) or len(actors) == _MOST_ACTORS:
            raise TokenRefused("bad_act")
        actor = named(act, "sub") or named(act, "client_id")
        if actor is None:
            raise TokenRefused("bad_act")
        actors.append(actor)
        act = act.get("act")
    return tuple(actors)
