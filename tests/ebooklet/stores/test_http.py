from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote, urlsplit

import pytest

from cfdb.testing import S3Server
from ebooklet.errors import ObjectNotFoundError, RemoteConnectionError, StoreError, UnsupportedOperationError
from ebooklet.stores.http import HttpStore, warn_if_plain
from ebooklet.stores.memory import MemoryStore
from tests.ebooklet.stores.test_s3 import s3_store
from tests.kits.object_store_kit import ReadOnlyObjectStoreKit, Seed
from tests.support.proxy import Rule, proxy_to
from tests.support.web import Web, web_server


class TestHttpStoreOnMoto(ReadOnlyObjectStoreKit):
    @pytest.fixture
    def store(self, server: S3Server) -> HttpStore:
        return HttpStore(server.url("root"), "root")

    @pytest.fixture
    def seed(self, server: S3Server) -> Seed:
        behind = s3_store(server)

        def write(key: str, body: bytes) -> None:
            behind.put(key, body)

        return write


class TestHttpStoreOnAnOrdinaryServer(ReadOnlyObjectStoreKit):
    """The same, with ranges and HEAD understood or not."""

    @pytest.fixture(params=["well-behaved", "no ranges", "no HEAD", "neither", "no lengths"])
    def web(self, request: pytest.FixtureRequest) -> Iterator[Web]:
        with web_server() as web:
            web.ranges = request.param not in {"no ranges", "neither"}
            web.head = request.param not in {"no HEAD", "neither"}
            web.lengths = request.param != "no lengths"
            yield web

    @pytest.fixture
    def store(self, web: Web) -> HttpStore:
        return HttpStore(f"{web.url}/data/root", "root", retries=1)

    @pytest.fixture
    def seed(self, web: Web) -> Seed:
        def write(key: str, body: bytes) -> None:
            web.pages["/data/" + quote(key)] = body

        return write

    def test_describing_agrees_with_reading(self, store: HttpStore, seed: Seed, web: Web) -> None:
        if not web.lengths and not web.ranges:
            pytest.skip("this server does not tell")
        super().test_describing_agrees_with_reading(store, seed)


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as web:
        yield web


def test_a_head_that_is_refused_costs_one_byte(web: Web) -> None:
    web.head = False
    web.pages["/root"] = bytes(1000)
    assert HttpStore(f"{web.url}/root", "root").head("root").size == 1000
    assert web.seen == [("GET", "/root")]


def test_redirects_are_followed(web: Web) -> None:
    web.moved["/old"] = "/root"
    web.pages["/root"] = b"hello"
    store = HttpStore(f"{web.url}/old", "root")
    assert store.get("root").body == b"hello"
    web.moved["/root"] = "/old"
    with pytest.raises(StoreError):
        store.get("root")


def test_keys_of_another_database_are_not_looked_for(web: Web) -> None:
    store = HttpStore(f"{web.url}/public/x", "lab/x")
    web.pages["/public/x.objects/1"] = b"one"
    assert store.get("lab/x.objects/1").body == b"one"
    web.seen.clear()
    with pytest.raises(ObjectNotFoundError, match="other"):
        store.get("lab/other")
    assert web.seen == []


def test_a_url_is_read_only(web: Web) -> None:
    store = HttpStore(f"{web.url}/root", "root")
    for write in (
        lambda: store.put("root", b""),
        lambda: store.delete("root"),
        lambda: store.delete_many(["root"]),
        lambda: store.copy("root", "root2"),
        lambda: store.list(""),
    ):
        with pytest.raises(UnsupportedOperationError, match="S3Connection"):
            write()
    assert store.supports_conditional_put is False
    assert store.copy("root", "x", target=MemoryStore()) is False


PASSING = [
    Rule("status", status=503),
    Rule("status", status=500, times=2),
    Rule("reset"),
    Rule("reset_mid"),
    Rule("truncate"),
    Rule("stall", seconds=0.6),
]


@pytest.mark.parametrize("rule", PASSING, ids=lambda rule: rule.action)
def test_reading_outlasts_what_passes(web: Web, rule: Rule) -> None:
    body = bytes(range(256)) * 40
    web.pages["/x/root"] = body
    parts = urlsplit(web.url)
    with proxy_to(parts.hostname or "", parts.port or 0) as proxy:
        store = HttpStore(f"{proxy.endpoint_url}/x/root", "root", read_timeout=0.3)
        store._policy = replace(store._policy, shortest=0.01)
        proxy.rules = [rule]
        assert store.get("root").body == body
        proxy.rules = [replace(rule, times=2)]
        assert store.get_range("root", 100, 5000) == body[100:5100]
        proxy.rules = [replace(rule, times=99)]
        with pytest.raises(RemoteConnectionError, match="4 attempts"):
            store.get("root")


def test_nobody_there(web: Web) -> None:
    with pytest.raises(RemoteConnectionError, match=r"127\.0\.0\.1:9/root"):
        HttpStore("http://127.0.0.1:9/root", "root", retries=0).get("root")


def test_plain_http_is_warned_of_once() -> None:
    with pytest.warns(UserWarning, match="without encryption"):
        warn_if_plain("http://example.org/once")
    for url in ("http://example.org/once", "https://example.org/x", "http://127.0.0.1/x", "http://localhost:80/x"):
        warn_if_plain(url)
