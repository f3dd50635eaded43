"""Copying and deleting remotes as users do it: with a local file and without, between buckets, folders and URLs."""

from pathlib import Path

import numpy as np
import pytest

import cfdb
import ebooklet
from cfdb.testing import S3Server, s3_server
from ebooklet import S3Connection
from ebooklet.connection import StoreConnection
from ebooklet.stores.memory import MemoryStore
from tests.support.web import web_server

DATA = {f"k{number}": bytes([number]) * 100 for number in range(20)}
SECRET = "planted-secret-4711"


def made(conn: object) -> object:
    with ebooklet.open(conn, cache=None, flag="n") as db:
        db.update(DATA)
        db.push(num_groups=3)
        db["k0"] = b"second"
        db.push(tag="second")
    return conn


def read(conn: object) -> dict[str, bytes]:
    with ebooklet.open(conn, cache=None) as db:
        return dict(db.items())


EXPECTED = {**DATA, "k0": b"second"}


def test_a_remote_is_copied_without_a_local_file(tmp_path: Path) -> None:
    source = made(f"file://{tmp_path}/a/x.blt")
    seen: list[tuple[int, int]] = []
    result = ebooklet.copy_remote(source, f"file://{tmp_path}/b/y.blt", progress=lambda *at: seen.append(at))
    assert result.ok
    assert not result.failures
    assert not result
    assert (result.n_objects, result.n_reused) == (4, 0)
    assert seen[-1] == (result.nbytes, result.nbytes)
    assert read(f"file://{tmp_path}/b/y.blt") == EXPECTED
    assert result.uuid in str(result)
    assert "4 objects" in str(result)


def test_a_missing_source_and_a_taken_target_are_named(tmp_path: Path) -> None:
    with pytest.raises(ebooklet.RemoteMissingError, match=r"x\.blt"):
        ebooklet.copy_remote(f"file://{tmp_path}/a/x.blt", f"file://{tmp_path}/b/y.blt")
    assert not (tmp_path / "b").exists()
    source = made(f"file://{tmp_path}/x.blt")
    with pytest.raises(ebooklet.RemoteExistsError, match="onto itself"):
        ebooklet.copy_remote(source, source, overwrite=True)
    made(f"file://{tmp_path}/y.blt")
    with pytest.raises(ebooklet.RemoteExistsError, match="overwrite=True"):
        ebooklet.copy_remote(source, f"file://{tmp_path}/y.blt")


def test_between_memory_folder_and_url_everything_arrives_verified(tmp_path: Path) -> None:
    memory = StoreConnection("x.blt", MemoryStore())
    made(memory)
    (tmp_path / "folder").mkdir()
    folder = f"file://{tmp_path}/folder/x.blt"
    assert ebooklet.copy_remote(memory, folder, history=True).n_streamed == 4
    with web_server() as web:
        files = (path for path in (tmp_path / "folder").rglob("*") if path.is_file())
        web.pages = {f"/{path.relative_to(tmp_path / 'folder').as_posix()}": path.read_bytes() for path in files}
        back = StoreConnection("y.blt", MemoryStore("other"))
        result = ebooklet.copy_remote(S3Connection(db_url=f"{web.url}/x.blt"), back, history=True)
        assert (result.n_streamed, result.n_objects) == (4, 4)
    assert read(back) == EXPECTED


@pytest.fixture(scope="module")
def server():  # type: ignore[no-untyped-def]
    pytest.importorskip("moto")
    with s3_server() as running:
        yield running


def test_the_server_copies_within_itself_and_a_folder_gets_a_stream(server: S3Server, tmp_path: Path) -> None:
    source = made(server.connection("a/x.blt"))
    by_server = ebooklet.copy_remote(source, server.connection("b/x.blt"), history=True)
    assert (by_server.n_streamed, by_server.n_objects) == (0, 4)
    assert read(server.connection("b/x.blt")) == EXPECTED
    folder = f"file://{tmp_path}/x.blt"
    assert ebooklet.copy_remote(source, folder).n_streamed == 4
    back = ebooklet.copy_remote(folder, server.connection("c/x.blt"))
    assert back.n_streamed == 4
    assert read(server.connection("c/x.blt")) == EXPECTED


def test_a_large_object_goes_to_a_bucket_in_parts(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from ebooklet.sync import copy

    monkeypatch.setattr(copy, "WHOLE", 1 << 20)
    monkeypatch.setattr(copy, "PIECE", 1 << 20)
    memory = StoreConnection("x.blt", MemoryStore())
    value = np.random.default_rng(0).bytes(12 << 20)
    with ebooklet.open(memory, cache=None, flag="n") as db:
        db["long"] = value
        db.push(num_groups=1)
    target = server.connection("large/x.blt", multipart_threshold="6MB", multipart_chunksize="6MB", threads=2)
    before = target.stats
    assert ebooklet.copy_remote(memory, target).n_streamed == 1
    assert (target.stats - before).operations["upload_part"].requests == 3
    assert read(target) == {"long": value}


def test_no_secret_is_shown(server: S3Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    made(f"file://{tmp_path}/x.blt")
    conn = server.connection("s/x.blt", access_key=SECRET)
    result = ebooklet.copy_remote(f"file://{tmp_path}/x.blt", conn)
    assert SECRET not in repr(result) + str(result) + caplog.text


# ---- deleting ------------------------------------------------------------------------------------------------------


def test_what_would_be_deleted_is_told_with_sizes_and_nothing_is(tmp_path: Path) -> None:
    store = MemoryStore()
    conn = made(StoreConnection("x.blt", store))
    sizes = {meta.key: meta.size for meta in store.list("")}
    with ebooklet.open(conn, cache=None) as db:  # reading is enough
        plan = db.delete_remote(dry_run=True)
        assert dict(plan.objects) == sizes
        assert (plan.n_objects, plan.nbytes, plan.dry_run) == (5, sum(sizes.values()), True)
        assert "would delete" in str(plan)
        assert all(name in str(plan) for name in sizes)
        with pytest.raises(ebooklet.ReadOnlyError):
            db.delete_remote()
    assert read(conn) == EXPECTED
    with ebooklet.open(conn, tmp_path / "x.blt", "w") as db:
        done = db.delete_remote()
        assert (done.objects, done.dry_run, bool(done)) == (plan.objects, False, True)
    assert not list(store.list(""))


def test_what_others_pushed_unseen_is_not_deleted_before_it_is_here(tmp_path: Path) -> None:
    conn = made(StoreConnection("x.blt", MemoryStore()))
    with ebooklet.open(conn, tmp_path / "x.blt", "w") as db:
        with ebooklet.open(conn, flag="w", cache=None) as other:
            other["unseen"] = b"value"
            other.push()
        with pytest.raises(ebooklet.ConflictError, match=r"pull\(\) first"):
            db.delete_remote()
        assert read(conn)["unseen"] == b"value"
        db.pull()
        assert db.delete_remote()
        assert db["unseen"] == b"value"


def test_a_long_list_is_cut_when_it_is_printed() -> None:
    result = ebooklet.DeleteResult("x", tuple((f"o{n}", 1000) for n in range(50)), dry_run=True)
    assert len(str(result).splitlines()) == 22
    assert "30.0 kB  in 30 more" in str(result)


def test_datasets_are_copied_and_deleted_alike(tmp_path: Path) -> None:
    source, target = f"file://{tmp_path}/a/x.cfdb", f"file://{tmp_path}/b/x.cfdb"
    with cfdb.open_edataset(source, tmp_path / "x.cfdb", "n") as ds:
        ds["t"] = ("x", np.arange(5.0))
        ds.push(message="first", tag="first")
        ds["t"][0] = 9.0
        ds.push()
        copied = ds.copy_remote(target, history=True)
        assert copied.ok
        plan = ds.delete_remote(dry_run=True)
        assert plan.n_objects == 3
    with cfdb.open_edataset(target, cache=None) as ds:
        assert list(ds["t"].values) == [9, 1, 2, 3, 4]
