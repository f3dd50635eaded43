"""Arrays in memory go to a remote and come back, without a local file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import cfdb
from cfdb.errors import InvalidNameError, ShapeError
from ebooklet.errors import RemoteExistsError, RemoteMissingError
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore


@pytest.fixture
def store() -> CountingStore:
    return CountingStore(MemoryStore())


@pytest.fixture
def conn(store: CountingStore) -> StoreConnection:
    return StoreConnection("t.cfdb", store)


ARRAYS = hnp.arrays(
    st.sampled_from([np.dtype(name) for name in ("f4", "f8", "i2", "i8", "u1", "?")]),
    hnp.array_shapes(min_dims=0, max_dims=3, max_side=5),
)


@settings(max_examples=40, deadline=None)
@given(ARRAYS)
def test_arrays_come_back_as_they_were(array: np.ndarray[Any, Any]) -> None:
    conn = StoreConnection("t.cfdb", MemoryStore())
    assert cfdb.save_array(conn, "t", array)
    found = cfdb.load_array(conn, "t")
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_what_is_saved_is_an_ordinary_dataset(conn: StoreConnection) -> None:
    cfdb.save_array(conn, "t", [[1.5, 2.5]], ("y", "x"), chunks=(1, 1), units="K", title="first")
    cfdb.save_array(conn, "u", np.arange(2), "x")
    cfdb.save_array(conn, "x", [10, 20], "x")
    with cfdb.open_edataset(conn, cache=None) as ds:
        assert sorted(ds) == ["t", "u", "x"]
        assert ds["t"].dims == ("y", "x")
        assert ds["t"].chunk_shape == (1, 1)
        assert ds["t"].attrs.data == {"units": "K", "title": "first"}
        assert ds["u"].sel(x=20).values == 1
        assert [version.message for version in ds.log()] == ["saved x", "saved u", "saved t"]


def test_a_small_array_takes_three_requests_to_save_and_two_to_load(
    store: CountingStore, conn: StoreConnection
) -> None:
    cfdb.save_array(conn, "first", np.arange(3))  # asks the server once what it can do
    before = store.counts.total
    result = cfdb.save_array(conn, "t", np.random.default_rng(1).random(1000))
    assert store.counts.total - before <= 3
    assert result.n_objects == 2
    before = store.counts.total
    cfdb.load_array(conn, "t")
    assert store.counts.total - before <= 2


def test_only_the_chunks_of_a_selection_are_fetched(store: CountingStore, conn: StoreConnection) -> None:
    data = np.random.default_rng(1).random((64, 4096))
    cfdb.save_array(conn, "t", data, ("y", "x"), chunks=(1, 4096))
    before = store.counts.received
    np.testing.assert_array_equal(cfdb.load_array(conn, "t", {"y": 3}), data[3])
    assert store.counts.received - before < data.nbytes / 8
    np.testing.assert_array_equal(cfdb.load_array(conn, "t", (slice(2, 9, 3), [1, 5])), data[2:9:3][:, [1, 5]])
    np.testing.assert_array_equal(cfdb.load_array(conn, "t", 5), data[5])


def test_labels_select_where_there_are_some_and_positions_elsewhere(conn: StoreConnection) -> None:
    data = np.arange(12.0).reshape(3, 4)
    cfdb.save_array(conn, "lat", [60, 50, 40], "lat")
    cfdb.save_array(conn, "t", data, ("lat", "x"))
    np.testing.assert_array_equal(cfdb.load_array(conn, "t", {"lat": 50, "x": slice(1, 3)}), data[1, 1:3])


def test_an_array_of_the_callers_is_filled(conn: StoreConnection) -> None:
    data = np.random.default_rng(1).random((64, 1 << 10))
    cfdb.save_array(conn, "t", data, chunks=(1, -1))
    out = np.zeros_like(data)
    assert cfdb.load_array(conn, "t", out=out) is out
    np.testing.assert_array_equal(out, data)
    with pytest.raises(ShapeError, match=r"out has shape \(3,\)"):
        cfdb.load_array(conn, "t", out=np.zeros(3))
    with pytest.raises(TypeError, match="same_kind"):
        cfdb.load_array(conn, "t", out=np.zeros(data.shape, "i4"))


def test_dask_arrays_are_computed_block_by_block(conn: StoreConnection) -> None:
    dask = pytest.importorskip("dask.array")
    dask_config = pytest.importorskip("dask").config
    shapes = []

    def block(values: Any) -> Any:
        shapes.append(values.shape)
        return values * 2

    data = np.random.default_rng(1).random((200, 300))
    lazy = dask.from_array(data, chunks=(64, 300)).map_blocks(block, dtype="f8", meta=np.empty((0, 0)))
    with dask_config.set(scheduler="synchronous"):
        cfdb.save_array(conn, "t", lazy, ("y", "x"))
    assert shapes == [(64, 300)] * 3 + [(8, 300)]
    np.testing.assert_array_equal(cfdb.load_array(conn, "t"), data * 2)
    with cfdb.open_edataset(conn, cache=None) as ds:
        assert ds["t"].chunk_shape == (64, 300)
    unknown = lazy[lazy[:, 0] > 0]
    with pytest.raises(ShapeError, match="compute_chunk_sizes"):
        cfdb.save_array(conn, "u", unknown)


def test_labelled_arrays_bring_their_labels(conn: StoreConnection) -> None:
    xarray = pytest.importorskip("xarray")
    given = xarray.DataArray([[1.0, 2.0]], dims=("y", "x"), coords={"x": [10, 20]}, attrs={"units": "m"})
    cfdb.save_array(conn, "h", given)
    with cfdb.open_edataset(conn, cache=None) as ds:
        assert ds["h"].sel(x=20).values == [2.0]
        assert ds["h"].attrs["units"] == "m"


def test_a_name_that_is_taken_is_replaced_only_when_told(store: CountingStore, conn: StoreConnection) -> None:
    cfdb.save_array(conn, "g/t", np.arange(3))
    kept = [(meta.key, meta.etag) for meta in store.list("")]
    with pytest.raises(InvalidNameError, match="overwrite=True"):
        cfdb.save_array(conn, "g/t", np.arange(5))
    with pytest.raises(ShapeError):
        cfdb.save_array(conn, "u", np.arange(4), "g/t_0")
    assert [(meta.key, meta.etag) for meta in store.list("")] == kept
    cfdb.save_array(conn, "g/t", np.arange(5.0).reshape(1, 5), overwrite=True)
    assert cfdb.load_array(conn, "g/t").tolist() == [[0, 1, 2, 3, 4]]
    with pytest.raises(ShapeError, match="name 1 dimensions"):
        cfdb.save_array(conn, "v", np.zeros((2, 2)), "x")


def test_large_arrays_pass_through_a_file_that_is_gone_afterwards(
    conn: StoreConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfdb.arrays_remote.IN_MEMORY", 1000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cfdb.save_array(conn, "t", np.arange(1000.0))
    assert list(tmp_path.iterdir()) == []
    np.testing.assert_array_equal(cfdb.load_array(conn, "t"), np.arange(1000.0))


def test_what_is_not_there_is_said(conn: StoreConnection) -> None:
    with pytest.raises(RemoteMissingError):
        cfdb.load_array(conn, "t")
    cfdb.save_array(conn, "t", 1.5)
    with pytest.raises(KeyError, match="'u'"):
        cfdb.load_array(conn, "u")


# ---- nested dicts ------------------------------------------------------------------------------------------------

NESTED = {
    "t": np.arange(6.0).reshape(2, 3),
    "model": {"t": np.arange(4), "deep": {"name": "run 1", "k": 5}},
    "obs": {},
}


def assert_same(found: Any, expected: Any) -> None:
    assert set(found) == set(expected)
    for name, value in expected.items():
        if isinstance(value, dict):
            assert_same(found[name], value)
        else:
            np.testing.assert_array_equal(found[name], value)


def test_dicts_become_groups_and_come_back(conn: StoreConnection, tmp_path: Path) -> None:
    with cfdb.from_dict(NESTED) as ds:
        assert_same(ds.to_dict(), NESTED)
        assert ds["model/deep/name"].values == "run 1"
    with cfdb.from_dict(NESTED, tmp_path / "t.cfdb"):
        pass
    with cfdb.open_dataset(tmp_path / "t.cfdb") as ds:
        assert_same(ds.to_dict(), NESTED)
        assert_same(ds["model"].to_dict(), NESTED["model"])
    with cfdb.from_dict(NESTED, conn, message="all of it") as ds:
        assert not ds.changes()
    with cfdb.open_edataset(conn, cache=None) as ds:
        assert_same(ds.to_dict(), NESTED)
        assert ds.stats.total <= 2
        assert ds.log()[0].message == "all of it"


def test_arrays_of_one_name_in_several_groups_have_dimensions_of_their_own() -> None:
    nested = {"t": np.zeros(3), "a": {"t": np.ones(5)}, "b": {"t": np.ones((2, 2))}}
    with cfdb.from_dict(nested) as ds:
        assert_same(ds.to_dict(), nested)


def test_a_full_dict_keeps_dimensions_attributes_and_labels(tmp_path: Path) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.attrs["title"] = "both"
        ds["t"] = (("lat", "lon"), np.arange(6.0).reshape(2, 3), {"units": "K"})
        ds["lat"] = ("lat", [60, 50])
        ds["g/u"] = ("lat", [1, 2])
        ds["g"].attrs["source"] = "model"
        full = ds.to_dict(full=True)
    assert full["@attrs"]["title"] == "both"
    with cfdb.from_dict(full, tmp_path / "t.cfdb") as ds:
        assert ds["t"].attrs["units"] == "K"
        assert ds["t"].sel(lat=50).values.tolist() == [3.0, 4.0, 5.0]
        assert ds["g/u"].dims == ("lat",)
        assert ds["g"].attrs["source"] == "model"
        assert ds.attrs["title"] == "both"


def test_what_exists_is_replaced_only_when_told_and_errors_leave_nothing(conn: StoreConnection, tmp_path: Path) -> None:
    with pytest.raises(ShapeError):
        cfdb.from_dict({"a": ("x", [1, 2]), "b": ("x", [1, 2, 3])}, tmp_path / "t.cfdb")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TypeError, match="a dict of arrays"):
        cfdb.from_dict([1, 2])  # type: ignore[arg-type]
    cfdb.from_dict({"a": [1]}, conn).close()
    with pytest.raises(RemoteExistsError, match="overwrite=True"):
        cfdb.from_dict({"b": [1]}, conn)
    with pytest.raises(ShapeError):
        cfdb.from_dict({"a": ("x", [1, 2]), "b": ("x", [1, 2, 3])}, conn, overwrite=True)
    assert cfdb.load_array(conn, "a").tolist() == [1]
    cfdb.from_dict({"b": [2]}, conn, overwrite=True).close()
    with cfdb.open_edataset(conn, cache=None) as ds:
        assert list(ds) == ["b"]


@pytest.mark.parametrize("wrong", [None, [1, None], {1}, [[1], [2, 3]], ("x", None)], ids=repr)
def test_a_value_that_is_no_array_is_named_by_its_path(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^model/run/wind: .* cannot be stored: "):
        cfdb.from_dict({"rain": [1.0], "model": {"run": {"wind": wrong}}})
