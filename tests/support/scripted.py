"""A web server that remembers requests and answers as it is told, with or without TLS, and a proxy of a company."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Scripted:
    """A running server.

    Attributes
    ----------
    url : str
        Its URL.
    answer : callable
        Makes the reply to a request; a reply without `Date` gets the true one.
    seen : list of Seen
        Requests.
    connections : int
        Connections that were accepted.
    hangs_up : bool
        Whether it closes every connection after an answer, without saying so before.
    """

    url: str = ""
    answer: Callable[[Seen], Reply] = lambda _: Reply(headers={"ETag": '"e"'})
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    hangs_up: bool = False

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    context: ssl.SSLContext | None = None

    def handle_error(self, *_: Any) -> None:
        return

    def process_request_thread(self, request: Any, address: Any) -> None:
        threading.current_thread().name = "cfdb-shared-scripted"
        if self.context is not None:
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except (OSError, ssl.SSLError):
                request.close()
                return
        super().process_request_thread(request, address)


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = _Server(("127.0.0.1", 0), handler)
    server.context = context
    thread = threading.Thread(target=server.serve_forever, name="cfdb-shared-scripted", args=(0.02,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def scripted_server(tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """Run a server on 127.0.0.1 while the block lasts."""
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def setup(self) -> None:
            script.connections += 1
            super().setup()

        def log_message(self, *_: Any) -> None:
            return

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(self.command, self.path, headers, body)
            script.seen.append(seen)
            reply = script.answer(seen)
            self.send_response_only(reply.status)
            told = {"Date": formatdate(usegmt=True), "Content-Length": str(len(reply.body))} | reply.headers
            for name, value in told.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)
            self.close_connection = self.close_connection or script.hangs_up

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _do

    with _serving(Handler, tls) as port:
        script.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield script


@dataclass(slots=True)
class WebProxy:
    """A running HTTP proxy, that of a company for example.

    Attributes
    ----------
    url : str
        Its URL.
    seen : list of (method, target, credentials)
        What it was asked for.
    refuse : int
        Status to refuse everything with; 0 = nothing is refused.
    lead_to : int
        Port on 127.0.0.1 where all requests end, whatever host they are for; 0 = where they want.
    hangs_up : bool
        Whether it takes what it is to forward, and closes the connection.
    """

    url: str = ""
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    refuse: int = 0
    lead_to: int = 0
    hangs_up: bool = False


@contextmanager
def web_proxy() -> Iterator[WebProxy]:
    """Run a proxy that tunnels (`CONNECT`) and forwards while the block lasts."""
    proxy = WebProxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def log_message(self, *_: Any) -> None:
            return

        def _let_in(self) -> bool:
            proxy.seen.append((self.command, self.path, self.headers.get("Proxy-Authorization", "")))
            self.close_connection = True
            if proxy.refuse:
                self.send_response_only(proxy.refuse)
                self.send_header("Content-Length", "0")
                self.end_headers()
            return not proxy.refuse

        def _upstream(self, host: str, port: int) -> socket.socket:
            return socket.create_connection(("127.0.0.1", proxy.lead_to) if proxy.lead_to else (host, port), 10)

        def do_CONNECT(self) -> None:
            if self._let_in():
                host, _, port = self.path.rpartition(":")
                with self._upstream(host, int(port)) as up:
                    self.send_response_only(200)
                    self.end_headers()
                    _join(self.connection, up)

        def _forward(self) -> None:
            if not self._let_in():
                return
            if proxy.hangs_up:
                return
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            kept = "".join(
                f"{name}: {value}\r\n"
                for name, value in self.headers.items()
                if name.lower() not in {"proxy-authorization", "connection"}
            )
            head = f"{self.command} {target} HTTP/1.1\r\n{kept}Connection: close\r\n\r\n"
            with self._upstream(parts.hostname or "", parts.port or 80) as up:
                up.sendall(head.encode("latin-1") + body)
                while piece := up.recv(1 << 16):
                    self.wfile.write(piece)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _forward

    with _serving(Handler) as port:
        proxy.url = f"http://127.0.0.1:{port}"
        yield proxy


def _join(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes in both directions until one side ends."""

    def carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 16):
                target.sendall(piece)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=carry, args=(other, one), name="cfdb-shared-proxy", daemon=True)
    back.start()
    carry(one, other)
    back.join(5)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of one's own, and a server certificate it has signed."""

    file: Path
    context: ssl.SSLContext


def make_authority(folder: Path, *hosts: str) -> Authority:
    """Make an authority in a folder, with a server that is 127.0.0.1 and `hosts`."""
    now = datetime.now(UTC)
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])

    def certificate(name: x509.Name, public: Any) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(root_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2))
        )

    is_root = x509.BasicConstraints(ca=True, path_length=None)
    root = certificate(root_name, root_key.public_key()).add_extension(is_root, True).sign(root_key, hashes.SHA256())
    names = [x509.IPAddress(ip_address("127.0.0.1")), *map(x509.DNSName, hosts)]
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test server")])
    own = certificate(server_name, key.public_key()).add_extension(x509.SubjectAlternativeName(names), False)
    pem = serialization.Encoding.PEM
    (folder / "authority.pem").write_bytes(root.public_bytes(pem))
    (folder / "server.pem").write_bytes(
        own.sign(root_key, hashes.SHA256()).public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return Authority(folder / "authority.pem", context)
