"""Groups of connections: entries without credentials, keyed by uuid, good for opening what they name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ebooklet
from cfdb.testing import S3Server, s3_server


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def member(server: S3Server, tmp_path: Path) -> Iterator[ebooklet.S3Connection]:
    server.reset()
    conn = server.connection("data/member.blt", db_url=server.url("data/member.blt"))
    with ebooklet.open(conn, tmp_path / "member.blt", "c", value_serializer="json") as db:
        db["a"] = 1
        db.set_metadata({"title": "Member"})
        db.push()
    return conn


@pytest.fixture
def group(server: S3Server, tmp_path: Path) -> Iterator[ebooklet.RemoteConnGroup]:
    with ebooklet.open_rcg(server.connection("group.rcg"), tmp_path / "group.rcg", "c") as group:
        yield group


@pytest.mark.filterwarnings("ignore:.*http")
def test_a_member_is_kept_under_its_uuid(
    member: ebooklet.S3Connection, group: ebooklet.RemoteConnGroup, server: S3Server, tmp_path: Path
) -> None:
    group.add(member, user_meta={"version": 2})
    with ebooklet.open(member, tmp_path / "member.blt") as db:
        uuid = db.uuid.hex
        assert db.base is not None
        time, version = db.base.snapshot.time, db.base.snapshot.id.hex()
    assert list(group) == [uuid]
    entry = group[uuid]
    assert entry == {
        "entry_version": 1,
        "type": "EVariableLengthValue",
        "timestamp": time,
        "remote_meta": {"title": "Member"},
        "user_meta": {"version": 2},
        "remote_conn": {
            "db_key": "data/member.blt",
            "bucket": server.bucket,
            "endpoint_url": server.endpoint_url,
            "db_url": server.url("data/member.blt"),
        },
        "uuid": uuid,
        "kind": "ebooklet",
        "version": version,
        "tags": [],
        "nbytes": entry["nbytes"],
        "n_keys": 1,
        "summary": {},
    }
    assert 0 < entry["nbytes"] < 2000
    assert server.access_key not in repr(group.get_payload(uuid))
    assert group.push()
    with ebooklet.open(entry, cache=None) as db:
        assert db["a"] == 1
    with ebooklet.open_rcg(server.connection("group.rcg"), cache=None) as again:
        assert dict(again.items()) == {uuid: entry}
        assert again.type == "RemoteConnGroup"


@pytest.mark.filterwarnings("ignore:.*http")
def test_a_key_of_ones_own_replaces_the_uuid(member: ebooklet.S3Connection, group: ebooklet.RemoteConnGroup) -> None:
    group.add(member)
    (uuid,) = group
    group.add(member, key="member-1.0")
    assert list(group) == ["member-1.0"]
    group["again"] = member
    group.set("third", member)
    group.update({"fourth": member})
    assert sorted(group) == ["again", "fourth", "member-1.0", "third"]
    assert group["again"]["remote_conn"] == group["member-1.0"]["remote_conn"]
    group.add(group["again"], key=uuid)
    assert uuid in group
    del group["again"]
    assert len(group) == 4


@pytest.mark.filterwarnings("ignore:.*http")
@pytest.mark.parametrize(
    ("key", "user_meta", "error"),
    [("a/b", None, ValueError), ("", None, ValueError), (5, None, TypeError), ("k", object(), TypeError)],
)
def test_entries_must_be_well_formed(
    key: Any, user_meta: Any, error: type[Exception], member: ebooklet.S3Connection, group: ebooklet.RemoteConnGroup
) -> None:
    with pytest.raises(error):
        group.add(member, key=key, user_meta=user_meta)
    assert len(group) == 0


def test_a_member_must_exist(group: ebooklet.RemoteConnGroup, server: S3Server) -> None:
    with pytest.raises(ebooklet.RemoteMissingError, match=r"nobody\.blt"):
        group.add(server.connection("nobody.blt"))
    with pytest.raises(TypeError):
        group.add(42)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:.*http")
def test_a_reader_adds_nothing(member: ebooklet.S3Connection, server: S3Server, tmp_path: Path) -> None:
    conn = server.connection("group2.rcg")
    with ebooklet.open_rcg(conn, tmp_path / "group2", "c") as group:
        group.add(member)
        group.push()
    with ebooklet.open_rcg(conn, tmp_path / "group2") as group, pytest.raises(ebooklet.ReadOnlyError):
        group.add(member)
    with pytest.raises(TypeError, match=r"open_rcg"):
        ebooklet.open(conn, tmp_path / "group2")


@pytest.mark.filterwarnings("ignore:.*http")
def test_an_entry_takes_one_request(member: ebooklet.S3Connection, group: ebooklet.RemoteConnGroup) -> None:
    before = member.stats
    group.add(member)
    assert (member.stats - before).requests == 1


@pytest.mark.filterwarnings("ignore:.*http")
def test_no_secret_is_kept_in_a_group(server: S3Server, group: ebooklet.RemoteConnGroup, tmp_path: Path) -> None:
    conn = ebooklet.S3Connection(
        server.access_key_id,
        "planted-secret",
        "s.blt",
        server.bucket,
        server.endpoint_url,
        session_token="planted-token",
    )
    with ebooklet.open(conn, tmp_path / "s.blt", "c", value_serializer="json") as db:
        db["a"] = 1
        db.push()
    group.add(conn, key="s")
    payload = group.get_payload("s") or b""
    assert b"planted" not in payload
    assert server.access_key.encode() not in payload
    group.sync()
    assert b"planted" not in (tmp_path / "group.rcg").read_bytes()
