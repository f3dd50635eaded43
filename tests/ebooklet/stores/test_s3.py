import os
import pickle
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from botocore import UNSIGNED

from cfdb.testing import S3Server
from ebooklet.errors import BucketMissingError, NoCredentialsError, ObjectTooLargeError, ShortObjectError
from ebooklet.stores.access import Credentials, S3Access, TransportName
from ebooklet.stores.boto import make_client
from ebooklet.stores.protocol import CREATE
from ebooklet.stores.s3 import S3Store
from tests.kits.object_store_kit import ObjectStoreKit
from tests.support.web import web_server

TRANSPORTS: tuple[TransportName, ...] = ("urllib3", "boto3")


def s3_store(server: S3Server, *, page_size: int = 1000, **options: object) -> S3Store:
    access = S3Access(server.bucket, **({"endpoint_url": server.endpoint_url} | options))  # type: ignore[arg-type]
    store = S3Store(access, Credentials(server.access_key_id, server.access_key), page_size=page_size)
    store._policy = replace(store._policy, shortest=0.01)
    return store


@pytest.mark.parametrize("transport", TRANSPORTS)
class TestS3StoreOnMoto(ObjectStoreKit):
    @pytest.fixture
    def store(self, server: S3Server, transport: str) -> Iterator[S3Store]:
        store = s3_store(server, page_size=10, transport=transport)
        yield store
        store.close()


def test_the_pool_of_boto3_is_as_large_as_the_threads(server: S3Server) -> None:
    access = S3Access(server.bucket, endpoint_url=server.endpoint_url, threads=40)
    assert make_client(access, Credentials("a", "b")).meta.config.max_pool_connections >= 40


def test_stores_of_one_bucket_share_what_they_learn(server: S3Server) -> None:
    assert s3_store(server).dialect is s3_store(server).dialect


def test_neither_repr_nor_pickle_gives_keys_away(server: S3Server) -> None:
    store = s3_store(server)
    assert "testing-secret" not in repr(store) + repr(vars(store))
    with pytest.raises(TypeError, match="pickle its connection"):
        pickle.dumps(store)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_server_without_ranges_is_coped_with(server: S3Server, transport: TransportName) -> None:
    with web_server() as web:
        web.ranges = False
        web.pages["/bucket/root"] = bytes(range(256))
        store = S3Store(S3Access("bucket", endpoint_url=web.url, anonymous=True, transport=transport))
        assert store.get_range("root", 10, 20) == bytes(range(10, 30))
        with pytest.raises(ShortObjectError):
            store.get_range("root", 250, 7)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_server_that_does_not_tell_lengths_is_coped_with(server: S3Server, transport: TransportName) -> None:
    with web_server() as web:
        web.lengths = False
        web.pages["/bucket/root"] = bytes(1000)
        store = S3Store(S3Access("bucket", endpoint_url=web.url, anonymous=True, transport=transport))
        assert store.get("root", limit=1000).body == bytes(1000)
        assert store.get_range("root", 1, 5) == bytes(5)
        with pytest.raises(ObjectTooLargeError):
            store.get("root", limit=999)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_missing_bucket_is_named(server: S3Server, transport: TransportName) -> None:
    access = S3Access("nowhere", endpoint_url=server.endpoint_url, transport=transport)
    store = S3Store(access, Credentials("a", "b"))
    for use in (lambda: store.get("root"), lambda: store.put("root", b"", CREATE), lambda: list(store.list(""))):
        with pytest.raises(BucketMissingError, match="nowhere"):
            use()
    failed = store.delete_many(["a", "b"])
    assert {key: type(error) for key, error in failed.items()} == {"a": BucketMissingError, "b": BucketMissingError}


class TestCredentials:
    """Keys by hand, else the chain, else unsigned."""

    @pytest.fixture(autouse=True)
    def empty_chain(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in list(os.environ):
            if name.startswith("AWS_"):
                monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))

    def signer(self, access: S3Access, credentials: Credentials | None = None) -> str | None:
        """The access key id that requests are signed with."""
        client = make_client(access, credentials)
        if client.meta.config.signature_version is UNSIGNED:
            return None
        return str(client._request_signer._credentials.access_key)

    def test_without_any_requests_are_unsigned(self) -> None:
        assert self.signer(S3Access("b")) is None

    def test_the_environment_is_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-env")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        assert self.signer(S3Access("b")) == "from-env"
        assert self.signer(S3Access("b", anonymous=True)) is None
        assert self.signer(S3Access("b"), Credentials("by-hand", "x")) == "by-hand"

    def test_a_profile_is_used(self, tmp_path: Path) -> None:
        (tmp_path / "credentials").write_text("[lab]\naws_access_key_id = from-lab\naws_secret_access_key = x\n")
        (tmp_path / "config").write_text("[profile lab]\nregion = eu-west-3\n")
        assert self.signer(S3Access("b", profile="lab")) == "from-lab"
        assert make_client(S3Access("b", profile="lab"), None).meta.region_name == "eu-west-3"
        with pytest.raises(NoCredentialsError, match="other"):
            make_client(S3Access("b", profile="other"), None)

    def test_keys_may_be_demanded(self) -> None:
        with pytest.raises(NoCredentialsError, match="AWS_ACCESS_KEY_ID"):
            make_client(S3Access("b", anonymous=False), None)

    def test_keys_lost_on_the_way_are_not_replaced_by_none(self) -> None:
        with pytest.raises(NoCredentialsError, match="on the workers"):
            make_client(S3Access("b", expects_keys=True), None)

    def test_region_and_token_arrive(self) -> None:
        client = make_client(S3Access("b", region="eu-central-1"), Credentials("a", "b", "token"))
        assert client.meta.region_name == "eu-central-1"
        assert client._request_signer._credentials.token == "token"

    def test_addressing_is_boto3_s_own_unless_given(self) -> None:
        assert make_client(S3Access("b"), None).meta.config.s3 is None
        client = make_client(S3Access("b", addressing_style="virtual"), None)
        assert client.meta.config.s3["addressing_style"] == "virtual"


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(ImportError, match=r"cfdb\[ebooklet\]"):
        make_client(S3Access("b"), None)
