"""Labels select on variables, views of views and datasets what they select in xarray."""

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
from cfdb.errors import (
    LabelNotFoundError,
    SelectionError,
)
from cfdb.format.dtypes import time_dtype
from cfdb.model.reading import DatasetView
from tests.support.oracle import same

ORDERS = ["ascending", "descending", "unsorted"]
LABELS: dict[str, Any] = {
    "int8": np.arange(-60, 60, 10, dtype="i1"),
    "uint8": np.arange(3, 255, 21, dtype="u1"),
    "uint64": np.arange(2**40, 2**40 + 12, dtype="u8"),
    "float32": np.linspace(-1, 1, 12, dtype="f4"),
    "float64": np.linspace(0, 1.1, 12),
    "datetime64[D]": np.arange("2000-01-26", "2000-02-07", dtype="M8[D]"),
    "datetime64[M]": np.arange("1999-06", "2000-06", dtype="M8[M]"),
    "datetime64[s]": np.arange("2000-01-31T18", "2000-02-01T06", dtype="M8[h]").astype("M8[s]"),
    "datetime64[ns]": np.arange("2000-01-31T18", "2000-02-01T06", dtype="M8[h]").astype("M8[ns]"),
    "timedelta64[h]": np.arange(0, 72, 6).astype("m8[h]"),
    "str": np.array(list("abdeghjkmnpq"), np.dtypes.StringDType()),
    "bytes2": np.array([b"ab", b"b", b"cd", b"d", b"ef", b"g", b"hi", b"j", b"kl", b"m", b"no", b"p"]),
}  # fmt: skip
PERIODS = {
    "datetime64[D]": ["2000", "2000-01", "2000-02", "2000-02-03", "2001"],
    "datetime64[M]": ["1999", "2000", "1998"],
    "datetime64[s]": ["2000-01", "2000-01-31", "2000-02-01", "2000-02-01T03", "2000-02-01T03:00", "2000-02-02"],
    "datetime64[ns]": ["2000-01", "2000-01-31", "2000-02-01", "2000-02-01T03", "2000-02-01 03:00", "2000-02-02"],
}


def arranged(values: Any, order: str) -> Any:
    if order == "descending":
        return values[::-1]
    return np.random.default_rng(5).permutation(values) if order == "unsorted" else values


def in_memory(values: Any) -> xr.DataArray:
    labels = values.astype(object) if values.dtype.kind == "T" else values
    return xr.DataArray(np.arange(24).reshape(12, 2), {"x": labels}, ("x", "y"))


class Made(dict[tuple[str, str], tuple[Any, xr.DataArray]]):
    """One dataset per type and order, with the same in xarray."""

    def __repr__(self) -> str:
        return "..."


@pytest.fixture(scope="module")
def made() -> Iterator[Made]:
    found, opened = Made(), []
    for name, values in LABELS.items():
        for order in ORDERS:
            ds = cfdb.open_dataset(None, "n")
            opened.append(ds)
            labels = arranged(values, order)
            ds.create.coord.generic("x", data=labels)
            ds["t"] = (("x", "y"), np.arange(24).reshape(12, 2))
            found[name, order] = (ds, in_memory(labels))
    yield found
    for ds in opened:
        ds.close()


def compare(ds: Any, array: xr.DataArray, key: Any, unsorted: bool = True, **options: Any) -> None:
    """Select by label on a variable, views of it, and a dataset: as xarray does, or an error where it has one."""
    variable = ds["t"]
    twins = [
        (variable, array),
        (variable[2:, ::-1][1:-1], array[2:, ::-1][1:-1]),
        (ds.isel(x=slice(1, None, 2)), array[1::2]),
        *([(variable[[7, 0, 3, 9]], array[[7, 0, 3, 9]])] if unsorted else []),
    ]
    for part, twin in twins:
        try:
            expected = twin.sel(x=key, **options)
        except (KeyError, IndexError):
            with pytest.raises((LabelNotFoundError, SelectionError)):
                part.sel(x=key, **options)
            continue
        for found in (part.sel(x=key, **options), *([] if options else [part.loc[{"x": key}]])):
            values = found["t"] if isinstance(found, DatasetView) else found
            assert values.values.tolist() == expected.values.tolist(), (key, options, twin.x.values)
            assert values.dims == expected.dims


NAMES = st.sampled_from(list(LABELS))


@settings(max_examples=100, deadline=None)
@given(NAMES, st.sampled_from(ORDERS), st.data())
def test_labels_slices_and_lists_are_those_of_xarray(made: Made, name: str, order: str, data: st.DataObject) -> None:
    ds, array = made[name, order]
    present = LABELS[name].tolist() if LABELS[name].dtype.kind not in "mM" else list(LABELS[name])
    labels = st.sampled_from(present)
    if order == "unsorted":
        ends = st.one_of(st.none(), labels)
    else:
        ends = st.one_of(st.none(), labels, st.sampled_from(between(LABELS[name])))
    key = data.draw(
        st.one_of(
            labels,
            st.builds(slice, ends, ends, st.sampled_from([None, 1, 2, -1, -3])).filter(
                lambda part: part.start is not None or part.stop is not None
            ),
            st.lists(labels, max_size=5),
            st.lists(st.booleans(), min_size=12, max_size=12).map(np.array),
        )
    )
    if isinstance(key, np.ndarray):
        assert ds["t"].sel(x=key).values.tolist() == array[key].values.tolist()
        return
    if isinstance(key, list) and not key:
        assert ds["t"].sel(x=key).shape == (0, 2)
        return
    compare(ds, array, key)


def between(values: Any) -> list[Any]:
    """Labels that are not there: within and on both sides."""
    kind = values.dtype.kind
    if kind in "iu":
        return [int(values[0]) - 1, int(values[3]) + 1, int(values[-1]) + 1]
    if kind == "f":
        return [float(values[0]) - 1, float(values[3]) + 0.03, float(values[-1]) + 1]
    if kind == "M":
        return [np.datetime64("1990-01-01"), np.datetime64("2000-01-31T20:30"), np.datetime64("2010-01-01")]
    if kind == "m":
        return [np.timedelta64(-1, "h"), np.timedelta64(100, "m"), np.timedelta64(9, "D")]
    return [b"", b"c", b"z"] if kind == "S" else ["", "c", "z"]


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(list(PERIODS)), st.sampled_from(ORDERS[:2]), st.data())
def test_partial_dates_are_periods_also_as_ends_of_slices(
    made: Made, name: str, order: str, data: st.DataObject
) -> None:
    ds, _ = made[name, order]
    _, array = made[name, "ascending"]
    periods = st.sampled_from(PERIODS[name])
    ends = st.one_of(st.none(), periods)
    key = data.draw(st.one_of(periods, st.builds(slice, ends, ends)))
    if order == "ascending":
        compare(ds, array, key, unsorted=False)
        return
    # pandas has no partial dates in descending order: here they select the same, the other way round
    mirrored = slice(key.stop, key.start) if isinstance(key, slice) else key
    try:
        expected = array.sel(x=key).values
    except KeyError:
        with pytest.raises(LabelNotFoundError):
            ds["t"].sel(x=mirrored)
        return
    upwards = ds["x"].values[::-1][expected[..., 0] // 2]
    assert same(ds["t"].sel(x=mirrored).coords["x"].values, upwards[::-1] if upwards.ndim else upwards)


#: pandas lets the distances of unsigned labels wrap around.
INEXACT = [name for name in LABELS if LABELS[name].dtype.kind in "fiMm"]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(INEXACT), st.sampled_from(ORDERS[:2]), st.data())
def test_methods_find_what_they_find_in_xarray(made: Made, name: str, order: str, data: st.DataObject) -> None:
    ds, array = made[name, order]
    values = LABELS[name]
    one = st.sampled_from([*between(values), *list(values)])
    key = data.draw(st.one_of(one, st.lists(one, min_size=1, max_size=4)))
    method = data.draw(st.sampled_from(["nearest", "pad", "ffill", "backfill", "bfill"]))
    options: dict[str, Any] = {"method": method}
    if data.draw(st.booleans()):
        options["tolerance"] = np.timedelta64(3, "h") if values.dtype.kind in "mM" else 2
    if values.dtype.kind == "i":
        key = [int(label) for label in key] if isinstance(key, list) else int(key)
    compare(ds, array, key, unsorted=False, **options)


# where the rules are our own


def test_a_list_of_partial_dates_takes_every_period_whole(made: Made) -> None:
    """xarray takes the first instant of each; two winters in one selection are more use."""
    ds, _ = made["datetime64[D]", "ascending"]
    assert ds["t"].sel(x=["2000-02", "2000-01-30"]).coords["x"].values.astype(str).tolist() == [
        *(f"2000-02-0{day}" for day in range(1, 7)),
        "2000-01-30",
    ]


def test_durations_are_written_as_text_too(made: Made) -> None:
    """A slice ends where it says; pandas would round '12h' up to the next hour."""
    ds, _ = made["timedelta64[h]", "ascending"]
    assert ds["t"].sel(x="12h")[0].item() == 4
    assert ds["t"].sel(x=slice("1 day", timedelta(hours=36))).shape == (3, 2)
    assert ds["t"].sel(x="13 h", method="nearest", tolerance="90 min")[0].item() == 4
    for wrong in ("twelve", "2 years", 12):
        with pytest.raises(SelectionError, match="'6h'"):
            ds["t"].sel(x=wrong)


def test_methods_work_in_unsorted_coordinates(made: Made) -> None:
    """pandas refuses them there."""
    ds, array = made["float64", "unsorted"]
    nearest = np.abs(array.x.values - 0.33).argmin()
    assert ds["t"].sel(x=0.33, method="nearest").values.tolist() == array[nearest].values.tolist()


def test_a_month_is_a_label_of_a_coordinate_of_months(made: Made) -> None:
    """xarray has no months: there it is a period of one day."""
    ds, _ = made["datetime64[M]", "ascending"]
    assert ds["t"].sel(x="2000-02").values.tolist() == [16, 17]
    assert ds["t"].sel(x="2000-02-20", method="nearest", tolerance="10D").values.tolist() == [18, 19]
    for label in ("2000-02-20", [np.datetime64("2000-02-20")], [np.datetime64("1990-01")]):
        with pytest.raises(LabelNotFoundError):
            ds["t"].sel(x=label, method="nearest", tolerance="9D")


def test_the_nearest_unsigned_label_is_the_nearest(made: Made) -> None:
    """pandas takes 87 here."""
    ds, _ = made["uint8", "ascending"]
    assert ds["t"].sel(x=67, method="nearest").coords["x"].item() == 66
    assert ds["t"].sel(x=[67, 300, -4], method="nearest").coords["x"].values.tolist() == [66, 234, 3]


def test_a_method_makes_a_partial_date_an_instant(made: Made) -> None:
    ds, array = made["datetime64[D]", "ascending"]
    for label in ("2000-02", "2000", "1999"):
        found = ds["t"].sel(x=label, method="nearest")
        assert found.values.tolist() == array.sel(x=label, method="nearest").values.tolist()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("calendar", ["360_day", "noleap", "all_leap", "julian", "standard"])
def test_dates_of_every_calendar_are_labels(calendar: str, order: str) -> None:
    start = cftime.datetime(1500, 1, 25, calendar=calendar)
    dates = [start + timedelta(days=day) for day in range(12)]
    labels = arranged(np.array(dates, object), order)
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("x", data=list(labels), dtype=time_dtype("days since 1400-01-01", calendar))
        ds["t"] = (("x", "y"), np.arange(24).reshape(12, 2))
        array = xr.DataArray(np.arange(24).reshape(12, 2), {"x": labels}, ("x", "y"))
        for key in (dates[4], [dates[7], dates[0]], slice(dates[2], dates[8]), slice(None, dates[3], 2)):
            compare(ds, array, key)
        if order == "ascending":
            for period in (
                "1500-02",
                "1500-01",
                "1500",
                slice("1500-01-28", "1500-02"),
                slice("1500-02", None),
                "1501",
            ):
                compare(ds, array, period, unsorted=False)
        if order != "unsorted":
            label = dates[3] + timedelta(hours=7)
            compare(ds, array, label, unsorted=False, method="nearest")
            compare(ds, array, label, unsorted=False, method="pad", tolerance=timedelta(hours=8))
        for wrong in (
            cftime.datetime(1500, 2, 1, calendar="julian" if calendar != "julian" else "noleap"),
            3,
            "monday",
        ):
            with pytest.raises(SelectionError):
                ds["t"].sel(x=wrong)


def test_empty_coordinates_of_every_kind_are_selected_from() -> None:
    kinds = [
        "int32",
        "float64",
        "str",
        "datetime64[D]",
        "timedelta64[h]",
        time_dtype("days since 2000-01-01", "noleap"),
    ]
    ends: list[Any] = [(1, 2), (1, 2), ("a", "b"), ("2000-01", "2001"), ("1h", "2h"), ("2000-01", "2001")]
    for kind, (start, stop) in zip(kinds, ends, strict=True):
        with cfdb.open_dataset(None, "n") as ds:
            ds.create.coord.generic("x", dtype=kind)
            ds.create.coord.generic("y", data=[1, 2, 3])
            ds.create.data_var.generic("t", ("x", "y"), "float32")
            view = ds.sel(y=slice(2, 3)).sel(x=slice(start, stop)).isel(y=0).select({"x": slice(0, 5)})
            assert view["t"].values.shape == (0,)
            assert view["t"].coords["y"].item() == 2
            assert ds["t"].sel(x=slice(start, stop), y=[3, 1]).values.shape == (0, 2)
            with pytest.raises(LabelNotFoundError, match="empty"):
                ds["t"].sel(x=start)


def test_empty_selections_compose() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("x", data=[10, 20, 30])
        ds["t"] = (("x", "y"), np.arange(6.0).reshape(3, 2))
        for empty in (ds.sel(x=slice(11, 19)), ds.isel(x=[]), ds.sel(x=[]), ds.isel(x=slice(2, 1))):
            assert empty.sizes == {"x": 0, "y": 2}
            assert empty["t"].values.shape == (0, 2)
            assert empty.isel(y=0).sel(x=slice(None, 20))["t"].values.tolist() == []
        empty = ds["t"].sel(x=slice(11, 19))
        empty[...] = 7
        assert 7 not in ds["t"]
        assert list(empty.iter_chunks()) == []
