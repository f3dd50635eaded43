"""Requests and bytes are counted as a server sees them, and a budget is never exceeded."""

import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ebooklet
from cfdb.testing import S3Server
from ebooklet.connection import FolderConnection, S3Connection, StoreConnection
from ebooklet.errors import BudgetExceededError, ObjectNotFoundError
from ebooklet.stores.ledger import Budget, Ledger, OperationStats, RequestStats
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.protocol import CREATE, ObjectStore
from ebooklet.stores.s3 import S3Store
from ebooklet.stores.wrappers import LatencyStore
from tests.ebooklet.stores.scripted_fixtures import Stores, nothing_configured, stores, web
from tests.ebooklet.stores.test_s3 import TRANSPORTS, s3_store
from tests.support.proxy import Proxy, Rule
from tests.support.scripted import Reply, Scripted
from tests.support.web import web_server

__all__ = ["nothing_configured", "stores", "web"]

BODY = bytes(5000)


@pytest.fixture(params=TRANSPORTS)
def store(server: S3Server, proxy: Proxy, request: pytest.FixtureRequest) -> Iterator[S3Store]:
    store = s3_store(server, endpoint_url=proxy.endpoint_url, transport=request.param)
    yield store
    store.close()


def use_everything(store: ObjectStore) -> None:
    store.put("a", BODY)
    store.put("b", b"x", CREATE)
    store.get("a")
    store.get_range("a", 10, 700)
    store.head("a")
    store.copy("a", "c")
    list(store.list(""))
    store.delete("a")
    store.delete_many(["b", "c"])


EXPECTED = {
    "put": (1, 5000, 0),
    "conditional_put": (1, 1, 0),
    "get": (1, 0, 5000),
    "get_range": (1, 0, 700),
    "head": (1, 0, 0),
    "copy": (1, 0, 0),
    "list": (1, 0, 0),
    "delete": (1, 0, 0),
    "delete_many": (1, 0, 0),
}


class TestCounting:
    def test_the_ledger_says_what_the_server_saw(self, store: S3Store, proxy: Proxy) -> None:
        use_everything(store)
        stats = store.ledger.stats()
        assert stats.requests == proxy.traffic.total == len(EXPECTED)
        assert set(stats.operations) == set(EXPECTED)
        for name in ("put", "conditional_put", "get", "get_range", "head"):
            one = stats.operations[name]
            assert (one.requests, one.sent, one.received) == EXPECTED[name]
        assert stats.operations["list"].received > 100  # the listing itself
        assert stats.operations["delete_many"].sent + stats.operations["delete_many"].received > 0
        assert (stats.errors, stats.retries) == (0, 0)

    @pytest.mark.parametrize("place", ["memory", "folder"])
    def test_stores_that_send_nothing_count_what_they_would(self, tmp_path: Path, place: str) -> None:
        conn = StoreConnection("x") if place == "memory" else FolderConnection(str(tmp_path), "x")
        use_everything(conn.store(writable=True))
        found = {name: (one.requests, one.sent, one.received) for name, one in conn.stats.operations.items()}
        assert found == EXPECTED

    def test_retries_and_errors_are_counted(self, store: S3Store, proxy: Proxy) -> None:
        store.put("a", BODY)
        before = store.ledger.stats()
        proxy.rules = [Rule("status", op="GET|RANGE", status=503, times=2)]
        assert store.get("a").body == BODY
        with pytest.raises(ObjectNotFoundError):
            store.get("nothing")
        found = (store.ledger.stats() - before).operations["get"]
        assert (found.requests, found.retries, found.errors) == (4, 2, 3)

    def test_an_object_that_has_not_changed_is_no_error(self, store: S3Store) -> None:
        etag = store.put("a", BODY).etag
        with pytest.raises(ebooklet.errors.NotModifiedError):
            store.get("a", if_none_match=etag)
        assert store.ledger.stats().errors == 0

    def test_a_request_sent_again_for_another_region_is_counted(self, web: Scripted, stores: Stores) -> None:
        replies = iter([Reply(400, headers={"x-amz-bucket-region": "eu-west-1"}), Reply(headers={"ETag": '"e"'})])
        web.answer = lambda _: next(replies)
        store = stores(web.url)
        store.put("x", b"")
        found = store.ledger.stats().operations["put"]
        assert (found.requests, found.retries, found.errors) == (2, 1, 1)

    def test_public_urls_and_their_mirrors_are_counted(self) -> None:
        with web_server() as web:
            web.pages["/root"] = BODY
            conn = S3Connection(db_url=["http://127.0.0.1:9/root", f"{web.url}/root"], retries=1)
            store = conn.store()
            assert store.get("root").body == BODY
            assert store.get_range("root", 0, 10) == bytes(10)
        assert {name: one.requests for name, one in conn.stats.operations.items()} == {"get": 3, "get_range": 1}
        assert (conn.stats.received, conn.stats.errors, conn.stats.retries) == (5010, 2, 1)

    def test_all_handles_of_a_connection_are_counted_together_and_others_apart(self, tmp_path: Path) -> None:
        one, other = (FolderConnection(str(tmp_path), "x") for _ in range(2))
        one.store().list("")
        one.store(writable=True).put("x", b"12")
        one.store().get("x")
        assert (one.stats.requests, one.stats.nbytes) == (2, 4)
        assert not other.stats

    def test_nothing_is_lost_between_threads(self) -> None:
        conn = StoreConnection("x")
        conn.store().put("x", BODY)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: conn.store().get_range("x", 0, 10), range(400)))
        assert conn.stats.operations["get_range"].requests == 400
        assert conn.stats.received == 4000

    def test_another_process_counts_anew(self, tmp_path: Path) -> None:
        conn = FolderConnection(str(tmp_path), "x")
        conn.store().put("x", b"")
        there = pickle.loads(pickle.dumps(conn))
        assert not there.stats
        keys = S3Connection(bucket="lab", db_key="x", access_key_id="id", access_key="hush")
        assert not pickle.loads(pickle.dumps(keys)).stats

    def test_the_table_is_readable(self) -> None:
        conn = StoreConnection("x")
        conn.store().put("x", bytes(1_500_000))
        lines = [line.split()[:5] for line in str(conn.stats).splitlines()]
        assert lines == [
            ["operation", "requests", "sent", "received", "retries"],
            ["put", "1", "1.50", "MB", "0"],
            ["total", "1", "1.50", "MB", "0"],
        ]

    @settings(max_examples=60)
    @given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(0, 9)), max_size=12))
    def test_differences_are_of_what_came_between(self, requests: list[tuple[str, int, int]]) -> None:
        ledger, half = Ledger(), len(requests) // 2
        moments: list[RequestStats] = []
        for part in (requests[:half], requests[half:]):
            for name, sent, received in part:
                with ledger.request(name, sent=sent) as receipt:
                    receipt.received(received)
            moments.append(ledger.stats())
        found = moments[1] - moments[0]
        assert found.requests == len(requests) - half
        assert found.sent == sum(sent for _, sent, _ in requests[half:])
        assert set(found.operations) == {name for name, _, _ in requests[half:]}
        assert moments[1].total == sum(moments[1].operations.values(), OperationStats())


class TestBudgets:
    def test_the_request_that_would_exceed_it_is_not_sent(self, store: S3Store, proxy: Proxy) -> None:
        store.put("a", BODY)
        with ebooklet.budget(requests=2) as used:
            store.head("a")
            store.get("a")
            with pytest.raises(BudgetExceededError, match="2 of 2 requests"):
                store.get("a")
        assert proxy.traffic.total == 3
        assert (used.requests_used, used.nbytes_used) == (2, 5000)
        store.get("a")

    def test_bytes_are_held_to_before_they_travel(self, store: S3Store, proxy: Proxy) -> None:
        store.put("a", BODY)
        with ebooklet.budget(bytes="6 kB") as used:
            assert len(store.get_range("a", 0, 4000)) == 4000
            for too_much in (lambda: store.get_range("a", 0, 2001), lambda: store.put("b", bytes(2001))):
                with pytest.raises(BudgetExceededError, match=r"of 6.00 kB used"):
                    too_much()
            assert proxy.traffic.total == 2
            with pytest.raises(BudgetExceededError, match=r"5\.00 kB would exceed"):
                store.get("a")  # its length is known when the answer begins
            assert used.nbytes_used <= 6000
            assert len(store.get_range("a", 0, 2000)) == 2000
        assert used.nbytes_used == 6000

    def test_bytes_that_did_not_come_are_given_back(self) -> None:
        conn = StoreConnection("x")
        conn.store().put("a", bytes(100))
        with conn.budget(bytes=1000) as used:
            for _ in range(5):
                with pytest.raises(ObjectNotFoundError):
                    conn.store().get_range("nothing", 0, 900)
            assert used.nbytes_used == 0

    def test_repeated_requests_are_held_to_it_too(self, store: S3Store, proxy: Proxy) -> None:
        store.put("a", BODY)
        proxy.rules = [Rule("status", op="GET|RANGE", status=503, times=99)]
        with ebooklet.budget(requests=2), pytest.raises(BudgetExceededError):
            store.get("a")
        assert proxy.traffic.requests["GET"] == 2

    def test_a_connection_has_its_own(self) -> None:
        one, other = StoreConnection("x"), StoreConnection("x")
        with one.budget(requests=1):
            one.store().put("a", b"")
            other.store().put("a", b"")
            other.store().put("a", b"")
            with pytest.raises(BudgetExceededError):
                one.store().put("a", b"")
        one.store().put("a", b"")

    def test_budgets_within_each_other_are_all_kept(self) -> None:
        conn = StoreConnection("x")
        with ebooklet.budget(requests=3) as outer, conn.budget(requests=2) as inner:
            conn.store().put("a", b"")
            conn.store().put("a", b"")
            with pytest.raises(BudgetExceededError):
                conn.store().put("a", b"")
        assert (outer.requests_used, inner.requests_used) == (2, 2)

    def test_threads_together_do_not_exceed_it(self) -> None:
        conn = StoreConnection("x")
        refused = []

        def ask(_: int) -> None:
            try:
                conn.store().put("a", b"1")
            except BudgetExceededError:
                refused.append(1)

        with ebooklet.budget(requests=50, bytes=30), ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(100)))
        assert conn.stats.requests == 30
        assert len(refused) == 70

    def test_requests_of_other_threads_count(self) -> None:
        conn = StoreConnection("x")
        with ebooklet.budget(requests=1) as used:
            thread = threading.Thread(target=lambda: conn.store().put("a", b""))
            thread.start()
            thread.join()
            with pytest.raises(BudgetExceededError):
                conn.store().head("a")
        assert used.requests_used == 1

    def test_a_failure_ends_the_budget_with_its_block(self) -> None:
        conn = StoreConnection("x")
        with pytest.raises(ZeroDivisionError), ebooklet.budget(requests=0):
            raise ZeroDivisionError
        conn.store().put("a", b"")

    @pytest.mark.parametrize(
        "make", [lambda: Budget(), lambda: Budget(-1), lambda: Budget.of(None, "many"), lambda: Budget(nbytes=-1)]
    )
    def test_nonsense_is_refused(self, make: Callable[[], Any]) -> None:
        with pytest.raises(ValueError):
            make()


class TestWorkUnderABudget:
    """Nothing that was done is lost when a budget ends it."""

    def test_a_load_keeps_what_was_on_its_way_and_goes_on_later(self, tmp_path: Path) -> None:
        slow = LatencyStore(MemoryStore(), 0.0)
        conn = StoreConnection("x", slow, threads=4)
        values = {f"{part}-{n}": bytes([part]) * 3000 for part in range(6) for n in range(4)}
        with ebooklet.open(conn, tmp_path / "a", "n") as db:
            for part in range(6):
                db.update({key: value for key, value in values.items() if key.startswith(str(part))})
                db.changes().push()
        with ebooklet.open(conn, tmp_path / "b", "w") as db:
            begun = conn.stats
            db.load_items()
            needed = (conn.stats - begun).requests
        assert needed >= 4
        with ebooklet.open(conn, tmp_path / "c", "w") as db:
            slow.seconds = 0.05  # refusals come before what is on its way
            with conn.budget(requests=2), pytest.raises(BudgetExceededError):
                db.load_items()
            slow.seconds = 0.0
            begun = conn.stats
            db.load_items()
            assert (conn.stats - begun).requests == needed - 2
            assert dict(db.items()) == values

    @pytest.mark.parametrize("limit", range(1, 8))
    def test_a_push_keeps_its_changes_and_goes_on_later(self, tmp_path: Path, limit: int) -> None:
        conn = StoreConnection("x")
        with ebooklet.open(conn, tmp_path / "a", "n") as db:
            db.update({str(n): bytes(2000) for n in range(10)})
            db.changes().push()
            db.update({str(n): bytes(3000) for n in range(10)})
            try:
                with conn.budget(requests=limit):
                    db.changes().push()
            except BudgetExceededError:
                assert len(list(db.changes())) == 10
            db.changes().push()
            assert list(db.changes()) == []
        with ebooklet.open(conn, tmp_path / "b", "r") as db:
            assert {len(value) for value in db.values()} == {3000}
