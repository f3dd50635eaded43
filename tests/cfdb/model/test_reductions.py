"""Reductions give what NumPy and xarray give of the loaded values, within their budget, and decode every chunk once."""

import math
import tracemalloc
import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import cftime
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.errors import CoordinateError, DataTypeError, MemoryLimitError, SelectionError, ShapeError
from cfdb.model.labelled import LabelledArray
from cfdb.storage.access import ChunkAccess

DIMS = ("t", "y", "x")
SHAPE = (7, 5, 6)


@pytest.fixture
def ds() -> Iterator[Any]:
    with cfdb.open_dataset(None, "n") as ds:
        for name, size in zip(DIMS, SHAPE, strict=True):
            ds.create.coord.generic(name, data=np.arange(float(size)), step=False)
        yield ds


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys of the chunks that were decoded."""
    keys: list[str] = []
    boxes, places = ChunkAccess.decode_boxes, ChunkAccess.decode_into
    monkeypatch.setattr(
        ChunkAccess, "decode_boxes", lambda self, found, *a: (keys.extend(found.keys), boxes(self, found, *a))[1]
    )
    monkeypatch.setattr(ChunkAccess, "decode_into", lambda self, key, *a: (keys.append(key), places(self, key, *a))[1])
    one = ChunkAccess.decode
    monkeypatch.setattr(ChunkAccess, "decode", lambda self, key, *a: (keys.append(key), one(self, key, *a))[1])
    return keys


def field(dtype: str = "f8", missing: float = 0.2, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(SHAPE) < 0.5
    values = (rng.normal(size=SHAPE) * 40).astype(dtype)
    if missing and values.dtype.kind in "fc":
        values[rng.random(SHAPE) < missing] = np.nan
    return values


def quiet(function: Any, *args: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **options)


# against NumPy

OPERATIONS = ("sum", "mean", "min", "max", "std", "var", "count", "any", "all")
KEYS = [
    (),
    slice(None, None, -2),
    ([4, 0, 0, 6],),
    (2,),
    (slice(1, 6), None, slice(4, 0, -1)),
    (..., [5, 1]),
    (-1, ..., 3),
]


@st.composite
def cases(draw: st.DrawFn) -> Any:
    dtype = draw(st.sampled_from(["f4", "f8", "i2", "i8", "u1", "bool", "packed", "filled"]))
    chunks = tuple(draw(st.integers(1, size + 1)) for size in SHAPE)
    key = draw(st.sampled_from(KEYS))
    return (
        dtype,
        chunks,
        key,
        draw(st.sampled_from(OPERATIONS)),
        draw(st.integers(0, 7)),
        draw(st.sampled_from([2**29, 20_000])),
    )


def oracle(values: Any, operation: str, axes: tuple[int, ...]) -> Any:
    masked = np.ma.masked_invalid(values) if values.dtype.kind == "f" else np.ma.asarray(values)
    if operation in ("sum", "mean", "std", "var") and values.dtype.kind == "f":
        masked = masked.astype("f8")
    found = quiet(getattr(masked, operation), axis=axes)
    if operation == "sum":
        return np.ma.filled(found, 0)
    if operation in ("any", "all"):
        return np.ma.filled(found, operation == "all")
    return np.ma.filled(np.ma.asarray(found).astype("f8"), np.nan)


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_reductions_are_those_of_numpy(case: Any) -> None:
    dtype, chunks, key, operation, which, max_mem = case
    with cfdb.open_dataset(None, "n") as ds:
        options: dict[str, Any] = {"dtype": dtype}
        data = field(dtype if dtype not in ("packed", "filled") else "f8")
        if dtype == "packed":
            options["dtype"] = cfdb.dtypes.dtype("float32", precision=1, min_value=-300, max_value=300)
        if dtype == "filled":
            options = {"dtype": "i4", "fill_value": -9}
            data = np.where(np.isnan(data), -9, data).astype("i4")
            data[2] = -9
        variable = ds.create.data_var.generic("v", DIMS, chunk_shape=chunks, data=data, **options)
        part = variable[key]
        axes = tuple(axis for axis in range(part.ndim) if which >> axis & 1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = getattr(part, operation)(axis=axes, max_mem=max_mem)
        found = np.ma.filled(np.ma.asarray(found, "f8"), np.nan)
        np.testing.assert_allclose(found, oracle(part.read(), operation, axes), rtol=2e-5, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_places_are_those_of_numpy(case: Any) -> None:
    dtype, chunks, key, operation, which, max_mem = case
    name = "argmin" if operation in OPERATIONS[:4] else "argmax"
    with cfdb.open_dataset(None, "n") as ds:
        data = field(dtype if dtype not in ("packed", "filled") else "i2")
        data = (
            np.where(np.isnan(data), np.inf if which % 2 else -np.inf, data).astype(data.dtype)
            if data.dtype.kind == "f"
            else data
        )
        variable = ds.create.data_var.generic("v", DIMS, chunk_shape=chunks, data=data)
        part = variable[key]
        if part.ndim:
            axis = which % part.ndim
            np.testing.assert_array_equal(
                getattr(part, name)(axis=axis, max_mem=max_mem), getattr(part.read(), name)(axis)
            )
        assert getattr(part, name)(max_mem=max_mem) == getattr(part.read(), name)()


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(st.sampled_from(["append", "prepend", "insert", "drop", "write"]), min_size=1, max_size=5),
    length=st.integers(1, 5),
)
def test_arrays_that_grew_and_shrank_are_reduced(steps: list[str], length: int) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        x = ds.create.coord.generic("x", data=np.arange(6), dtype="i8", step=False, chunk_shape=(2,))
        ds.create.coord.generic("y", data=np.arange(4), step=False)
        v = ds.create.data_var.generic("v", ("x", "y"), "f4", chunk_shape=(length, 3))
        for number, step in enumerate(steps):
            labels = x.values
            if step == "append":
                x.append(labels[-1] + 1 + np.arange(2))
            elif step == "prepend":
                x.prepend(labels[0] - 2 + np.arange(2))
            elif step == "insert":
                x.insert(len(labels) // 2, np.array([1000 + 2 * number, 1001 + 2 * number]))
            elif step == "drop":
                x.drop(labels[1:3])
            else:
                v[number % 3 :: 2] = number + 0.5
        values = v.read().astype("f8")
        for name in ("sum", "mean", "max"):
            want = quiet(getattr(np, f"nan{name}"), values, axis=0)
            np.testing.assert_allclose(getattr(v, name)("x"), want, rtol=1e-6)
            np.testing.assert_allclose(getattr(v, name)(), quiet(getattr(np, f"nan{name}"), values), rtol=1e-6)


def test_numpys_functions_call_the_methods(ds: Any) -> None:
    data = field("f4")
    ds["v"] = (DIMS, data)
    v, good = ds["v"], data.astype("f8")
    assert type(np.mean(v, axis=0)) is np.ndarray
    np.testing.assert_allclose(np.mean(v, axis=0), quiet(np.nanmean, good, axis=0), rtol=1e-5)
    np.testing.assert_allclose(np.std(v, axis=(0, 2), ddof=1), np.nanstd(good, axis=(0, 2), ddof=1), rtol=1e-5)
    np.testing.assert_allclose(np.sum(v, axis=-1, keepdims=True), np.nansum(good, axis=-1, keepdims=True), rtol=1e-5)
    assert np.max(v) == np.nanmax(data)
    assert np.argmax(v) == np.nanargmax(data)
    np.testing.assert_array_equal(np.argmin(v, axis=1), np.nanargmin(data, axis=1))
    out = np.zeros((5, 6))
    assert np.mean(v, axis=0, dtype="f8", out=out) is out
    np.testing.assert_allclose(out, np.nanmean(good, axis=0))
    assert np.any(v > 1e9, axis=0).shape == (5, 6)
    assert np.all(v) == True  # noqa: E712
    with pytest.raises(np.exceptions.AxisError):
        np.mean(v, axis=3)
    with pytest.raises(ShapeError, match="out="):
        np.mean(v, axis=0, out=np.zeros(3))


def test_types_of_results_are_numpys(ds: Any) -> None:
    for dtype in ("f4", "f8", "i2", "u1", "bool"):
        data = field(dtype, 0)
        ds[f"v{dtype}"] = (DIMS, data)
        for name in ("sum", "mean", "min", "max", "std", "any", "argmax"):
            found, want = getattr(ds[f"v{dtype}"], name)("t"), getattr(data, name)(0)
            assert found.dtype == want.dtype, (dtype, name)
            assert getattr(ds[f"v{dtype}"], name)().dtype == getattr(data, name)().dtype
    assert ds["vf4"].mean("t", dtype="f8").dtype == np.float64


@pytest.mark.parametrize(("kind", "name", "dtype"), [("f8", "sum", int), ("i2", "mean", "i4"), ("c16", "sum", float)])
def test_a_type_that_cuts_off_digits_is_refused(ds: Any, kind: str, name: str, dtype: Any) -> None:
    ds["v"] = (DIMS, field("f8", 0).astype(kind))
    for dim in ("t", None):
        with pytest.raises(DataTypeError, match="dtype="):
            getattr(ds["v"], name)(dim, dtype=dtype)


def test_what_is_missing_makes_the_result_missing_on_request(ds: Any) -> None:
    data = field("f8", 0.05)
    ds["v"] = (DIMS, data)
    ds.create.data_var.generic("i", DIMS, "i4", fill_value=-9, data=np.where(np.isnan(data), -9, 1).astype("i4"))
    for name in ("sum", "mean", "min", "max", "std"):
        np.testing.assert_allclose(getattr(ds["v"], name)("t", skipna=False), getattr(data, name)(axis=0), rtol=1e-9)
        assert np.isnan(getattr(ds["v"], name)(skipna=False))
    assert ds["i"].sum("t", skipna=False).values.mask.tolist() == np.isnan(data).any(axis=0).tolist()
    assert ds["i"].sum(skipna=False) is np.ma.masked
    np.testing.assert_array_equal(ds["v"].argmin(axis=0, skipna=False), data.argmin(axis=0))
    assert ds["v"].argmax(skipna=False) == data.argmax()
    np.testing.assert_allclose(ds["v"].median("t", skipna=False), np.median(data, axis=0))


def test_slices_without_any_value_are_missing(ds: Any) -> None:
    data = np.full(SHAPE, np.nan)
    data[:, 1:] = 3.0
    ds["v"] = (DIMS, data)
    for name in ("mean", "min", "max", "std", "var", "median"):
        found = getattr(ds["v"], name)("t").values
        assert np.isnan(found[0]).all()
        assert not np.isnan(found[1:]).any()
    assert ds["v"].sum("t").values[0].tolist() == [0.0] * 6
    assert np.isnan(ds["v"][:, 0].max())
    with pytest.raises(ValueError, match="missing"):
        ds["v"].argmax("t")
    ds.create.data_var.generic("i", DIMS, "i4", fill_value=-9, data=np.where(np.isnan(data), -9, 3).astype("i4"))
    assert ds["i"].max("t").values.mask[0].all()
    assert np.isnan(ds["i"].mean("t").values[0]).all()
    assert ds["i"][:, 0].max() is np.ma.masked


def test_nothing_has_no_extreme_and_no_mean(ds: Any) -> None:
    ds["v"] = (DIMS, field())
    empty = ds["v"][:0]
    with pytest.raises(ValueError, match="no cells"):
        empty.max("t")
    with pytest.raises(ValueError, match="no cells"):
        np.min(empty)
    assert empty.sum("t").values.tolist() == np.zeros((5, 6)).tolist()
    assert np.isnan(empty.mean())
    assert empty.count() == 0
    assert empty.max("x").shape == (0, 5)
    assert np.isnan(empty.median("t").values).all()


# digits


def test_sums_of_integers_are_exact() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        big = np.array([2**62, 2**62 - 1, -(2**62), 5, 2**61], "i8")
        ds["v"] = (("a", "b"), np.stack([big, -big]))
        assert ds["v"][0].sum() == sum(map(int, big))
        assert ds["v"].sum("b").values.tolist() == [sum(map(int, big)), -sum(map(int, big))]
        ds["u"] = ("x", np.array([2**63, 2**63 - 1], "u8"))
        assert ds["u"].sum() == 2**64 - 1
        assert ds["u"].sum().dtype == np.uint64


@pytest.mark.parametrize("axis", [None, 0])
def test_sums_of_integers_never_overflow_silently(axis: int | None) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["v"] = ("x", np.array([2**62, 2**62, 2**62], "i8"))
        with pytest.raises(OverflowError, match="dtype=float"):
            ds["v"].sum(axis=axis)
        assert ds["v"].sum(axis=axis, dtype=float) == 3.0 * 2**62
        assert ds["v"].mean(axis=axis) == 2.0**62
        with pytest.raises(OverflowError, match="int8"):
            ds["v"][:1].sum(axis=axis, dtype="i1")


def test_sums_of_float32_keep_their_digits() -> None:
    data = np.full(300_000, 0.1, "f4")
    want = math.fsum(data.tolist())
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.data_var.generic("v", ("x", "y"), data=data.reshape(-1, 1), chunk_shape=(1000, 1))
        assert ds["v"].sum(dtype="f8") == pytest.approx(want, rel=1e-14)
        assert ds["v"].sum("x", dtype="f8").values[0] == pytest.approx(want, rel=1e-13)
        assert ds["v"].mean("x", dtype="f8").values[0] == pytest.approx(want / data.size, rel=1e-13)


def test_variance_far_from_zero_keeps_its_digits() -> None:
    data = 1e9 + np.random.default_rng(0).normal(size=40_000)
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.data_var.generic("v", "x", data=data, chunk_shape=(100,))
        assert ds["v"].var(max_mem=200_000) == pytest.approx(np.var(data - 1e9), rel=1e-6)
        assert ds["v"].std(ddof=1, max_mem=200_000) == pytest.approx(np.std(data - 1e9, ddof=1), rel=1e-6)


# kinds


def test_times_have_means_and_extremes() -> None:
    times = np.array([["2000-01-01", "NaT"], ["2000-01-03", "NaT"], ["2000-01-08", "2001-01-01"]], "M8[D]")
    with cfdb.open_dataset(None, "n") as ds:
        ds["v"] = (("a", "b"), times)
        ds["d"] = (("a", "b"), times - np.datetime64("2000-01-01"))
        assert ds["v"].mean("a").values.astype(str).tolist() == ["2000-01-04", "2001-01-01"]
        assert ds["v"].min() == np.datetime64("2000-01-01")
        assert ds["v"].max("b").values.astype(str).tolist() == ["2000-01-01", "2000-01-03", "2001-01-01"]
        assert np.isnat(ds["v"].max("b", skipna=False).values).tolist() == [True, True, False]
        assert np.isnat(ds["v"][:2].mean("a").values).tolist() == [False, True]
        assert ds["v"].argmax("a").values.tolist() == [2, 2]
        assert ds["v"].median() == np.datetime64("2000-01-05")
        assert ds["d"].sum() == np.timedelta64(0 + 2 + 7 + 366, "D")
        assert ds["d"].sum("b").values.tolist() == [timedelta(0), timedelta(2), timedelta(373)]
        assert ds["d"].mean() == np.timedelta64(94, "D")
        assert ds["v"].mean().dtype == "M8[D]"
        for wrong in (ds["v"].sum, ds["v"].std, ds["d"].var, ds["v"].any):
            with pytest.raises(DataTypeError, match="has no"):
                wrong()


def test_the_mean_of_many_late_nanoseconds_does_not_overflow() -> None:
    times = np.datetime64("2200-01-01T00:00:00", "ns") + np.arange(1000).astype("m8[h]")
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.data_var.generic("v", ("a", "b"), data=times.reshape(-1, 1), chunk_shape=(7, 1))
        want = times[0] + (times - times[0]).mean()
        assert ds["v"].mean() == want
        assert ds["v"].mean("a").values[0] == want


def test_dates_of_other_calendars_have_means_and_extremes() -> None:
    times = cftime.num2date([0, 4, 20], "days since 2000-02-28", "360_day")
    with cfdb.open_dataset(None, "n") as ds:
        ds["v"] = ("a", times)
        assert ds["v"].min() == times[0]
        assert ds["v"].max("a") == times[2]
        assert ds["v"].mean() == cftime.num2date(8, "days since 2000-02-28", "360_day")
        assert ds["v"].count() == 3
        assert ds["v"].argmax() == 2


def test_strings_have_extremes() -> None:
    names = np.array([["b", "aa"], ["z" * 90, "c"]], "T")
    with cfdb.open_dataset(None, "n") as ds:
        ds["v"] = (("a", "b"), names)
        assert ds["v"].min() == "aa"
        assert ds["v"].max() == "z" * 90  # too long to be noted beside the chunk
        assert ds["v"].max("b").values.tolist() == ["b", "z" * 90]
        ds.create.data_var.generic(
            "n", "c", cfdb.dtypes.dtype("str", nullable=True), data=np.array(["x", None, "y"], object)
        )
        assert (ds["n"].min(), ds["n"].count()) == ("x", 2)
        assert ds["n"][1:2].min("c") is None
        ds["s"] = ("d", np.array([b"b", b"a"]))
        assert (ds["s"].min(), ds["s"][None].max("d").values.tolist()) == (b"a", [b"b"])
        with pytest.raises(DataTypeError, match="has no mean"):
            ds["v"].mean()


def test_complex_numbers_are_summed_and_spread() -> None:
    data = field("f8") + 1j * field("f8", seed=1)
    with cfdb.open_dataset(None, "n") as ds:
        ds["v"] = (DIMS, data)
        for name in ("sum", "mean", "var", "std"):
            np.testing.assert_allclose(getattr(ds["v"], name)("t"), quiet(getattr(np, f"nan{name}"), data, axis=0))
            np.testing.assert_allclose(getattr(ds["v"], name)(), getattr(np, f"nan{name}")(data))
        assert ds["v"].std("t").dtype == np.float64


def test_infinite_values_are_no_missing_ones(ds: Any) -> None:
    data = field("f8", 0)
    data[0, 0, 0], data[1, 1, 1], data[2, 1, 1] = np.inf, np.inf, -np.inf
    ds["v"] = (DIMS, data)
    assert (ds["v"].max(), ds["v"].min()) == (np.inf, -np.inf)
    assert np.isnan(ds["v"].sum())
    assert ds["v"][0].sum() == np.inf
    np.testing.assert_array_equal(np.isfinite(ds["v"].mean("t")), np.isfinite(quiet(np.mean, data, axis=0)))


# weights


@pytest.mark.parametrize("dims", [("y",), ("x", "t"), ("t", "y", "x")])
@pytest.mark.parametrize("name", ["mean", "sum", "std", "var"])
def test_weights_are_those_of_xarray(ds: Any, dims: tuple[str, ...], name: str) -> None:
    data = field()
    ds.create.data_var.generic("v", DIMS, data=data, chunk_shape=(3, 2, 4))
    weights = np.random.default_rng(3).random([SHAPE[DIMS.index(dim)] for dim in dims])
    weights[0] = 0
    named = xr.DataArray(weights, dims=dims)
    want = quiet(getattr(xr.DataArray(data, dims=DIMS).weighted(named), name), dims)
    np.testing.assert_allclose(getattr(ds["v"], name)(list(dims), weights=named), want.values, rtol=1e-9)
    np.testing.assert_allclose(getattr(ds["v"], name)(list(dims), weights=named, max_mem=6_000), want.values, rtol=1e-9)
    other = quiet(getattr(xr.DataArray(data, dims=DIMS).weighted(named), name), "t")
    np.testing.assert_allclose(getattr(ds["v"], name)("t", weights=named), other.values, rtol=1e-9)
    ds["w"] = (dims, weights)
    np.testing.assert_allclose(getattr(ds["v"], name)("t", weights=ds["w"]), other.values, rtol=1e-9)


def test_weights_that_do_not_fit_are_refused(ds: Any) -> None:
    ds["v"] = (DIMS, field())
    with pytest.raises(ShapeError, match="'y'"):
        ds["v"].mean("y", weights=[1, 2, 3])
    with pytest.raises(SelectionError, match="'z'"):
        ds["v"].mean("y", weights=xr.DataArray(np.ones(2), dims="z"))
    with pytest.raises(CoordinateError, match="labels"):
        ds["v"].mean("y", weights=xr.DataArray(np.ones(5), {"y": np.arange(5) + 7.0}, dims="y"))
    with pytest.raises(ValueError, match="missing"):
        ds["v"].mean("y", weights=[1, 2, np.nan, 3, 4])
    with pytest.raises(ValueError, match="negative"):
        ds["v"].std("y", weights=[1, 2, -1, 3, 4])
    with pytest.raises(ValueError, match="ddof"):
        ds["v"].std("y", weights=np.ones(5), ddof=1)


# quantiles


@pytest.mark.parametrize("method", ["linear", "lower", "higher", "nearest", "midpoint", "hazen", "weibull"])
@pytest.mark.parametrize("max_mem", [2**29, 20_000])
def test_quantiles_are_those_of_numpy(ds: Any, method: str, max_mem: int) -> None:
    data = field()
    ds.create.data_var.generic("v", DIMS, data=data, chunk_shape=(3, 2, 4))
    for dim, axis in (("t", 0), (["y", "x"], (1, 2)), (None, None)):
        want = quiet(np.nanquantile, data, [0, 0.1, 0.5, 1], axis=axis, method=method)
        found = ds["v"].quantile([0, 0.1, 0.5, 1], dim, method=method, max_mem=max_mem)
        assert found.dims[0] == "quantile"
        np.testing.assert_allclose(found, want, rtol=1e-12)
    assert ds["v"].median() == np.nanmedian(data)


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i2", "i8", "u1", "u8", "bool", "M8[m]"])
def test_quantiles_of_more_than_fits_are_exact(decoded: list[str], dtype: str) -> None:
    rng = np.random.default_rng(0)
    data = (rng.normal(size=(30, 40, 20)) * 100 + 100 * (dtype[0] == "u")).clip(0 if dtype[0] == "u" else -1e4, 250)
    missing = rng.random(data.shape) < 0.1
    missing[:, 3] = True
    stored = (
        (data > 0) if dtype == "bool" else data.astype("i8").astype(dtype) if dtype[0] == "M" else data.astype(dtype)
    )
    if dtype[0] == "f":
        stored[0, 0, :3] = np.inf, -np.inf, 0
    if dtype[0] in "fM":
        stored[missing] = "NaT" if dtype[0] == "M" else np.nan
    with cfdb.open_dataset(None, "n") as ds:
        v = ds.create.data_var.generic("v", ("a", "b", "c"), data=stored, chunk_shape=(5, 8, 10))
        budget = 200_000 if dtype == "f8" else 100_000
        everything, series = v.quantile([0.01, 0.5], max_mem=budget), v.quantile(0.3, ["a", "c"], max_mem=400_000)
        numbers = stored.view("i8").astype("f8") if dtype[0] == "M" else stored.astype("f8")
        numbers[np.isnat(stored) if dtype[0] == "M" else np.isnan(numbers)] = np.nan
        for found, q, axis in ((everything.values, [0.01, 0.5], None), (series.values, 0.3, (0, 2))):
            want = quiet(np.nanquantile, numbers, q, axis=axis)
            if dtype[0] == "M":
                found = np.where(np.isnat(found), np.nan, found.view("i8").astype("f8"))
                np.testing.assert_allclose(found, want, atol=0.5)
            else:
                np.testing.assert_allclose(found, want, rtol=1e-3 if dtype == "f2" else 1e-6)
        decoded.clear()
        v.median(max_mem=budget)
        passes = len(decoded) / len(set(decoded))
        assert passes == {"f4": 4, "f8": 8, "f2": 2, "i2": 2, "i8": 8, "u1": 1, "u8": 8, "bool": 1}.get(dtype, 8)


def test_wrong_quantiles_are_refused(ds: Any) -> None:
    ds["v"] = (DIMS, field())
    with pytest.raises(ValueError, match="between 0 and 1"):
        ds["v"].quantile(50)
    with pytest.raises(ValueError, match="linear"):
        ds["v"].quantile(0.5, method="spline")
    with pytest.raises(MemoryLimitError, match="max_mem"):
        ds["v"].quantile(0.5, max_mem=1000)


# labels


def test_results_know_their_dimensions_and_labels(ds: Any) -> None:
    ds["v"] = (DIMS, field(), {"units": "K", "long_name": "heat"})
    found = ds["v"][:, 1:3].mean("x")
    assert isinstance(found, LabelledArray)
    assert (found.name, found.dims, found.shape, dict(found.attrs)) == ("v", ("t", "y"), (7, 2), dict(ds["v"].attrs))
    assert found.coords["y"].values.tolist() == [1.0, 2.0]
    assert set(found.coords) == {"t", "y"}
    assert "units" not in ds["v"].var("x").attrs
    assert dict(ds["v"].count("x").attrs) == {}
    assert ds["v"].mean("x", keepdims=True).shape == (7, 5, 1)
    assert np.isscalar(ds["v"].mean())
    assert "heat" in repr(found)


def test_results_are_assigned_with_their_labels(ds: Any) -> None:
    ds["v"] = (DIMS, field(), {"units": "K"})
    ds["m"] = ds["v"].mean("t")
    assert ds["m"].dims == ("y", "x")
    assert ds["m"].attrs["units"] == "K"
    ds["q"] = ds["v"].quantile([0.1, 0.9], "t")
    assert ds["q"].dims == ("quantile", "y", "x")
    assert ds["quantile"].values.tolist() == [0.1, 0.9]
    with pytest.raises(CoordinateError, match="differ"):
        ds["part"] = ds["v"][:, 1:].mean("t")
    assert "part" not in ds


def test_masked_results_are_assigned_with_their_fill(ds: Any) -> None:
    data = np.array([[-9, -9], [1, -9], [3, 5]], "i2")
    ds.create.data_var.generic("i", ("a", "b"), data=data, fill_value=-9)
    ds["top"] = ds["i"].max("b")
    assert (ds["top"].dtype, ds["top"].fill_value) == (np.int16, -9)
    assert ds["top"].values.tolist() == [None, 1, 5]
    assert ds["i"].max("a").fill_value is None


def test_results_behave_as_arrays(ds: Any) -> None:
    ds["v"] = (DIMS, field("f8", 0))
    found = ds["v"].mean("t")
    want = ds["v"].values.mean(axis=0)
    np.testing.assert_allclose(ds["v"].values - found, ds["v"].values - want)
    np.testing.assert_allclose(np.sqrt(found**2)[1:], np.abs(want)[1:])
    assert type(found + 1) is np.ndarray
    assert found[0, 1] == want[0, 1]
    ds.create.data_var.generic("i", ("t",), "i4", fill_value=-9, data=np.array([-9, 1, 2, 3, 4, 5, 6], "i4"))
    assert np.isnan(np.asarray(ds["i"][:, None].max(""))[0])


def test_wrong_dimensions_are_refused(ds: Any) -> None:
    ds["v"] = (DIMS, field())
    with pytest.raises(SelectionError, match=r"'time'.*'t', 'y', 'x'"):
        ds["v"].mean("time")
    with pytest.raises(TypeError, match="not both"):
        ds["v"].mean("t", axis=0)
    with pytest.raises(ValueError, match="max_mem"):
        ds["v"].mean("t", max_mem=0)


def test_places_along_several_dimensions_are_named(ds: Any) -> None:
    data = field("f8", 0)
    ds["v"] = (DIMS, data)
    want = {name: int(place) for name, place in zip(DIMS, np.unravel_index(data.argmax(), SHAPE), strict=True)}
    assert ds["v"].argmax(list(DIMS)) == want
    found = ds["v"].argmin(["x", "y"])
    oracle = xr.DataArray(data, dims=DIMS).argmin(["y", "x"])
    for name in ("x", "y"):
        np.testing.assert_array_equal(found[name], oracle[name])


def test_single_cells_are_reduced(ds: Any) -> None:
    data = field("f4", 0)
    ds["v"], ds["alone"], ds["i"] = (DIMS, data), ((), np.nan), (DIMS, field("i2"))
    ds["name"] = ((), "Aro")
    cell = ds["v"][1, 2, 3]
    assert [cell.mean(), cell.std(), cell.count(), cell.argmax()] == [data[1, 2, 3], 0, 1, 0]
    assert isinstance(cell.mean(keepdims=True), np.float32)
    assert np.isnan([ds["alone"].mean(), ds["alone"].var(), ds["alone"].max()]).all()
    assert ds["i"][0, 0, 0].std() == 0
    assert (ds["name"].max(), ds["name"].count()) == ("Aro", 1)
    with pytest.raises(SelectionError, match="no dimension 't'"):
        cell.mean("t")


# costs


def big(ds: Any, chunk_shape: tuple[int, ...] = (10, 40, 50)) -> Any:
    data = np.random.default_rng(0).normal(size=(200, 100, 120)).astype("f4")
    return ds.create.data_var.generic("big", ("a", "b", "c"), data=data, chunk_shape=chunk_shape), data


@pytest.mark.parametrize("dim", ["a", "c", ["a", "b"], ["a", "b", "c"]])
@pytest.mark.parametrize("name", ["mean", "std", "argmax"])
def test_a_reduction_decodes_every_chunk_once(decoded: list[str], dim: Any, name: str) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        v, _ = big(ds)
        v._array.store.set_notes(dict.fromkeys(v._array.written_keys(), b""))
        decoded.clear()
        getattr(v, name)(dim, max_mem=4_000_000)
        assert sorted(decoded) == sorted(v._array.written_keys())


@pytest.mark.parametrize(
    ("name", "dim"),
    [
        ("mean", "a"),
        ("std", "a"),
        ("max", ["b", "c"]),
        ("argmax", "a"),
        ("median", "a"),
        ("sum", "c"),
        ("var", None),
        ("median", None),
    ],
)
def test_a_reduction_keeps_to_its_budget(name: str, dim: Any) -> None:
    budget = 3_000_000
    with cfdb.open_dataset(None, "n") as ds:
        v, data = big(ds)
        assert data.nbytes > 3 * budget
        getattr(v[:10], name)(dim, max_mem=budget)  # what is made once is not counted
        tracemalloc.start()
        try:
            found = getattr(v, name)(dim, max_mem=budget)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < budget
        axes = None if dim is None else tuple("abc".index(each) for each in dim)
        if name != "argmax":
            want = getattr(np, name)(data.astype("f8"), axis=axes)
            np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)


def test_a_result_larger_than_the_budget_is_refused(ds: Any) -> None:
    v, _ = big(ds)
    with pytest.raises(MemoryLimitError, match="max_mem"):
        v.mean("a", max_mem=50_000)


def test_results_become_arrays_of_xarray(ds: Any) -> None:
    ds["v"] = (DIMS, field(), {"units": "K"})
    found = ds["v"].mean("t").to_xarray()
    want = xr.DataArray(ds["v"].values, {"y": np.arange(5.0), "x": np.arange(6.0)}, DIMS).mean("t")
    xr.testing.assert_allclose(found, want)
    assert (found.name, found.attrs) == ("v", {"units": "K"})


def test_a_declared_fill_is_left_out_however_the_dataset_was_opened(tmp_path: Any) -> None:
    with cfdb.open_dataset(tmp_path / "x.cfdb", "n") as ds:
        data = np.array([[-9, 2], [4, 8]], "i4")
        ds.create.data_var.generic("i", ("a", "b"), data=data, fill_value=-9)
    for masked in (True, False):
        with cfdb.open_dataset(tmp_path / "x.cfdb", masked=masked) as ds:
            assert (ds["i"].sum(), ds["i"].count(), ds["i"].min()) == (14, 3, 2)
            assert ds["i"].mean("b").values.tolist() == [2.0, 6.0]
    with cfdb.open_dataset(tmp_path / "x.cfdb", masked=False) as ds:
        assert ds["i"].sum(skipna=False) == data.sum()
        assert ds["i"].min("b", skipna=False).values.tolist() == [-9, 4]


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        v, _ = big(ds)
        found = []
        for threads in (1, 4):
            with cfdb.set_options(threads=threads):
                found.append((v.mean("a", dtype="f8").values.tobytes(), v.var(max_mem=4_000_000)))
        assert found[0][0] == found[1][0]
        assert found[0][1] == pytest.approx(found[1][1], rel=1e-12)
