"""Interpolating variables of a dataset: which dimensions, which reference system, which results."""

from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
import xarray as xr

import cfdb
from cfdb.analysis.interpolating.interp import GridInterp, PointInterp
from cfdb.errors import DataTypeError, MemoryLimitError

Array = np.ndarray[Any, Any]

LAT = np.arange(-40.0, -48.5, -0.5)
LON = np.arange(166.0, 179.5, 0.5)
TIME = np.arange("2024-01-01", "2024-01-04", dtype="datetime64[D]")


@pytest.fixture
def ds() -> Any:
    with cfdb.open_dataset(None, "n") as dataset:
        dataset.create.coord.time(data=TIME, step=False)
        dataset.create.coord.lat(data=LAT, step=False)
        dataset.create.coord.lon(data=LON, step=False)
        yield dataset


def plane(lat: Array, lon: Array) -> Array:
    return np.asarray(2 * lat[:, None] - lon + 10)


def add(ds: Any, name: str = "t", **options: Any) -> Any:
    field = plane(LAT, LON)
    data = np.stack([field + day for day in range(3)])
    return ds.create.data_var.generic(name, ("time", "latitude", "longitude"), data=data, **options)


# which dimensions


def test_axes_come_from_the_coordinates(ds: Any) -> None:
    found = add(ds).interp()
    assert isinstance(found, GridInterp)
    assert found.iter_dim == "time"


def test_axes_come_from_names_that_are_given() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["u"] = ("u", np.arange(4.0))
        ds["v"] = ("v", np.arange(5.0))
        ds["k"] = (("v", "u"), np.add.outer(np.arange(5.0), 10 * np.arange(4.0)))
        with pytest.raises(ValueError, match=r"interp\(x=..., y=...\)"):
            ds["k"].interp()
        label, field = next(ds["k"].interp(x="v", y="u").to_points([(1.5, 2.5)], order=1))
        assert label is None
        np.testing.assert_allclose(field, [26.5])


def test_axes_come_from_cf_attributes() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["j"] = ("j", np.arange(4.0), {"units": "degrees_north"})
        ds["i"] = ("i", np.arange(5.0), {"standard_name": "longitude"})
        ds["k"] = (("i", "j"), np.zeros((5, 4)))
        result = ds["k"].interp().to_grid()
        assert result.dims == ("j", "i")
        assert result.shape == (4, 5)


@pytest.mark.parametrize("names", [{"x": "nope"}, {"iter_dim": "nope"}, {"x": "latitude", "y": "latitude"}])
def test_names_that_are_no_dimensions_are_refused(ds: Any, names: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"'nope' is no dimension of 't'|another axis already"):
        add(ds).interp(**names)


def test_values_that_are_no_numbers_are_refused(ds: Any) -> None:
    ds["s"] = (("latitude", "longitude"), np.full((LAT.size, LON.size), "a"))
    ds["m"] = (("latitude", "longitude"), np.full((LAT.size, LON.size), np.datetime64("2024-01-01")))
    for name in ("s", "m"):
        with pytest.raises(DataTypeError, match="real numbers"):
            ds[name].interp()


def test_one_dimension_gives_its_labels_none_gives_none_several_a_dict(ds: Any) -> None:
    t = add(ds)
    assert [label for label, _ in t.interp().to_grid()] == list(TIME)
    assert [label for label, _ in t[1].interp().to_grid()] == [None]
    ds["member"] = ("member", np.array([3, 5], "int32"))
    ds["e"] = (("member", "time", "latitude", "longitude"), np.zeros((2, 3, LAT.size, LON.size)))
    found = ds["e"].interp().to_grid(order=0)
    assert len(found) == 6
    assert found.labels[1] == {"member": 3, "time": TIME[1]}
    assert found.shape == (LAT.size, LON.size)


def test_dimensions_that_are_not_gone_through_stay_in_the_field(ds: Any) -> None:
    ds["member"] = ("member", np.array([3, 5], "int32"))
    data = np.stack([plane(LAT, LON) * member + np.arange(3)[:, None, None] for member in (3, 5)])
    ds["e"] = (("member", "time", "latitude", "longitude"), data)
    found = ds["e"].interp(iter_dim="time").to_grid()
    assert found.shape == (2, LAT.size, LON.size)
    for number, (label, field) in enumerate(found):
        assert label == TIME[number]
        np.testing.assert_allclose(field, data[:, number])


def test_dimensions_may_be_stored_in_any_order() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["x"] = ("x", np.arange(5.0))
        ds["y"] = ("y", np.arange(4.0))
        ds["time"] = ("time", TIME)
        data = np.arange(60.0).reshape(5, 3, 4)
        ds["t"] = (("x", "time", "y"), data)
        for number, (_, field) in enumerate(ds["t"].interp().to_grid()):
            np.testing.assert_allclose(field, data[:, number].T, atol=1e-12)


# grids


def test_descending_latitude_stays(ds: Any) -> None:
    t = add(ds)
    same = t.interp().to_grid()
    np.testing.assert_array_equal(same.y, LAT)
    np.testing.assert_allclose(next(same)[1], t[0].values, rtol=1e-12)
    finer = t.interp().to_grid(0.25)
    assert finer.y[0] == -40.0
    assert finer.y[-1] == -48.0
    np.testing.assert_allclose(next(finer)[1], plane(finer.y, finer.x), rtol=1e-12)


@pytest.mark.parametrize(("order", "method"), [(0, "nearest"), (1, "linear")])
def test_grids_are_those_of_xarray(ds: Any, order: int, method: Any) -> None:
    rng = np.random.default_rng(0)
    t = add(ds)
    t[...] = rng.normal(size=t.shape)
    y, x = np.arange(-47.9, -40, 0.37), np.arange(166.1, 179, 0.41)
    array = xr.DataArray(t.values, {"time": TIME, "latitude": LAT, "longitude": LON}, t.dims)
    expected = array.interp(latitude=y, longitude=x, method=method).values
    with cfdb.open_dataset(None, "n") as other:
        other.create.coord.lat(data=y, step=False)
        other.create.coord.lon(data=x, step=False)
        other["grid"] = (("latitude", "longitude"), np.zeros((y.size, x.size), "int8"))
        found = np.stack([field for _, field in t.interp().to_grid(other["grid"], order=order)])
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_box_and_two_spacings(ds: Any) -> None:
    found = add(ds).interp().to_grid((0.5, 0.25), bbox=(170, -45, 172, -44))
    np.testing.assert_allclose(found.x, [170, 170.5, 171, 171.5, 172])
    np.testing.assert_allclose(found.y, [-44, -44.25, -44.5, -44.75, -45])
    np.testing.assert_allclose(next(found)[1], plane(found.y, found.x), rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid_res": 0}, "grid_res=0"),
        ({"grid_res": "fine"}, "grid_res='fine'"),
        ({"grid_res": (1, 2, 3)}, "two of them"),
        ({"grid_res": 1, "bbox": (170, 172, -45, -44)}, r"order is \(x_min, y_min, x_max, y_max\)"),
        ({"grid_res": 1, "bbox": (170, -45)}, "four numbers"),
        ({"grid_res": 1, "bbox": (0, 40, 10, 50)}, "does not touch the source"),
        ({"bbox": (0, 40, 10, 50)}, "holds no label"),
        ({"order": 6}, "order=6"),
        ({"order": True}, "order=True"),
        ({"extrapolation": "guess"}, "'constant', 'nearest', 'linear'"),
        ({"to_crs": 2193}, r"ds.create.crs.from_user_input"),
        ({"levels": [1.0]}, "no z axis"),
    ],
)
def test_what_makes_no_grid_is_refused_at_once(ds: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        add(ds).interp().to_grid(**options)


def test_a_spacing_in_the_wrong_units_is_refused_before_memory_is_taken(ds: Any) -> None:
    ds.create.crs.from_user_input(4326)
    with pytest.raises(MemoryLimitError, match="units of the target"):
        add(ds).interp().to_grid(0.01, to_crs=2193)


def test_no_reference_system_is_needed_where_none_is_asked_for(ds: Any) -> None:
    assert ds.crs is None
    assert next(add(ds).interp().to_grid(0.25))[1].shape == (33, 53)


def test_outside_is_the_fill_value_and_missing_stays_missing(ds: Any) -> None:
    t = add(ds)
    t[:, 4, 4] = np.nan
    found = t.interp().to_grid(0.5, bbox=(165, -46, 170, -41), order=1, fill_val=-999.0)
    field = next(found)[1]
    assert (field[:, found.x < 166] == -999.0).all()
    assert np.isnan(field[found.y == LAT[4], found.x == LON[4]]).all()
    np.testing.assert_allclose(
        next(t.interp().to_grid(0.5, bbox=(165, -46, 170, -41), extrapolation="linear"))[1][0, 0],
        plane(np.array([-41.0]), np.array([165.0]))[0, 0],
    )


def test_masked_and_packed_values_are_taken_as_they_are_read(ds: Any) -> None:
    field = plane(LAT, LON)
    whole = np.round(field * 10).astype("int16")
    counts = ds.create.data_var.generic("c", ("latitude", "longitude"), "int16", data=whole, fill_value=-32768)
    counts[3, 3] = np.ma.masked
    found = next(counts.interp().to_grid(order=3))[1]
    assert found.dtype == np.float32
    assert np.isnan(found[3, 3])
    assert np.isnan(found).sum() == 1
    np.testing.assert_allclose(found[5:], whole[5:], rtol=1e-5)
    packed = ds.create.data_var.generic(
        "p", ("latitude", "longitude"), cfdb.dtypes.dtype("float32", precision=1, min_value=-400, max_value=100),
        data=field,
    )  # fmt: skip
    packed[3, 3] = np.nan
    found = next(packed.interp().to_grid(order=1))[1]
    assert np.isnan(found).sum() == 1
    np.testing.assert_allclose(found[5:], field[5:], atol=0.06)


def test_classes_are_not_averaged(ds: Any) -> None:
    ds["land"] = (("latitude", "longitude"), np.ones((LAT.size, LON.size), "uint8"), {"flag_values": np.array([1, 7])})
    interp = ds["land"].interp()
    for call in (lambda: interp.to_grid(0.25), lambda: interp.to_points([(170, -45)], order=1), interp.interp_na):
        with pytest.raises(ValueError, match="holds classes"):
            call()
    assert np.nanmax(next(interp.to_grid(0.25, order=0))[1]) == 1


def test_views_are_interpolated_as_what_they_select(ds: Any) -> None:
    t = add(ds)
    part = t[1:, ::-2, 4:20]
    found = part.interp().to_grid(0.5)
    assert found.labels == list(TIME[1:])
    np.testing.assert_allclose(found.y[[0, -1]], LAT[::-2][[0, -1]])
    np.testing.assert_allclose(next(found)[1], plane(found.y, found.x) + 1, rtol=1e-12)


def test_min_val_clamps(ds: Any) -> None:
    t = add(ds)
    t[...] = 0.0
    t[:, 8, 8] = 100.0
    assert next(t.interp().to_grid(0.1))[1].min() < 0
    assert next(t.interp().to_grid(0.1, min_val=0))[1].min() == 0


@pytest.mark.parametrize("grid_res", [None, 10])
def test_a_box_of_the_other_convention_of_longitudes(grid_res: Any) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        lat, lon = np.arange(-20.0, 30, 10), np.arange(0, 360, 10.0)
        ds.create.coord.lat(data=lat, step=False)
        ds.create.coord.lon(data=lon, step=False)
        ds["t"] = (("latitude", "longitude"), lat[:, None] + np.cos(np.deg2rad(lon)))
        found = ds["t"].interp().to_grid(grid_res, bbox=(-30, -10, 20, 10))
        np.testing.assert_allclose(found.x, np.arange(-30, 21, 10))
        np.testing.assert_allclose(next(found)[1], found.y[:, None] + np.cos(np.deg2rad(found.x)), atol=1e-9)
        whole = ds["t"].interp().to_grid(5, extrapolation="nearest")
        np.testing.assert_allclose(whole.x, np.arange(0, 360, 5))
        assert ds["t"].interp().target(grid_res, bbox=(-180, -20, 180, 20)).x.size in (36, 37)


@pytest.mark.parametrize("order", [0, 1, 3])
def test_no_points_give_fields_without_cells(ds: Any, order: int) -> None:
    found = add(ds).interp().to_points(np.zeros((0, 2)), order=order)
    assert [field.shape for _, field in found] == [(0,)] * 3


@pytest.mark.parametrize("order", [0, 1, 3])
def test_one_row_is_a_grid_too(ds: Any, order: int) -> None:
    t = add(ds)
    found = t[:, 3:4].interp().to_grid(order=order)
    np.testing.assert_allclose(next(found)[1], t[0, 3:4].values, rtol=1e-12)
    assert len(t[:0].interp().to_grid()) == 0


def test_a_grid_mapping_says_what_places_mean() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["x"] = ("x", np.array([1.5e6, 1.6e6, 1.7e6]), {"standard_name": "projection_x_coordinate"})
        ds["y"] = ("y", np.array([5.1e6, 5.2e6, 5.3e6]), {"standard_name": "projection_y_coordinate"})
        ds.create.variable("crs", (), "int32", role="grid_mapping", attrs=dict(pyproj.CRS(2193).to_cf()))
        ds["t"] = (("y", "x"), np.add.outer([1.0, 2.0, 3.0], [0.0, 10.0, 20.0]))
        ds["t"].update_links({"grid_mapping": "crs"})
        lon, lat = pyproj.Transformer.from_crs(2193, 4326, always_xy=True).transform(1.65e6, 5.15e6)
        found = ds["t"].interp().to_points([(lon, lat)], to_crs=4326, order=1)
        np.testing.assert_allclose(next(found)[1], [16.5], atol=1e-6)


# reference systems


def test_another_reference_system_and_back(ds: Any) -> None:
    """A plane over the projected coordinates is found on a projected grid, and from there in degrees again."""
    ds.create.crs.from_user_input(4326)
    to_map = pyproj.Transformer.from_crs(4326, 2193, always_xy=True)

    def smooth(east: Array, north: Array) -> Array:
        return np.asarray(np.sin((east - 1.6e6) / 4e5) + np.cos((north - 5.3e6) / 5e5))

    lon, lat = np.meshgrid(LON, LAT)
    ds["s"] = (("latitude", "longitude"), smooth(*to_map.transform(lon, lat)))
    found = ds["s"].interp().to_grid(20_000, to_crs=2193, bbox=(1.3e6, 5.0e6, 1.9e6, 5.5e6))
    assert found.dims == ("y", "x")
    assert found.crs == pyproj.CRS(2193)
    assert found.y[0] > found.y[-1]  # as the latitudes run
    field = next(found)[1]
    np.testing.assert_allclose(field, smooth(*np.meshgrid(found.x, found.y)), atol=2e-4)
    with cfdb.open_dataset(None, "n") as flat:
        found.write(flat)
        assert flat.crs == pyproj.CRS(2193)
        assert flat["x"].attrs["standard_name"] == "projection_x_coordinate"
        back = flat["s"].interp().to_grid(0.1, to_crs=4326, bbox=(171, -44.5, 173, -42.5))
        assert back.dims == ("latitude", "longitude")
        there = smooth(*to_map.transform(*np.meshgrid(back.x, back.y)))
        np.testing.assert_allclose(next(back)[1], there, atol=2e-4)


def test_the_whole_source_is_covered_in_another_reference_system(ds: Any) -> None:
    ds.create.crs.from_user_input(4326)
    found = add(ds).interp().to_grid(to_crs=2193)
    to_degrees = pyproj.Transformer.from_crs(2193, 4326, always_xy=True)
    lon, lat = to_degrees.transform(*np.meshgrid(found.x, found.y))
    field = next(found)[1]
    inside = (lon > 166) & (lon < 179) & (lat > -48) & (lat < -40)
    assert np.isfinite(field[inside]).all()
    np.testing.assert_allclose(field[inside], (2 * lat - lon + 10)[inside], atol=1e-6)
    assert 0.3 < field.size / (LAT.size * LON.size) < 3


def test_the_same_reference_system_changes_nothing(ds: Any) -> None:
    t = add(ds)
    ds.rename(latitude="la", longitude="lo")
    ds.create.crs.from_user_input(4326)
    found = t.interp().to_grid(to_crs="OGC:CRS84")
    assert found.dims == ("la", "lo")
    np.testing.assert_allclose(next(found)[1], t[0].values, rtol=1e-12)


def test_points_of_another_reference_system(ds: Any) -> None:
    ds.create.crs.from_user_input(4326)
    east, north = pyproj.Transformer.from_crs(4326, 2193, always_xy=True).transform([171.3, 174.2], [-43.1, -41.7])
    found = add(ds).interp().to_points(np.stack([east, north], axis=1), to_crs=2193)
    np.testing.assert_allclose(next(found)[1], [2 * -43.1 - 171.3 + 10, 2 * -41.7 - 174.2 + 10], atol=1e-6)


def test_the_grid_of_a_variable_in_another_reference_system(ds: Any) -> None:
    t = add(ds)
    with cfdb.open_dataset(None, "n") as other:
        other["y"] = ("y", np.array([5.2e6, 5.1e6]))
        other["x"] = ("x", np.array([1.5e6, 1.51e6, 1.6e6]))
        other["g"] = (("y", "x"), np.zeros((2, 3)))
        other.create.crs.from_user_input(2193, x_coord="x", y_coord="y")
        with pytest.raises(ValueError, match="'t' has no reference system"):
            t.interp().to_grid(other["g"])
        ds.create.crs.from_user_input(4326)
        with pytest.raises(ValueError, match="differs from the reference system"):
            t.interp().to_grid(other["g"], to_crs=4326)
        found = t.interp().to_grid(other["g"])
        np.testing.assert_array_equal(found.x, other["x"].values)
        lon, lat = pyproj.Transformer.from_crs(2193, 4326, always_xy=True).transform(*np.meshgrid(found.x, found.y))
        np.testing.assert_allclose(next(found)[1], 2 * lat - lon + 10, atol=1e-6)


# points


def test_points_of_every_spelling(ds: Any) -> None:
    t = add(ds)
    places = np.array([[170.2, -43.3], [166.0, -48.0], [10.0, 10.0]])
    expected = [2 * -43.3 - 170.2 + 10, 2 * -48 - 166 + 10, np.nan]
    shapes = shapely.points(places)
    for given in (places, places.tolist(), list(shapes), shapes):
        found = t.interp().to_points(given)
        assert found.dims == ("point",)
        np.testing.assert_allclose(next(found)[1], expected)
    assert next(t.interp().to_points(shapely.Point(170.2, -43.3)))[1].shape == (1,)
    assert np.isnan(next(t.interp().to_points([shapely.Point(), None, shapes[0]]))[1]).tolist() == [True, True, False]


@pytest.mark.parametrize("points", [np.zeros(2), np.zeros((3, 4)), ["a"], np.zeros((2, 3)), [shapely.box(0, 0, 1, 1)]])
def test_what_are_no_points_is_refused(ds: Any, points: Any) -> None:
    with pytest.raises(ValueError, match="target_points"):
        add(ds).interp().to_points(points)


def test_points_of_a_variable_at_stations(ds: Any) -> None:
    t = add(ds)
    with cfdb.open_dataset(None, "n", dataset_type="ts_ortho") as stations:
        where = shapely.points([[170.0, -43.0], [171.25, -44.0]])
        stations.create.coord.point(data=where, name="station", step=False)
        stations["rain"] = (("station",), np.zeros(2))
        found = t.interp().to_points(stations["rain"])
        assert found.dims == ("station",)
        np.testing.assert_allclose(next(found)[1], [2 * -43 - 170 + 10, 2 * -44 - 171.25 + 10])


def level_field(z: Array, lat: Array, lon: Array) -> Array:
    return np.asarray(z[:, None, None] ** 2 / 100 + lat[:, None] + lon * 0.5)


def with_levels(ds: Any) -> tuple[Any, Array]:
    z = np.array([0.0, 10.0, 25.0, 50.0, 100.0])
    ds.create.coord.height(data=z, step=False)
    data = np.stack([level_field(z, LAT, LON) + day for day in range(3)])
    return ds.create.data_var.generic("h", ("time", "height", "latitude", "longitude"), data=data), z


def test_points_without_heights_get_every_level(ds: Any) -> None:
    h, z = with_levels(ds)
    found = h.interp().to_points([(170.1, -43.2), (171.0, -44.0)])
    assert found.dims == ("height", "point")
    assert found.shape == (5, 2)
    expected = np.stack(
        [level_field(z, np.array([y]), np.array([x]))[:, 0, 0] for x, y in [(170.1, -43.2), (171, -44)]]
    )
    np.testing.assert_allclose(next(found)[1], expected.T)


def test_points_with_heights_are_interpolated_in_three_dimensions(ds: Any) -> None:
    h, _ = with_levels(ds)
    points = np.array([[170.1, -43.2, 17.0], [171.0, -44.0, 100.0], [171.0, -44.0, 101.0]])
    expected = [17.0**2 / 100 - 43.2 + 85.05, 100 - 44 + 85.5, np.nan]
    for given in (points, list(shapely.points(points))):
        found = h.interp().to_points(given)
        assert found.shape == (3,)
        np.testing.assert_allclose(next(found)[1], expected)


def test_levels_of_a_grid(ds: Any) -> None:
    h, z = with_levels(ds)
    found = h.interp().to_grid(1.0, levels=[5.0, 25.0, 300.0], fill_val=-1.0)
    assert found.dims == ("height", "latitude", "longitude")
    expected = level_field(np.array([5.0, 25.0]), found.y, found.x)
    np.testing.assert_allclose(next(found)[1][:2], expected)
    assert (next(found)[1][2] == -1.0).all()
    kept = h.interp().to_grid(1.0)
    np.testing.assert_allclose(next(kept)[1], level_field(z, kept.y, kept.x))


def test_a_target_variable_with_levels_gives_its_levels(ds: Any) -> None:
    h, _ = with_levels(ds)
    with cfdb.open_dataset(None, "n") as other:
        other.create.coord.height(data=[20.0, 30.0], step=False)
        other.create.coord.lat(data=[-42.0, -43.0], step=False)
        other.create.coord.lon(data=[170.0, 171.0], step=False)
        other["g"] = (("height", "latitude", "longitude"), np.zeros((2, 2, 2)))
        found = h.interp().to_grid(other["g"])
        expected = level_field(np.array([20.0, 30.0]), np.array([-42.0, -43.0]), np.array([170.0, 171.0]))
        np.testing.assert_allclose(next(found)[1], expected)


# holes


def test_holes_of_a_variable_are_filled(ds: Any) -> None:
    t = add(ds)
    expected = t.values
    t[:, 5:7, 5:9] = np.nan
    found = t.interp().interp_na()
    assert found.dims == ("latitude", "longitude")
    for number, (label, field) in enumerate(found):
        assert label == TIME[number]
        np.testing.assert_allclose(field, expected[number])


# levels that differ from column to column


def test_levels_of_another_variable(ds: Any) -> None:
    rng = np.random.default_rng(0)
    ds["level"] = ("level", np.arange(4))
    pressure = np.cumsum(rng.uniform(50, 200, (3, 4, LAT.size, LON.size)), axis=1)[:, ::-1]
    dims = ("time", "level", "latitude", "longitude")
    ds["p"] = (dims, pressure, {"units": "hPa"})
    ds["q"] = (dims, pressure * 2 + np.arange(3)[:, None, None, None])
    found = ds["q"].interp(z="level").regrid_levels([300.0, 5.0], "p")
    assert found.dims == ("level", "latitude", "longitude")
    np.testing.assert_array_equal(found.coords["level"], [300.0, 5.0])
    for number, (label, field) in enumerate(found):
        assert label == TIME[number]
        reached = (pressure[number].min(0) <= 300) & (pressure[number].max(0) >= 300)
        np.testing.assert_allclose(field[0][reached], 600.0 + number)
        assert np.isnan(field[0][~reached]).all()
        assert np.isnan(field[1]).all()
    part = ds["q"][1, :, 2:5, ::2].interp(z="level").regrid_levels([300.0], "p")
    np.testing.assert_array_equal(next(part)[1], [field for _, field in found][1][:1, 2:5, ::2])
    by_name = ds["q"].interp(iter_dim="time").regrid_levels(300.0, "p", axis="level")
    np.testing.assert_array_equal(next(by_name)[1][0], next(iter(found))[1][0])


def test_levels_along_fewer_dimensions_and_without_a_map() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["time"] = ("time", TIME)
        ds.create.coord.height(data=[10.0, 20.0, 40.0], step=False)
        ds["depth"] = ("height", np.array([1.0, 2.0, 4.0]))
        ds["t"] = (("height", "time"), np.arange(9.0).reshape(3, 3))
        found = ds["t"].interp().regrid_levels([1.5, 3.0], "depth")
        assert [field.tolist() for _, field in found] == [[1.5, 4.5], [2.5, 5.5], [3.5, 6.5]]
        with pytest.raises(ValueError, match="no x axis"):
            ds["t"].interp().to_grid()


def test_bad_level_variables_are_refused_at_once(ds: Any) -> None:
    h, _ = with_levels(ds)
    ds["flat"] = ("latitude", LAT)
    ds["other"] = ("other", np.arange(3.0))
    interp = h.interp()
    with pytest.raises(TypeError, match="source_levels=3"):
        interp.regrid_levels([1.0], 3)
    with pytest.raises(ValueError, match="no variable 'heigth'; did you mean 'height'"):
        interp.regrid_levels([1.0], "heigth")
    with pytest.raises(ValueError, match="does not lie along 'height'"):
        interp.regrid_levels([1.0], "flat")
    with pytest.raises(ValueError, match="'other', which 'h' does not have"):
        interp.regrid_levels([1.0], "other")
    with pytest.raises(ValueError, match="method='cubic'"):
        interp.regrid_levels([1.0], "height", method="cubic")
    with pytest.raises(ValueError, match="target_levels"):
        interp.regrid_levels([np.nan], "height")
    with pytest.raises(ValueError, match="axis=1 is no vertical dimension"):
        interp.regrid_levels([1.0], "height", axis=1)


# stations


@pytest.fixture
def stations() -> Any:
    with cfdb.open_dataset(None, "n", dataset_type="ts_ortho") as dataset:
        rng = np.random.default_rng(0)
        corners = [[166.0, -48.0], [179.0, -48.0], [166.0, -40.0], [179.0, -40.0]]
        places = np.round(np.concatenate([corners, rng.uniform([166, -48], [179, -40], (30, 2))]), 3)
        dataset.create.coord.point(data=shapely.points(places), name="station", step=False)
        dataset.create.coord.time(data=TIME, step=False)
        values = (places @ [1.0, 2.0])[:, None] + np.arange(3)
        dataset.create.data_var.generic("rain", ("station", "time"), data=values)
        yield dataset


def test_stations_make_a_grid(stations: Any) -> None:
    interp = stations["rain"].interp()
    assert isinstance(interp, PointInterp)
    found = interp.to_grid(0.5)
    assert found.labels == list(TIME)
    assert found.y[0] < found.y[-1]
    for number, (_, field) in enumerate(found):
        np.testing.assert_allclose(field, found.x + 2 * found.y[:, None] + number)
    with pytest.raises(ValueError, match="grid_res="):
        interp.to_grid()
    with pytest.raises(ValueError, match="'constant', 'nearest'"):
        interp.to_grid(1.0, extrapolation="linear")
    with pytest.raises(ValueError, match="method='kriging'"):
        interp.to_grid(1.0, method="kriging")


def test_stations_that_miss_a_value_get_one_from_their_neighbours(stations: Any) -> None:
    rain = stations["rain"]
    expected = rain.values
    rain[10, 0] = np.nan
    rain[0, 1] = np.nan  # a corner: nothing around it
    found = [field for _, field in rain.interp().interp_na()]
    np.testing.assert_allclose(found[0], expected[:, 0])
    assert np.isnan(found[1]).sum() == 1
    clamped = next(rain.interp().interp_na(min_val=1e6))[1]
    np.testing.assert_array_equal(np.delete(clamped, 10), np.delete(expected[:, 0], 10))
    assert clamped[10] == 1e6
    found = [field for _, field in rain.interp().interp_na(extrapolation="nearest")]
    assert np.isfinite(found[1]).all()


def test_stations_on_a_projected_grid(stations: Any) -> None:
    stations.create.crs.from_user_input(4326)
    found = stations["rain"].interp().to_grid(50_000, to_crs=2193, method="cubic")
    lon, lat = pyproj.Transformer.from_crs(2193, 4326, always_xy=True).transform(*np.meshgrid(found.x, found.y))
    field = next(found)[1]
    inside = np.isfinite(field)
    assert inside.mean() > 0.6
    np.testing.assert_allclose(field[inside], (lon + 2 * lat)[inside], atol=0.35)


def test_stations_to_points(stations: Any) -> None:
    found = stations["rain"].interp(xy="station").to_points([(170.0, -45.0)])
    np.testing.assert_allclose([field[0] for _, field in found], [80.0, 81.0, 82.0])


def test_stations_given_by_two_coordinates() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["lon"] = ("station", np.array([0.0, 1.0, 0.0, 1.0]))
        ds["lat"] = ("station", np.array([0.0, 0.0, 1.0, 1.0]))
        ds["t"] = (("station", "level"), np.arange(8.0).reshape(4, 2))
        found = ds["t"].interp(x="lon", y="lat").to_grid(0.5)
        assert [label for label, _ in found] == [0, 1]
        np.testing.assert_allclose(next(found)[1][1], [2.0, 3.0, 4.0])
        part = ds["t"][1:, 0].interp(x="lon", y="lat").to_points([(0.9, 0.9), (0.1, 0.1)])
        np.testing.assert_allclose(next(part)[1], [5.4, np.nan])


def test_levels_at_stations(stations: Any) -> None:
    stations.create.coord.height(data=[0.0, 10.0], step=False)
    stations["u"] = (("time", "station", "height"), np.arange(3 * 34 * 2.0).reshape(3, 34, 2))
    found = stations["u"].interp().regrid_levels([5.0], "height")
    assert found.dims == ("height", "station")
    np.testing.assert_allclose(next(found)[1][0], np.arange(34) * 2 + 0.5)


# going through, keeping


def test_a_result_is_gone_through_again_and_goes_on_after_next(ds: Any) -> None:
    found = add(ds).interp().to_grid()
    assert [label for label, _ in found] == [label for label, _ in found]
    first, _ = next(found)
    assert [first, *(label for label, _ in found)] == list(TIME)
    assert len(found) == 3
    assert len(list(found)) == 3


def test_nothing_is_read_before_it_is_gone_through(ds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from cfdb.storage.engine import ChunkedArray

    t = add(ds)
    interp = t.interp()
    t.interp().to_grid(0.5)  # labels are read once and kept

    def fail(*args: Any, **options: Any) -> None:
        raise AssertionError("a chunk was read")

    monkeypatch.setattr(ChunkedArray, "read", fail)
    text = repr(interp.to_grid(0.25))
    assert text.startswith("<Interpolated 't' (time: 3, latitude: 33, longitude: 53) float64, 3 fields at <Target grid")


def test_a_result_is_loaded_with_its_labels(ds: Any) -> None:
    t = add(ds, attrs={"units": "K"})
    loaded = t.interp().to_grid(1.0).load()
    assert loaded.dims == ("time", "latitude", "longitude")
    assert loaded.attrs["units"] == "K"
    np.testing.assert_array_equal(loaded.coords["latitude"].values, np.arange(-40.0, -49, -1))
    with cfdb.set_options(max_load=2000), pytest.raises(MemoryLimitError, match=r"\.write\(ds\)"):
        t.interp().to_grid(1.0).load()
