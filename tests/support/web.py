"""An ordinary web server with bad habits that can be chosen."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Web:
    """A running server.

    Attributes
    ----------
    pages : dict
        Body by path.
    ranges, head, lengths : bool
        Whether it understands `Range`, allows HEAD, and tells `Content-Length`.
    moved : dict
        Path by path, answered with 302.
    seen : list of (method, path)
        Requests.
    """

    url: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    head: bool = True
    lengths: bool = True
    seen: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def web_server() -> Iterator[Web]:
    """Run a server on 127.0.0.1 while the block lasts."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            return

        def do_HEAD(self) -> None:
            if web.head:
                self.do_GET()
            else:
                self._answer(405, b"")

        def do_GET(self) -> None:
            web.seen.append((self.command, self.path))
            if self.path in web.moved:
                self._answer(302, b"", Location=web.moved[self.path])
            elif self.path not in web.pages:
                self._answer(404, b"not here")
            else:
                self._send(web.pages[self.path])

        def _send(self, page: bytes) -> None:
            etag = f'"{md5(page).hexdigest()}"'
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")) if web.ranges else None
            if self.headers.get("If-None-Match") == etag:
                self._answer(304, b"", ETag=etag)
            elif wanted is None:
                self._answer(200, page, ETag=etag)
            elif int(wanted[1]) >= len(page):
                self._answer(416, b"", **{"Content-Range": f"bytes */{len(page)}"})
            else:
                first, last = int(wanted[1]), min(int(wanted[2]), len(page) - 1)
                where = f"bytes {first}-{last}/{len(page)}"
                self._answer(206, page[first : last + 1], ETag=etag, **{"Content-Range": where})

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            if web.lengths and status != 304:
                self.send_header("Content-Length", str(len(body)))
            elif not web.lengths:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.send_header("Last-Modified", formatdate(usegmt=True))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                try:
                    self.wfile.write(body)
                except ConnectionError:
                    self.close_connection = True

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            return

        def process_request_thread(self, *args: Any) -> None:
            threading.current_thread().name = "cfdb-shared-web"
            super().process_request_thread(*args)

    server = Server(("127.0.0.1", 0), Handler)
    web.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, name="cfdb-shared-web", args=(0.02,))
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
