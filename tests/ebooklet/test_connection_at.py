"""Other databases in the store of a connection."""

from pathlib import Path

import pytest

import ebooklet
from ebooklet.connection import Connection, FolderConnection, StoreConnection, as_connection
from ebooklet.errors import InvalidURLError


def test_another_key_is_reached_with_the_same_keys_and_options() -> None:
    conn = ebooklet.S3Connection(
        "an-id",
        "a-secret",
        "a/x.cfdb",
        "lab",
        "https://s3.example.org",
        region="eu",
        db_url="https://example.org/x.cfdb",
    )
    other = conn.at("b/y.cfdb")
    assert other.uri == "s3://lab/b/y.cfdb"
    assert other.db_url is None
    assert conn.uri == "s3://lab/a/x.cfdb"
    assert other == ebooklet.S3Connection("an-id", "a-secret", "b/y.cfdb", "lab", "https://s3.example.org", region="eu")
    assert "a-secret" not in repr(other) + str(other.to_dict())
    assert other.store(writable=True) is conn.store(writable=True)
    assert other.ledger is conn.ledger


def test_a_prefix_is_not_left_and_a_url_alone_has_no_others() -> None:
    conn = ebooklet.S3Connection(bucket="lab", db_key="x.cfdb", prefix="mine/")
    assert conn.at("mine/y.cfdb").db_key == "mine/y.cfdb"
    assert conn.at("mine/y.cfdb").to_dict() == {"bucket": "lab", "db_key": "y.cfdb", "prefix": "mine/"}
    with pytest.raises(InvalidURLError, match="prefix"):
        conn.at("yours/y.cfdb")
    with pytest.raises(ValueError, match="bucket"):
        ebooklet.S3Connection(db_url="https://example.org/x.cfdb").at("y.cfdb")


def test_a_database_in_a_folder_is_that_of_its_url(tmp_path: Path) -> None:
    conn = FolderConnection(str(tmp_path), "x.cfdb")
    assert conn.at("a/b/y.cfdb") == as_connection(f"{tmp_path.as_uri()}/a/b/y.cfdb")


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_requests_are_counted_together(kind: str, tmp_path: Path) -> None:
    conn: Connection = FolderConnection(str(tmp_path), "x") if kind == "folder" else StoreConnection("x")
    other = conn.at("y")
    other.store(writable=True).put("y", b"1")
    assert conn.stats.requests == other.stats.requests == 1  # type: ignore[attr-defined]
    assert conn.store().get("y").body == b"1"
