"""The calls that the EBooklet README shows, in its order, against an S3 server; and what each of them promises."""

import gc
from collections.abc import Iterator
from pathlib import Path

import booklet
import pytest

import ebooklet
from cfdb.testing import S3Server, s3_server

pytestmark = pytest.mark.filterwarnings("ignore:.*http")


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def server(running: S3Server) -> S3Server:
    running.reset()
    return running


@pytest.fixture
def remote_conn(server: S3Server) -> ebooklet.S3Connection:
    """The connection object, made by position and by name as shown."""
    access_key_id, access_key, db_key, bucket = server.access_key_id, server.access_key, "big_data.blt", server.bucket
    endpoint_url, db_url = server.endpoint_url, server.url("big_data.blt")
    return ebooklet.S3Connection(access_key_id, access_key, db_key, bucket, endpoint_url=endpoint_url, db_url=db_url)


@pytest.fixture
def local_file_path(tmp_path: Path) -> str:
    return str(tmp_path / "big_data.blt")


def stored(server: S3Server) -> list[str]:
    return [meta.key for meta in server.connection("any").store(writable=True).list("")]


def test_the_page_from_top_to_bottom(
    remote_conn: ebooklet.S3Connection, local_file_path: str, server: S3Server, capsys: pytest.CaptureFixture[str]
) -> None:
    db_url = server.url("big_data.blt")
    db = ebooklet.open(remote_conn, local_file_path, flag="c", value_serializer="pickle")
    assert db.writable
    assert isinstance(db, ebooklet.EVariableLengthValue)

    # the public URL alone opens for reading: the local file before the first push
    reader = ebooklet.open(db_url, local_file_path, flag="r")
    assert not reader.writable
    assert len(reader) == 0
    reader.close()

    db["key1"] = ["one", 2, "three", 4]
    value1 = db["key1"]
    assert value1 == ["one", 2, "three", 4]
    db.close()
    assert stored(server) == []

    with ebooklet.open(remote_conn, local_file_path) as db:
        value1 = db["key1"]
    assert value1 == ["one", 2, "three", 4]

    with ebooklet.open(remote_conn, local_file_path, "w") as db:
        changes = db.changes()
        for change in changes.iter_changes():
            print(change)
        changes.push()
    shown = capsys.readouterr().out
    assert "key1" in shown
    assert "added" in shown

    keys = stored(server)
    assert keys[0] == "big_data.blt"
    assert all(key.startswith("big_data.blt.objects/") for key in keys[1:])
    with booklet.open(local_file_path) as plain:
        assert plain["key1"] == ["one", 2, "three", 4]

    # somebody else, who has nothing but the URL
    with ebooklet.open(db_url, local_file_path + "-elsewhere", flag="r") as db:
        assert db["key1"] == ["one", 2, "three", 4]
        assert not db.changes()


def test_each_block_on_its_own(remote_conn: ebooklet.S3Connection, local_file_path: str, server: S3Server) -> None:
    """A handle that was only rebound, never closed, is no obstacle to the next block."""
    db_url = server.url("big_data.blt")
    with ebooklet.open(remote_conn, local_file_path, flag="c", value_serializer="pickle") as db:
        db["key0"] = 0
        db.push()
    db = ebooklet.open(remote_conn, local_file_path, flag="c", value_serializer="pickle")
    with pytest.warns(ResourceWarning, match="not closed"):
        db = ebooklet.open(db_url, local_file_path, flag="r")
        gc.collect()
    assert db["key0"] == 0
    db.close()
    with ebooklet.open(remote_conn, local_file_path, "w") as db:
        db["key1"] = ["one", 2, "three", 4]
        assert db.changes().push()


def test_an_error_closes_the_file_and_loses_only_what_was_not_synced(
    remote_conn: ebooklet.S3Connection, local_file_path: str
) -> None:
    with (
        pytest.warns(UserWarning, match="1 change "),
        pytest.raises(KeyError),
        ebooklet.open(remote_conn, local_file_path, "c", value_serializer="pickle") as db,
    ):
        db["key1"] = 1
        db.sync()
        db["key2"] = 2
        db["no such key"]
    with ebooklet.open(remote_conn, local_file_path, "w", lock_timeout=1) as db:
        assert dict(db.items()) == {"key1": 1}


def test_n_replaces_the_remote_with_the_push(remote_conn: ebooklet.S3Connection, local_file_path: str) -> None:
    for number in (1, 2):
        with ebooklet.open(remote_conn, local_file_path, "n", value_serializer="pickle") as db:
            db[f"key{number}"] = number
            db.changes().push()
    with ebooklet.open(remote_conn, local_file_path + "-elsewhere") as db:
        assert dict(db.items()) == {"key2": 2}


def test_other_methods_on_the_remote(
    remote_conn: ebooklet.S3Connection, local_file_path: str, server: S3Server
) -> None:
    with ebooklet.open(remote_conn, local_file_path, "c", value_serializer="pickle") as db:
        db.update({f"key{n}": n for n in range(20)})
        db.changes().push()
    other_conn = server.connection("copy/big_data.blt")
    with ebooklet.open(remote_conn, local_file_path + "-elsewhere", "w") as db:
        assert db.load_items() == {}
        assert all(db.is_local(list(db)))
        assert dict(db.get_items(["key3", "key4"])) == {"key3": 3, "key4": 4}
        assert not db.copy_remote(other_conn)
        db.delete_remote()
    assert {key.partition("/")[0] for key in stored(server)} == {"copy"}
    with ebooklet.open(other_conn, cache=None) as db:
        assert dict(db.items()) == {f"key{n}": n for n in range(20)}


def test_work_with_plain_booklet_is_pushed_later(remote_conn: ebooklet.S3Connection, local_file_path: str) -> None:
    with booklet.open(local_file_path, "n", key_serializer="str", value_serializer="pickle") as plain:
        plain["key1"] = ["one", 2, "three", 4]
    with ebooklet.open(remote_conn, local_file_path, "w") as db:
        db.changes().push()
    with ebooklet.open(remote_conn, local_file_path + "-elsewhere") as db:
        assert db["key1"] == ["one", 2, "three", 4]


def test_remote_connection_groups(
    remote_conn: ebooklet.S3Connection, local_file_path: str, server: S3Server, tmp_path: Path
) -> None:
    access_key_id_rcg, access_key_rcg, db_key_rcg = server.access_key_id, server.access_key, "group.rcg"
    bucket_rcg, endpoint_url_rcg, db_url_rcg = server.bucket, server.endpoint_url, server.url("group.rcg")
    local_file_path_rcg = tmp_path / "group.rcg"
    remote_conn_rcg = ebooklet.S3Connection(
        access_key_id_rcg, access_key_rcg, db_key_rcg, bucket_rcg, endpoint_url=endpoint_url_rcg, db_url=db_url_rcg
    )
    with ebooklet.open(remote_conn_rcg, local_file_path_rcg, "n", remote_conn_group=True) as db_rcg:
        with pytest.raises(ebooklet.RemoteMissingError):
            db_rcg.add(remote_conn)
        with ebooklet.open(remote_conn, local_file_path, "c", value_serializer="pickle") as db:
            db["key1"] = 1
            uuid = db.uuid.hex
            db.changes().push()

        db_rcg.add(remote_conn)

        changes = db_rcg.changes()
        changes.push()
    with ebooklet.open(db_url_rcg, tmp_path / "reader.rcg", remote_conn_group=True) as db_rcg:
        entry = db_rcg[uuid]
    assert entry["remote_conn"]["db_key"] == "big_data.blt"
    assert "access_key" not in entry["remote_conn"]
    with ebooklet.open(entry, local_file_path + "-elsewhere") as db:
        assert db["key1"] == 1
