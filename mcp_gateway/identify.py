"""The identity envelope, built from settings: the door, what people connected, and the pages on which they do.

It outlives snapshots: what is opened at start (the state, the pages) stays, what the configuration names (issuers,
logins, targets) is swapped in whole when it changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from mcp_gateway.calls.connect import PURPOSE as STATE_PURPOSE
from mcp_gateway.calls.connect import AskToConnect
from mcp_gateway.core.asgi.types import App
from mcp_gateway.core.egress.addresses import Allowed
from mcp_gateway.core.egress.fetch import Fetcher
from mcp_gateway.core.live import Live
from mcp_gateway.core.seal import Sealer
from mcp_gateway.core.state.lease import lease_at
from mcp_gateway.envelopes.identity.connections import Connections
from mcp_gateway.envelopes.identity.credentials.make import Credentialing, Stores
from mcp_gateway.envelopes.identity.door import Door
from mcp_gateway.envelopes.identity.issuer import Issuer
from mcp_gateway.envelopes.identity.login import Login
from mcp_gateway.envelopes.identity.registration import client_document
from mcp_gateway.envelopes.identity.state import State
from mcp_gateway.envelopes.identity.tickets import PURPOSE as TICKET_PURPOSE
from mcp_gateway.envelopes.identity.tickets import Tickets
from mcp_gateway.envelopes.identity.verify import Verify
from mcp_gateway.envelopes.observability.refusals import Refusals
from mcp_gateway.ingress.connect.app import ConnectApp
from mcp_gateway.ingress.connect.targets import AccountTarget, HeadersTarget, Target
from mcp_gateway.ingress.exchange import Report
from mcp_gateway.ingress.plane import Doorway
from mcp_gateway.settings.identity import IdentitySettings, IssuerSettings, LoginSettings
from mcp_gateway.settings.settings import Settings
from mcp_gateway.settings.upstream_auth import HeaderAuth
from mcp_gateway.settings.upstreams import HttpUpstream

_SIGNED_IN: Final = "/connect/signed-in"
_CALLBACK: Final = "/connect/callback"
_DOCUMENT: Final = "/connect/client.json"


class Identity:
    """Who may call, and what they connected. Open it inside the running loop, close it there."""

    def __init__(
        self,
        settings: Settings,
        state: State,
        *,
        keys: Sequence[bytes],
        base_url: str,
        log: Any,
        report: Report,
    ) -> None:
        """`base_url` is what clients type, with the port that is bound. Use `open`."""
        gateway = settings.gateway
        self._log = log
        self._report = report
        self.base_url = base_url
        self.keys = tuple(keys)
        self._anonymous = gateway.anonymous_allowed
        self._identity = gateway.identity
        self.state = state
        self.fetcher = Fetcher(Allowed.parse(gateway.egress.allow))
        document_url = self._document_url = base_url + _DOCUMENT if base_url.startswith("https:") else ""
        self._lease = lease_at(settings.state.redis, tenant=settings.state.tenant)
        stores = Stores(vault=state.vault, registrations=state.registrations, lease=self._lease)
        self.credentialing = Credentialing(self.fetcher, stores, document_url=document_url, log=log)
        self.connections = Connections(
            state.vault, forget=self.credentialing.hot.forget, revoke=self.credentialing.revoke, log=log
        )
        self._logins: Live[Mapping[str, Login]] = Live(MappingProxyType({}))
        self._targets: Live[Mapping[str, Target]] = Live(MappingProxyType({}))
        self._tickets = Tickets(
            Sealer(keys, TICKET_PURPOSE), base_url, login=lambda: self._logins.current, anonymous=self._anonymous
        )
        self.ask_to_connect = AskToConnect(self._tickets, self.connections, Sealer(keys, STATE_PURPOSE))
        self._closing: set[asyncio.Task[None]] = set()
        door, logins = self._doorway(gateway.identity)
        self._door = door
        self._guarded = gateway.server.admin.auth is not None
        self.control_door = self._door_of_control(gateway.identity)
        """Where tokens for the control plane are shown; None where it asks for none."""

        self._refused = 0
        self.door: Live[Doorway] = Live(door)
        self._logins.swap(logins)
        self._targets.swap(self._targets_of(settings))

    @classmethod
    async def open(
        cls, settings: Settings, *, keys: Sequence[bytes], base_url: str, log: Any, report: Report
    ) -> Identity:
        """Open the state and build everything over it.

        Raises `ConfigurationError` for a database or a key that cannot be used; nothing is changed then.
        """
        state = await State.open(settings.state.database, keys, settings.state.tenant)
        state.start()
        return cls(settings, state, keys=keys, base_url=base_url, log=log, report=report)

    def pages(self, refused: Refusals) -> App:
        """The pages on which people connect accounts; `refused` is told of those that say no."""
        url = self._document_url
        return ConnectApp(
            base_url=self.base_url,
            keys=self.keys,
            tickets=self._tickets,
            targets=self._targets,
            logins=self._logins,
            flows=self.state.flows,
            connections=self.connections,
            anonymous=self._anonymous,
            log=self._log,
            report=self._report,
            refused=refused,
            client_document=client_document(url, self.base_url + _CALLBACK) if url else None,
        )

    def apply(self, settings: Settings) -> None:
        """Put the issuers, logins and targets of `settings` in force.

        With the same issuers the door stays, and remembers whom it let in.
        """
        identity = settings.identity
        if identity != self._identity:
            self._identity = identity
            door, logins = self._doorway(identity)
            self._logins.swap(logins)
            self.door.swap(door)
            old, self._door = self._door, door
            self._retire(old)
            control, self.control_door = self.control_door, self._door_of_control(identity)
            if control is not None:
                self._retire(control)
        self._targets.swap(self._targets_of(settings))

    def counters(self) -> Mapping[str, int]:
        """What has been counted since the start, by the name of the metric."""
        doors = (self._door, self.control_door)
        return {
            "mcp_gateway_tokens_refused_total": self._refused + sum(door.refused for door in doors if door is not None),
            "mcp_gateway_lease_store_failures_total": self._lease.failures,
        }

    async def close(self) -> None:
        """Let go of everything, revocations on their way excepted, which get a moment."""
        await self.connections.close()
        await self.credentialing.close()
        doors = (self._door, self.control_door)
        await asyncio.gather(*(door.close() for door in doors if door is not None), *self._closing)
        await asyncio.gather(self.fetcher.close(), self._lease.close(), self.state.close())

    # ------------------------------------------------------------------ from settings

    def _doorway(self, identity: IdentitySettings) -> tuple[Door, Mapping[str, Login]]:
        issuers = [Issuer(spec, self.fetcher) for spec in identity.issuers]
        accounts = self.state.accounts if identity.virtual_accounts else None
        logins = {
            spec.name: self._login(spec, spec.login, issuer)
            for spec, issuer in zip(identity.issuers, issuers, strict=True)
            if spec.login is not None
        }
        return Door(Verify(issuers, accounts), anonymous=self._anonymous), MappingProxyType(logins)

    def _door_of_control(self, identity: IdentitySettings) -> Door | None:
        """The door of the control plane: `audiences` of an issuer are those of the data plane, and none of its own."""
        if not self._guarded:
            return None
        issuers = [Issuer(spec.model_copy(update={"audiences": ()}), self.fetcher) for spec in identity.issuers]
        return Door(Verify(issuers, self.state.accounts if identity.virtual_accounts else None), anonymous=False)

    def _retire(self, door: Door) -> None:
        """Let `door` end what it is about, in its own time."""
        self._refused += door.refused
        task = asyncio.get_running_loop().create_task(door.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _login(self, spec: IssuerSettings, login: LoginSettings, issuer: Issuer) -> Login:
        return Login(
            self.fetcher,
            name=spec.name,
            issuer=spec.issuer,
            client_id=login.client_id,
            client_secret=login.client_secret,
            scopes=login.scopes,
            algorithms=spec.algorithms,
            keys=issuer.keys,
            redirect_uri=self.base_url + _SIGNED_IN,
        )

    def _targets_of(self, settings: Settings) -> Mapping[str, Target]:
        """What people can connect, by upstream."""
        targets: dict[str, Target] = {}
        for name, upstream in settings.upstreams.items():
            if not isinstance(upstream, HttpUpstream):
                continue
            auth = upstream.auth
            if isinstance(auth, HeaderAuth) and auth.level == "per_user":
                targets[name] = HeadersTarget(upstream.url, tuple(auth.headers))
                continue
            authorizer = self.credentialing.authorizer(name, upstream)
            if authorizer is not None:
                targets[name] = AccountTarget(authorizer)
        return MappingProxyType(targets)
