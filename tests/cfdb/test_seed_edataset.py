"""The calls of the EDataset page the project started from, block by block, against a local S3 endpoint."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import cfdb
from cfdb.testing import S3Server, s3_server
from ebooklet import RemoteMissingError, S3Connection

SHAPE = (40, 20)
CHUNKS = (10, 20)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(7).normal(size=SHAPE).astype("float32")


@pytest.fixture
def remote_conn(server: S3Server, values: np.ndarray, tmp_path: Path) -> Iterator[S3Connection]:
    """A published dataset with one variable of four chunks, written by somebody else."""
    conn = S3Connection(
        endpoint_url=server.endpoint_url,
        access_key_id=server.access_key_id,
        access_key=server.access_key,
        bucket=server.bucket,
        object_key="datasets/example.cfdb",
    )
    with cfdb.open_edataset(conn, tmp_path / "publisher.cfdb", flag="n", num_groups=2) as ds:
        ds.create.coord.generic("time", data=np.arange(SHAPE[0]))
        ds.create.coord.generic("x", data=np.arange(SHAPE[1]) * 0.5)
        ds.create.data_var.generic("temperature", ("time", "x"), dtype="float32", chunk_shape=CHUNKS)
        ds["temperature"][...] = values
    yield conn
    server.reset()


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_connection_is_made_with_the_documented_names_and_the_dataset_prints(remote_conn: S3Connection) -> None:
    with cfdb.open_edataset(remote_conn, "local_cache.cfdb", flag="r") as ds:
        text = str(ds)
    assert "temperature" in text
    assert "time" in text


def test_the_remote_may_be_given_as_connection_or_dict(remote_conn: S3Connection, server: S3Server) -> None:
    parameters = {
        "endpoint_url": server.endpoint_url,
        "access_key_id": server.access_key_id,
        "access_key": server.access_key,
        "bucket": server.bucket,
        "object_key": "datasets/example.cfdb",
    }
    for given in (remote_conn, parameters):
        with cfdb.open_edataset(given, "given.cfdb") as ds:
            assert ds["temperature"].shape == SHAPE


def test_the_remote_may_be_a_public_url(remote_conn: S3Connection, server: S3Server, values: np.ndarray) -> None:
    url = f"{server.endpoint_url}/{server.bucket}/datasets/example.cfdb"
    with cfdb.open_edataset(url, "public.cfdb") as ds:
        np.testing.assert_array_equal(ds["temperature"].values, values)


def test_chunks_are_loaded_on_demand_and_load_fetches_all(remote_conn: S3Connection, values: np.ndarray) -> None:
    with cfdb.open_edataset(remote_conn, "local.cfdb") as ds:
        temp = ds["temperature"]
        assert temp.stored().local == 0
        np.testing.assert_array_equal(temp[0, 0].values, values[0, 0])
        assert temp.stored().local == 1
        temp.load()
        assert temp.stored().local == 4
        before = ds.stats.total
        seen = np.zeros(SHAPE, bool)
        for slices, data in temp.iter_chunks(include_data=True):
            np.testing.assert_array_equal(data, values[slices])
            seen[slices] = True
        assert seen.all()
        assert ds.stats.total == before  # everything was here already


def test_a_selection_loads_only_the_chunks_it_needs(remote_conn: S3Connection) -> None:
    with cfdb.open_edataset(remote_conn, "local.cfdb") as ds:
        temp = ds["temperature"]
        subset = temp[0:10, :]
        subset.load()
        assert temp.stored().local == 1
    with cfdb.open_edataset(remote_conn, "local.cfdb") as ds:
        assert ds["temperature"].stored().local == 1, "what was loaded stays in the local file"


def test_writes_are_local_until_close_and_pushed_then(remote_conn: S3Connection, values: np.ndarray) -> None:
    new_data = np.full((10, 20), 5, "float32")
    with cfdb.open_edataset(remote_conn, "local.cfdb", flag="w") as ds:
        ds["temperature"][0:10, :] = new_data
        with cfdb.open_edataset(remote_conn, "elsewhere.cfdb") as other:
            np.testing.assert_array_equal(other["temperature"].values, values)
    with cfdb.open_edataset(remote_conn, "second.cfdb") as other:
        np.testing.assert_array_equal(other["temperature"][0:10].values, new_data)
        np.testing.assert_array_equal(other["temperature"][10:].values, values[10:])


def test_changes_say_what_is_not_pushed_yet(remote_conn: S3Connection) -> None:
    with cfdb.open_edataset(remote_conn, "local.cfdb", flag="w") as ds:
        assert not ds.changes()
        ds["temperature"][0, 0] = 42.0
        changes = ds.changes()
        text = str(changes)
        assert "temperature" in text
        assert "1 " in text
        assert len(list(changes.iter_changes())) == 1


def test_delete_remote_keeps_the_local_file(remote_conn: S3Connection, server: S3Server, values: np.ndarray) -> None:
    with cfdb.open_edataset(remote_conn, "local.cfdb", flag="w") as ds:
        ds.load()
        ds.delete_remote()
    assert server.list_keys() == []
    with pytest.raises(RemoteMissingError):
        cfdb.open_edataset(remote_conn, "nothing-here.cfdb")
    with cfdb.open_dataset("local.cfdb") as ds:
        np.testing.assert_array_equal(ds["temperature"].values, values)


def test_copy_remote_needs_read_access_only(remote_conn: S3Connection, server: S3Server, values: np.ndarray) -> None:
    new_remote = S3Connection(
        endpoint_url=server.endpoint_url,
        access_key_id=server.access_key_id,
        access_key=server.access_key,
        bucket=server.create_bucket("second-bucket"),
        object_key="datasets/copy.cfdb",
    )
    with cfdb.open_edataset(remote_conn, "local.cfdb") as ds:
        ds.copy_remote(new_remote)
    with cfdb.open_edataset(new_remote, "copy.cfdb") as ds:
        np.testing.assert_array_equal(ds["temperature"].values, values)


def test_the_calls_run_as_they_are_written(remote_conn: S3Connection, server: S3Server) -> None:
    """Pasted from a page that uses these names: endpoint, keys and new data are all that is filled in."""
    server.create_bucket("backup-bucket")
    page = f"""
import cfdb
from ebooklet import S3Connection

remote_conn = S3Connection(endpoint_url={server.endpoint_url!r}, access_key_id={server.access_key_id!r},
                           access_key={server.access_key!r}, bucket={server.bucket!r},
                           object_key='datasets/example.cfdb')
with cfdb.open_edataset(remote_conn, 'local_cache.cfdb', flag='r') as ds:
    print(ds)
with cfdb.open_edataset(remote_conn, 'local.cfdb') as ds:
    temp = ds['temperature']
    temp.load()
    for slices, data in temp.iter_chunks(include_data=True):
        print(data.shape)
with cfdb.open_edataset(remote_conn, 'local.cfdb') as ds:
    temp = ds['temperature']
    subset = temp[0:10, :]
    subset.load()
with cfdb.open_edataset(remote_conn, 'local.cfdb', flag='w') as ds:
    ds['temperature'][0:10, :] = new_data
with cfdb.open_edataset(remote_conn, 'local.cfdb', flag='w') as ds:
    ds['temperature'][0, 0] = 42.0
    changes = ds.changes()
    print(changes)
new_remote = S3Connection(endpoint_url={server.endpoint_url!r}, access_key_id={server.access_key_id!r},
                          access_key={server.access_key!r}, bucket='backup-bucket', object_key='datasets/copy.cfdb')
with cfdb.open_edataset(remote_conn, 'local.cfdb') as ds:
    ds.copy_remote(new_remote)
with cfdb.open_edataset(remote_conn, 'local.cfdb', flag='w') as ds:
    ds.delete_remote()
"""
    exec(compile(page, "page", "exec"), {"new_data": np.ones((10, 20), "float32")})
    with cfdb.open_edataset(
        S3Connection(
            server.access_key_id,
            server.access_key,
            "datasets/copy.cfdb",
            "backup-bucket",
            endpoint_url=server.endpoint_url,
        ),
        cache=None,
    ) as ds:
        assert float(ds["temperature"][0, 0]) == 42.0
        assert (ds["temperature"][1:10].values == 1).all()
