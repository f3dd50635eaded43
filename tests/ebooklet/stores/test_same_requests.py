"""Both senders ask a server for the same things: boto3 is the oracle of our requests."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ebooklet.stores.access import Credentials, S3Access
from ebooklet.stores.protocol import CREATE, Update
from ebooklet.stores.s3 import S3Store
from tests.kits.object_store_kit import ODD_KEYS
from tests.support.scripted import Reply, Scripted, Seen, scripted_server

VERBS: dict[str, Callable[[S3Store, str], object]] = {
    "get": lambda store, key: store.get(key),
    "get if changed": lambda store, key: store.get(key, if_none_match="e"),
    "range": lambda store, key: store.get_range(key, 2, 3),
    "head": lambda store, key: store.head(key),
    "put": lambda store, key: store.put(key, b"hello"),
    "create": lambda store, key: store.put(key, b"", CREATE),
    "update": lambda store, key: store.put(key, b"hello", Update("e")),
    "copy": lambda store, key: store.copy(key, f"{key}+copy"),
    "delete": lambda store, key: store.delete(key),
    "delete many": lambda store, key: store.delete_many([key, f"{key}2"]),
    "list": lambda store, key: list(store.list(key)),
    "begin parts": lambda store, key: store._transport().create_upload(key),
    "part": lambda store, key: store._transport().upload_part(key, "u+1", 7, b"hello"),
    "copy part": lambda store, key: store._transport().copy_part("lab", key, "bytes=0-4", f"{key}+copy", "u+1", 7),
    "complete parts": lambda store, key: store._transport().complete_upload(key, "u+1", ['"a"', '"b"']),
    "abort parts": lambda store, key: store._transport().abort_upload(key, "u+1"),
    "restore": lambda store, key: store.restore(key, days=3, tier="Bulk"),
}
ASKED = ("if-match", "if-none-match", "range", "host", "x-amz-content-sha256", "x-amz-security-token")
OPTIONS: dict[str, Any] = {
    "storage_class": "STANDARD_IA",
    "sse": "aws:kms",
    "sse_kms_key_id": "alias/lab",
    "acl": "bucket-owner-full-control",
    "tags": (("project", "rain & snow"), ("team", "a=b+c/d")),
    "request_payer": True,
}
STAMPED = (
    "x-amz-storage-class",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-acl",
    "x-amz-tagging",
    "x-amz-tagging-directive",
)
MAKING = {"put", "create", "update", "copy", "begin parts"}


def answer(seen: Seen) -> Reply:
    if seen.target.endswith("?uploads"):
        return Reply(200, b"<InitiateMultipartUploadResult><UploadId>u+1</UploadId></InitiateMultipartUploadResult>")
    if seen.target.endswith("?restore"):
        return Reply(202)
    if seen.method == "POST" and "uploadId" in seen.target:
        return Reply(200, b"<CompleteMultipartUploadResult><ETag>e-2</ETag></CompleteMultipartUploadResult>")
    if "x-amz-copy-source-range" in seen.headers:
        return Reply(200, b"<CopyPartResult><ETag>e</ETag></CopyPartResult>")
    if seen.method == "POST":
        return Reply(200, b"<DeleteResult/>")
    if "list-type" in seen.target:
        return Reply(200, b"<ListBucketResult><EncodingType>url</EncodingType></ListBucketResult>")
    if "x-amz-copy-source" in seen.headers:
        return Reply(200, b"<CopyObjectResult/>")
    if "range" in seen.headers:
        return Reply(206, b"llo", {"Content-Range": "bytes 2-4/5", "ETag": '"e"'})
    return Reply(200, b"hello" if seen.method == "GET" else b"", {"ETag": '"e"'})


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scripted, S3Store, S3Store]]:
    with scripted_server() as web:
        web.answer = answer
        keys = Credentials("the-id", "secret", "token")
        ours, theirs = (
            S3Store(S3Access("lab", endpoint_url=web.url, region="eu-west-1", retries=0, transport=name), keys)
            for name in ("urllib3", "boto3")
        )
        yield web, ours, theirs
        ours.close()
        theirs.close()


@pytest.fixture(scope="module")
def two_with_options() -> Iterator[tuple[Scripted, S3Store, S3Store]]:
    with scripted_server() as web:
        web.answer = answer
        keys = Credentials("the-id", "secret", "token")
        ours, theirs = (
            S3Store(S3Access("lab", endpoint_url=web.url, retries=0, transport=name, **OPTIONS), keys)
            for name in ("urllib3", "boto3")
        )
        yield web, ours, theirs
        ours.close()
        theirs.close()


def asked(web: Scripted, store: S3Store, verb: str, key: str) -> tuple[object, ...]:
    """What a server understands of a request."""
    web.seen.clear()
    VERBS[verb](store, key)
    (seen,) = web.seen
    parts = urlsplit(seen.target)
    headers = {name: seen.headers.get(name) for name in ASKED}
    headers |= {name: value for name, value in seen.headers.items() if name in STAMPED}
    headers |= {name: seen.headers.get(name) for name in ("x-amz-request-payer", "x-amz-copy-source-range")}
    headers["x-amz-tagging"] = str(parse_qsl(headers.get("x-amz-tagging") or ""))
    source = unquote(seen.headers.get("x-amz-copy-source", "")).lstrip("/")
    body: object = seen.body
    if seen.method == "POST":
        body = sorted(
            found.text or "" for found in ElementTree.fromstring(seen.body or b"<a/>").iter() if len(found) == 0
        )
        headers.pop("x-amz-content-sha256")
    scope = seen.headers["authorization"].split(",")[0].split("/", 2)[2]
    query = sorted(parse_qsl(parts.query, keep_blank_values=True))
    return seen.method, unquote(parts.path), query, headers, source, body, scope


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("key", [*ODD_KEYS, "a//b", "a/./b", "a/"])
def test_for_odd_keys(two: tuple[Scripted, S3Store, S3Store], verb: str, key: str) -> None:
    web, ours, theirs = two
    assert asked(web, ours, verb, key) == asked(web, theirs, verb, key)


@pytest.mark.parametrize("verb", VERBS)
def test_with_everything_an_object_may_be_written_with(
    two_with_options: tuple[Scripted, S3Store, S3Store], verb: str
) -> None:
    web, ours, theirs = two_with_options
    assert asked(web, ours, verb, "a b") == asked(web, theirs, verb, "a b")
    VERBS[verb](ours, "a b")
    headers = web.seen[-1].headers
    assert headers["x-amz-request-payer"] == "requester"
    signed = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {name for name in headers if name.startswith("x-amz-")} <= set(signed)
    stamps = {name for name in STAMPED if name in headers}
    wanted = set(STAMPED) - (set() if verb == "copy" else {"x-amz-tagging-directive"})
    assert stamps == (wanted if verb in MAKING else set())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    verb=st.sampled_from(sorted(VERBS)),
    key=st.text(st.characters(min_codepoint=33, exclude_categories=["C"]), min_size=1),
)
def test_for_any_key(two: tuple[Scripted, S3Store, S3Store], verb: str, key: str) -> None:
    web, ours, theirs = two
    assert asked(web, ours, verb, key) == asked(web, theirs, verb, key)
