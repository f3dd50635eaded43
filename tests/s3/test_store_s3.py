"""The S3 store on a real server, which checks signatures and rights."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ebooklet.errors import (
    AccessDeniedError,
    BucketMissingError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    UnsupportedOperationError,
)
from ebooklet.stores import dialect as dialects
from ebooklet.stores.access import Credentials
from ebooklet.stores.http import HttpStore
from ebooklet.stores.pooled import PooledTransport
from ebooklet.stores.protocol import CREATE, Update
from ebooklet.stores.s3 import S3Store
from tests.kits.object_store_kit import ObjectStoreKit, ReadOnlyObjectStoreKit, Seed
from tests.support.proxy import proxy_to
from tests.support.s3 import RealS3, real_s3

pytestmark = pytest.mark.s3

__all__ = ["real_s3"]


@pytest.mark.parametrize("transport", ["urllib3", "boto3"])
class TestS3StoreOnRealServer(ObjectStoreKit):
    @pytest.fixture
    def store(self, real_s3: RealS3, transport: str) -> Iterator[S3Store]:
        store = real_s3.store(page_size=10, transport=transport)
        yield store
        store.close()


@pytest.fixture
def public(real_s3: RealS3) -> Iterator[RealS3]:
    """The bucket, readable by everybody."""
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{real_s3.bucket}/*", f"arn:aws:s3:::{real_s3.bucket}"],
    }
    client = real_s3.client()
    client.put_bucket_policy(
        Bucket=real_s3.bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    yield real_s3
    client.delete_bucket_policy(Bucket=real_s3.bucket)
    client.close()


class TestHttpStoreOnRealServer(ReadOnlyObjectStoreKit):
    @pytest.fixture
    def store(self, public: RealS3) -> HttpStore:
        return HttpStore(public.url("root"), "root")

    @pytest.fixture
    def seed(self, public: RealS3) -> Seed:
        behind = public.store()

        def write(key: str, body: bytes) -> None:
            behind.put(key, body)

        return write


def test_anonymous_reads_need_a_policy_that_allows_them(real_s3: RealS3, public: RealS3) -> None:
    real_s3.store().put("root", b"hello")
    reader = real_s3.store(anonymous=True)
    assert reader.get("root").body == b"hello"
    assert reader.get_range("root", 1, 3) == b"ell"
    assert [meta.key for meta in reader.list("")] == ["root"]
    with pytest.raises(ObjectNotFoundError):
        reader.get("nothing")
    with pytest.raises(AccessDeniedError):
        reader.put("root", b"defaced")


def test_without_a_policy_strangers_are_kept_out(real_s3: RealS3) -> None:
    real_s3.store().put("root", b"hello")
    assert real_s3.stranger is not None
    for store in (real_s3.store(anonymous=True), real_s3.store(real_s3.stranger)):
        for forbidden in (
            lambda store=store: store.get("root"),
            lambda store=store: store.head("root"),
            lambda store=store: list(store.list("")),
            lambda store=store: store.put("root", b"defaced"),
            lambda store=store: store.put("root", b"defaced", CREATE),
            lambda store=store: store.delete("root"),
        ):
            with pytest.raises(AccessDeniedError, match=real_s3.bucket):
                forbidden()
        failed = store.delete_many(["root"])
        assert isinstance(failed["root"], AccessDeniedError)
    web = HttpStore(real_s3.url("root"), "root")
    for forbidden in (web.get, web.head):
        with pytest.raises(AccessDeniedError):
            forbidden("root")
    assert real_s3.store().get("root").body == b"hello"


@pytest.mark.parametrize(
    ("wrong", "says"), [("key", "does not know this access key"), ("secret", "secret access key does not fit")]
)
def test_wrong_keys_are_told_from_forbidden_ones(real_s3: RealS3, wrong: str, says: str) -> None:
    key = "nobody" if wrong == "key" else real_s3.access_key_id
    store = real_s3.store(Credentials(key, "not-the-secret"))
    with pytest.raises(AccessDeniedError, match=says) as caught:
        store.get("root")
    assert "not-the-secret" not in str(caught.value)
    with pytest.raises(AccessDeniedError):
        store.head("root")


def test_a_missing_bucket_is_named(real_s3: RealS3) -> None:
    store = real_s3.store(bucket="no-such-bucket-anywhere")
    for use in (lambda: store.get("root"), lambda: store.put("root", b""), lambda: list(store.list(""))):
        with pytest.raises(BucketMissingError, match="no-such-bucket-anywhere"):
            use()


def test_the_spelling_of_if_match_is_learned_once(real_s3: RealS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialects, "_known", {})
    with proxy_to(real_s3.host, real_s3.port) as proxy:
        store = real_s3.store(endpoint_url=proxy.endpoint_url)
        first = store.put("root", b"1", CREATE)
        second = store.put("root", b"2", Update(first.etag))
        learning = proxy.reset().requests
        assert learning["CPUT"] <= 3
        assert store.dialect.quoted_if_match is not None
        again = real_s3.store(endpoint_url=proxy.endpoint_url)
        again.put("root", b"3", Update(second.etag))
        assert proxy.reset().requests == {"CPUT": 1}
        with pytest.raises(PreconditionFailedError):
            again.put("root", b"4", Update(second.etag))


def test_copies_between_buckets_stay_on_the_server(real_s3: RealS3) -> None:
    client = real_s3.client()
    client.create_bucket(Bucket="cfdb-copies")
    try:
        source, target = real_s3.store(), real_s3.store(bucket="cfdb-copies")
        source.put("root.objects/ä b", b"hello")
        assert source.copy("root.objects/ä b", "copy", target=target) is True
        assert target.get("copy").body == b"hello"
        target.delete("copy")
        assert real_s3.stranger is not None
        stranger = real_s3.store(real_s3.stranger)
        assert source.copy("root.objects/ä b", "copy", target=stranger) is False
    finally:
        client.delete_bucket(Bucket="cfdb-copies")
        client.close()


def test_a_url_cannot_be_written(public: RealS3) -> None:
    store = HttpStore(public.url("root"), "root")
    for write in (lambda: store.put("root", b""), lambda: store.delete("root"), lambda: store.list("")):
        with pytest.raises(UnsupportedOperationError):
            write()


def test_a_clock_that_is_hours_off_costs_one_request(real_s3: RealS3, monkeypatch: pytest.MonkeyPatch) -> None:
    real_s3.store().put("root", b"hello")
    now = time.time
    monkeypatch.setattr("ebooklet.stores.pooled.time.time", lambda: now() - 7200)
    with proxy_to(real_s3.host, real_s3.port) as proxy:
        for first in ("head", "get"):
            store = real_s3.store(endpoint_url=proxy.endpoint_url)
            getattr(store, first)("root")
            assert proxy.reset().total == 2
            store.put("root", b"hello", Update(store.get("root").meta.etag))
            assert proxy.reset().statuses[403] == 0


def test_one_connection_serves_one_thread(real_s3: RealS3) -> None:
    with proxy_to(real_s3.host, real_s3.port) as proxy:
        store = real_s3.store(endpoint_url=proxy.endpoint_url)
        etag = store.put("root", b"", CREATE).etag
        for _ in range(5):
            etag = store.put("root", bytes(100_000), Update(etag)).etag
            assert store.get_range("root", 5, 70_000) == bytes(70_000)
            store.head("root")
            assert [meta.key for meta in store.list("")] == ["root"]
            with pytest.raises(ObjectNotFoundError):
                store.get("nothing")
            assert store.copy("root", "copy") is True
            assert store.delete_many(["copy", "never"]) == {}
        assert proxy.reset().connections == 1


def test_a_damaged_upload_is_refused(real_s3: RealS3) -> None:
    """The server verifies the hash that is signed, so that no wrong byte is stored."""
    store = real_s3.store(retries=0)
    transport = store._transport()
    assert isinstance(transport, PooledTransport)
    send = transport._pool.send

    def damage(method: str, url: str, target: str, headers: Any, body: bytes | None = None, **options: Any) -> Any:
        return send(method, url, target, headers, body and b"X" + body[1:], **options)

    transport._pool.send = damage  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="XAmzContentSHA256Mismatch"):
        store.put("root", b"hello")
    with pytest.raises(ObjectNotFoundError):
        real_s3.store().get("root")
