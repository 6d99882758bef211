"""TLS: whose certificate is accepted, what name it must carry, and our own certificate."""

import asyncio
import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mcp_gateway.core.egress.client import HttpClient
from mcp_gateway.core.egress.origin import Origin
from mcp_gateway.core.egress.tls import TlsFiles
from mcp_gateway.core.errors import ProtocolViolation, TimedOut, Unreachable, UpstreamError
from tests.core.egress_double import (
    GUARD,
    JSON_OK,
    Peer,
    always,
    answer_and_hold,
    client_of,
    fetch,
    ok,
    once,
    serve,
    soon,
)

Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Authority:
    """A CA of the test's own."""

    folder: Path
    key: Key
    certificate: x509.Certificate

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str, *, passphrase: bytes | None = None) -> tuple[Path, Path]:
        """A certificate for `name` (an address or a host name) and its key, as files."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = build(name, key, self.certificate.subject, self.key, ca=False)
        cert_file, key_file = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption(),
            )
        )
        return cert_file, key_file

    def server(self, name: str = "127.0.0.1", *, ask_client: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(name))
        if ask_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.file)
        return context


def build(name: str, key: Key, issuer: x509.Name, issuer_key: Key, *, ca: bool) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
    )
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca.example")])
    certificate = build("ca.example", key, name, key, ca=True)
    (tmp_path / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(tmp_path, key, certificate)


async def test_an_own_ca_is_trusted_and_connections_are_reused(authority: Authority) -> None:
    context = TlsFiles(ca=authority.file).context()
    async with serve(always(JSON_OK), tls=authority.server()) as server, client_of(server, tls=context) as client:
        for _ in range(3):
            assert await fetch(client) == b'{"ok":true}'
        assert server.connections == 1


async def test_large_bodies_pass_and_stay_within_the_pace_of_the_reader(authority: Authority) -> None:
    body = bytes(range(256)) * 8_000
    context = TlsFiles(ca=authority.file).context()
    async with serve(always(ok(body)), tls=authority.server()) as server, client_of(server, tls=context) as client:
        response = await client.request("POST", "/", (), body, deadline=soon())
        pieces = [piece async for piece in response.stream(idle_timeout=5, deadline=soon())]
        assert b"".join(pieces) == body


async def test_a_certificate_of_an_unknown_ca_is_refused_before_anything_is_sent(authority: Authority) -> None:
    async with (
        serve(always(JSON_OK), tls=authority.server()) as server,
        client_of(server, tls=TlsFiles().context()) as client,
    ):
        with pytest.raises(Unreachable, match="not trusted") as caught:
            await fetch(client)
        assert caught.value.sent is False
        assert client.stats.open == 0


async def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    context = TlsFiles(ca=authority.file).context()
    tls = authority.server("other.example")
    async with serve(always(JSON_OK), tls=tls) as server, client_of(server, tls=context) as client:
        with pytest.raises(Unreachable, match="not trusted"):
            await fetch(client)


async def test_the_name_is_verified_although_the_address_is_pinned(authority: Authority) -> None:
    context = TlsFiles(ca=authority.file).context()
    async with serve(always(JSON_OK), tls=authority.server("localhost")) as server:
        client = HttpClient(Origin("https", "localhost", server.origin.port), guard=GUARD, tls=context)
        assert await fetch(client) == b'{"ok":true}'
        await client.close()


async def test_a_client_certificate_is_shown_where_it_is_asked_for(authority: Authority) -> None:
    tls = authority.server(ask_client=True)
    cert, key = authority.issue("gateway")
    with_certificate = TlsFiles(ca=authority.file, client_cert=cert, client_key=key).context()
    async with serve(always(JSON_OK), tls=tls) as server:
        async with client_of(server, tls=with_certificate) as client:
            assert await fetch(client) == b'{"ok":true}'
        async with client_of(server, tls=TlsFiles(ca=authority.file).context()) as client:
            with pytest.raises(UpstreamError):
                await fetch(client)
            assert client.stats.open == 0


async def test_what_is_not_tls_is_a_protocol_violation(authority: Authority) -> None:
    async def plain(peer: Peer) -> None:
        await peer.reader.read(1)
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await peer.closed()

    async with serve(plain) as server:
        origin = Origin("https", "127.0.0.1", server.origin.port)
        client = HttpClient(origin, guard=GUARD, tls=TlsFiles(ca=authority.file).context())
        with pytest.raises(ProtocolViolation, match="TLS"):
            await fetch(client)
        assert client.stats.open == 0
        await client.close()


@pytest.mark.parametrize(
    ("connect_timeout", "seconds", "error"), [(0.05, 10.0, Unreachable), (10.0, 0.05, TimedOut), (0.05, 0.05, TimedOut)]
)
async def test_a_handshake_that_hangs_ends_in_time_and_nothing_was_sent(
    authority: Authority, connect_timeout: float, seconds: float, error: type[UpstreamError]
) -> None:
    async def hang(peer: Peer) -> None:
        await peer.closed()

    async with serve(hang) as server:
        origin = Origin("https", "127.0.0.1", server.origin.port)
        context = TlsFiles(ca=authority.file).context()
        client = HttpClient(origin, guard=GUARD, tls=context, connect_timeout=connect_timeout)
        with pytest.raises(error) as caught:
            await fetch(client, deadline=soon(seconds))
        assert getattr(caught.value, "sent", None) is False
        assert client.stats.open == 0
        await client.close()


async def test_cancelling_a_handshake_frees_its_slot(authority: Authority) -> None:
    shaking = asyncio.Event()
    gone = asyncio.Event()

    async def hang(peer: Peer) -> None:
        await peer.reader.read(1)
        shaking.set()
        await peer.closed()
        gone.set()

    async with serve(hang) as server:
        origin = Origin("https", "127.0.0.1", server.origin.port)
        client = HttpClient(origin, guard=GUARD, tls=TlsFiles(ca=authority.file).context())
        call = asyncio.ensure_future(fetch(client))
        await shaking.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert client.stats.open == 0
        async with asyncio.timeout(5):
            await gone.wait()
        await client.close()


async def test_early_ends_and_cancellations_look_as_they_do_without_tls(authority: Authority) -> None:
    context = TlsFiles(ca=authority.file).context()
    short = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"
    async with serve(once(short), tls=authority.server()) as server, client_of(server, tls=context) as client:
        with pytest.raises(UpstreamError):
            await fetch(client)
        assert client.stats.open == 0
    async with (
        serve(answer_and_hold(short), tls=authority.server()) as server,
        client_of(server, tls=context) as client,
    ):
        with pytest.raises(TimedOut):
            await fetch(client, deadline=soon(0.2))
        assert client.stats.open == 0


def test_files_that_cannot_be_used_are_refused(authority: Authority, tmp_path: Path) -> None:
    cert, _ = authority.issue("gateway")
    _, other_key = authority.issue("other")
    locked_cert, locked_key = authority.issue("locked", passphrase=b"secret")
    (tmp_path / "junk.pem").write_text("junk")
    for files in (
        TlsFiles(ca=tmp_path / "absent.pem"),
        TlsFiles(ca=tmp_path / "junk.pem"),
        TlsFiles(client_cert=cert, client_key=other_key),
        TlsFiles(client_cert=locked_cert, client_key=locked_key),
    ):
        with pytest.raises(OSError):
            files.context()
    with pytest.raises(ValueError, match="needs a client certificate"):
        TlsFiles(client_key=other_key).context()
