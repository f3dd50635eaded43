"""Faults of the released package that have no home elsewhere; and the table of all of them names tests that exist."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import cfdb
from cfdb.format.dtypes import dtype

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "upstream-names.md"


def test_every_fault_of_the_table_has_its_test() -> None:
    faults = PAGE.read_text().partition("## Faults")[2]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", faults, re.M)[2:]
    assert len(rows) > 40
    named = [test for _, tests in rows for test in re.findall(r"`(\w+)`", tests)]
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    known = set(re.findall(r"(?:def|class) (\w+)", written))
    assert not [test for test in named if test not in known]
    assert all(re.search(r"`(\w+)`", tests) for _, tests in rows)


def test_a_wrong_compression_leaves_no_file_and_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.cfdb"
    with pytest.raises(ValueError, match="zstd"):
        cfdb.open_dataset(path, "n", compression="zip")
    assert list(tmp_path.iterdir()) == []
    cfdb.open_dataset(path, "n", lock_timeout=1).close()


def test_nan_infinities_and_values_out_of_range_become_no_other_number() -> None:
    packed = dtype("float32", precision=1, min_value=0, max_value=100)
    odd = [np.nan, np.inf, -np.inf, 1e30, -1e30, 50.0]
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.data_var.generic("t", ("x",), packed, data=odd)
        np.testing.assert_array_equal(ds["t"].values, [np.nan] * 5 + [50])
        ds.create.data_var.generic("n", ("x",), "int8", data=np.zeros(6, int))
        with pytest.raises(cfdb.errors.EncodingError, match="300"):
            ds["n"][0] = 300
        assert ds["n"].values.tolist() == [0] * 6


def test_positions_beyond_the_ends_are_errors_and_slices_end_there() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["t"] = ("x", np.arange(5.0))
        for position in (5, -6, 99):
            with pytest.raises(IndexError):
                ds["t"][position]
        assert ds["t"][3:99].values.tolist() == [3, 4]
        assert ds["t"][-99:2].values.tolist() == [0, 1]


def test_a_push_in_the_middle_of_a_session_publishes_structure_values_and_attributes(tmp_path: Path) -> None:
    remote = f"file://{tmp_path}/store/x.cfdb"
    with cfdb.open_edataset(remote, tmp_path / "mine.cfdb", "n") as ds:
        ds["t"] = ("x", np.arange(3.0), {"units": "K"})
        ds.push()
        with cfdb.open_edataset(remote, cache=None) as seen:
            assert seen["t"].values.tolist() == [0, 1, 2]
            assert seen["t"].attrs["units"] == "K"
        ds["t"].attrs["units"] = "degC"
        ds["u"] = ("x", np.ones(3))
    with cfdb.open_edataset(remote, cache=None) as seen:
        assert seen["t"].attrs["units"] == "degC"
        assert seen["u"].values.tolist() == [1, 1, 1]


def test_attaching_to_a_remote_that_exists_keeps_what_is_there(tmp_path: Path) -> None:
    remote = f"file://{tmp_path}/store/x.cfdb"
    with cfdb.open_edataset(remote, tmp_path / "mine.cfdb", "c") as ds:
        ds["t"] = ("x", np.arange(3.0))
    with cfdb.open_edataset(remote, tmp_path / "yours.cfdb", "c") as ds:
        ds["u"] = ("x", np.ones(3))
    with cfdb.open_edataset(remote, cache=None) as seen:
        assert list(seen) == ["t", "u"]


def test_packed_times_and_years_go_into_netcdf_as_they_are(tmp_path: Path) -> None:
    days = np.array(["2020-01-01", "2031-12-31"], "datetime64[D]")
    packed = dtype("datetime64[D]", min_value="2000-01-01", max_value="2050-01-01")
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.data_var.generic("packed", ("x",), packed, data=days)
        ds["year"] = ("x", np.array(["1999", "2020"], "datetime64[Y]"))
        ds.to_netcdf4(tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc", engine="h5netcdf") as read:
        assert read["packed"].values.astype("datetime64[D]").tolist() == days.tolist()
        assert [str(value)[:10] for value in read["year"].values] == ["1999-01-01", "2020-01-01"]


def test_chunks_along_an_empty_coordinate_have_a_length() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("x", dtype="int64")
        t = ds.create.data_var.generic("t", ("x",), "float32")
        assert min(t.chunk_shape) >= 1
        ds["x"].append([1, 2, 3])
        t[...] = 7
        assert t.values.tolist() == [7, 7, 7]
