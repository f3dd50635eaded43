"""Values among scattered places, in the holes of a grid, and between levels."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import griddata

from cfdb.analysis.interpolating.grid_axes import grid_axis
from cfdb.analysis.interpolating.holes import HoleFiller
from cfdb.analysis.interpolating.levels import regrid_columns
from cfdb.analysis.interpolating.scattered import ScatteredInterpolator

Array = np.ndarray[Any, Any]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["linear", "nearest", "cubic"]))
def test_scattered_values_are_those_of_griddata(seed: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    points, targets = rng.random((25, 2)), rng.random((40, 2)) * 1.4 - 0.2
    values = rng.normal(size=25)
    expected = griddata(points, values, targets, method, rescale=method != "nearest")
    found = ScatteredInterpolator(points, targets, method)(values)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_planes_are_reproduced_and_stations_without_a_value_left_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, targets = rng.random((30, 2)) * 100, rng.random((40, 2)) * 100
    plane = points @ [2.0, -3.0] + 7
    find = ScatteredInterpolator(points, targets, "linear")
    for _ in range(3):
        values = np.where(rng.random(30) < 0.3, np.nan, plane)
        found = find(values)
        inside = np.isfinite(found)
        np.testing.assert_allclose(found[inside], (targets @ [2.0, -3.0] + 7)[inside], atol=1e-8)
        valid = np.isfinite(values)
        expected = griddata(points[valid], values[valid], targets, "linear", rescale=True)
        np.testing.assert_array_equal(inside, np.isfinite(expected))


@pytest.mark.parametrize("method", ["linear", "nearest", "cubic"])
def test_a_target_at_a_station_has_its_value(method: str) -> None:
    rng = np.random.default_rng(0)
    points = np.array([[171.1, -43.2], [172.9, -41.3], [170.2, -44.4], [173.0, -43.9], [171.5, -42.0]])
    values = rng.normal(size=5) + 1e3
    np.testing.assert_allclose(ScatteredInterpolator(points, points, method)(values), values, rtol=1e-12)


def test_outside_the_hull_is_the_fill_value_or_the_nearest_station() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    targets = np.array([[5.0, 0.0], [0.2, 0.2], [np.nan, 1.0]])
    values = np.array([-3.0, 2.0, 1.0])
    find = ScatteredInterpolator(points, targets, "linear", fill_value=-99.0, min_value=0.0)
    np.testing.assert_allclose(find(values), [-99.0, 0.0, -99.0])
    find = ScatteredInterpolator(points, targets, "linear", "nearest", fill_value=-99.0)
    np.testing.assert_allclose(find(values), [2.0, -1.2, -99.0])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_targets_on_the_hull_are_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = np.array([[0.0, 0.0], [1.0, 0.1], [1.1, 1.0], [-0.1, 0.9]]) * rng.uniform(1, 1e6, 2) + rng.normal(size=2)
    share = rng.random((20, 1))
    targets = points[[0, 1, 2, 3] * 5] * share + points[[1, 2, 3, 0] * 5] * (1 - share)
    found = ScatteredInterpolator(points, targets)(points @ [1.0, 2.0])
    np.testing.assert_allclose(found, targets @ [1.0, 2.0], rtol=1e-9)
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]) + rng.random(2)
    rounded = np.round(corners[[0, 1, 2, 3] * 5] * share + corners[[1, 2, 3, 0] * 5] * (1 - share), 12)
    assert np.isfinite(ScatteredInterpolator(corners, rounded)(np.ones(4))).all()


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("method", ["linear", "cubic"])
def test_two_stations_make_no_triangle(count: int, method: str) -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    values = np.array([5.0, 6.0, 7.0])
    values[count:] = np.nan
    targets = np.array([[0.0, 0.0], [0.4, 0.1]])
    found = ScatteredInterpolator(points, targets, method)(values)
    np.testing.assert_array_equal(found, [5.0 if count else np.nan, np.nan])
    found = ScatteredInterpolator(points, targets, method, "nearest")(values)
    np.testing.assert_array_equal(found, [5.0, 5.0] if count else [np.nan, np.nan])


def test_stations_on_one_line_make_no_triangle() -> None:
    points = np.stack([np.arange(5.0), 2 * np.arange(5.0)], axis=1)
    found = ScatteredInterpolator(points, np.array([[2.0, 4.0], [2.5, 5.0]]), "linear")(np.arange(5.0))
    np.testing.assert_array_equal(found, [2.0, np.nan])


def test_stations_on_both_sides_of_the_date_line_are_neighbours() -> None:
    points = np.array([[179.0, -1.0], [-179.0, -1.0], [179.0, 1.0], [-179.0, 1.0]])
    values = np.array([0.0, 2.0, 0.0, 2.0])
    targets = np.array([[180.0, 0.0], [-180.0, 0.5], [179.5, 0.0], [540.0, 0.0]])
    found = ScatteredInterpolator(points, targets, "linear", period=360.0)(values)
    np.testing.assert_allclose(found, [1.0, 1.0, 0.5, 1.0])


def test_stations_all_around_the_globe_have_no_seam() -> None:
    rng = np.random.default_rng(0)
    points = np.stack([rng.uniform(-180, 180, 2000), rng.uniform(-80, 80, 2000)], axis=1)
    targets = np.stack([np.linspace(-180, 180, 61), np.zeros(61)], axis=1)
    values = np.cos(np.deg2rad(points[:, 0]))
    for shift in (0.0, 123.0, -360.0):
        find = ScatteredInterpolator(points, targets + np.array([shift, 0]), "linear", period=360.0)
        np.testing.assert_allclose(find(values), np.cos(np.deg2rad(targets[:, 0] + shift)), atol=0.03)


def test_triangles_are_kept_while_the_same_stations_have_values(monkeypatch: pytest.MonkeyPatch) -> None:
    from cfdb.analysis.interpolating import scattered

    made = []
    join = scattered.join
    monkeypatch.setattr(scattered, "join", lambda *args: made.append(1) or join(*args))
    rng = np.random.default_rng(0)
    find = ScatteredInterpolator(rng.random((20, 2)), rng.random((5, 2)))
    values = rng.normal(size=(10, 20))
    find(values)
    assert len(made) == 1
    values[5, 3] = np.nan
    find(values)
    assert len(made) == 3


# holes of a grid


def filler(y: Array, x: Array, *args: Any, period: float | None = None) -> HoleFiller:
    return HoleFiller([grid_axis(y, "y"), grid_axis(x, "x", period)], *args)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_filling_reproduces_planes_and_keeps_valid_cells(seed: int, descending: bool) -> None:
    rng = np.random.default_rng(seed)
    y, x = np.cumsum(rng.uniform(0.3, 2, 9)), np.cumsum(rng.uniform(0.3, 2, 12))
    y = y[::-1].copy() if descending else y
    plane = 2 * y[:, None] - 3 * x
    field = np.where(rng.random(plane.shape) < rng.uniform(0.1, 0.8), np.nan, plane)
    found = filler(y, x)(field)
    valid = np.isfinite(field)
    np.testing.assert_array_equal(found[valid], field[valid])
    got = np.isfinite(found)
    np.testing.assert_allclose(found[got], plane[got], atol=1e-8)
    places = np.stack([part.ravel() for part in np.meshgrid(y, x, indexing="ij")], axis=1)
    if valid.sum() > 5:
        expected = griddata(places[valid.ravel()], field[valid], places, "linear", rescale=True).reshape(plane.shape)
        np.testing.assert_array_equal(got, np.isfinite(expected) | valid)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_nearest_filling_takes_a_nearest_valid_cell(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, x = np.cumsum(rng.uniform(0.3, 2, 7)), np.cumsum(rng.uniform(0.3, 2, 8))
    field = np.where(rng.random((7, 8)) < 0.7, np.nan, rng.normal(size=(7, 8)))
    field[2, 2] = 1.0
    found = filler(y, x, "nearest", "nearest")(field)
    places = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)
    valid = np.isfinite(field)
    for row, column in np.argwhere(~valid):
        distance = np.linalg.norm(places[valid] - places[row, column], axis=1)
        assert found[row, column] in field[valid][distance <= distance.min() + 1e-12]


def test_cells_outside_the_hull_stay_missing_unless_asked() -> None:
    field = np.full((4, 4), np.nan)
    field[0, :3] = [1.0, 2.0, 3.0]
    field[1, 0] = 2.0
    found = filler(np.arange(4.0), np.arange(4.0))(field)
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(field))
    found = filler(np.arange(4.0), np.arange(4.0), "linear", "nearest")(field)
    assert np.isfinite(found).all()
    assert found[3, 0] == 2.0


def test_one_row_of_values_is_filled_along_itself() -> None:
    field = np.array([[1.0, np.nan, 3.0, np.nan], [np.nan] * 4])
    found = filler(np.arange(2.0), np.arange(4.0))(field)
    np.testing.assert_array_equal(found, [[1.0, 2.0, 3.0, np.nan], [np.nan] * 4])


def test_a_hole_at_the_cut_of_the_globe_is_filled_across_it() -> None:
    lon = np.arange(0, 360, 30.0)
    field = np.tile(np.cos(np.deg2rad(lon)), (3, 1))
    field[1, 0] = np.nan
    found = filler(np.arange(3.0), lon, period=360.0)(field)
    assert found[1, 0] == pytest.approx((np.cos(np.pi / 6) + 1) / 2)  # from left and right, and from above and below
    field[:, 0] = np.nan
    found = filler(np.arange(3.0), lon, period=360.0)(field)
    np.testing.assert_allclose(found[:, 0], np.cos(np.pi / 6))


def test_only_filled_cells_are_clamped() -> None:
    field = np.array([[-1.0, -1.0, -1.0], [-1.0, np.nan, -1.0], [-1.0, -1.0, -1.0]])
    found = HoleFiller([grid_axis(np.arange(3.0), "y"), grid_axis(np.arange(3.0), "x")], min_value=0.0)(field)
    assert found[1, 1] == 0.0
    assert found[0, 0] == -1.0


def test_whole_and_empty_fields_come_back_as_they_are() -> None:
    for value in (1.0, np.nan):
        field = np.full((2, 3, 3), value)
        np.testing.assert_array_equal(filler(np.arange(3.0), np.arange(3.0))(field), field)


# levels


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_columns_are_interpolated_as_by_numpy(seed: int, falling: bool) -> None:
    rng = np.random.default_rng(seed)
    count = rng.integers(1, 7)
    heights = np.cumsum(rng.uniform(0.1, 3, (count, 4, 3)), axis=0)
    values = rng.normal(size=(count, 4, 3))
    targets = rng.uniform(-1, 12, 5)
    order = slice(None, None, -1 if falling else 1)
    found = regrid_columns(values[order], heights[order], targets, "linear")
    assert found.shape == (5, 4, 3)
    for place in np.ndindex(4, 3):
        column = (slice(None), *place)
        expected = np.interp(targets, heights[column], values[column], left=np.nan, right=np.nan)
        np.testing.assert_allclose(found[column], expected, atol=1e-12)


def test_columns_may_run_either_way_in_one_field() -> None:
    heights = np.array([[0.0, 30.0], [10.0, 20.0], [20.0, 10.0]])
    np.testing.assert_allclose(regrid_columns(heights * 2, heights, np.array([15.0]), "linear"), [[30.0, 30.0]])


def test_a_level_of_the_source_gives_its_value() -> None:
    heights = np.array([0.1, 0.3, 0.7])[:, None]
    values = np.array([1.0, np.nan, 3.0])[:, None]
    found = regrid_columns(values, heights, np.array([0.1, 0.3, 0.7, 0.2, 0.5]), "linear")[:, 0]
    np.testing.assert_array_equal(found, [1.0, np.nan, 3.0, np.nan, np.nan])


def test_positions_without_a_level_are_left_out() -> None:
    heights = np.array([[np.nan, 0.0], [10.0, np.nan], [20.0, 20.0], [np.nan, 30.0]])
    values = np.array([[9.0, 0.0], [1.0, 9.0], [2.0, 2.0], [9.0, 3.0]])
    found = regrid_columns(values, heights, np.array([5.0, 10.0, 15.0, 25.0]), "linear")
    np.testing.assert_array_equal(found, [[np.nan, 0.5], [1.0, 1.0], [1.5, 1.5], [np.nan, 2.5]])
    gone = regrid_columns(values, np.full((4, 2), np.nan), np.array([5.0]), "linear")
    assert np.isnan(gone).all()


def test_pressure_is_interpolated_in_its_logarithm() -> None:
    pressure = np.array([1000.0, 850.0, 500.0, 300.0])[:, None]
    found = regrid_columns(np.log(pressure) * 5, pressure, np.array([925.0, 400.0]), "log")[:, 0]
    np.testing.assert_allclose(found, np.log([925.0, 400.0]) * 5)
    with pytest.raises(ValueError, match="positive levels"):
        regrid_columns(pressure, pressure - 300, np.array([400.0]), "log", "'p'")


def test_the_nearest_level_is_taken() -> None:
    heights = np.array([0.0, 10.0, 30.0])[:, None]
    found = regrid_columns(np.array([1.0, 2.0, 3.0])[:, None], heights, np.array([4.0, 6.0, 21.0, 31.0]), "nearest")
    np.testing.assert_array_equal(found[:, 0], [1.0, 2.0, 3.0, np.nan])


def test_levels_that_turn_back_are_refused() -> None:
    heights = np.array([[0.0, 0.0], [10.0, 10.0], [5.0, 20.0]])
    with pytest.raises(ValueError, match=r"'theta' .*1 of 2 columns"):
        regrid_columns(heights, heights, np.array([4.0]), "linear", "'theta'")
    with pytest.raises(ValueError, match="1 of 1"):
        regrid_columns(np.ones((2, 1)), np.ones((2, 1)), np.array([1.0]), "linear")
