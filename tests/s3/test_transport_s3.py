"""Parts, options of objects, counting and budgets at a real server."""

from collections.abc import Iterator
from typing import Any

import pytest

import ebooklet
from ebooklet.errors import BudgetExceededError, StoreError
from ebooklet.stores import multipart
from ebooklet.stores.protocol import Streamed
from ebooklet.stores.s3 import S3Store
from tests.kits.object_store_kit import ObjectStoreKit
from tests.support.proxy import proxy_to
from tests.support.s3 import RealS3, real_s3

pytestmark = pytest.mark.s3

__all__ = ["real_s3"]

MIB = 1 << 20
BODY = bytes(range(251)) * (12 * MIB // 251)
TRANSPORTS = ["urllib3", "boto3"]


@pytest.mark.parametrize("transport", TRANSPORTS)
class TestEverythingInParts(ObjectStoreKit):
    @pytest.fixture
    def store(self, real_s3: RealS3, transport: str) -> Iterator[S3Store]:
        options: dict[str, Any] = {"multipart_threshold": 1, "multipart_chunksize": 5 * MIB}
        store = real_s3.store(page_size=10, transport=transport, **options)
        yield store
        store.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_large_object_is_written_and_copied_in_parts(
    real_s3: RealS3, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "PART_OF_COPY", 5 * MIB)
    store = real_s3.store(transport=transport, multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    meta = store.put("large", [BODY[:10], BODY[10:]])
    assert meta.etag == store.head("large").etag
    assert meta.etag.endswith("-3")
    assert meta.last_modified is not None
    store._upload("copy").copy(real_s3.bucket, "large", len(BODY))
    assert store.get("copy").body == BODY
    store.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_parts_of_an_upload_that_failed_are_dropped(real_s3: RealS3, transport: str) -> None:
    def broken() -> Iterator[bytes]:
        yield BODY[: 6 * MIB]
        raise ZeroDivisionError

    store = real_s3.store(transport=transport, multipart_chunksize=5 * MIB)
    body = Streamed(len(BODY), broken)
    with pytest.raises(ZeroDivisionError):
        store._upload("large").put(body, len(BODY), 5 * MIB)
    client = real_s3.client()
    assert "Uploads" not in client.list_multipart_uploads(Bucket=real_s3.bucket)
    client.close()
    store.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_an_object_is_written_with_is_what_it_has(real_s3: RealS3, transport: str) -> None:
    tags = (("project", "rain & snow"), ("team", "a=b+c/d"))
    store = real_s3.store(
        transport=transport, storage_class="STANDARD", acl="private", tags=tags, multipart_threshold=5 * MIB
    )
    store.put("a", b"small")
    store.put("b", BODY)
    assert store.copy("a", "c") is True
    client = real_s3.client()
    for key in "ac":  # Ceph forgets the tags of an upload in parts
        found = client.get_object_tagging(Bucket=real_s3.bucket, Key=key).get("TagSet", [])
        assert sorted((tag["Key"], tag["Value"]) for tag in found) == sorted(tags), key
    client.close()
    store.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_unknown_option_of_an_object_is_an_error(real_s3: RealS3, transport: str) -> None:
    store = real_s3.store(transport=transport, storage_class="NO_SUCH_CLASS")
    with pytest.raises(StoreError, match="400"):
        store.put("a", b"small")
    store.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_ledger_counts_what_the_server_gets_and_a_budget_bounds_it(real_s3: RealS3, transport: str) -> None:
    with proxy_to(real_s3.host, real_s3.port) as proxy:
        store = real_s3.store(transport=transport, endpoint_url=proxy.endpoint_url)
        store.put("a", bytes(5000))
        store.get_range("a", 0, 100)
        list(store.list(""))
        with ebooklet.budget(requests=1):
            store.head("a")
            with pytest.raises(BudgetExceededError):
                store.head("a")
        assert store.ledger.stats().requests == proxy.traffic.total == 4
        assert store.ledger.stats().operations["get_range"].received == 100
        store.close()
