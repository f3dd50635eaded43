"""What does a person read when something is wrong with a remote dataset? The thing, the value and the way out."""

import socket
from pathlib import Path

import numpy as np
import pytest

import cfdb
import ebooklet
from cfdb.testing import s3_server
from ebooklet.errors import RemoteConnectionError
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import Fault, FaultyStore


@pytest.fixture
def folder_remote(tmp_path: Path) -> str:
    uri = (tmp_path / "store" / "x.cfdb").as_uri()
    with cfdb.open_edataset(uri, flag="n", cache=None) as ds:
        ds["t"] = ("x", np.arange(6.0))
    return uri


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("flag", ["r", "w"])
def test_a_missing_remote_is_named_with_the_flag_that_makes_one(flag: str, tmp_path: Path) -> None:
    uri = (tmp_path / "store" / "nothing.cfdb").as_uri()
    with pytest.raises(FileNotFoundError, match=r"nothing\.cfdb.*'c'") as caught:
        cfdb.open_edataset(uri, tmp_path / "local.cfdb", flag)
    assert isinstance(caught.value, ebooklet.RemoteMissingError)
    assert not (tmp_path / "local.cfdb").exists(), "nothing half-created is left behind"


def test_a_missing_bucket_is_named() -> None:
    with s3_server() as s3, pytest.raises(ebooklet.BucketMissingError, match="no-such-bucket"):
        cfdb.open_edataset(s3.connection("x.cfdb", bucket="no-such-bucket"), cache=None)


def test_without_a_network_the_endpoint_is_named() -> None:
    conn = ebooklet.S3Connection(
        "id", "key", "x.cfdb", "bucket", endpoint_url=f"http://127.0.0.1:{closed_port()}", retries=0
    )
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1") as caught:
        cfdb.open_edataset(conn, cache=None)
    assert isinstance(caught.value, ebooklet.RemoteConnectionError)


def test_what_is_local_can_be_used_without_a_network(folder_remote: str, tmp_path: Path) -> None:
    with cfdb.open_edataset(folder_remote, tmp_path / "x.cfdb") as ds:
        ds.load()
    with cfdb.open_edataset(folder_remote, tmp_path / "x.cfdb", offline=True) as ds:
        np.testing.assert_array_equal(ds["t"].values, np.arange(6.0))


def test_what_is_not_local_is_named_without_a_network(folder_remote: str, tmp_path: Path) -> None:
    cfdb.open_edataset(folder_remote, tmp_path / "x.cfdb").close()
    with (
        cfdb.open_edataset(folder_remote, tmp_path / "x.cfdb", offline=True) as ds,
        pytest.raises(ebooklet.OfflineError, match="offline=False"),
    ):
        _ = ds["t"].values


def test_a_key_value_file_is_no_dataset(tmp_path: Path) -> None:
    uri = (tmp_path / "store" / "db.blt").as_uri()
    with ebooklet.open(uri, flag="n", cache=None, value_serializer="json") as db:
        db["a"] = 1
        db.push()
    with pytest.raises(TypeError, match=r"ebooklet\.open"):
        cfdb.open_edataset(uri, cache=None)


def test_a_reading_handle_refuses_writing_and_pushing(folder_remote: str) -> None:
    with cfdb.open_edataset(folder_remote, cache=None) as ds:
        for change in (
            lambda: ds["t"].set(0, 1.0),
            lambda: ds.attrs.update(title="x"),
            ds.push,
            ds.delete_remote,
            ds.sync,
        ):
            with pytest.raises(ValueError, match="'w'"):
                change()


def test_a_closed_handle_says_so(folder_remote: str) -> None:
    ds = cfdb.open_edataset(folder_remote, cache=None)
    t = ds["t"]
    ds.close()
    ds.close()
    for use in (lambda: t.values, ds.changes, ds.pull, lambda: ds["t"]):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert "closed" in str(ds)


def test_a_read_only_url_refuses_other_flags() -> None:
    with pytest.raises(ValueError, match=r"https://example\.org"):
        cfdb.open_edataset("https://example.org/x.cfdb", cache=None, flag="w")


def test_a_url_with_a_query_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="query") as caught:
        cfdb.open_edataset("https://example.org/x.cfdb?X-Amz-Signature=secret", cache=None)
    assert "secret" not in str(caught.value)


def test_two_writers_of_one_local_file(folder_remote: str, tmp_path: Path) -> None:
    with (
        cfdb.open_edataset(folder_remote, tmp_path / "x.cfdb", "w"),
        pytest.raises(TimeoutError, match=r"process \d+"),
    ):
        cfdb.open_edataset(folder_remote, tmp_path / "x.cfdb", "w", lock_timeout=0.1)


def test_another_database_at_the_same_place_is_not_mixed_in(folder_remote: str, tmp_path: Path) -> None:
    with cfdb.open_edataset(folder_remote, tmp_path / "x.cfdb", "w", push_on_close=False) as ds:
        ds["t"][0] = 5.0
    with cfdb.open_edataset(folder_remote, flag="w", cache=None) as ds:
        ds.delete_remote()
    with cfdb.open_edataset(folder_remote, flag="c", cache=None) as ds:
        ds["other"] = ("y", np.arange(3))
    with cfdb.open_edataset(folder_remote, tmp_path / "x.cfdb", "w", push_on_close=False) as ds:
        with pytest.raises(ebooklet.UUIDMismatchError, match="another database"):
            ds.push()
        assert len(ds.changes()) == 1


def test_a_failed_push_on_close_keeps_everything_and_says_how_to_go_on(tmp_path: Path, folder_remote: str) -> None:
    inner = MemoryStore()
    with cfdb.open_edataset(StoreConnection("x.cfdb", inner), tmp_path / "p.cfdb", "n") as ds:
        ds["t"] = ("x", np.arange(6.0))
    broken = StoreConnection("x.cfdb", FaultyStore(inner, Fault("put", RemoteConnectionError("unplugged"), times=100)))
    ds = cfdb.open_edataset(broken, tmp_path / "p.cfdb", "w")
    ds["t"][0] = 7.0
    with pytest.raises(ebooklet.PushError, match=r"kept.*push"):
        ds.close()
    assert not ds.is_open
    with cfdb.open_edataset(StoreConnection("x.cfdb", inner), tmp_path / "p.cfdb", "w") as ds:
        assert len(ds.changes()) == 1
    with cfdb.open_edataset(StoreConnection("x.cfdb", inner), cache=None) as ds:
        assert float(ds["t"][0]) == 7.0


def test_an_exception_in_the_block_pushes_nothing(folder_remote: str, tmp_path: Path) -> None:
    with (
        pytest.warns(UserWarning, match=r"sync\(\)"),
        pytest.raises(ZeroDivisionError),
        cfdb.open_edataset(folder_remote, tmp_path / "x.cfdb", "w") as ds,
    ):
        ds["t"][0] = 7.0
        _ = 1 / 0
    with cfdb.open_edataset(folder_remote, tmp_path / "x.cfdb", "w") as ds:
        assert not ds.changes()
        assert float(ds["t"][0]) == 0.0


def test_keep_on_error_keeps_the_changes_local(folder_remote: str, tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        cfdb.open_edataset(folder_remote, tmp_path / "x.cfdb", "w", on_error="keep") as ds,
    ):
        ds["t"][0] = 7.0
        _ = 1 / 0
    with cfdb.open_edataset(folder_remote, cache=None) as ds:
        assert float(ds["t"][0]) == 0.0
    with cfdb.open_edataset(folder_remote, tmp_path / "x.cfdb", "w") as ds:
        assert len(ds.changes()) == 1
    with cfdb.open_edataset(folder_remote, cache=None) as ds:
        assert float(ds["t"][0]) == 7.0


def test_after_deleting_the_remote_only_an_explicit_push_publishes_again(folder_remote: str, tmp_path: Path) -> None:
    with cfdb.open_edataset(folder_remote, tmp_path / "x.cfdb", "w") as ds:
        ds.load()
        ds.delete_remote()
        ds["t"][0] = 9.0
    with pytest.raises(ebooklet.RemoteMissingError):
        cfdb.open_edataset(folder_remote, cache=None)
    with cfdb.open_edataset(folder_remote, tmp_path / "x.cfdb", "c") as ds:
        assert ds.push()
    with cfdb.open_edataset(folder_remote, cache=None) as ds:
        assert float(ds["t"][0]) == 9.0


def test_progress_is_reported_when_asked_and_nothing_is_printed_otherwise(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    uri = (tmp_path / "store" / "x.cfdb").as_uri()
    seen: list[tuple[int, int]] = []
    with cfdb.open_edataset(uri, flag="n", cache=None) as ds:
        ds["t"] = ("x", np.random.default_rng(0).normal(size=200_000))
        ds.push(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] > 0
    for work in ("load", "copy"):
        seen.clear()
        with cfdb.open_edataset(uri, cache=None) as ds:
            if work == "load":
                ds["t"].load(progress=lambda done, total: seen.append((done, total)))
            else:
                ds.copy_remote(
                    (tmp_path / "copy" / "x.cfdb").as_uri(), progress=lambda done, total: seen.append((done, total))
                )
        assert seen
        assert seen[-1][0] == seen[-1][1] > 0
    with cfdb.open_edataset(uri, cache=None) as ds:
        ds.load(progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "load" in err


def test_deleting_the_remote_brings_everything_here_first(folder_remote: str, tmp_path: Path) -> None:
    with cfdb.open_edataset(folder_remote, tmp_path / "lazy.cfdb", "w") as ds:
        ds.delete_remote()
        np.testing.assert_array_equal(ds["t"].values, np.arange(6.0))
    with cfdb.open_dataset(tmp_path / "lazy.cfdb") as ds:
        np.testing.assert_array_equal(ds["t"].values, np.arange(6.0))


def test_an_unknown_answer_to_conflicts_is_refused(folder_remote: str) -> None:
    with cfdb.open_edataset(folder_remote, flag="w", cache=None) as ds:
        ds["t"][0] = 1.0
        with pytest.raises(ValueError, match="'raise', 'ours', 'theirs'"):
            ds.push(on_conflict="mine")
        assert len(ds.changes()) == 1


def test_changes_are_given_up_by_the_names_of_variables(folder_remote: str) -> None:
    with cfdb.open_edataset(folder_remote, flag="w", cache=None) as ds:
        ds["t"][0] = 1.0
        ds.attrs["title"] = "kept"
        with pytest.raises(KeyError, match="'t'"):
            ds.changes().discard(["tt"])
        assert ds.changes().discard(["t"]) == 1
        assert float(ds["t"][0]) == 0.0
        assert ds.attrs["title"] == "kept"


def test_a_conflict_names_variables_and_chunks(folder_remote: str) -> None:
    with (
        cfdb.open_edataset(folder_remote, flag="w", cache=None, push_on_close=False) as mine,
        cfdb.open_edataset(folder_remote, flag="w", cache=None) as theirs,
    ):
        mine["t"][0] = 1.0
        theirs["t"][0] = 2.0
        theirs.push()
        with pytest.raises(ebooklet.ConflictError, match=r"chunk \(0,\) of 't'") as caught:
            mine.push()
        assert len(caught.value.keys) == 1


def test_a_failed_import_leaves_the_target_as_it_is(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "keep.cfdb", "n") as ds:
        ds["p"] = ("x", [1])
    (tmp_path / "bad.nc").write_bytes(b"CDF\x01" + bytes(100))
    for source in ("nothing.nc", "bad.nc"):
        with pytest.raises((FileNotFoundError, ValueError)):
            cfdb.from_netcdf(tmp_path / source, tmp_path / "keep.cfdb")
        with pytest.raises((FileNotFoundError, ValueError)):
            cfdb.from_netcdf(tmp_path / source, tmp_path / "new.cfdb")
    with cfdb.open_dataset(tmp_path / "keep.cfdb") as ds:
        assert list(ds) == ["p"]
    assert not (tmp_path / "new.cfdb").exists()
