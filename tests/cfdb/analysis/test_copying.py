"""Copies hold what was copied, whole variables as they are stored, parts in bounded memory."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.analysis.moving.blocks import cut
from cfdb.format.codecs import CodecPipeline
from tests.support.oracle import DTYPES, random_values, same


def rich(path: Any = None) -> Any:
    """A dataset with a bit of everything."""
    ds = cfdb.open_dataset(path, "n", compression_level=3)
    ds.attrs["title"] = "rich"
    ds.create.coord.generic("x", data=[30.0, 20.0, 10.0], step=True, axis="x", chunk_shape=(2,))
    ds.create.coord.generic("alone", data=["a", "b"])
    ds.create.dimension("n", 4)
    ds.create.dimension("idle", 9, unlimited=True)
    ds.create.variable("x_bnds", ("x", "n"), data=np.zeros((3, 4)), role="bounds")
    ds.create.variable("crs", (), "int32", role="grid_mapping", attrs={"epsg_code": 4326})
    ds.create.variable("height", (), data=np.array(2.0), role="auxiliary")
    packed = cfdb.dtypes.dtype("float32", precision=1, min_value=-100, max_value=100)
    ds.create.data_var.generic("t", ("n", "x"), packed, (3, 2), units="K", links={"grid_mapping": "crs"})
    ds.create.data_var.generic("i", ("x",), "int16", fill_value=-1, attrs={"long_name": "count"})
    ds["x"].update_links({"bounds": "x_bnds"})
    ds["x"].prepend([40.0])
    ds["x"].drop([20.0]) if ds["x"].step is None else None
    ds["t"][0:2, 1:3] = [[1.5, 2.5], [np.nan, -3.5]]
    return ds


def assert_equal(left: Any, right: Any) -> None:
    assert list(left) == list(right)
    assert dict(left.attrs) == dict(right.attrs)
    assert left.sizes == right.sizes
    for name in left:
        one, other = left[name], right[name]
        assert one._member.record == other._member.record
        assert same(one.read(masked=False), other.read(masked=False)), name
        assert dict(one.attrs) == dict(other.attrs)
        assert one._array.written() == other._array.written()
        assert one._array.statistics() == other._array.statistics()


def test_a_copy_has_everything_in_the_same_order(tmp_path: Path) -> None:
    with rich(tmp_path / "a.cfdb") as ds, ds.copy(tmp_path / "b.cfdb") as made:
        assert_equal(ds, made)
        assert made.writable
        assert made.file_path == tmp_path / "b.cfdb"
        assert (made.compression, made.compression_level, made.dataset_type) == ("zstd", 3, "grid")
        assert made["x"].axis == "x"
        assert made["x"].step == -10.0
        assert made["t"].units == "K"
        assert made["t"].links == {"grid_mapping": ("crs",)}
        assert "alone" in made
        assert made.unlimited_dims == ("idle",)
        made["t"][:] = 7.0
        assert np.isnan(ds["t"].values).any()


def test_chunks_of_whole_variables_are_copied_without_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    with rich() as ds:
        ds["x"].values, ds["alone"].values
        calls = []
        for name in ("decode_cells", "decode_into", "decode_boxes", "cells_of_box", "encode_cells_many"):
            before = getattr(CodecPipeline, name)
            monkeypatch.setattr(
                CodecPipeline, name, lambda self, *a, _before=before, **k: (calls.append(1), _before(self, *a, **k))[1]
            )
        made = ds.copy(None)
        assert calls == []
        monkeypatch.undo()
        keys = sorted(ds["t"]._array.written_keys())
        assert made._structure.store.notes(keys) == ds._structure.store.notes(keys)
        assert_equal(ds, made)
        made.close()


def test_a_copy_after_prepend_insert_and_drop_is_aligned(tmp_path: Path) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("x", data=np.arange(10), chunk_shape=(4,))
        ds.create.data_var.generic("t", ("x",), "float64", (3,))
        ds["t"][:] = np.arange(10.0)
        ds["x"].prepend([-2, -1])
        ds["x"].insert(5, [100, 101])
        ds["x"].drop([3, 4])
        ds["t"][0] = -2.0
        with ds.copy(tmp_path / "b.cfdb") as made:
            assert same(made["x"].values, ds["x"].values)
            assert same(made["t"].values, ds["t"].values)
            made["x"].append([11, 12])
            made["t"][-1] = 12.0
            assert made["t"].values[-4:].tolist()[:2] == [8.0, 9.0]
            assert made["t"].values[-1] == 12.0


def test_missing_chunks_stay_missing() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.dimension("x", 10)
        ds.create.data_var.generic("t", ("x",), "int32", (2,))
        ds["t"][4:6] = 5
        for made in (ds.copy(None), ds.isel(x=slice(1, 9)).copy(None)):
            assert len(made["t"]._array.written()) in (1, 2)
            assert made["t"].values.sum() == 10
            made.close()


def test_a_view_is_copied_with_its_labels_and_step() -> None:
    with rich() as ds:
        made = ds.isel(x=slice(None, None, -2)).copy(None)
        assert made["x"].values.tolist() == [10.0, 30.0]
        assert made["x"].step == 20.0
        assert same(made["t"].values, ds["t"].values[:, ::-2])
        assert made["t"].units == "K"
        made.close()
        made = ds.isel(x=1).copy(None)
        assert made["x"].shape == ()
        assert float(made["x"]) == 30.0
        assert made["x"].role == "auxiliary"
        assert same(made["t"].values, ds["t"].values[:, 1])
        made.close()
        made = ds.sel(x=[10.0, 40.0]).copy(None)
        assert made["x"].values.tolist() == [10.0, 40.0]
        assert same(made["t"].values, ds["t"].values[:, [3, 0]])
        made.close()
        with pytest.raises(cfdb.errors.CoordinateError, match="twice"):
            ds.isel(x=[0, 0]).copy(None)


@pytest.mark.parametrize("name", [*DTYPES, "packed"])
def test_views_of_every_type_are_copied(name: str) -> None:
    dtype = cfdb.dtypes.dtype("float32", 1, -100, 100) if name == "packed" else cfdb.dtypes.dtype(name)
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.dimension("y", 7)
        ds.create.dimension("x", 9)
        ds.create.data_var.generic("v", ("y", "x"), dtype, (3, 4))
        ds["v"][:] = random_values(dtype, (7, 9), 1)
        made = ds.isel(y=slice(1, 7), x=[8, 0, 3]).copy(None, max_mem=100)
        assert same(made["v"].values, ds["v"].values[1:7][:, [8, 0, 3]])
        made.close()


def test_packed_codes_of_views_are_kept_bit_for_bit() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.dimension("x", 4)
        ds.create.data_var.generic("p", ("x",), cfdb.dtypes.dtype("float32", 1, 0, 4e8))
        codes = np.array([0, 1, 4_000_000_001, 3_999_999_999], "uint32")
        ds["p"].set((), codes, decoded=False)
        made = ds.isel(x=slice(1, None)).copy(None)
        assert made["p"]._array.read_cells(made["p"]._selected()).tolist() == codes[1:].tolist()
        made.close()


def test_cftime_labels_are_copied() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        time = cfdb.dtypes.time_dtype("days since 2000-01-01", "360_day")
        ds.create.coord.generic("time", data=np.arange(5), dtype=time)
        made = ds.isel(time=slice(2, 4)).copy(None)
        assert made["time"].values.tolist() == ds["time"].values[2:4].tolist()
        made.close()


def test_include_and_exclude_choose_data_variables() -> None:
    with rich() as ds:
        made = ds.copy(None, include_data_vars=["i"])
        assert list(made) == ["x", "alone", "x_bnds", "height", "i"]
        assert "idle" in made.sizes
        made.close()
        made = ds.copy(None, exclude_data_vars="i")
        assert made.data_var_names == ("t",)
        assert "crs" in made
        made.close()
        with pytest.raises(ValueError, match="both"):
            ds.copy(None, ["t"], ["i"])
        with pytest.raises(KeyError, match="there is no data variable"):
            ds.copy(None, ["tt"])


def test_a_failing_copy_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rich(tmp_path / "a.cfdb") as ds:
        before = sorted(path.name for path in tmp_path.iterdir())
        monkeypatch.setattr("cfdb.storage.raw.trailers", lambda pipeline: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ds.copy(tmp_path / "b.cfdb")
        assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_an_existing_file_is_replaced_only_when_told(tmp_path: Path) -> None:
    with rich(tmp_path / "a.cfdb") as ds:
        ds.copy(tmp_path / "b.cfdb").close()
        for target in ("a.cfdb", "b.cfdb"):
            with pytest.raises((FileExistsError, ValueError), match=r"exists|to be copied"):
                ds.copy(tmp_path / target)
        with pytest.raises(ValueError, match="to be copied"):
            ds.copy(tmp_path / "a.cfdb", overwrite=True)
        with pytest.raises(FileNotFoundError, match="no folder"):
            ds.copy(tmp_path / "no" / "b.cfdb")
        with ds.copy(tmp_path / "b.cfdb", overwrite=True, include_data_vars=["i"]) as made:
            assert made.data_var_names == ("i",)


def test_a_copy_can_have_other_chunks_and_compression() -> None:
    with rich() as ds:
        made = ds.copy(None, chunk_shape={"n": -1, "x": 1}, compression="none")
        assert made["t"].chunk_shape == (4, 1)
        assert made["x"].chunk_shape == (2,)
        assert made.compression == "none"
        assert [c.name for c in made["i"]._member.record.codecs] == ["bytes"]
        for name in ds:
            assert same(made[name].read(masked=False), ds[name].read(masked=False)), name
        made.close()


def test_progress_counts_chunks() -> None:
    seen: list[tuple[int, int]] = []
    with rich() as ds:
        ds.copy(None, progress=lambda done, total: seen.append((done, total))).close()
    assert seen[-1][0] <= seen[-1][1]
    assert seen == sorted(seen)


def test_a_view_is_copied_in_bounded_memory(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
        ds.create.dimension("x", 2**21 + 8)
        ds.create.data_var.generic("t", ("x",), "float64", (2**15,))
        ds["t"][:] = np.random.default_rng(0).random(2**21 + 8)
        ds.sync()
        tracemalloc.start()
        with ds.isel(x=slice(5, None)).copy(tmp_path / "b.cfdb", max_mem=2**22) as made:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert made["t"].shape == (2**21 + 3,)
            assert float(made["t"][-1]) == float(ds["t"][-1])
        assert peak < 2**23


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 4)), max_size=3),
    st.integers(1, 64),
)
def test_blocks_cover_every_cell_once_within_the_limit(axes: list[tuple[int, int]], most: int) -> None:
    shape = tuple(size for size, _ in axes)
    breaks = tuple(np.arange(0, size, chunk) for size, chunk in axes)
    count = np.zeros(shape, int)
    chunk = int(np.prod([min(size, length) for size, length in axes]))
    for block in cut(shape, breaks, 1, most):
        count[block] += 1
        assert count[block].size <= max(most, chunk)
        assert all(part.start in ends for part, ends in zip(block, breaks, strict=True))
    assert (count == 1).all()


def test_groups_are_copied_whole_and_alone(tmp_path: Path) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["x"] = ("x", [1, 2])
        group = ds.create.group("ocean")
        group.attrs["title"] = "ocean"
        group["t"] = (("x", "depth"), [[1.0, 2.0], [3.0, 4.0]])
        ds.create.group("empty")
        with ds.copy(tmp_path / "a.cfdb") as made:
            assert list(made) == list(ds)
            assert set(made.groups.keys()) == {"ocean", "empty"}
            assert made.groups["ocean"].attrs["title"] == "ocean"
            assert same(made["ocean/t"].values, ds["ocean/t"].values)
        with group.copy(None) as alone:
            assert same(alone["t"].values, ds["ocean/t"].values)
            assert alone["t"].dims == ("x", "depth")
            assert alone["x"].values.tolist() == [1, 2]
            assert alone.attrs["title"] == "ocean"


def test_a_remote_dataset_is_copied_a_few_chunks_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = (tmp_path / "store" / "x.cfdb").as_uri()
    values = np.random.default_rng(0).random(1000)
    with cfdb.open_edataset(uri, flag="n", cache=None) as ds:
        ds.create.coord.generic("x", data=np.arange(1000))
        ds.create.variable("t", ("x",), "float64", chunk_shape=(50,), data=values)
    with cfdb.open_edataset(uri, cache=None) as ds:
        windows: list[int] = []
        store = ds._structure.store
        prefetch = store.prefetch
        monkeypatch.setattr(store, "prefetch", lambda keys: (windows.append(len(keys)), prefetch(keys))[1])
        with ds.copy(tmp_path / "local.cfdb", max_mem=2000) as made:
            assert same(made["t"].values, values)
            assert made["t"]._array.statistics() == ds["t"]._array.statistics()
        assert sum(windows) == 21
        assert max(windows) < 6
    with cfdb.open_dataset(tmp_path / "local.cfdb", "w") as made:
        made["x"].append([1000])
        assert made.sizes == {"x": 1001}


def test_labels_are_written_to_a_remote_dataset_and_undone_after_an_error(tmp_path: Path) -> None:
    uri = (tmp_path / "store" / "x.cfdb").as_uri()
    with cfdb.open_edataset(uri, flag="n", cache=None) as ds:
        ds["x"] = ("x", [1, 2])
        ds["t"] = ("x", [1.0, 2.0])
    with cfdb.open_edataset(uri, tmp_path / "a.cfdb", "w") as ds:
        ds["t"][0] = 7.0
        with pytest.raises(TypeError):
            ds.write({"x": [3], "t": ("x", [3.0]), "u": ("x", [object()])})
        assert ds["x"].values.tolist() == [1, 2]
        ds.write({"x": [0], "t": ("x", [0.0])})
    with cfdb.open_edataset(uri, cache=None) as ds:
        assert ds["x"].values.tolist() == [0, 1, 2]
        assert ds["t"].values.tolist() == [0.0, 7.0, 2.0]
