"""Both senders ask a server for the same things: boto3 is the oracle of our requests."""

from collections.abc import Callable, Iterator
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
}
ASKED = ("if-match", "if-none-match", "range", "host", "x-amz-content-sha256", "x-amz-security-token")


def answer(seen: Seen) -> Reply:
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


def asked(web: Scripted, store: S3Store, verb: str, key: str) -> tuple[object, ...]:
    """What a server understands of a request."""
    web.seen.clear()
    VERBS[verb](store, key)
    (seen,) = web.seen
    parts = urlsplit(seen.target)
    headers = {name: seen.headers.get(name) for name in ASKED}
    source = unquote(seen.headers.get("x-amz-copy-source", "")).lstrip("/")
    body: object = seen.body
    if seen.method == "POST":
        body = sorted(found.text or "" for found in ElementTree.fromstring(seen.body).iter() if len(found) == 0)
        del headers["x-amz-content-sha256"]
    scope = seen.headers["authorization"].split(",")[0].split("/", 2)[2]
    query = sorted(parse_qsl(parts.query, keep_blank_values=True))
    return seen.method, unquote(parts.path), query, headers, source, body, scope


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("key", [*ODD_KEYS, "a//b", "a/./b", "a/"])
def test_for_odd_keys(two: tuple[Scripted, S3Store, S3Store], verb: str, key: str) -> None:
    web, ours, theirs = two
    assert asked(web, ours, verb, key) == asked(web, theirs, verb, key)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    verb=st.sampled_from(sorted(VERBS)),
    key=st.text(st.characters(min_codepoint=33, exclude_categories=["C"]), min_size=1),
)
def test_for_any_key(two: tuple[Scripted, S3Store, S3Store], verb: str, key: str) -> None:
    web, ours, theirs = two
    assert asked(web, ours, verb, key) == asked(web, theirs, verb, key)
