"""The proxy itself: what it passes on, counts and breaks."""

import http.client
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from cfdb.testing import S3Server, s3_server
from ebooklet.stores.http import HttpStore
from tests.support.proxy import Proxy, Rule, operation, proxy_to
from tests.support.web import web_server

BODY = bytes(range(256)) * 2000


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as server:
        server.connection("x").store(writable=True).put("x", BODY)
        yield server


@pytest.fixture
def proxy(server: S3Server) -> Iterator[Proxy]:
    with proxy_to(server.host, server.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    yield connection
    connection.close()


def read(client: http.client.HTTPConnection, target: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    client.request(method, target, headers=headers)
    answer = client.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize(
    ("method", "target", "head", "name"),
    [
        ("GET", "/b/k", b"\r\n\r\n", "GET"),
        ("GET", "/b/k", b"\r\nRange: bytes=0-1\r\n\r\n", "RANGE"),
        ("GET", "/b?list-type=2&prefix=x", b"\r\n\r\n", "LIST"),
        ("PUT", "/b/k", b"\r\n\r\n", "PUT"),
        ("PUT", "/b/k", b"\r\nIf-None-Match: *\r\n\r\n", "CPUT"),
        ("PUT", "/b/k", b"\r\nx-amz-copy-source: b/o\r\n\r\n", "COPY"),
        ("PUT", "/b", b"\r\n\r\n", "BUCKET"),
        ("POST", "/b?delete", b"\r\n\r\n", "BATCHDELETE"),
        ("DELETE", "/b/k", b"\r\n\r\n", "DELETE"),
        ("HEAD", "/b/k", b"\r\n\r\n", "HEAD"),
    ],
)
def test_operations_are_told_apart(method: str, target: str, head: bytes, name: str) -> None:
    assert operation(method, target, head) == name


def test_bytes_pass_unchanged_and_are_counted(
    server: S3Server, proxy: Proxy, client: http.client.HTTPConnection
) -> None:
    target = f"/{server.bucket}/x"
    assert read(client, target) == (200, BODY)
    assert read(client, target, Range="bytes=10-19") == (206, BODY[10:20])
    assert read(client, target, "HEAD") == (200, b"")
    seen = proxy.reset()
    assert seen.requests == {"GET": 1, "RANGE": 1, "HEAD": 1}
    assert seen.statuses == {200: 2, 206: 1}
    assert (seen.total, seen.in_flight) == (3, 0)
    assert len(BODY) + 10 < seen.received < len(BODY) + 3000
    assert proxy.traffic.total == 0


def test_signed_requests_and_bodies_pass(server: S3Server, proxy: Proxy) -> None:
    store = server.connection("y", endpoint_url=proxy.endpoint_url).store(writable=True)
    store.put("y", BODY)
    assert store.get("y").body == BODY
    assert proxy.traffic.requests == {"PUT": 1, "GET": 1}
    assert proxy.traffic.sent > len(BODY)


def test_connections_are_kept_and_requests_overlap() -> None:
    with web_server() as web, proxy_to("127.0.0.1", urlsplit(web.url).port or 0) as proxy:
        web.pages["/x/y"] = BODY
        store = HttpStore(f"{proxy.endpoint_url}/x/y", "y")
        proxy.latency = 0.02
        with ThreadPoolExecutor(4) as pool:
            pieces = list(pool.map(lambda n: store.get_range("y", n * 10, 10), range(40)))
        assert b"".join(pieces) == BODY[:400]
        assert proxy.traffic.total == 40
        assert 1 < proxy.traffic.connections <= 4
        assert proxy.traffic.most_in_flight > 1


def test_latency_and_bandwidth_take_time(server: S3Server, proxy: Proxy, client: http.client.HTTPConnection) -> None:
    proxy.latency = 0.05
    proxy.bandwidth = 5_120_000
    begun = time.monotonic()
    read(client, f"/{server.bucket}/x")
    assert time.monotonic() - begun >= 0.05 + 0.05 + 0.1


def test_rules_choose_their_requests(server: S3Server, proxy: Proxy, client: http.client.HTTPConnection) -> None:
    proxy.rules = [Rule("status", op="GET", path="/x$", skip=1, times=1, status=503)]
    target = f"/{server.bucket}/x"
    assert read(client, target, "HEAD")[0] == 200
    assert [read(client, target)[0] for _ in range(3)] == [200, 503, 200]
    assert proxy.traffic.faults == 1


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (Rule("reset"), ConnectionError),
        (Rule("lost_ack"), ConnectionError),
        (Rule("reset_mid"), ConnectionError),
        (Rule("truncate"), http.client.IncompleteRead),
        (Rule("stall", seconds=0.1), ConnectionError),
    ],
)
def test_broken_connections_are_seen_by_the_client(
    server: S3Server, proxy: Proxy, client: http.client.HTTPConnection, rule: Rule, error: type[Exception]
) -> None:
    proxy.rules = [rule]
    with pytest.raises(error):
        read(client, f"/{server.bucket}/x")
    client.close()
    assert read(client, f"/{server.bucket}/x") == (200, BODY)


def test_a_corrupt_answer_differs_in_one_byte(
    server: S3Server, proxy: Proxy, client: http.client.HTTPConnection
) -> None:
    proxy.rules = [Rule("corrupt")]
    status, body = read(client, f"/{server.bucket}/x")
    assert status == 200
    assert body == bytes([BODY[0] ^ 0xFF]) + BODY[1:]


def test_a_request_whose_answer_is_lost_was_carried_out(server: S3Server, proxy: Proxy) -> None:
    proxy.rules = [Rule("lost_ack", op="PUT")]
    store = server.connection("z", endpoint_url=proxy.endpoint_url, retries=0).store(writable=True)
    with pytest.raises(ConnectionError):
        store.put("z", b"arrived")
    assert store.get("z").body == b"arrived"
