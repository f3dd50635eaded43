"""Coordinates keep their order, refuse what labels cannot be, and carry their variables along."""

from typing import Any

import cftime
import numpy as np
import pytest

import cfdb
from cfdb.errors import CoordinateError, LabelNotFoundError, SelectionError
from tests.support.oracle import same


@pytest.fixture
def ds() -> Any:
    with cfdb.open_dataset(None, "n") as ds:
        yield ds


@pytest.mark.parametrize(
    "labels",
    [
        [3, 2, 1],
        [2.5, 1.0, 9.75],
        np.array(["2020-01-03", "2020-01-01"], "M8[D]"),
        ["b", "a", "ö"],
        np.array([b"b", b"a"]),
        np.array([300, 200], ">u2"),
        [True, False],
    ],
    ids=str,
)
def test_order_is_kept_and_the_given_array_too(ds: Any, labels: Any) -> None:
    given = np.array(labels)
    before = given.copy()
    coordinate = ds.create.coord.generic("x", data=given)
    assert coordinate.values.tolist() == np.array(labels).tolist()
    assert (given == before).all()
    ds["t"] = ("x", np.arange(len(labels)))
    assert ds["t"].sel(x=given[1]).item() == 1


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2, 1], "would hold 1 twice"),
        ([1.0, np.nan], r"cannot hold NaN \(position 1\)"),
        (np.array(["2020-01-01", "NaT"], "M8[D]"), "cannot hold NaT"),
        (["a", "b", "a"], "would hold 'a' twice"),
        ([[1, 2], [3, 4]], "2 dimensions"),
    ],
)
def test_what_labels_cannot_be(ds: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ds.create.coord.generic("x", data=labels)
    assert len(ds) == 0
    assert ds.sizes == {}


def test_labels_that_packing_makes_equal_are_refused(ds: Any) -> None:
    packed = cfdb.dtypes.dtype("float64", precision=1, min_value=0, max_value=10)
    with pytest.raises(CoordinateError, match="twice"):
        ds.create.coord.generic("x", data=[1.01, 1.02], dtype=packed)
    x = ds.create.coord.generic("x", data=[1.0, 2.0], dtype=packed)
    with pytest.raises(CoordinateError, match="twice"):
        x.append([2.04])
    assert x.values.tolist() == [1.0, 2.0]


def test_growth_leaves_written_values_where_they_were(ds: Any) -> None:
    x = ds.create.coord.generic("x", data=[30.0, 20.0])
    t = ds.create.data_var.generic("t", ("x", "y"), data=np.array([[1.0, 2.0], [3.0, 4.0]]))
    before = set(t._array.store.keys(f"{t.id}/"))
    x.append([10.0])
    x.prepend([50.0, 40.0])
    x.insert(3, [25.0])
    assert set(t._array.store.keys(f"{t.id}/")) == before
    assert x.values.tolist() == [50, 40, 30, 25, 20, 10]
    nan = np.nan
    assert same(t.values, np.array([[nan, nan], [nan, nan], [1, 2], [nan, nan], [3, 4], [nan, nan]]))
    assert t.sizes == {"x": 6, "y": 2}
    t.loc[25.0] = [7.0, 8.0]
    assert t.sel(x=25).values.tolist() == [7, 8]


def test_dropped_values_never_come_back(ds: Any) -> None:
    x = ds.create.coord.generic("x", data=[1, 2, 3, 4], chunk_shape=(8,))
    ds["t"] = ("x", np.array([10.0, 20.0, 30.0, 40.0]))
    x.truncate(2, 3)
    assert x.values.tolist() == [2, 3]
    assert ds["t"].values.tolist() == [20, 30]
    x.append([4])
    x.prepend([1])
    assert same(ds["t"].values, np.array([np.nan, 20, 30, np.nan]))
    x.drop([2, 4])
    assert x.values.tolist() == [1, 3]
    x.drop(1)
    assert ds["t"].values.tolist() == [30]
    with pytest.raises(LabelNotFoundError, match="99 is not in 'x'"):
        x.drop(99)


def test_chunks_without_a_position_are_deleted(ds: Any) -> None:
    x = ds.create.coord.generic("x", data=np.arange(10), chunk_shape=(2,))
    t = ds.create.data_var.generic("t", ("x",), "int8", (2,), data=np.arange(10))
    x.truncate(4, 6)
    assert t.stored().chunks == 2
    assert x.stored().chunks == 2


def test_an_append_writes_one_chunk_however_long_the_coordinate(ds: Any) -> None:
    x = ds.create.coord.generic("x", data=np.arange(100_000), chunk_shape=(1000,))
    written: list[str] = []
    store = x._array.store
    plain = store.set_many
    store.set_many = lambda items: plain([written.append(item.key) or item for item in items])
    x.append([100_000])
    assert written == [f"{x.id}/100"]


class TestStep:
    def test_is_found_and_enforced(self, ds: Any) -> None:
        x = ds.create.coord.generic("x", data=[0.0, 0.5, 1.0], step=True)
        assert x.step == 0.5
        x.append([1.5])
        with pytest.raises(CoordinateError, match=r"step 0\.5: 2\.2 is no whole number of steps from 1\.5"):
            x.append([2.2])
        with pytest.raises(CoordinateError, match=r"step 0\.5: 3\.5 does not follow 2\.5 by it"):
            x.append([2.5, 3.5])
        assert x.values.tolist() == [0, 0.5, 1, 1.5]

    def test_fills_gaps_at_both_ends(self, ds: Any) -> None:
        x = ds.create.coord.generic("x", data=[10, 20], step=10)
        ds["t"] = ("x", np.array([1.0, 2.0]))
        x.append([50, 60])
        x.prepend([-20])
        assert x.values.tolist() == [-20, -10, 0, 10, 20, 30, 40, 50, 60]
        assert np.isfinite(ds["t"].values).tolist() == [False] * 3 + [True, True] + [False] * 4

    def test_of_times_counts_their_own_unit(self, ds: Any) -> None:
        hours = np.arange("2020-01-01", "2020-01-02", 6, "M8[h]")
        t = ds.create.coord.generic("t", data=hours, step=True)
        assert t.step == 6
        t.append(np.array(["2020-01-02T06"], "M8[h]"))
        assert t.values[-2:].tolist() == np.array(["2020-01-02T00", "2020-01-02T06"], "M8[h]").tolist()
        with pytest.raises(CoordinateError, match="step 6"):
            t.append(np.array(["2020-01-02T11"], "M8[h]"))
        assert ds.create.coord.generic("u", data=hours, step=np.timedelta64(6, "h")).step == 6

    def test_may_be_negative(self, ds: Any) -> None:
        x = ds.create.coord.generic("x", data=[60.0, 50.0], step=True)
        assert x.step == -10
        x.append([20.0])
        assert x.values.tolist() == [60, 50, 40, 30, 20]

    def test_of_irregular_labels_is_none_and_cannot_be_forced(self, ds: Any) -> None:
        assert ds.create.coord.generic("x", data=[1, 2, 4], step=True).step is None
        with pytest.raises(CoordinateError, match="4 does not follow 2 by the step 1"):
            ds.create.coord.generic("y", data=[1, 2, 4], step=1)
        ds["x"].update_step(False)
        with pytest.raises(CoordinateError, match="does not follow"):
            ds["x"].update_step(1)

    def test_survives_many_float32_steps(self, ds: Any) -> None:
        x = ds.create.coord.generic("x", data=np.arange(0, 1, 0.1, "f4"), step=True)
        for _ in range(30):
            x.append([np.float32(x.values[-1] + np.float32(0.1))])
        assert x.size == 40


def test_duplicates_are_refused_on_growth_and_nothing_changes(ds: Any) -> None:
    x = ds.create.coord.generic("x", data=[1, 2, 3])
    for grow in (x.append, x.prepend, lambda labels: x.insert(1, labels)):
        with pytest.raises(CoordinateError, match="twice"):
            grow([4, 4])
        with pytest.raises(CoordinateError, match="would hold 2 twice"):
            grow([2])
    assert x.values.tolist() == [1, 2, 3]
    assert ds.sizes == {"x": 3}
    with pytest.raises(SelectionError, match="cannot insert at 9"):
        x.insert(9, [7])


def test_labels_can_be_replaced_when_they_stay_unique(ds: Any) -> None:
    x = ds.create.coord.generic("x", data=[1, 2, 3])
    x[1] = 20
    assert x.values.tolist() == [1, 20, 3]
    with pytest.raises(CoordinateError, match="twice"):
        x[1:] = [1, 4]
    assert x.values.tolist() == [1, 20, 3]
    with pytest.raises(ValueError, match="read-only"):
        x.values[0] = 5


def test_an_empty_coordinate_grows(ds: Any) -> None:
    t = ds.create.coord.time(dtype="datetime64[h]")
    v = ds.create.data_var.generic("v", ("time",), "float32")
    assert (t.shape, v.shape, t.values.tolist()) == ((0,), (0,), [])
    assert v.chunk_shape == (1000,)
    t.append(["2020-01-01T00", "2020-01-01T06"])
    v[...] = 1
    assert v.loc["2020-01-01"].shape == (2,)


def test_prepending_to_a_table_of_strings(ds: Any) -> None:
    x = ds.create.coord.generic("station", data=["b", "c"])
    ds["t"] = ("station", [1.0, 2.0])
    x.prepend(["a"])
    assert x.values.tolist() == ["a", "b", "c"]
    assert ds["t"].sel(station="c").item() == 2
    assert ds["t"].sel(station=["c", "b"]).values.tolist() == [2, 1]


class TestLabels:
    def test_both_ends_are_inclusive_also_when_descending(self, ds: Any) -> None:
        ds.create.coord.generic("lat", data=[60.0, 50.0, 40.0, 30.0])
        ds["t"] = ("lat", [6, 5, 4, 3])
        t = ds["t"]
        assert t.loc[60:40].values.tolist() == [6, 5, 4]
        assert t.sel(lat=slice(55, 35)).values.tolist() == [5, 4]
        assert t.loc[40:].values.tolist() == [4, 3]
        assert t.sel(lat=44, method="nearest").item() == 4
        with pytest.raises(KeyError, match=r"44 is not in 'lat'; the nearest labels are 40\.0 and 50\.0"):
            t.loc[44]

    def test_partial_dates_are_periods(self, ds: Any) -> None:
        ds.create.coord.time(data=np.arange("2020-01-15", "2020-04-01", dtype="M8[D]"))
        ds["t"] = ("time", np.arange(77))
        assert ds["t"].loc["2020-02"].shape == (29,)
        assert ds["t"].loc["2020-02":"2020-03"].shape == (60,)
        assert ds.sel(time="2020-01")["t"].shape == (17,)

    def test_assignment_by_label(self, ds: Any) -> None:
        ds.create.coord.generic("x", data=[10, 20, 30])
        ds.create.coord.generic("y", data=["a", "b"])
        ds["t"] = (("x", "y"), np.zeros((3, 2)))
        ds["t"].loc[20, "b"] = 5
        ds["t"].loc[..., "a"] = 1
        ds["t"].loc[{"x": [10, 30], "y": "b"}] = 7
        assert ds["t"].values.tolist() == [[1, 7], [1, 5], [1, 7]]

    def test_views_know_their_own_labels(self, ds: Any) -> None:
        ds.create.coord.generic("x", data=[10, 20, 30, 40])
        ds["t"] = ("x", [1, 2, 3, 4])
        view = ds["t"][::-2]
        assert view.coords["x"].values.tolist() == [40, 20]
        assert view.loc[20].item() == 2
        with pytest.raises(KeyError):
            view.loc[30]

    def test_a_dimension_without_labels_is_selected_by_position(self, ds: Any) -> None:
        ds["t"] = (("n",), [5, 6, 7])
        assert ds["t"].coord_names == ()
        assert ds["t"].isel(n=2).item() == 7
        for wrong in (lambda: ds["t"].sel(n=2), lambda: ds.sel(n=2), lambda: ds["t"].loc[2]):
            with pytest.raises(SelectionError, match=r"'n' has no coordinate.*isel\(n="):
                wrong()
        with pytest.raises(SelectionError, match="no dimension 'lat'"):
            ds["t"].sel(lat=2)

    def test_dataset_selections_compose(self, ds: Any) -> None:
        ds.create.coord.generic("x", data=[10, 20, 30, 40])
        ds["t"] = (("x", "n"), np.arange(8).reshape(4, 2))
        ds["u"] = ("n", [1, 2])
        part = ds.sel(x=slice(20, 40)).isel(x=[0, 2], n=-1)
        assert part.sizes == {"x": 2}
        assert part["t"].values.tolist() == [3, 7]
        assert part["u"].item() == 2
        assert part["x"].values.tolist() == [20, 40]
        assert part.select_loc({"x": 40})["t"].item() == 7
        assert (list(part), "t" in part, part.get("nothing"), part.writable) == (["x", "t", "u"], True, None, True)
        with pytest.raises(SelectionError, match="dropped by an integer"):
            part.isel(n=0)
        with pytest.raises(SelectionError, match=r"no dimension 'lon'"):
            ds.sel(lon=3)


class TestCalendars:
    def test_other_calendars_are_cftime(self, ds: Any) -> None:
        dates = [cftime.datetime(2000, month, 30, calendar="360_day") for month in range(1, 13)]
        time = ds.create.coord.time(data=dates)
        assert time.values.tolist() == dates
        assert (time.dtype.calendar, time.units) == ("360_day", "days since 2000-01-01")
        ds["t"] = ("time", np.arange(12))
        assert ds["t"].loc["2000-02"].values.tolist() == [1]
        time.append([cftime.datetime(2001, 1, 30, calendar="360_day")])
        assert time.size == 13
        with pytest.raises(CoordinateError, match="twice"):
            time.append([dates[3]])

    def test_data_of_dates_may_be_missing(self, ds: Any) -> None:
        dates = np.array([cftime.datetime(1999, 2, 28, 6, calendar="noleap"), None])
        ds["first"] = ("n", dates)
        assert ds["first"].values.tolist() == dates.tolist()
        ds.resize(n=3)
        assert ds["first"].values.tolist() == [*dates.tolist(), None]
        ds["first"][2] = cftime.datetime(1999, 3, 1, calendar="noleap")
        assert ds["first"].values[2].month == 3


def test_dimensions_are_resized_without_labels_only(ds: Any) -> None:
    ds.create.coord.generic("x", data=[1, 2])
    ds["t"] = ("n", [1.0, 2.0])
    ds.resize(n=3)
    assert same(ds["t"].values, np.array([1, 2, np.nan]))
    ds.resize({"n": 1})
    ds.resize(n=2)
    assert same(ds["t"].values, np.array([1, np.nan]))
    with pytest.raises(CoordinateError, match=r"ds\['x'\].append"):
        ds.resize(x=5)
    with pytest.raises(ValueError, match="n=-1"):
        ds.resize(n=-1)
