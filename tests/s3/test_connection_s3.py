"""What a connection finds out and says at the real S3 server, which checks signatures and rights."""

from collections.abc import Iterator
from typing import Any

import pytest

from ebooklet import AccessDeniedError, S3Connection
from ebooklet.errors import InvalidURLError
from ebooklet.stores.protocol import Create
from tests.support.s3 import RealS3, real_s3

__all__ = ["real_s3"]
pytestmark = [pytest.mark.s3, pytest.mark.timeout(120)]
TRANSPORTS = ["urllib3", "boto3"]


@pytest.fixture(params=TRANSPORTS)
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"transport": request.param}


def test_a_check_of_ones_own_bucket(real_s3: RealS3, options: dict[str, Any]) -> None:
    conn = real_s3.connection("x.cfdb", **options)
    found = conn.check(write=True)
    assert found.ok, str(found)
    assert (found.may_list, found.may_read, found.may_write, found.conditional_put) == (True, True, True, True)
    assert found.n_requests == 5
    assert list(conn.store(writable=True).list("x")) == []


def test_a_check_with_the_keys_of_a_stranger(real_s3: RealS3, options: dict[str, Any]) -> None:
    if real_s3.stranger is None:
        pytest.skip("no keys of a stranger")
    keys = {"access_key_id": real_s3.stranger.access_key_id, "access_key": real_s3.stranger.access_key}
    conn = real_s3.connection("x.cfdb", **keys, **options)
    found = conn.check(write=True)
    assert (found.ok, found.reachable, found.may_list, found.may_write) == (False, True, False, False)
    with pytest.raises(AccessDeniedError, match="signed with the keys of access_key_id= and access_key="):
        conn.store().get("x.cfdb")


def test_a_wrong_secret_is_called_so(real_s3: RealS3, options: dict[str, Any]) -> None:
    conn = real_s3.connection("x.cfdb", access_key="PLANTED", **options)
    with pytest.raises(AccessDeniedError, match="secret access key does not fit") as caught:
        conn.store().get("x.cfdb")
    assert "PLANTED" not in str(caught.value)


def test_unsigned_requests_are_called_so(real_s3: RealS3, options: dict[str, Any]) -> None:
    conn = real_s3.connection("x.cfdb", access_key_id=None, access_key=None, anonymous=True, **options)
    with pytest.raises(AccessDeniedError, match="not signed, as anonymous=True says"):
        conn.store(writable=True).put("x.cfdb", b"1")


@pytest.fixture
def fresh(real_s3: RealS3, options: dict[str, Any]) -> Iterator[S3Connection]:
    """A connection to a bucket that is not there yet."""
    name = f"{real_s3.bucket}-on-demand"
    yield real_s3.connection("x.cfdb", bucket=name, create_bucket=True, prefix="rain", **options)
    client = real_s3.client()
    client.delete_bucket(Bucket=name)
    client.close()


def test_a_bucket_is_made_by_the_first_write(fresh: S3Connection) -> None:
    store = fresh.store(writable=True)
    assert list(store.list("rain/")) == []
    store.put(fresh.db_key, b"1", Create())
    assert store.get("rain/x.cfdb").body == b"1"
    with pytest.raises(InvalidURLError, match="prefix="):
        store.put("x.cfdb", b"1")
    store.delete(fresh.db_key)


def test_storage_class_and_tags_are_kept(real_s3: RealS3, options: dict[str, Any]) -> None:
    conn = real_s3.connection("x.cfdb", storage_class="STANDARD", tags={"project": "rain fall"}, **options)
    store = conn.store(writable=True)
    store.put("x.cfdb", b"1")
    store.copy("x.cfdb", "y.cfdb")
    client = real_s3.client()
    for key in ("x.cfdb", "y.cfdb"):
        tags = client.get_object_tagging(Bucket=real_s3.bucket, Key=key)["TagSet"]
        assert tags == [{"Key": "project", "Value": "rain fall"}]
    client.close()
