"""TLS towards upstreams: system trust or an own CA, optionally a client certificate."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. `ca` replaces the system's trust store; `client_key` may be inside `client_cert`."""

    ca: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Build the context. It costs milliseconds (the trust store is parsed): build it once and share it.

        Raises:
            OSError: a file is missing or unreadable, or (ssl.SSLError) not what it should be.
            ValueError: a key without a certificate.
        """
        if self.client_key is not None and self.client_cert is None:
            raise ValueError("a client key needs a client certificate")
        context = ssl.create_default_context(cafile=self.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        if self.client_cert is not None:
            # The password callback keeps OpenSSL from asking on a terminal that a server does not have.
            context.load_cert_chain(self.client_cert, self.client_key, password=lambda: "")
        return context
