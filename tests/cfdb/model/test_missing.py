"""Cells that hold a declared fill value are missing: no function of NumPy takes the fill for a value."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import xarray as xr

import cfdb


@pytest.fixture
def ds() -> Iterator[Any]:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("x", data=np.arange(4), step=False)
        for name, dtype, fill in (("f", "f8", -999.0), ("i", "i4", -9), ("t", "datetime64[D]", "1900-01-01")):
            fill = np.datetime64(fill) if name == "t" else fill
            ds.create.data_var.generic(name, "x", dtype, fill_value=fill)
        ds["f"][1:] = [1.0, 2.0, 3.0]
        ds["i"][1:] = [1, 2, 3]
        ds["t"][1:] = np.array(["2000-01-01", "2000-01-02", "2000-01-03"], "M8[D]")
        yield ds


@pytest.mark.parametrize("name", ["f", "i"])
@pytest.mark.parametrize("reduction", [np.sum, np.prod, np.min, np.max, np.mean, np.all, np.any, np.add.reduce])
def test_reductions_leave_missing_cells_out(ds: Any, name: str, reduction: Any) -> None:
    oracle = np.ma.MaskedArray([0, 1, 2, 3], mask=[True, False, False, False])
    assert reduction(ds[name]) == reduction(oracle) if reduction is not np.add.reduce else 6


@pytest.mark.parametrize("name", ["f", "i"])
@pytest.mark.parametrize("reduction", [np.nanmean, np.nanmin, np.nanmedian])
def test_functions_of_nan_leave_missing_cells_out(ds: Any, name: str, reduction: Any) -> None:
    assert reduction(ds[name]) == reduction([np.nan, 1.0, 2.0, 3.0])


@pytest.mark.parametrize("name", ["f", "i"])
def test_functions_that_know_no_mask_see_nan(ds: Any, name: str) -> None:
    assert np.isnan(np.median(ds[name]))
    np.testing.assert_array_equal(np.asarray(ds[name]), [np.nan, 1.0, 2.0, 3.0])
    np.testing.assert_array_equal(xr.DataArray(ds[name]).values, [np.nan, 1.0, 2.0, 3.0])
    np.testing.assert_array_equal(np.cumsum(ds[name][1:]), [1, 3, 6])


def test_a_missing_time_is_nat(ds: Any) -> None:
    assert np.isnat(np.asarray(ds["t"])[0])


def test_a_missing_number_is_nan(ds: Any) -> None:
    assert np.isnan(float(ds["f"][0]))
    assert np.isnan(ds["i"][0].item())
    assert ds["i"][1].item() == 1


def test_integers_cannot_hold_what_is_missing(ds: Any) -> None:
    with pytest.raises(ValueError, match="masked array"):
        np.asarray(ds["i"], dtype="i8")
    assert np.asarray(ds["i"][1:]).dtype == np.int32


def test_arithmetic_stays_masked(ds: Any) -> None:
    total = ds["i"] + 1
    assert np.ma.is_masked(total)
    assert total.sum() == 9


def test_arrays_with_dimensions_of_their_own_are_not_taken_for_rows_and_columns() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("y", data=[1, 2], step=False)
        ds["t"] = (("y", "x"), np.arange(6.0).reshape(2, 3))
        points = {name: xr.DataArray([0, 1], dims="p") for name in ("y", "x")}
        for part in (ds, ds["t"]):
            with pytest.raises(IndexError, match="vindex"):
                part.isel(points)
        rows = xr.DataArray([2, 1], dims="y", coords={"y": [1, 2]})
        with pytest.raises(IndexError, match="vindex"):
            ds["t"].sel(y=xr.DataArray([1, 2], dims="p"))
        assert ds["t"].sel(y=rows).shape == (2, 3)


@pytest.mark.parametrize(
    ("template", "labels"),
    [("lat", [1 / 3, 2 / 3]), ("x", [1.25, 2.25, 5428937.25]), ("y", [1.01, 1.02]), ("lat", [60.1, 50.2, 40.3])],
)
def test_a_template_never_changes_labels(template: str, labels: list[float]) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        coord = getattr(ds.create.coord, template)(data=labels, step=False)
        np.testing.assert_allclose(coord.values, labels, rtol=1e-12, atol=0)
        assert coord.sel({coord.name: labels[1]}).item() == pytest.approx(labels[1], rel=1e-12)


def test_an_address_is_no_local_file() -> None:
    with pytest.raises(ValueError, match="open_edataset"):
        cfdb.open_dataset("s3://bucket/key.cfdb")


def test_a_mask_of_the_whole_shape_takes_the_cells_it_marks() -> None:
    values = np.arange(6.0).reshape(2, 3)
    with cfdb.open_dataset(None, "n") as ds:
        ds["t"] = (("y", "x"), values)
        np.testing.assert_array_equal(ds["t"].vindex[values > 2], values[values > 2])
        ds["t"].vindex[values > 4] = -1.0
        assert ds["t"].values.min() == -1.0
        with pytest.raises(IndexError, match="shape"):
            ds["t"].vindex[np.ones(3, bool)]


def test_a_name_is_found_in_either_unicode_form() -> None:
    composed, decomposed = "temp\u00e9rature", "tempe\u0301rature"
    with cfdb.open_dataset(None, "n") as ds:
        ds[decomposed] = ("x", [1, 2])
        ds[decomposed] = ("x", [3, 4])
        assert list(ds) == [composed]
        for name in (composed, decomposed):
            assert name in ds
            assert ds[name].values.tolist() == ds.get(name).values.tolist() == [3, 4]
        del ds[decomposed]
        assert not list(ds)
