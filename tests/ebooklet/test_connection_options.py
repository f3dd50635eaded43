"""Every option of a connection, by the requests that it makes."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

import ebooklet
from cfdb.testing import S3Server, s3_server
from ebooklet.connection import S3Connection
from ebooklet.errors import (
    BucketMissingError,
    InvalidURLError,
    ObjectNotFoundError,
    RemoteConnectionError,
    UnsupportedOperationError,
)
from ebooklet.stores.boto_transport import BotoTransport
from ebooklet.stores.mirrors import MirrorStore
from ebooklet.stores.pooled import PooledTransport
from ebooklet.stores.protocol import CREATE, Create, Update
from ebooklet.stores.s3 import S3Store
from tests.ebooklet.stores.scripted_fixtures import authority, aws, company, nothing_configured, secure, web
from tests.support.proxy import Rule, proxy_to
from tests.support.scripted import Reply, Scripted, WebProxy, scripted_server

__all__ = ["authority", "aws", "company", "nothing_configured", "secure", "web"]

TRANSPORTS = ["urllib3", "boto3"]
KEYS = {"access_key_id": "the-id", "access_key": "hush"}
Connect = Callable[..., S3Connection]


@pytest.fixture(params=TRANSPORTS)
def connect(request: pytest.FixtureRequest, web: Scripted) -> Connect:
    """Makes connections to the scripted server, with each transport."""

    def make(**options: Any) -> S3Connection:
        given: dict[str, Any] = {"bucket": "lab", "db_key": "x.cfdb", "endpoint_url": web.url, "region": "us-east-1"}
        return S3Connection(**(KEYS | given | {"retries": 0, "transport": request.param} | options))

    return make


class TestPlaces:
    def test_region_addressing_and_server(self, connect: Connect, web: Scripted) -> None:
        connect(region="eu-north-1", addressing_style="path").store().head("x.cfdb")
        (seen,) = web.seen
        assert seen.target == "/lab/x.cfdb"
        assert "/eu-north-1/s3/aws4_request" in seen.headers["authorization"]

    @pytest.mark.parametrize("transport", TRANSPORTS)
    @pytest.mark.parametrize("style", ["auto", "virtual"])
    def test_a_bucket_may_be_named_by_the_host(self, aws: Scripted, transport: Any, style: Any) -> None:
        conn = S3Connection(
            **KEYS, bucket="lab", db_key="x", region="eu-west-1", addressing_style=style, transport=transport
        )
        conn.store().head("x")
        assert aws.seen[0].headers["host"] == "lab.s3.eu-west-1.amazonaws.com"

    def test_anonymous_requests_are_not_signed(self, connect: Connect, web: Scripted) -> None:
        connect(access_key_id=None, access_key=None, anonymous=True).store().head("x.cfdb")
        assert not {"authorization", "x-amz-security-token"} & set(web.seen[0].headers)

    def test_the_token_of_temporary_keys_is_sent(self, connect: Connect, web: Scripted) -> None:
        connect(session_token="tok").store().head("x.cfdb")
        assert web.seen[0].headers["x-amz-security-token"] == "tok"

    def test_attempts_are_counted_from_the_first_retry(self, connect: Connect, web: Scripted) -> None:
        web.answer = lambda _: Reply(503, b"<Error><Code>SlowDown</Code></Error>")
        with pytest.raises(RemoteConnectionError, match=r"\(2 attempts\)"):
            connect(retries=1).store().head("x.cfdb")
        assert len(web.seen) == 2


class TestPrefix:
    def test_keys_lie_below_it(self, connect: Connect, web: Scripted) -> None:
        conn = connect(prefix="projects/rain", db_key="a/x.cfdb")
        assert (conn.db_key, conn.uri) == ("projects/rain/a/x.cfdb", "s3://lab/projects/rain/a/x.cfdb")
        assert conn.to_dict()["db_key"] == "a/x.cfdb"
        conn.store().head(conn.db_key)
        assert web.seen[0].target == "/lab/projects/rain/a/x.cfdb"

    def test_no_request_leaves_it(self, connect: Connect, web: Scripted) -> None:
        inside, outside = connect(prefix="rain").store(writable=True), connect().store(writable=True)
        requests: list[Callable[[], object]] = [
            lambda: inside.get("rainy/x"),
            lambda: inside.get_range("x", 0, 1),
            lambda: inside.head("rain"),
            lambda: inside.put("x", b""),
            lambda: inside.put("x", b"", CREATE),
            lambda: inside.delete("x"),
            lambda: inside.delete_many(["rain/a", "x"]),
            lambda: list(inside.list("")),
            lambda: inside.copy("x", "rain/x"),
            lambda: inside.copy("rain/x", "x"),
            lambda: outside.copy("x", "x", target=inside),
        ]
        for request in requests:
            with pytest.raises(InvalidURLError, match="does not lie below prefix='rain/'"):
                request()
        assert web.seen == []

    @pytest.mark.parametrize("prefix", ["/rain", "a//b", "../b", "a/./b"])
    def test_one_that_is_no_folder_is_refused(self, prefix: str) -> None:
        with pytest.raises(ValueError, match="prefix="):
            S3Connection(bucket="lab", db_key="x", prefix=prefix)

    def test_a_public_url_alone_has_none(self) -> None:
        with pytest.raises(ValueError, match="belongs to bucket="):
            S3Connection(db_url="https://h.org/x", prefix="rain")
        assert S3Connection(db_url="https://h.org/x", bucket="lab", db_key="x", prefix="rain").db_key == "rain/x"

    def test_a_url_of_a_bucket_has_to_lie_below_it(self) -> None:
        assert S3Connection(db_url="s3://lab/rain/x", prefix="rain").db_key == "rain/x"
        with pytest.raises(ValueError, match="does not lie below prefix='rain/'"):
            S3Connection(db_url="s3://lab/rainy/x", prefix="rain")


class TestBucketOnDemand:
    """Against a real implementation of S3 (moto)."""

    @pytest.fixture(params=TRANSPORTS)
    def make(self, request: pytest.FixtureRequest) -> Any:
        with s3_server() as server:
            yield lambda **options: self.connection(server, **({"transport": request.param} | options))

    def connection(self, server: S3Server, **options: Any) -> S3Connection:
        return server.connection("x.cfdb", bucket=f"new-{server.port}", **options)

    def test_it_is_made_by_the_first_write(self, make: Connect) -> None:
        store = make(create_bucket=True).store(writable=True)
        assert list(store.list("x")) == []
        with pytest.raises(ObjectNotFoundError):
            store.get("x.cfdb")
        with pytest.raises(ObjectNotFoundError):
            store.head("x.cfdb")
        store.put("x.cfdb", b"1", Create())
        assert store.get("x.cfdb").body == b"1"
        store.put("x.cfdb", b"2", Update(store.head("x.cfdb").etag))
        for key in ("x.cfdb",):
            store.delete(key)

    def test_it_is_an_error_otherwise(self, make: Connect) -> None:
        store = make().store(writable=True)
        with pytest.raises(BucketMissingError, match="check bucket= and endpoint_url="):
            store.put("x.cfdb", b"1")
        with pytest.raises(BucketMissingError):
            store.get("x.cfdb")

    @pytest.mark.parametrize("transport", TRANSPORTS)
    def test_at_aws_its_region_is_told(self, aws: Scripted, transport: Any) -> None:
        missing = Reply(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        made = [False]

        def answer(seen: Any) -> Reply:
            if seen.method == "PUT" and seen.target in {"/", "/lab"}:
                made[0] = True
                return Reply()
            return Reply(headers={"ETag": '"e"'}) if made[0] else missing

        aws.answer = answer
        S3Connection(
            **KEYS, bucket="lab", db_key="x", region="eu-west-1", transport=transport, create_bucket=True, retries=0
        ).store(writable=True).put("x", b"1")
        bodies = [seen.body for seen in aws.seen]
        assert [seen.method for seen in aws.seen] == ["PUT"] * 3
        assert b"<LocationConstraint>eu-west-1</LocationConstraint>" in bodies[1]
        assert bodies[0] == bodies[2] == b"1"


class TestMirrors:
    def test_the_next_one_is_asked_when_one_cannot_be_reached(self, web: Scripted) -> None:
        web.answer = lambda _: Reply(200, b"hello", {"ETag": '"e"'})
        with pytest.warns(UserWarning, match="without encryption"):
            conn = S3Connection(db_url=["http://nowhere.invalid:1/x", f"{web.url}/data/y"], retries=0)
        store = conn.store()
        assert isinstance(store, MirrorStore)
        assert store.get("x").body == b"hello"
        assert [seen.target for seen in web.seen] == ["/data/y"]
        assert store.uri == f"{web.url}/data/y"  # which is kept to

    def test_one_that_fails_later_gives_way_too(self, web: Scripted) -> None:
        with scripted_server() as other:
            web.answer = other.answer = lambda _: Reply(200, b"hello", {"ETag": '"e"'})
            store = S3Connection(db_url=[f"{web.url}/x", f"{other.url}/x"], retries=0).store()
            store.get("x")
            web.answer = lambda _: Reply(503)
            assert store.get("x.objects/a").body == b"hello"
            assert (len(web.seen), [seen.target for seen in other.seen]) == (2, ["/x.objects/a"])

    def test_an_answer_is_an_answer(self, web: Scripted) -> None:
        with scripted_server() as other:
            web.answer = lambda _: Reply(404)
            store = S3Connection(db_url=[f"{web.url}/x", f"{other.url}/x"], retries=0).store()
            with pytest.raises(ObjectNotFoundError):
                store.get("x")
            assert other.seen == []

    def test_when_none_answers_all_are_named(self) -> None:
        conn = S3Connection(db_url=["http://127.0.0.1:1/x", "http://127.0.0.1:2/x"], retries=0)
        with pytest.raises(RemoteConnectionError, match=r"none of 2 mirrors .*127.0.0.1:1/x.*127.0.0.1:2/x"):
            conn.store().head("x")

    def test_they_are_read_only(self) -> None:
        store = S3Connection(db_url=["https://a.org/x", "https://b.org/x"]).store()
        for request in (lambda: store.put("x", b""), lambda: store.delete("x"), lambda: store.copy("x", "y")):
            with pytest.raises(UnsupportedOperationError, match="read-only"):
                request()

    def test_they_are_what_was_given(self) -> None:
        conn = S3Connection(db_url=("https://a.org/x", "https://b.org/x"))
        assert conn.db_url == ("https://a.org/x", "https://b.org/x")
        assert (conn.uri, conn.db_key) == ("https://a.org/x", "x")
        assert pickle.loads(pickle.dumps(conn)) == conn

    @pytest.mark.parametrize(
        ("urls", "says"),
        [
            ([], "names no URL"),
            (["https://a.org/x", "s3://lab/x"], "mirrors are https URLs"),
            (["https://a.org/x", "https://a.org/x?sig=hush"], "query string"),
            (["https://a.org/x", "file:///data/x"], "folder"),
        ],
    )
    def test_others_are_refused(self, urls: list[str], says: str) -> None:
        with pytest.raises(ValueError, match=says) as caught:
            S3Connection(db_url=urls)
        assert "hush" not in str(caught.value)


class TestConfigOfBotocore:
    def test_what_has_a_name_here_becomes_that(self) -> None:
        config = Config(
            region_name="eu-west-3",
            connect_timeout=2,
            read_timeout=9,
            max_pool_connections=33,
            retries={"max_attempts": 5},
            s3={"addressing_style": "virtual"},
            signature_version="s3v4",
        )
        conn = S3Connection(bucket="lab", db_key="x", config=config)
        assert conn.to_dict() == {
            "bucket": "lab",
            "db_key": "x",
            "region": "eu-west-3",
            "connect_timeout": 2,
            "read_timeout": 9,
            "threads": 33,
            "retries": 5,
            "addressing_style": "virtual",
        }

    def test_what_is_given_by_hand_comes_first(self) -> None:
        conn = S3Connection(bucket="lab", db_key="x", read_timeout=5, config=Config(read_timeout=9, connect_timeout=2))
        assert (conn.read_timeout, conn.access.connect_timeout) == (5, 2)

    def test_unsigned_means_anonymous(self, connect: Connect, web: Scripted) -> None:
        connect(access_key_id=None, access_key=None, config=Config(signature_version=UNSIGNED)).store().head("x.cfdb")
        assert "authorization" not in web.seen[0].headers
        with pytest.raises(ValueError, match="anonymous=True"):
            connect(config=Config(signature_version=UNSIGNED))

    def test_its_proxy_is_used_and_not_that_of_the_environment(
        self, connect: Connect, web: Scripted, company: WebProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        company.lead_to = web.port
        with_keys = company.url.replace("http://", "http://me:hush@")
        conn = connect(config=Config(proxies={"http": with_keys}), endpoint_url="http://s3.example.org")
        conn.store().head("x.cfdb")
        assert company.seen[0][2].startswith("Basic ")
        assert "hush" not in str(conn.to_dict())
        assert conn.to_dict()["config"] == {"proxies": {"http": company.url}}
        assert b"hush" not in pickle.dumps(conn)
        pickle.loads(pickle.dumps(conn)).store().head("x.cfdb")
        assert company.seen[1][2] == company.seen[0][2]  # found again in this process

    def test_a_public_url_is_read_through_its_proxy_too(self, web: Scripted, company: WebProxy) -> None:
        company.lead_to = web.port
        with pytest.warns(UserWarning, match="without encryption"):
            conn = S3Connection(db_url="http://data.example.org/x", config={"proxies": {"http": company.url}})
        conn.store().head("x")
        assert company.seen[0][1] == "http://data.example.org/x"

    @pytest.mark.parametrize("transport", TRANSPORTS)
    def test_servers_of_aws_with_two_kinds_of_addresses(self, aws: Scripted, transport: Any) -> None:
        S3Connection(
            **KEYS,
            bucket="lab",
            db_key="x",
            region="eu-west-1",
            transport=transport,
            config=Config(use_dualstack_endpoint=True),
        ).store().head("x")
        assert aws.seen[0].headers["host"] == "lab.s3.dualstack.eu-west-1.amazonaws.com"

    def test_what_only_boto3_can_has_boto3_send(self, web: Scripted) -> None:
        given: dict[str, Any] = {"bucket": "lab", "db_key": "x", "endpoint_url": web.url} | KEYS
        config = Config(user_agent_extra="rain/1.0")
        store = S3Connection(**given, config=config).store()
        assert isinstance(store, S3Store)
        assert isinstance(store._transport(), BotoTransport)
        store.head("x")
        assert web.seen[0].headers["user-agent"].endswith("rain/1.0")
        assert isinstance(S3Connection(**given).store()._transport(), PooledTransport)
        with pytest.raises(ValueError, match=r"config= has \['user_agent_extra'\], which only transport='boto3'"):
            S3Connection(**given, config=config, transport="urllib3")

    @pytest.mark.parametrize(
        ("config", "error", "says"),
        [
            ({"reed_timeout": 3}, TypeError, r"config= has \['reed_timeout'\]"),
            ({"read_timeout": None}, ValueError, "read_timeout=None, for ever"),
            ("fast", TypeError, "not str"),
        ],
    )
    def test_what_is_no_configuration_is_refused(self, config: Any, error: type[Exception], says: str) -> None:
        with pytest.raises(error, match=says):
            S3Connection(bucket="lab", db_key="x", config=config)


WRITTEN: dict[str, dict[str, Any]] = {
    "storage_class": {"given": {"storage_class": "STANDARD_IA"}, "sent": {"x-amz-storage-class": "STANDARD_IA"}},
    "sse": {"given": {"sse": "AES256"}, "sent": {"x-amz-server-side-encryption": "AES256"}},
    "sse_kms_key_id": {
        "given": {"sse": "aws:kms", "sse_kms_key_id": "alias/rain"},
        "sent": {
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id": "alias/rain",
        },
    },
    "acl": {"given": {"acl": "bucket-owner-full-control"}, "sent": {"x-amz-acl": "bucket-owner-full-control"}},
    "tags": {
        "given": {"tags": {"project": "rain fall", "team": "a+b"}},
        "sent": {"x-amz-tagging": "project=rain%20fall&team=a%2Bb"},
    },
}


class TestWhatObjectsAreWrittenWith:
    @pytest.mark.parametrize("name", WRITTEN)
    @pytest.mark.parametrize("way", ["put", "create", "parts", "copy"])
    def test_it_is_said_by_every_request_that_makes_an_object_and_by_no_other(
        self, connect: Connect, web: Scripted, name: str, way: str
    ) -> None:
        upload = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
        done = b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
        copied = b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"

        def answer(seen: Any) -> Reply:
            if seen.method == "POST":
                return Reply(200, upload if "uploads" in seen.target else done, {"ETag": '"e"'})
            return Reply(200, copied if "x-amz-copy-source" in seen.headers else b"", {"ETag": '"e"'})

        web.answer = answer
        store = connect(**WRITTEN[name]["given"], multipart_threshold=6 << 20, multipart_chunksize=5 << 20).store()
        {
            "put": lambda: store.put("x.cfdb", b"1"),
            "create": lambda: store.put("x.cfdb", b"1", CREATE),
            "parts": lambda: store.put("x.cfdb", bytes(6 << 20)),
            "copy": lambda: store.copy("x.cfdb", "y.cfdb"),
        }[way]()
        sent = WRITTEN[name]["sent"]
        assert {key: web.seen[0].headers.get(key) for key in sent} == sent
        assert all(f";{key};" in f"{_signed(web.seen[0])};" for key in sent)
        assert len(web.seen) == (4 if way == "parts" else 1)
        del web.seen[:]
        web.answer = lambda seen: Reply(200, b"1" if seen.method == "GET" else b"", {"ETag": '"e"'})
        store.get("x.cfdb")
        store.head("x.cfdb")
        store.delete("x.cfdb")
        assert not [key for seen in web.seen for key in sent if key in seen.headers]

    def test_a_payer_is_named_by_every_request(self, connect: Connect, web: Scripted) -> None:
        listing = b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></ListBucketResult>'
        web.answer = lambda seen: Reply(200, listing if seen.method == "GET" else b"", {"ETag": '"e"'})
        store = connect(request_payer=True).store()
        store.get("x.cfdb")
        store.head("x.cfdb")
        store.put("x.cfdb", b"1")
        list(store.list("x"))
        store.delete("x.cfdb")
        assert [seen.headers.get("x-amz-request-payer") for seen in web.seen] == ["requester"] * 5

    def test_nothing_of_it_is_said_unless_asked_for(self, connect: Connect, web: Scripted) -> None:
        connect().store().put("x.cfdb", b"1")
        names = {key for one in WRITTEN.values() for key in one["sent"]} | {"x-amz-request-payer"}
        assert not names & set(web.seen[0].headers)

    def test_parts_have_the_size_asked_for(self, connect: Connect, web: Scripted) -> None:
        upload = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
        done = b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
        web.answer = lambda seen: Reply(200, (upload if "uploads" in seen.target else done), {"ETag": '"e"'})
        store = connect(multipart_threshold="11MiB", multipart_chunksize="5MiB").store()
        store.put("x.cfdb", bytes((11 << 20) - 1))
        assert [seen.method for seen in web.seen] == ["PUT"]
        del web.seen[:]
        store.put("x.cfdb", bytes(11 << 20))
        sizes = sorted(len(seen.body) for seen in web.seen if seen.method == "PUT")
        assert sizes == [1 << 20, 5 << 20, 5 << 20]

    @pytest.mark.parametrize("transport", TRANSPORTS)
    def test_a_server_takes_it_up(self, transport: Any) -> None:
        with s3_server() as server:
            conn = server.connection(
                "x.cfdb", transport=transport, storage_class="STANDARD_IA", tags={"project": "rain"}, sse="AES256"
            )
            store = conn.store(writable=True)
            store.put("x.cfdb", b"1")
            client = boto3.client(
                "s3",
                endpoint_url=server.endpoint_url,
                aws_access_key_id=server.access_key_id,
                aws_secret_access_key=server.access_key,
                region_name="us-east-1",
            )
            found = client.head_object(Bucket=server.bucket, Key="x.cfdb")
            tags = client.get_object_tagging(Bucket=server.bucket, Key="x.cfdb")["TagSet"]
            client.close()
        assert (found["StorageClass"], found["ServerSideEncryption"]) == ("STANDARD_IA", "AES256")
        assert tags == [{"Key": "project", "Value": "rain"}]


def _signed(seen: Any) -> str:
    return ";" + str(seen.headers["authorization"]).partition("SignedHeaders=")[2].partition(",")[0]


class TestValuesOfObjects:
    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"storage_class": "COLD STORE"}, "storage_class='COLD STORE'"),
            ({"sse": "rot13"}, "sse='rot13'"),
            ({"sse_kms_key_id": "k"}, "belongs to sse='aws:kms'"),
            ({"sse": "AES256", "sse_kms_key_id": "k"}, "belongs to sse='aws:kms'"),
            ({"sse": "aws:kms", "sse_kms_key_id": "a\nb"}, "the id, alias or ARN"),
            ({"acl": "everybody"}, "acl='everybody'"),
            ({"tags": {str(n): "" for n in range(11)}}, "11 tags; an object may have 10"),
            ({"tags": {"": "x"}}, "1 to 128"),
            ({"tags": {"a" * 129: "x"}}, "1 to 128"),
            ({"tags": {"a": "x" * 257}}, "up to 256"),
            ({"tags": {"aws:x": "y"}}, "belong to AWS"),
            ({"tags": {"a": "x&y"}}, "up to 256"),
            ({"tags": [("a", "1"), ("a", "2")]}, "names a tag twice"),
            ({"multipart_chunksize": "1MB"}, "5 MiB to 5 GiB"),
            ({"multipart_threshold": 0}, "multipart_threshold=0"),
            ({"multipart_threshold": "much"}, "'much' is not a size"),
        ],
    )
    def test_what_s3_would_refuse_is_refused_before(self, options: dict[str, Any], says: str) -> None:
        with pytest.raises(ValueError, match=says):
            S3Connection(bucket="lab", db_key="x", **options)

    def test_tags_are_texts(self) -> None:
        with pytest.raises(TypeError, match="are str"):
            S3Connection(bucket="lab", db_key="x", tags={"a": 1})  # type: ignore[dict-item]

    def test_sizes_are_numbers_or_texts(self) -> None:
        conn = S3Connection(bucket="lab", db_key="x", multipart_threshold="64MB", multipart_chunksize=8 << 20)
        assert (conn.access.multipart_threshold, conn.access.multipart_chunksize) == (64_000_000, 8 << 20)


class TestDatabases:
    """A whole database through options that concern more than one request."""

    def test_one_is_pushed_into_a_bucket_that_was_not_there(self, tmp_path: Path) -> None:
        with s3_server() as server:
            conn = server.connection("x.blt", bucket=f"made-{server.port}", create_bucket=True, prefix="rain/2024")
            with ebooklet.open(conn, tmp_path / "a.blt", "c", value_serializer="bytes") as db:
                db["a"] = b"1"
                assert db.changes().push()
            keys = [meta.key for meta in conn.store().list("rain/2024/")]
            assert keys
            assert "rain/2024/x.blt" in keys
            with ebooklet.open(conn.to_dict() | KEYS, tmp_path / "b.blt") as db:
                assert db["a"] == b"1"
            writable = conn.store(writable=True)
            assert writable.delete_many(keys) == {}

    def test_one_is_read_on_from_a_mirror_when_a_server_goes_away(self, tmp_path: Path) -> None:
        with s3_server() as server, proxy_to(server.host, server.port) as proxy:
            conn = server.connection("x.blt")
            with ebooklet.open(conn, tmp_path / "a.blt", "n", value_serializer="bytes") as db:
                for number in range(20):
                    db[str(number)] = bytes([number]) * 100_000
                db.changes().push()
            through = f"{proxy.endpoint_url}/{server.bucket}/x.blt"
            mirrors = S3Connection(db_url=[through, server.url("x.blt")], retries=0)
            with ebooklet.open(mirrors, tmp_path / "b.blt") as db:
                assert db["3"] == bytes([3]) * 100_000
                before = proxy.traffic.requests.total()
                proxy.rules.append(Rule("reset", times=1_000_000))
                assert before > 0
                assert all(db[str(number)] == bytes([number]) * 100_000 for number in range(20))
