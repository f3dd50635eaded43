"""A dimension of many pieces becomes one piece again, completely or not at all."""

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.storage.engine import ChunkedArray
from tests.support.oracle import same


def scattered(path: Any, inserts: int = 6) -> Any:
    ds = cfdb.open_dataset(path, "n")
    x = ds.create.coord.generic("x", data=np.arange(12) * 100, chunk_shape=(5,))
    ds.create.coord.generic("y", data=["a", "b", "c"])
    packed = cfdb.dtypes.dtype("float32", 1, 0, 4e8)
    ds.create.data_var.generic("t", ("x", "y"), "float64", (4, 2))
    ds.create.data_var.generic("i", ("y", "x"), "int16", (3, 3), fill_value=-1)
    ds.create.data_var.generic("p", ("x",), packed, (5,))
    ds.create.data_var.generic("s", ("x",), "str", (7,))
    ds.create.data_var.generic("hole", ("x",), "float64", (2,))
    for number in range(inserts):
        x.insert(1 + 2 * number, [number + 1])
    x.drop([200, 300])
    size = x.size
    ds["t"][:] = np.random.default_rng(0).random((size, 3))
    ds["i"][:, 1:] = np.arange(3 * (size - 1)).reshape(3, size - 1)
    ds["p"].set((), np.arange(size, dtype="uint32") * 250_000_001, decoded=False)
    ds["s"][:] = [f"station {label}" for label in x.values]
    ds["hole"][-1] = 5.0
    ds.sync()
    return ds


def content(ds: Any) -> Any:
    found: dict[str, Any] = {name: ds[name].read(masked=False) for name in ds}
    found["codes"] = ds["p"]._array.read_cells(ds["p"]._selected())
    return found


def equal(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)


def test_values_stay_and_the_dimension_is_one_run(tmp_path: Path) -> None:
    with scattered(tmp_path / "a.cfdb") as ds:
        before, runs = content(ds), len(ds._structure.dims["x"].slots.runs)
        seen: list[Any] = []
        report = ds.defragment("x", progress=lambda *counts: seen.append(counts))
        assert runs > 8
        assert (report.runs, report.dim) == (runs, "x")
        assert len(ds._structure.dims["x"].slots.runs) == 1
        assert equal(content(ds), before)
        assert seen[-1][0] == seen[-1][1]
        for name, length in (("t", 8), ("i", 6), ("p", 4), ("s", 3), ("hole", 1), ("x", 4)):
            assert report.written[name] == len(ds[name]._array.written()) == length, name
        assert "pieces are one now" in str(report)
        assert ds.defragment("x").written == {}
        ds["x"].append([5000])
        ds["t"][-1] = 1.0
        assert ds["t"].values[-1].tolist() == [1.0, 1.0, 1.0]
    with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
        assert same(ds["t"].values[:-1], before["t"])


def test_statistics_are_right_afterwards() -> None:
    with scattered(None) as ds:
        ds.defragment("x")
        found = ds["t"]._array.statistics()
        assert sum(each.sum for each in found.values()) == pytest.approx(ds["t"].values.sum())
        assert max(each.maximum for each in found.values()) == ds["t"].values.max()


def test_slots_are_never_used_twice() -> None:
    """What was dropped before does not come back when the dimension grows after it was put in order."""
    with scattered(None) as ds:
        used = set(ds._structure.dims["x"].slots.slots(range(ds["x"].size)).tolist())
        ds.defragment("x")
        slots = ds._structure.dims["x"].slots
        assert not used & set(slots.slots(range(slots.size)).tolist())
        ds["x"].truncate(0, 400)
        ds["x"].append([7000, 7001])
        assert np.isnan(ds["t"].values[-2:]).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3)), max_size=8), st.integers(1, 6), st.integers(1, 3000))
def test_any_history_can_be_put_in_order(steps: Any, chunk: int, max_mem: int) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        x = ds.create.coord.generic("x", data=np.arange(5), chunk_shape=(chunk,))
        ds.create.data_var.generic("t", ("x",), "int64", (3,))
        label = 100
        for at, count in steps:
            x.insert(at % (x.size + 1), np.arange(label, label + count))
            label += count
        ds["t"][:] = np.arange(x.size)
        labels = x.values.tolist()
        ds.defragment("x", max_mem=max_mem)
        assert x.values.tolist() == labels
        assert ds["t"].values.tolist() == list(range(len(labels)))
        assert len(ds._structure.dims["x"].slots.runs) == 1


@pytest.mark.parametrize("after", [0, 1, 5, 9])
def test_an_error_in_the_middle_leaves_everything_as_it_was(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scattered(tmp_path / "a.cfdb") as ds:
        ds["t"][0] = 9.0
        ds.attrs["pending"] = 1
        before, slots = content(ds), ds._structure.dims["x"].slots
        write, calls = ChunkedArray.write, []

        def failing(self: Any, *args: Any, **options: Any) -> None:
            calls.append(1)
            if len(calls) > after:
                raise KeyboardInterrupt
            write(self, *args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(ChunkedArray, "write", failing)
            with pytest.raises(KeyboardInterrupt):
                ds.defragment("x", max_mem=200)
        assert ds._structure.dims["x"].slots == slots
        assert equal(content(ds), before)
        ds.defragment("x")
        assert equal(content(ds), before)
    with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
        assert equal(content(ds), before)
        assert ds.attrs["pending"] == 1


@pytest.mark.parametrize("after", [0, 4, 10, 1000])
def test_a_process_that_dies_in_the_middle_leaves_the_committed_state(after: int, tmp_path: Path) -> None:
    with scattered(tmp_path / "a.cfdb") as ds:
        before = content(ds)
    child = os.fork()
    if not child:
        try:
            ds = cfdb.open_dataset(tmp_path / "a.cfdb", "w")
            write, calls = ChunkedArray.write, []

            def dying(self: Any, *args: Any, **options: Any) -> None:
                calls.append(1)
                if len(calls) > after:
                    os._exit(0)
                write(self, *args, **options)

            ChunkedArray.write = dying  # type: ignore[method-assign]
            ds.defragment("x", max_mem=200)
        finally:
            os._exit(0)  # done and not synced: nothing of it was committed either
    os.waitpid(child, 0)
    with cfdb.open_dataset(tmp_path / "a.cfdb", "w") as ds:
        assert equal(content(ds), before)
        assert len(ds._structure.dims["x"].slots.runs) > 8
        ds.defragment("x")
        assert equal(content(ds), before)


def test_memory_stays_within_the_limit(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
        ds.create.dimension("k", 2**16)
        x = ds.create.coord.generic("x", data=np.arange(16) * 10)
        ds.create.data_var.generic("t", ("x", "k"), "float64", (2, 2**12))
        x.insert(3, [1, 2, 3])
        ds["t"][:] = np.random.default_rng(0).random((19, 2**16))
        ds.sync()
        tracemalloc.start()
        ds.defragment("x", max_mem=2**21)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2**22 < 19 * 2**16 * 8 / 2


def test_plain_dimensions_unknown_ones_and_read_only_datasets(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
        ds.create.dimension("n", 4)
        ds["t"] = ("n", [1.0, 2.0, 3.0, 4.0])
        ds.resize(n=2)
        ds.resize(n=3)
        assert "2 pieces" in str(ds.defragment("n"))
        assert same(ds["t"].values, np.array([1.0, 2.0, np.nan]))
        with pytest.raises(KeyError, match="no dimension 'm'"):
            ds.defragment("m")
    with cfdb.open_dataset(tmp_path / "a.cfdb") as ds, pytest.raises(cfdb.errors.ReadOnlyError):
        ds.defragment("n")
