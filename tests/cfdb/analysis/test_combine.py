"""Datasets are combined by label as xarray combines them, in bounded memory, completely or not at all."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.errors import CoordinateError
from tests.support.oracle import same


def make(path: Any = None, *, x: Any = (1, 2), values: Any = None, name: str = "t", **options: Any) -> Any:
    ds = cfdb.open_dataset(path, "n")
    ds.create.coord.generic("x", data=np.asarray(x), chunk_shape=(2,), **options.pop("coord", {}))
    values = np.arange(len(x), dtype="float64") if values is None else values
    ds.create.data_var.generic(name, ("x",), data=np.asarray(values), chunk_shape=(2,), **options)
    return ds


LABELS = st.lists(st.integers(0, 7), unique=True, min_size=1, max_size=4).map(sorted)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=3), st.sampled_from(["last", "first"]), st.integers(0, 9)
)
def test_combining_does_what_xarrays_combine_first_does(boxes: Any, overlap: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    parts, oracles = [], []
    for number, (x, y) in enumerate(boxes):
        values = np.where(
            random.random((len(x), len(y))) < 0.3, np.nan, 10.0 * number + random.random((len(x), len(y)))
        )
        oracles.append(xr.Dataset({"t": (("x", "y"), values)}, {"x": x, "y": y}))
        ds = cfdb.open_dataset(None, "n")
        ds["x"], ds["y"] = ("x", x), ("y", y)
        ds.create.data_var.generic("t", ("x", "y"), data=values, chunk_shape=(2, 3))
        parts.append(ds)
    oracle = oracles[0]
    for other in oracles[1:]:
        oracle = other.combine_first(oracle) if overlap == "last" else oracle.combine_first(other)
    with cfdb.combine(parts, None, overlap=overlap, max_mem=1000) as made:
        assert made["x"].values.tolist() == oracle["x"].values.tolist()
        assert made["y"].values.tolist() == oracle["y"].values.tolist()
        assert same(made["t"].values, oracle["t"].values)
    for ds in parts:
        ds.close()


def test_tiles_of_integers_are_put_together_cell_by_cell() -> None:
    """Cells in chunks that a neighbour has written already are not taken for data."""
    whole = np.arange(16, dtype="int32").reshape(4, 4)
    parts = []
    for x in (slice(0, 1), slice(1, 4)):
        for y in (slice(0, 3), slice(3, 4)):
            ds = cfdb.open_dataset(None, "n")
            ds["x"], ds["y"] = ("x", np.arange(4)[x]), ("y", np.arange(4)[y])
            ds.create.data_var.generic("t", ("x", "y"), data=whole[x, y], chunk_shape=(4, 4))
            parts.append(ds)
    for overlap in ("error", "first", "last"):
        with cfdb.combine(parts, None, overlap=overlap) as made:
            assert made["t"].values.tolist() == whole.tolist()
    oracle = xr.combine_by_coords([xr.Dataset({"t": (("x", "y"), whole)}, {"x": range(4), "y": range(4)})])
    assert oracle["t"].values.tolist() == whole.tolist()
    with pytest.raises(CoordinateError, match="x=0, y=0"):
        cfdb.combine([*parts, parts[0].isel(x=slice(0, 1))], None, overlap="error")
    for ds in parts:
        ds.close()


def test_descending_inputs_give_a_descending_result() -> None:
    with make(x=[30, 10]) as one, make(x=[40, 20]) as two, make(x=[5, 50]) as up:
        with cfdb.combine([one, two], None) as made:
            assert made["x"].values.tolist() == [40, 30, 20, 10]
            assert made["t"].values.tolist() == [0.0, 0.0, 1.0, 1.0]
        with cfdb.combine([one, up], None) as made:
            assert made["x"].values.tolist() == [5, 10, 30, 50]


def test_float_labels_with_noise_are_one_label() -> None:
    parts = [make(x=[0.1, 0.2, 0.3]), make(x=np.array([0.1 + 0.2, 0.4]))]
    with cfdb.combine(parts, None) as made:
        assert made["x"].values.tolist() == [0.1, 0.2, 0.3, 0.4]
        assert made["t"].values.tolist() == [0.0, 1.0, 0.0, 1.0]
    for part in parts:
        part.close()


def test_steps_stay_where_the_labels_keep_them() -> None:
    step = {"coord": {"step": True}}
    with make(x=[0, 2, 4], **step) as one, make(x=[6, 8], **step) as two, make(x=[11, 13], **step) as three:
        with cfdb.combine([one, two], None) as made:
            assert made["x"].step == 2
        with cfdb.combine([one, three], None) as made:
            assert made["x"].step is None
            assert made["x"].values.tolist() == [0, 2, 4, 11, 13]


def test_everything_else_comes_along(tmp_path: Path) -> None:
    packed = cfdb.dtypes.dtype("float32", 1, -50, 50)
    paths = []
    for number in range(2):
        path = tmp_path / f"{number}.cfdb"
        with cfdb.open_dataset(path, "n", compression_level=5) as ds:
            ds.attrs.update({"title": f"part {number}", f"only_{number}": 1})
            ds.create.coord.generic("time", data=np.arange(3) + 3 * number, axis="t", attrs={"long_name": "hour"})
            ds.create.dimension("n", 2, unlimited=True)
            ds.create.variable("where", ("n",), data=[7.0, 8.0], role="auxiliary")
            ds.create.variable("map", (), "int32", role="grid_mapping", attrs={"epsg_code": 4326})
            ds.create.data_var.generic("t", ("time", "n"), packed, (2, 2), units="K", links={"grid_mapping": "map"})
            ds["t"][:] = number + 0.5
            ds.create.data_var.generic(f"own_{number}", ("n",), data=np.array(["a", "b"]))
        paths.append(path)
    with cfdb.combine(paths, tmp_path / "all.cfdb", overlap="error") as made:
        assert made["time"].values.tolist() == list(range(6))
        assert made["t"].values[:, 0].tolist() == [0.5] * 3 + [1.5] * 3
        assert dict(made.attrs) == {"title": "part 0", "only_0": 1, "only_1": 1}
        assert (made["t"].dtype, made["t"].units, made["t"].chunk_shape) == (packed, "K", (2, 2))
        assert made["t"].links == {"grid_mapping": ("map",)}
        assert (made["time"].axis, made["time"].attrs["long_name"]) == ("t", "hour")
        assert (made["where"].role, made["map"].attrs["epsg_code"]) == ("auxiliary", 4326)
        assert made["own_0"].values.tolist() == made["own_1"].values.tolist() == ["a", "b"]
        assert made.unlimited_dims == ("n",)
        assert (made.compression_level, made.writable) == (5, True)


def test_sel_include_and_exclude_choose() -> None:
    with make(x=[1, 2, 3]) as one, make(x=[3, 4, 5], name="u") as two:
        with cfdb.combine([one, two], None, sel={"x": slice(2, 4)}) as made:
            assert made["x"].values.tolist() == [2, 3, 4]
            assert same(made["t"].values, np.array([1.0, 2.0, np.nan]))
        with cfdb.combine([one, two], None, include_data_vars=["u"]) as made:
            assert made.data_var_names == ("u",)
        with cfdb.combine([one, two], None, exclude_data_vars="u") as made:
            assert made.data_var_names == ("t",)
        with cfdb.combine([one, two], None, compression="none") as made:
            assert made["u"]._member.record.codecs[-1].name == "bytes"
        with pytest.raises(KeyError, match="'v'"):
            cfdb.combine([one, two], None, include_data_vars=["v"])


def test_missing_values_never_win() -> None:
    for fill, values in ((None, [[1.0, np.nan], [np.nan, 2.0]]), (-1, [[1, -1], [-1, 2]])):
        dtype = "float64" if fill is None else "int16"
        parts = [make(x=[1, 2], values=np.array(each, dtype), fill_value=fill) for each in values]
        for overlap in ("last", "first", "error"):
            with cfdb.combine(parts, None, overlap=overlap) as made:
                assert made["t"].values.tolist() == [1, 2]
        for part in parts:
            part.close()


def test_what_does_not_fit_is_refused_and_named(tmp_path: Path) -> None:
    packed = cfdb.dtypes.dtype("float64", 1, 0, 10)
    cases: list[tuple[Any, str]] = [
        (make(tmp_path / "b.cfdb", x=[3], values=np.array([1], "int32")), "'t' is stored as"),
        (make(tmp_path / "c.cfdb", x=[3], dtype=packed), "packed into"),
        (make(tmp_path / "d.cfdb", x=np.array([3.0])), "'x' is stored as"),
        (make(tmp_path / "e.cfdb", x=[3], coord={"axis": "y"}), "axis"),
        (cfdb.open_dataset(tmp_path / "f.cfdb", "n", dataset_type="ts_ortho"), "different types"),
    ]
    other = cfdb.open_dataset(tmp_path / "g.cfdb", "n")
    other["t"] = ("k", [1.0])
    cases.append((other, "lies along"))
    with make(tmp_path / "a.cfdb", coord={"axis": "x"}) as first:
        for second, words in cases:
            with pytest.raises(ValueError, match=words):
                cfdb.combine([first, second], tmp_path / "out.cfdb")
            second.close()
        assert not [path for path in tmp_path.iterdir() if "out" in path.name]
    for inputs, error in (([], ValueError), ([3], TypeError), ([tmp_path / "no.cfdb"], FileNotFoundError)):
        with pytest.raises(error):
            cfdb.combine(inputs, tmp_path / "out.cfdb")
    with pytest.raises(ValueError, match="overlap='most'"):
        cfdb.combine([tmp_path / "a.cfdb"], None, overlap="most")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        cfdb.combine([tmp_path / "a.cfdb"], tmp_path / "b.cfdb")


def test_reference_systems_have_to_be_equal() -> None:
    pytest.importorskip("pyproj")
    parts = [make(x=[number], coord={"axis": "x"}) for number in range(4)]
    for part, crs in zip(parts, (4326, "WGS 84", 2193, None), strict=True):
        part.create.coord.generic("y", data=[1], axis="y")
        if crs is not None:
            part.create.crs.from_user_input(crs, x_coord="x", y_coord="y")
    with cfdb.combine([parts[3], parts[0], parts[1]], None) as made:
        assert made.crs == parts[0].crs
    with pytest.raises(ValueError, match="reference systems"):
        cfdb.combine([parts[0], parts[2]], None)
    for part in parts:
        part.close()


def test_opened_inputs_are_closed_again_and_given_ones_stay_open(tmp_path: Path) -> None:
    make(tmp_path / "a.cfdb").close()
    with make(x=[1], values=np.array([1], "int8")) as given:
        with pytest.raises(ValueError, match="stored as"):
            cfdb.combine([tmp_path / "a.cfdb", given], tmp_path / "out.cfdb")
        assert given.is_open
        with cfdb.combine([tmp_path / "a.cfdb"], tmp_path / "out.cfdb"):
            pass
    with cfdb.open_dataset(tmp_path / "a.cfdb", "w", lock_timeout=0) as again:
        again["t"][:] = 1.0


def test_an_error_in_the_middle_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with make(tmp_path / "a.cfdb") as one, make(tmp_path / "b.cfdb", x=[5]) as two:
        before = sorted(tmp_path.iterdir())
        monkeypatch.setattr("cfdb.analysis.moving.placing.Placing._write", lambda self, block: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            cfdb.combine([one, two], tmp_path / "c.cfdb")
        assert sorted(tmp_path.iterdir()) == before


def test_memory_stays_within_the_limit(tmp_path: Path) -> None:
    rows = 2**17
    for number in range(2):
        with cfdb.open_dataset(tmp_path / f"{number}.cfdb", "n") as ds:
            ds["x"] = ("x", np.arange(8) + 5.0 * number)
            ds.create.dimension("k", rows)
            ds.create.data_var.generic("t", ("x", "k"), "float64", (2, 2**13))
            ds["t"][:] = np.random.default_rng(0).random((8, rows))
    tracemalloc.start()
    with cfdb.combine([tmp_path / "0.cfdb", tmp_path / "1.cfdb"], tmp_path / "c.cfdb", max_mem=2**21) as made:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert made["t"].shape == (13, rows)
    assert peak < 2**22 < 8 * rows * 8


def test_auxiliary_coordinates_in_two_dimensions_are_merged() -> None:
    parts = []
    for number in range(2):
        ds = cfdb.open_dataset(None, "n")
        ds["x"] = ("x", [2 * number, 2 * number + 1])
        ds.create.dimension("y", 2)
        ds.create.variable("lat", ("x", "y"), data=np.full((2, 2), float(number)), role="auxiliary")
        ds.create.data_var.generic("t", ("x", "y"), data=np.full((2, 2), number), links={"coordinates": "lat"})
        parts.append(ds)
    with cfdb.combine(parts, None, overlap="error") as made:
        assert made["lat"].values[:, 0].tolist() == [0.0, 0.0, 1.0, 1.0]
        assert made["t"].links == {"coordinates": ("lat",)}
        assert "lat" in made.coord_names
    for ds in parts:
        ds.close()
