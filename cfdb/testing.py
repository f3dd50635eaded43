"""How can code that uses S3 be tested without a cloud?

`s3_server` starts an S3 server in this process, on the loopback interface. It is moto's: it keeps everything in memory
and checks no signature. All servers of one process share moto's state; each makes and removes a bucket of its own.
"""

import http.client
import logging
import socket
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any
from urllib.parse import quote

from cfdb.testing_faults import Fault, Interference, Traffic, faults_of
from ebooklet.connection import S3Connection
from ebooklet.errors import BucketMissingError

__all__ = ["Fault", "S3Server", "Traffic", "s3_server"]

_PUBLIC_READ = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",'
    ' "Action": ["s3:GetObject", "s3:HeadObject"], "Resource": "arn:aws:s3:::%s/*"}]}'
)


class S3Server:
    """A running S3 server with one bucket.

    Attributes
    ----------
    endpoint_url : str
        URL of the server.
    bucket : str
        An empty bucket; its objects are readable by anybody.
    access_key_id, access_key : str
        Keys; the server accepts any.
    """

    def __init__(
        self, host: str, port: int, bucket: str, *, access_key_id: str = "testing", access_key: str = "testing-secret"
    ) -> None:
        self.host = host
        self.port = port
        self.endpoint_url = f"http://{host}:{port}"
        self.bucket = bucket
        self.access_key_id = access_key_id
        self.access_key = access_key
        self._store = self.connection("any").store(writable=True)
        self._between: Interference | None = None

    def __repr__(self) -> str:
        return f"S3Server({self.endpoint_url!r}, bucket={self.bucket!r})"

    # what it is asked, and what goes wrong

    @property
    def traffic(self) -> Traffic:
        """What it was asked, and answered; of what it asks itself (`reset`, `list_keys`) nothing is counted."""
        return self._interference.traffic

    @property
    def latency(self) -> float:
        """Seconds before a request is carried out; can be set."""
        return self._interference.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._interference.latency = seconds

    def inject(self, *faults: Fault) -> None:
        """Let these faults happen from now on, instead of those so far; none without any."""
        self._interference.inject(*faults)

    def reset_traffic(self) -> Traffic:
        """Count from zero again, and give what was counted."""
        counted, self._interference.traffic = self._interference.traffic, Traffic()
        return counted

    @property
    def _interference(self) -> Interference:
        if self._between is None:
            raise RuntimeError(f"{self!r} is no server of s3_server: it counts nothing")
        return self._between

    @contextmanager
    def _aside(self) -> Iterator[None]:
        with nullcontext() if self._between is None else self._between.aside():
            yield

    def connection(self, db_key: str, **parameters: Any) -> S3Connection:
        """A connection to a database in the bucket.

        Parameters
        ----------
        db_key : str
            Key of the database.
        **parameters
            Further parameters of `S3Connection`; they come before the server's own.

        Returns
        -------
        S3Connection
        """
        own = {
            "access_key_id": self.access_key_id,
            "access_key": self.access_key,
            "bucket": self.bucket,
            "endpoint_url": self.endpoint_url,
        }
        return S3Connection(db_key=db_key, **(own | parameters))

    def url(self, db_key: str) -> str:
        """The public URL of a database, to be read without keys."""
        return f"{self.endpoint_url}/{self.bucket}/{quote(db_key)}"

    def reset(self) -> None:
        """Delete all objects of the bucket."""
        with self._aside():
            self._store.delete_many([meta.key for meta in self._store.list("")])

    def list_keys(self) -> list[str]:
        """Keys of all objects in the bucket."""
        with self._aside():
            return [meta.key for meta in self._store.list("")]

    def create_bucket(self, name: str) -> str:
        """Make one more bucket, readable by anybody, and return its name; making it again changes nothing."""
        for target, body in ((f"/{name}", ""), (f"/{name}?policy", _PUBLIC_READ % name)):
            status = self._send("PUT", target, body)
            if status >= 300:
                raise RuntimeError(f"{self!r} answered {status} to PUT {target}")
        return name

    def _remove_bucket(self) -> None:
        with suppress(BucketMissingError):
            self.reset()
        self._send("DELETE", f"/{self.bucket}")

    def _send(self, method: str, target: str, body: str = "") -> int:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            with self._aside():
                connection.request(method, target, body)
                return connection.getresponse().status
        finally:
            connection.close()


@contextmanager
def s3_server(bucket: str | None = None, *, latency: float = 0.0, faults: Any = None) -> Iterator[S3Server]:
    """Run an S3 server on a free port of 127.0.0.1 while the block lasts.

    Parameters
    ----------
    bucket : str, optional
        Name of its bucket; a random one, so that servers of one process do not meet, without it.
    latency : float
        Seconds before every request is carried out.
    faults : Fault, sequence of Fault or dict, optional
        What goes wrong. A dict gives kinds and their rates, as in ``{'slow_down': 0.1}``.

    Yields
    ------
    S3Server
        The server; its bucket is removed at the end, with everything in it.

    Raises
    ------
    ImportError
        If moto is not installed (extra ``testing``).

    Examples
    --------
    >>> from cfdb.testing import s3_server
    >>> with s3_server() as server:
    ...     store = server.connection("x.cfdb").store(writable=True)
    ...     meta = store.put("x.cfdb", b"hello")
    ...     store.get("x.cfdb").body
    b'hello'
    >>> with s3_server(faults=Fault("slow_down", "PUT", times=2)) as server:
    ...     store = server.connection("x.cfdb").store(writable=True)
    ...     meta = store.put("x.cfdb", b"hello")  # tries again
    ...     server.traffic.requests["PUT"], server.traffic.faults["slow_down"]
    (3, 2)
    """
    between = Interference(latency, faults_of(faults))
    try:
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        raise ImportError("s3_server needs moto: pip install 'cfdb[testing]'") from error
    requests = logging.getLogger("werkzeug")
    level = requests.level
    requests.setLevel(logging.CRITICAL)
    moto: Any = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    between.app, moto._server.app = moto._server.app, between
    sockets = _watch_sockets(moto._server)
    host, port = moto.get_host_and_port()
    server = S3Server(host, port, bucket or f"testing-{uuid.uuid4().hex[:12]}")
    try:
        server._between = between
        server.create_bucket(server.bucket)
        yield server
    finally:
        if not sys.is_finalizing():  # a block left open until then ends with the process
            between.stop()
            server._remove_bucket()
            moto.stop()
            moto._server.server_close()
            _hang_up(sockets)
            requests.setLevel(level)


def _watch_sockets(server: Any) -> dict[socket.socket, threading.Thread]:
    """Remember the connections of a server, which keeps them open as long as its clients do."""
    sockets: dict[socket.socket, threading.Thread] = {}

    def process_request(request: socket.socket, address: Any) -> None:
        for done in [known for known, thread in sockets.items() if not thread.is_alive()]:
            del sockets[done]
        thread = threading.Thread(
            target=server.process_request_thread, args=(request, address), name="cfdb-shared-s3-server", daemon=True
        )
        sockets[request] = thread
        thread.start()

    server.process_request = process_request
    server.handle_error = lambda *_: None  # clients that hang up are no news
    return sockets


def _hang_up(sockets: dict[socket.socket, threading.Thread]) -> None:
    for request, thread in sockets.items():
        try:
            request.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue
        finally:
            thread.join(5)
