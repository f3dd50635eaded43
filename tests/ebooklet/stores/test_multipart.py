"""Objects in parts: what is sent, and that nothing is left of those which fail."""

import re
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ebooklet
from cfdb.testing import S3Server
from ebooklet.errors import (
    AccessDeniedError,
    BudgetExceededError,
    GroupTooLargeError,
    RemoteConnectionError,
    StoreError,
)
from ebooklet.stores import multipart, s3
from ebooklet.stores.access import S3Access, TransportName
from ebooklet.stores.ledger import budget
from ebooklet.stores.multipart import MOST_PARTS, cut, part_length
from ebooklet.stores.protocol import CREATE, Streamed, Update
from ebooklet.stores.s3 import S3Store
from tests.ebooklet.stores.scripted_fixtures import Stores, nothing_configured, stores, web
from tests.ebooklet.stores.test_s3 import TRANSPORTS, s3_store
from tests.kits.object_store_kit import ObjectStoreKit
from tests.support.proxy import Proxy, Rule
from tests.support.scripted import Reply, Scripted, Seen

__all__ = ["nothing_configured", "stores", "web"]

MIB = 1 << 20
BODY = bytes(range(251)) * (12 * MIB // 251)
IN_PARTS: dict[str, Any] = {"multipart_threshold": 5 * MIB, "multipart_chunksize": 5 * MIB}


@pytest.mark.parametrize("transport", TRANSPORTS)
class TestEverythingInParts(ObjectStoreKit):
    @pytest.fixture
    def store(self, server: S3Server, transport: str) -> Iterator[S3Store]:
        store = s3_store(server, page_size=10, transport=transport, multipart_threshold=1, multipart_chunksize=5 * MIB)
        yield store
        store.close()


@pytest.fixture(params=TRANSPORTS)
def store(server: S3Server, proxy: Proxy, request: pytest.FixtureRequest) -> Iterator[S3Store]:
    store = s3_store(server, endpoint_url=proxy.endpoint_url, transport=request.param, **IN_PARTS)
    yield store
    store.close()


def uploads(server: S3Server) -> list[str]:
    """Uploads that were begun and neither completed nor dropped."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    found = client.list_multipart_uploads(Bucket=server.bucket).get("Uploads", [])
    client.close()
    return [one["Key"] for one in found]


def test_a_large_object_arrives_whole_and_says_when(server: S3Server, store: S3Store) -> None:
    meta = store.put("large", [BODY[:7], memoryview(BODY)[7 : 6 * MIB], bytearray(BODY[6 * MIB :])])
    assert store.get("large").body == BODY
    assert (meta.size, meta.etag) == (len(BODY), store.head("large").etag)
    assert meta.etag.endswith("-3")
    assert meta.last_modified is not None
    assert {name: one.requests for name, one in store.ledger.stats().operations.items()} == {
        "create_upload": 1,
        "upload_part": 3,
        "complete_upload": 1,
        "get": 1,
        "head": 1,
    }
    assert store.ledger.stats().operations["upload_part"].sent == len(BODY)
    assert uploads(server) == []


def test_conditional_writes_are_never_in_parts(store: S3Store) -> None:
    etag = store.put("root", BODY, CREATE).etag
    store.put("root", BODY, Update(etag))
    assert list(store.ledger.stats().operations) == ["conditional_put"]


@pytest.mark.parametrize("status", [500, 503])
def test_a_part_that_fails_is_repeated_alone(store: S3Store, proxy: Proxy, status: int) -> None:
    proxy.rules = [Rule("status", op="UPLOADPART|PUT|PART", status=status, times=1)]
    store.put("large", BODY)
    stats = store.ledger.stats().operations["upload_part"]
    assert (stats.requests, stats.retries, stats.errors) == (4, 1, 1)
    assert store.get("large").body == BODY


def answering(web: Scripted, **special: Any) -> None:
    """A server of uploads; `special` are the answers to a kind of request instead."""

    def answer(seen: Seen) -> Reply:
        kind = (
            "begin"
            if seen.target.endswith("?uploads")
            else "part"
            if "partNumber" in seen.target
            else "complete"
            if seen.method == "POST"
            else "drop"
            if seen.method == "DELETE"
            else "other"
        )
        if kind in special:
            found: Reply = special[kind](seen) if callable(special[kind]) else special[kind]
            return found
        bodies = {
            "begin": b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
            "complete": b"<CompleteMultipartUploadResult><ETag>e-3</ETag></CompleteMultipartUploadResult>",
        }
        return Reply(204 if kind == "drop" else 200, bodies.get(kind, b""), {"ETag": '"e"'})

    web.answer = answer


def kinds(web: Scripted) -> list[str]:
    return [f"{seen.method} {re.sub('.*[?]', '', seen.target)}" for seen in web.seen]


@pytest.mark.parametrize("transport", TRANSPORTS)
class TestFailures:
    def test_a_refused_part_drops_all_parts(self, web: Scripted, stores: Stores, transport: str) -> None:
        answering(web, part=Reply(403, b"<Error><Code>AccessDenied</Code></Error>"))
        with pytest.raises(AccessDeniedError):
            stores(web.url, transport=transport, **IN_PARTS).put("x", BODY)
        assert kinds(web)[-1] == "DELETE uploadId=u"
        assert not any(kind.startswith("POST uploadId") for kind in kinds(web))

    def test_no_part_begins_after_one_was_refused(self, web: Scripted, stores: Stores, transport: str) -> None:
        answering(web, part=Reply(403))
        with pytest.raises(AccessDeniedError):
            stores(web.url, transport=transport, threads=1, **IN_PARTS).put("x", BODY)
        assert [seen.method for seen in web.seen] == ["POST", "PUT", "DELETE"]

    def test_no_part_arrives_after_the_others_were_dropped(self, web: Scripted, stores: Stores, transport: str) -> None:
        slow = threading.Event()

        def part(seen: Seen) -> Reply:
            if re.search("partNumber=1(&|$)", seen.target):
                return Reply(403)
            slow.wait(0.3)
            return Reply(200, headers={"ETag": '"e"'})

        answering(web, part=part)
        with pytest.raises(AccessDeniedError):
            stores(web.url, transport=transport, **IN_PARTS).put("x", BODY)
        assert kinds(web)[-1] == "DELETE uploadId=u"

    def test_a_failure_to_drop_them_does_not_hide_the_first_one(
        self, web: Scripted, stores: Stores, transport: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        answering(web, part=Reply(400, b"<Error><Code>Odd</Code></Error>"), drop=Reply(403))
        with pytest.raises(StoreError, match="Odd"):
            stores(web.url, transport=transport, **IN_PARTS).put("x", BODY)
        assert "could not be dropped" in caplog.text

    def test_an_error_after_200_is_an_error(self, web: Scripted, stores: Stores, transport: str) -> None:
        answering(web, complete=Reply(200, b"<Error><Code>InternalError</Code></Error>"))
        with pytest.raises(RemoteConnectionError):
            stores(web.url, transport=transport, **IN_PARTS).put("x", BODY)
        assert kinds(web)[-1] == "DELETE uploadId=u"

    def test_a_completion_whose_answer_was_lost_is_recognized(
        self, web: Scripted, stores: Stores, transport: str
    ) -> None:
        gone = Reply(404, b"<Error><Code>NoSuchUpload</Code></Error>")

        def there(seen: Seen) -> Reply:
            return Reply(200, headers={"ETag": '"abc-3"', "Content-Length": str(len(BODY))})

        answering(web, complete=gone, other=there)
        assert stores(web.url, transport=transport, **IN_PARTS).put("x", BODY).etag == "abc-3"

    def test_an_upload_that_the_server_dropped_is_an_error(self, web: Scripted, stores: Stores, transport: str) -> None:
        gone = Reply(404, b"<Error><Code>NoSuchUpload</Code></Error>")
        answering(web, complete=gone, other=Reply(200, headers={"ETag": '"abc"', "Content-Length": "3"}))
        with pytest.raises(StoreError, match="over, or was dropped"):
            stores(web.url, transport=transport, **IN_PARTS).put("x", BODY)

    def test_a_server_without_parts_gets_one_request(self, web: Scripted, stores: Stores, transport: str) -> None:
        answering(web, begin=Reply(501, b"<Error><Code>NotImplemented</Code></Error>"))
        assert stores(web.url, transport=transport, **IN_PARTS).put("x", BODY).etag == "e"
        assert web.seen[-1].body == BODY

    def test_a_budget_ends_it_and_the_parts_are_dropped_all_the_same(
        self, web: Scripted, stores: Stores, transport: str
    ) -> None:
        answering(web)
        with budget(requests=2), pytest.raises(BudgetExceededError):
            stores(web.url, transport=transport, threads=1, **IN_PARTS).put("x", BODY)
        assert len(web.seen) == 3
        assert kinds(web)[-1] == "DELETE uploadId=u"

    def test_no_more_parts_are_in_flight_than_threads(self, web: Scripted, stores: Stores, transport: str) -> None:
        lock, now, most = threading.Lock(), 0, 0
        both = threading.Barrier(2)

        def part(seen: Seen) -> Reply:
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            if not re.search("partNumber=3(&|$)", seen.target):
                both.wait(10)
            with lock:
                now -= 1
            return Reply(200, headers={"ETag": '"e"'})

        answering(web, part=part)
        stores(web.url, transport=transport, threads=2, **IN_PARTS).put("x", BODY)
        assert most == 2


class TestCopies:
    def test_an_object_too_large_for_one_request_is_copied_in_parts(
        self, server: S3Server, store: S3Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.put("large", BODY)
        monkeypatch.setattr(multipart, "PART_OF_COPY", 5 * MIB)
        monkeypatch.setattr(store, "largest_copy", 10 * MIB)
        proxy.rules = [Rule("status", op="COPY", status=400, times=1)]
        assert store.copy("large", "copy") is True
        assert store.get("copy").body == BODY
        assert store.ledger.stats().operations["copy_part"].requests == 3
        assert uploads(server) == []

    def test_a_small_one_that_is_refused_is_not(self, store: S3Store, proxy: Proxy) -> None:
        store.put("small", b"x")
        proxy.rules = [Rule("status", op="COPY", status=400, times=1)]
        with pytest.raises(StoreError):
            store.copy("small", "copy")
        assert "create_upload" not in store.ledger.stats().operations


class TestSizes:
    def test_too_large_objects_are_refused_before_anything_is_sent(
        self, web: Scripted, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = stores(web.url, **IN_PARTS)
        monkeypatch.setattr(multipart, "LARGEST_OBJECT", len(BODY) - 1)
        monkeypatch.setattr(s3, "LARGEST_PUT", 10)
        with pytest.raises(GroupTooLargeError, match="largest object"):
            store.put("x", BODY)
        with pytest.raises(ValueError, match="one request"):
            store.put("x", b"12345678901", CREATE)
        assert web.seen == []

    @given(st.integers(1, 5 << 40), st.integers(5 * MIB, 5 << 30))
    def test_there_are_never_too_many_parts(self, size: int, chunksize: int) -> None:
        length = part_length(size, chunksize, "x")
        assert length >= chunksize
        assert -(-size // length) <= MOST_PARTS

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.binary(max_size=30), max_size=6), st.integers(1, 40))
    def test_pieces_are_all_of_the_body_and_of_one_length(self, parts: list[bytes], length: int) -> None:
        pieces = list(cut(parts, length))
        assert b"".join(pieces) == b"".join(parts)
        assert all(len(piece) == length for piece in pieces[:-1])
        assert all(0 < len(piece) <= length for piece in pieces)


class Sink:
    """Takes parts and forgets them."""

    def create_upload(self, key: str) -> str:
        return "u"

    def upload_part(self, key: str, upload: str, number: int, data: bytes) -> str:
        return md5(data).hexdigest()

    def complete_upload(self, key: str, upload: str, etags: list[str]) -> dict[str, str]:
        return {"etag": ""}


def test_only_the_parts_in_flight_are_in_memory() -> None:
    sink: Any = Sink()
    body = Streamed(100 * MIB, lambda: (bytes(MIB) for _ in range(100)))
    upload = multipart.Upload(lambda: sink, lambda request: request(), threading.Semaphore(2), 2, "x", "x")
    tracemalloc.start()
    try:
        headers = upload.put(body, body.nbytes, 5 * MIB)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert headers["etag"].endswith("-20")
    assert peak < (2 + 2) * 5 * MIB + 2 * MIB  # two on their way, one that is cut, and its copy


def test_objects_that_are_written_at_the_same_time_share_the_threads() -> None:
    lock, now, most = threading.Lock(), 0, 0
    sink: Any = Sink()

    def part(key: str, upload: str, number: int, data: bytes) -> str:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.005)
        with lock:
            now -= 1
        return md5(data).hexdigest()

    sink.upload_part = part
    slots = threading.Semaphore(3)
    uploads = [multipart.Upload(lambda: sink, lambda request: request(), slots, 3, str(n), "x") for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda upload: upload.put(bytes(8000), 8000, 1000)["etag"], uploads))
    assert set(found) == {found[0]}
    assert most == 3


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="5 MiB"):
        S3Access("lab", multipart_chunksize=MIB)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_packs_of_the_usual_size_are_one_request_each_and_larger_ones_arrive_too(
    server: S3Server, tmp_path: Path, transport: TransportName
) -> None:
    values = {str(n): n.to_bytes(2, "little") * 50_000 for n in range(380)}
    conn = server.connection("x", transport=transport)
    with ebooklet.open(conn, tmp_path / "a", "n") as db:
        db.update(values)
        db.changes().push()
    assert "create_upload" not in conn.stats.operations
    assert conn.stats.operations["put"].requests >= 3
    with ebooklet.open(conn, tmp_path / "b", "n", group_bytes=64 << 20) as db:
        db.update(values)
        db.changes().push()
    assert conn.stats.operations["upload_part"].requests >= 3
    with ebooklet.open(conn, tmp_path / "c", "r") as db:
        assert dict(db.items()) == values


def test_a_push_that_died_in_the_middle_of_an_upload_goes_on(server: S3Server, proxy: Proxy, tmp_path: Path) -> None:
    values = {str(n): n.to_bytes(2, "little") * 50_000 for n in range(120)}
    options: dict[str, Any] = {"multipart_threshold": 5 * MIB, "multipart_chunksize": 5 * MIB, "retries": 0}
    conn = server.connection("x", endpoint_url=proxy.endpoint_url, **options)
    with ebooklet.open(conn, tmp_path / "a", "n", group_bytes=8 * MIB) as db:
        db.update(values)
        proxy.rules = [Rule("reset", op="UPLOADPART|PUT|PART", times=1)]
        with pytest.raises(ebooklet.EBookletError):
            db.changes().push()
        assert len(list(db.changes())) == len(values)
    for thread in threading.enumerate():  # other packs may still be on their way
        if thread.name.startswith("ebooklet-"):
            thread.join()
    assert uploads(server) == []
    with ebooklet.open(conn, tmp_path / "a", "w") as db:
        db.changes().push()
    with ebooklet.open(conn, tmp_path / "b", "r") as db:
        assert dict(db.items()) == values
