"""Databases in an archive say so, and come back when they are asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ebooklet
from cfdb.testing import S3Server, s3_server
from ebooklet.connection import S3Connection
from ebooklet.errors import ObjectArchivedError, RemoteMissingError, UnsupportedOperationError
from tests.ebooklet.stores.scripted_fixtures import nothing_configured, web
from tests.support.scripted import Reply, Scripted, Seen

__all__ = ["nothing_configured", "web"]

TRANSPORTS = ["urllib3", "boto3"]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as one:
        yield one


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_archived_database_says_so_and_comes_back(server: S3Server, tmp_path: Path, transport: Any) -> None:
    server.reset()
    conn = server.connection("x.cfdb", storage_class="GLACIER", transport=transport)
    with ebooklet.open(conn, tmp_path / "a", "n") as db:
        db["k"] = bytes(5000)
        db.changes().push()
    server.connection("x.cfdb2", storage_class="GLACIER").store().put("x.cfdb2", b"of somebody else")
    with pytest.raises(ObjectArchivedError, match=r"GLACIER.*ebooklet\.restore"):
        conn.store().get("x.cfdb")
    steps = []
    found = ebooklet.restore(conn, days=2, tier="Bulk", progress=lambda done, of: steps.append((done, of)))
    count = found.asked + found.ready
    assert found.ok
    assert count == len(steps) == steps[-1][1] == 1 + len(list(conn.store().list("x.cfdb.objects/")))
    assert found.n_requests == count + 2
    assert "archived objects" in str(found)
    with ebooklet.open(conn, tmp_path / "b", "r") as db:
        assert db["k"] == bytes(5000)


def test_without_anything_archived_nothing_is_asked_for(server: S3Server, tmp_path: Path) -> None:
    server.reset()
    conn = server.connection("x.cfdb")
    with ebooklet.open(conn, tmp_path / "a", "n") as db:
        db["k"] = bytes(5000)
        db.changes().push()
    found = ebooklet.restore(conn)
    assert (found.asked, found.underway, found.ready, found.n_requests) == (0, 0, 0, 2)
    assert str(found) == f"{conn.uri}: nothing is archived"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_is_underway_and_what_fails_is_told(web: Scripted, transport: Any) -> None:
    keys = [f"x.cfdb.objects/{n}" for n in range(3)]
    entry = "<Contents><Key>{}</Key><Size>10</Size><LastModified>2026-01-01T00:00:00Z</LastModified>" + (
        "<ETag>e</ETag><StorageClass>DEEP_ARCHIVE</StorageClass></Contents>"
    )

    def answer(seen: Seen) -> Reply:
        if seen.method == "HEAD":
            return Reply(200, headers={"x-amz-storage-class": "DEEP_ARCHIVE", "ETag": '"e"'})
        if seen.method == "GET":
            listed = "".join(map(entry.format, keys))
            return Reply(200, f"<ListBucketResult>{listed}</ListBucketResult>".encode())
        if "/0?" in seen.target:
            return Reply(409, b"<Error><Code>RestoreAlreadyInProgress</Code></Error>")
        if "/1?" in seen.target:
            return Reply(403, b"<Error><Code>AccessDenied</Code></Error>")
        return Reply(200 if "/2?" in seen.target else 202)

    web.answer = answer
    conn = S3Connection(
        "id", "hush", "x.cfdb", "lab", endpoint_url=web.url, region="us-east-1", transport=transport, retries=0
    )
    found = ebooklet.restore(conn)
    assert (found.asked, found.underway, found.ready, list(found.failures)) == (1, 1, 1, [keys[1]])
    assert not found.ok
    assert "access denied" in str(found)
    assert found.n_requests == 6


@pytest.mark.parametrize("wrong", [{"days": 0}, {"tier": "Soon"}])
def test_nonsense_is_refused_before_anything_is_sent(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ebooklet.restore("s3://lab/x.cfdb", **wrong)


def test_other_places_have_no_archives(server: S3Server, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperationError, match="no archives"):
        ebooklet.restore(tmp_path.as_uri() + "/x.cfdb")
    with pytest.raises(RemoteMissingError):
        ebooklet.restore(server.connection("never-was.cfdb"))
