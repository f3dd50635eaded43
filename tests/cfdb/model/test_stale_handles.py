"""What users hold stays true: after a rollback, a shrinking dimension, a rename, and edits in other threads."""

import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb.errors import CoordinateError, DataTypeError, EncodingError, SelectionError, VariableNotFoundError


@pytest.fixture
def ds() -> Any:
    with cfdb.open_dataset(None, "n") as ds:
        yield ds


def test_a_deleted_variable_comes_back_with_a_rollback_and_reads_what_is_stored(ds: Any) -> None:
    x = ds.create.coord.generic("x", data=[1, 2, 3])
    assert x.values.tolist() == [1, 2, 3]
    x[:] = [7, 8, 9]
    ds.sync()
    del ds["x"]
    ds.rollback()
    assert x.is_open
    assert ds["x"].values.tolist() == x.values.tolist() == [7, 8, 9]


def test_dimensions_that_come_back_with_a_rollback_grow_for_everybody(ds: Any) -> None:
    ds["t"] = ("y", np.arange(3.0))
    t = ds["t"]
    ds.sync()
    del ds["t"]
    ds.rollback()
    ds.resize(y=5)
    assert t.shape == ds["t"].shape == (5,)


@pytest.mark.parametrize("key", [slice(5, 10), [0, 9], slice(None, None, -1)])
def test_a_view_of_dropped_positions_neither_reads_nor_writes(ds: Any, key: Any) -> None:
    x = ds.create.coord.generic("x", data=np.arange(10))
    ds["t"] = ("x", np.arange(10.0))
    view, points = ds["t"][key], ds["t"].vindex
    x.truncate(0, 4)
    for use in (lambda: view.values, lambda: view.__setitem__(..., 9.0), lambda: points[np.array([8])]):
        with pytest.raises(SelectionError, match="5 positions now"):
            use()
    x.append([10, 11])
    assert np.isnan(ds["t"].values[5:]).all()


def test_a_part_of_a_dataset_follows_a_rename(ds: Any) -> None:
    ds["t"] = ("x", np.arange(5.0))
    part = ds.isel(x=[1, 2])
    ds.rename(x="z")
    assert part.sizes == {"z": 2}
    assert part["t"].values.tolist() == [1.0, 2.0]


def test_masked_values_that_cannot_be_stored_change_nothing(ds: Any) -> None:
    ds.create.variable("t", ("x",), data=np.zeros(10, "i2"), chunk_shape=(2,))
    with pytest.raises(EncodingError, match="fill_value"):
        ds["t"][:] = np.ma.MaskedArray(np.arange(10, dtype="i2"), mask=[False] * 9 + [True])
    assert not ds["t"].values.any()


@pytest.mark.parametrize("codes", [[300, 1], [-1, 1], [1.5, 1], [np.nan, 1]])
def test_stored_codes_are_not_changed_to_fit(ds: Any, codes: Any) -> None:
    ds.create.variable("t", ("x",), cfdb.dtypes.dtype("float32", 1, 0, 10), data=[1.0, 2.0])
    with pytest.raises(EncodingError, match="no code"):
        ds["t"].set(slice(None), codes, decoded=False)
    ds["t"].set(slice(None), [21, 31], decoded=False)
    assert np.allclose(ds["t"].values, [1.1, 2.1])


@pytest.mark.parametrize("numbers", [[2**33, 0], [0.5, 0.0]])
def test_numbers_of_times_are_not_changed_to_fit(ds: Any, numbers: Any) -> None:
    times = cfdb.dtypes.time_dtype("days since 2000-01-01", "360_day", "int32")
    ds.create.variable("t", ("x",), times, data=[1, 2])
    with pytest.raises(EncodingError):
        ds["t"][:] = np.array(numbers)
    ds["t"][:] = np.array([np.nan, 30.0])
    assert ds["t"].values[0] is None
    assert ds["t"].values[1].month == 2


def test_threads_append_one_after_another(ds: Any) -> None:
    x = ds.create.coord.generic("x", data=np.arange(100))
    start = threading.Barrier(4)

    def append() -> None:
        start.wait()
        for label in range(100, 130):
            try:
                x.append([label])
            except CoordinateError:
                pass

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(x.values.tolist()) == list(range(130))
    assert np.array_equal(x.values, x[:].values)


def test_what_fails_half_way_changes_nothing(ds: Any) -> None:
    ds["t"] = (("x", "y"), np.zeros((2, 2)))
    with pytest.raises(VariableNotFoundError):
        ds.resize({"x": 5, "nope": 3})
    with pytest.raises(ValueError, match="whole number"):
        ds.resize(x=2.5)
    with pytest.raises(VariableNotFoundError):
        ds.rename({"t": "s", "nope": "k"})
    with pytest.raises(DataTypeError):
        ds["t"] = (("x", "y"), np.ones((2, 2)), {"bad": object()})
    assert (ds.sizes, list(ds)) == ({"x": 2, "y": 2}, ["t"])
    assert not ds["t"].values.any()


def test_a_labelled_array_that_cannot_be_kept_leaves_no_dimensions(ds: Any) -> None:
    xr = pytest.importorskip("xarray")
    with pytest.raises(DataTypeError):
        ds["t"] = xr.DataArray(np.zeros(2), dims="a", coords={"a": [1, 2]}, attrs={"bad": object()})
    assert (ds.sizes, list(ds)) == ({}, [])


def test_a_labelled_array_is_not_assigned_to_other_labels(ds: Any) -> None:
    xr = pytest.importorskip("xarray")
    ds["t"] = xr.DataArray([1.0, 2.0], dims="a", coords={"a": [1, 2]})
    with pytest.raises(CoordinateError, match="align"):
        ds["t"] = xr.DataArray([20.0, 10.0], dims="a", coords={"a": [2, 1]})
    assert ds["t"].values.tolist() == [1.0, 2.0]


def test_handles_pickled_under_a_relative_path_open_anywhere(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with cfdb.open_dataset("a.cfdb", "n") as ds:
        ds["t"] = ("x", np.arange(4.0))
    with cfdb.open_dataset("a.cfdb") as ds:
        pickled = pickle.dumps((ds["t"][1:3], ds.isel(x=[0, 3])))
    monkeypatch.chdir("elsewhere")
    view, part = pickle.loads(pickled)
    assert view.values.tolist() == [1.0, 2.0]
    assert part["t"].values.tolist() == [0.0, 3.0]
