"""An enforced step holds: through noise of the type, gaps, growth at both ends, and what is created alike."""

from datetime import timedelta
from typing import Any

import cftime
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.errors import CoordinateError
from cfdb.model.growth import find_step

HOURS = np.arange("2020-01-01", "2020-01-02", 6, "M8[h]")


@pytest.fixture
def ds() -> Any:
    with cfdb.open_dataset(None, "n") as ds:
        yield ds


@settings(max_examples=100, deadline=None)
@given(
    start=st.integers(-1800, 1800),
    step=st.sampled_from([1, 2, 5, 10, 25, -1, -5, 100]),
    count=st.integers(2, 300),
    dtype=st.sampled_from(["f4", "f8"]),
)
def test_a_decimal_step_is_found_in_spite_of_noise(start: int, step: int, count: int, dtype: str) -> None:
    labels = ((start + step * np.arange(count)) / 10).astype(dtype)
    assert find_step(labels) == step / 10


@pytest.mark.parametrize("parts", [3, 7, 12, 120, 48])
def test_a_part_of_a_whole_is_found_exactly(parts: int) -> None:
    assert find_step(np.arange(-50, 50) / parts) == 1 / parts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=3, max_size=12, unique=True))
def test_integers_have_a_step_exactly_when_their_differences_agree(labels: list[int]) -> None:
    differences = np.unique(np.diff(labels))
    assert find_step(np.array(labels)) == (differences[0] if differences.size == 1 else None)
    assert find_step(np.array(labels, "f8")) == (differences[0] if differences.size == 1 else None)


@pytest.mark.parametrize(
    "dtype",
    ["float32", "float64", cfdb.dtypes.dtype("float64", 2, -90, 90), cfdb.dtypes.dtype("float32", 1),
     cfdb.dtypes.dtype("float64", keep_bits=20)],
    ids=str,
)  # fmt: skip
@settings(max_examples=25, deadline=None)
@given(first=st.integers(-300, 300), size=st.integers(2, 30), gap=st.integers(1, 40), more=st.integers(1, 5))
def test_gaps_are_filled_to_the_regular_grid(dtype: Any, first: int, size: int, gap: int, more: int) -> None:
    whole = (first + np.arange(size + gap + more)) / 10
    with cfdb.open_dataset(None, "n") as ds:
        lat = ds.create.coord.generic("lat", whole[:size], dtype, step=True)
        assert lat.step == 0.1
        ds["t"] = ("lat", np.ones(size))
        lat.append(whole[size + gap :])
        assert lat.size == whole.size
        assert np.allclose(lat.values, whole, rtol=2e-6, atol=1e-6)
        assert np.isfinite(ds["t"].values).tolist() == [True] * size + [False] * (gap + more)
        lat.prepend([whole[0] - 0.3])
        assert np.allclose(lat.values[:4], whole[0] - [0.3, 0.2, 0.1, 0], rtol=2e-6, atol=1e-6)
        assert lat.read().tolist() == lat.values.tolist()  # what is stored is what is remembered


def test_a_step_bears_the_rounding_of_its_labels_and_no_more(ds: Any) -> None:
    packed = cfdb.dtypes.dtype("float64", 2, -90, 90)
    lat = ds.create.coord.generic("lat", np.arange(25) / 12, packed, step=True)
    assert lat.step == 1 / 12
    lat.append(np.arange(30, 34) / 12)
    assert np.abs(lat.values - np.arange(34) / 12).max() < 0.0051
    with pytest.raises(CoordinateError, match="does not follow"):
        ds.create.coord.generic("y", [0.0, 0.08, 0.2], packed, step=1 / 12)
    assert ds.create.coord.generic("z", [0.0, 0.08, 0.2], packed, step=True).step is None


def test_a_filled_label_is_decimal_as_its_neighbours(ds: Any) -> None:
    x = ds.create.coord.generic("x", [0.1, 0.2, 0.3], step=True)
    x.append([0.9])
    assert x.values.tolist() == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


@pytest.mark.parametrize(
    "step", [6, np.timedelta64(6, "h"), timedelta(hours=6), "6h", np.timedelta64(360, "m"), np.int8(6)]
)
def test_times_take_a_step_in_many_words(ds: Any, step: Any) -> None:
    time = ds.create.coord.generic("time", HOURS, step=step)
    assert time.step == 6
    time.append(["2020-01-02T12"])
    assert np.diff(time.values).astype(int).tolist() == [6] * 6


@pytest.mark.parametrize(
    "step", ["30m", np.timedelta64(90, "m"), "6", "month", np.timedelta64(1, "M"), 0, 0.5, np.nan, np.inf]
)
def test_a_step_that_the_labels_cannot_count_is_refused(ds: Any, step: Any) -> None:
    with pytest.raises(CoordinateError, match="step="):
        ds.create.coord.generic("time", HOURS, step=step)
    with pytest.raises(CoordinateError, match="step="):
        ds.create.coord.generic("time", dtype="M8[h]", step=step)
    assert (len(ds), ds.sizes) == (0, {})


@pytest.mark.parametrize("values", [["a", "b"], [True, False]], ids=str)
def test_what_has_no_numbers_has_no_step(ds: Any, values: list[Any]) -> None:
    assert ds.create.coord.generic("x", values, step=True).step is None
    with pytest.raises(CoordinateError, match="only numbers and times have a step"):
        ds.create.coord.generic("y", values, step=1)


@pytest.mark.parametrize(
    "dtype", ["int32", "uint8", "float32", "float64", "M8[D]", cfdb.dtypes.dtype("float32", 1, 0, 99)], ids=str
)
@pytest.mark.parametrize("step", [True, 2, False, None])
def test_an_empty_coordinate_takes_any_step_and_its_file_opens_again(tmp_path: Any, dtype: Any, step: Any) -> None:
    path = tmp_path / "e.cfdb"
    with cfdb.open_dataset(path, "n") as ds:
        ds.create.coord.generic("x", dtype=dtype, step=step)
    with cfdb.open_dataset(path, "w") as ds:
        x = ds["x"]
        assert x.step == (2 if step == 2 and step is not True else None)
        labels = np.arange("2020-01-01", "2020-01-09", 2, "M8[D]") if dtype == "M8[D]" else np.arange(0, 8, 2)
        x.append(labels[:2])
        x.append(labels[3:])
        assert x.size == (4 if x.step else 3)


def test_irregular_and_double_labels_in_appended_data_are_refused(ds: Any) -> None:
    time = ds.create.coord.generic("time", HOURS, step=True)
    for labels, message in (
        (["2020-01-02T00", "2020-01-02T07"], "does not follow"),
        (["2020-01-02T01"], "no whole number of steps"),
        (["2020-01-02T00", "2020-01-02T00"], "twice"),
        (["2020-01-01T06"], "twice"),
        (["2019-12-31T18"], "does not lie behind"),
    ):
        with pytest.raises(CoordinateError, match=message):
            time.append(np.array(labels, "M8[h]"))
    with pytest.raises(CoordinateError, match="there would be"):
        time.append(np.array(["+90000-01-02T00"], "M8[h]"))
    assert time.values.tolist() == HOURS.tolist()


def test_a_step_stays_when_labels_are_dropped(ds: Any) -> None:
    x = ds.create.coord.generic("x", np.arange(6), step=True)
    with pytest.raises(CoordinateError, match="only labels at its ends can be dropped"):
        x.drop([2])
    with pytest.raises(CoordinateError, match="labels cannot be inserted"):
        x.insert(1, [9])
    x.drop([0, 5])
    x.truncate(2, None)
    assert x.values.tolist() == [2, 3, 4]
    x.update_step(None)
    x.drop(3)
    assert x.values.tolist() == [2, 4]
    x.update_step(True)
    assert x.step == 2


def test_a_step_of_other_calendars_counts_their_units(ds: Any) -> None:
    dates = [cftime.datetime(2000, 2, day, calendar="360_day") for day in (10, 20, 30)]
    time = ds.create.coord.time(dates)
    assert time.step == 10
    time.append([cftime.datetime(2000, 3, 20, calendar="360_day")])
    assert [date.day for date in time.values] == [10, 20, 30, 10, 20]
    with pytest.raises(CoordinateError, match="no whole number of steps"):
        time.append([cftime.datetime(2000, 4, 1, calendar="360_day")])
    time.update_step("10 days")
    assert time.step == 10
    time.update_step(True)
    assert time.step == 10
    with pytest.raises(CoordinateError, match="does not follow"):
        time.update_step("5D")


def test_an_auxiliary_coordinate_has_no_step(ds: Any) -> None:
    with pytest.raises(CoordinateError, match="only the coordinate of a dimension has a step"):
        ds.create.coord.generic("height", [1.0, 2.0], dims="station", step=1)
    assert (len(ds), ds.sizes) == (0, {})


def test_update_step_finds_checks_and_ends(ds: Any) -> None:
    lat = ds.create.coord.lat([50.0, 49.5, 49.0], step=False)
    assert lat.step is None
    lat.update_step(True)
    assert lat.step == -0.5
    with pytest.raises(CoordinateError, match="does not follow"):
        lat.update_step(0.25)
    assert lat.step == -0.5
    lat.update_step(False)
    assert lat.step is None


class TestAxis:
    def test_can_be_set_after_data_variables_exist(self, ds: Any) -> None:
        ds["t"] = ("y", [1.0, 2.0])
        lat = ds.create.coord.generic("y", [50.0, 40.0], axis="y")
        lat.update_axis("X")
        assert (lat.axis, ds.axes) == ("x", {"x": "y"})
        ds.create.coord.generic("x", [1, 2], axis="y")

    def test_belongs_to_one_coordinate(self, ds: Any) -> None:
        lat = ds.create.coord.lat([50.0, 40.0])
        with pytest.raises(CoordinateError, match=r"axis='y' of 'b': it is the axis of 'latitude' already"):
            ds.create.coord.generic("b", [1, 2], axis="Y")
        b = ds.create.coord.generic("b", [1, 2])
        with pytest.raises(CoordinateError, match=r"ds\['latitude'\]\.update_axis\(None\)"):
            b.update_axis("y")
        with pytest.raises(CoordinateError, match="axis='w': choose one of"):
            b.update_axis("w")
        lat.update_axis(None)
        assert "axis" not in lat.attrs
        b.update_axis("y")
        assert (lat.axis, b.axis, "axis" in b.attrs) == (None, "y", False)

    def test_of_a_template_gives_way(self, ds: Any) -> None:
        ds.create.coord.forecast_reference_time(HOURS)
        time = ds.create.coord.time(HOURS)
        with pytest.raises(CoordinateError, match="is the axis of 'forecast_reference_time' already"):
            ds.create.coord.time(HOURS, axis="t", name="t")
        assert (time.axis, "axis" in time.attrs, ds.axes) == (None, False, {"t": "forecast_reference_time"})
        valid = np.arange("2020-01-01", "2020-01-09", dtype="M8[D]").reshape(4, 2)
        two = ds.create.coord.time(valid, dims=("forecast_reference_time", "lead"), name="valid_time")
        assert (two.role, two.dims) == ("auxiliary", ("forecast_reference_time", "lead"))
        assert ds.create.coord.depth([1.0, 2.0], axis="x").attrs["axis"] == "X"


class TestLike:
    @pytest.mark.parametrize("copy_data", [False, True])
    def test_a_coordinate_keeps_axis_step_and_everything_else(self, ds: Any, copy_data: bool) -> None:
        packed = cfdb.dtypes.dtype("float64", 2, -90, 90)
        lat = ds.create.coord.generic(
            "lat", [50.0, 49.9], packed, (500,), True, "y", attrs={"units": "degrees_north", "axis": "Y"},
            unlimited=True, compression_level=9, encoding="portable",
        )  # fmt: skip
        lat.update_units("degrees")
        with cfdb.open_dataset(None, "n") as other:
            made = other.create.coord.like("lat", lat, copy_data)
            assert made.values.tolist() == (lat.values.tolist() if copy_data else [])
            for name in ("step", "axis", "dtype", "chunk_shape", "units", "encoding"):
                assert getattr(made, name) == getattr(lat, name), name
            assert dict(made.attrs) == dict(lat.attrs)
            assert made._member.record.codecs == lat._member.record.codecs
            assert other.unlimited_dims == ("lat",)
        again = ds.create.coord.like("again", lat, copy_data)
        assert (again.axis, again.step, "axis" in again.attrs) == (None, -0.1, False)

    def test_a_part_of_a_coordinate_has_the_step_of_its_labels(self, ds: Any) -> None:
        x = ds.create.coord.generic("x", np.arange(10), step=True)
        assert ds.create.coord.like("y", x[::3], copy_data=True).step == 3
        assert ds.create.coord.like("z", x, copy_data=True, step=False).step is None

    @pytest.mark.parametrize(
        "options",
        [{"compression": "lz4"}, {"compression": "none"}, {"encoding": "portable"}, {"compression_level": 12},
         {"keep_bits": 7}, {"precision": 2}, {}],
        ids=str,
    )  # fmt: skip
    def test_a_variable_keeps_how_it_is_stored_and_linked(self, ds: Any, options: dict[str, Any]) -> None:
        ds.create.variable("crs", (), "int32", role="grid_mapping")
        ds.create.variable("area", ("x",), data=np.ones(3), role="cell_measure")
        old = ds.create.data_var.generic(
            "old", ("x",), "float32", (2,), attrs={"long_name": "old"}, fill_value=-1.0, missing_value=-2.0,
            links={"grid_mapping": "crs", "cell_measures": "area"}, units="K", **options,
        )  # fmt: skip
        new = ds.create.data_var.like("new", old)
        one, two = old._member.record, new._member.record
        for name in (
            "dims",
            "dtype",
            "chunk_shape",
            "codecs",
            "fill_value",
            "missing_value",
            "links",
            "units",
            "encoding",
        ):
            assert getattr(one, name) == getattr(two, name), name
        assert dict(new.attrs) == {"long_name": "old"}
        assert ds.create.data_var.like("third", old, dtype="float64", fill_value=None).dtype == np.float64
        with cfdb.open_dataset(None, "n") as other:
            other.create.dimension("x", 3)
            assert other.create.data_var.like("new", old).links == {}


def test_descending_latitude_stays(ds: Any) -> None:
    given_labels = np.array([90.0, 45.0, 0.0, -45.0])
    before = given_labels.copy()
    lat = ds.create.coord.lat(given_labels)
    ds["t"] = ("latitude", np.arange(4.0))
    assert lat.values.tolist() == before.tolist() == given_labels.tolist()
    assert lat.step == -45
    assert ds["t"].sel(latitude=slice(45, -45)).values.tolist() == [1, 2, 3]
    lat.append([-90.0])
    assert lat.values.tolist() == [90, 45, 0, -45, -90]


def test_nan_is_no_label_and_strings_and_bools_are(ds: Any) -> None:
    with pytest.raises(CoordinateError, match="NaN"):
        ds.create.coord.generic("x", [1.0, np.nan])
    assert len(ds) == 0
    assert ds.create.coord.generic("s", ["b", "a"]).values.tolist() == ["b", "a"]
    assert ds.create.coord.generic("b", [True, False]).values.tolist() == [True, False]
