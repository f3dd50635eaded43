"""Values between the nodes of a grid, against polynomials, scipy's own interpolators and fields without holes."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from cfdb.analysis.interpolating.gaps import beside, bridged
from cfdb.analysis.interpolating.grid_axes import grid_axis
from cfdb.analysis.interpolating.grid_interpolator import Crossing, GridInterpolator, Placed, Scattering

Array = np.ndarray[Any, Any]


def nodes(rng: np.random.Generator, size: int, how: str) -> Array:
    values = np.cumsum(rng.uniform(0.3, 2.0, size)) - 4
    if how == "descending":
        return values[::-1].copy()
    return rng.permutation(values) if how == "unsorted" else values


def crossing(axes: Any, targets: Any, order: int, extrapolation: str = "constant", **options: Any) -> GridInterpolator:
    placed = [Placed(axis, target, order, extrapolation) for axis, target in zip(axes, targets, strict=True)]
    return GridInterpolator(axes, Crossing(placed), order, **options)


def scattering(axes: Any, targets: Any, order: int, extrapolation: str = "constant", **options: Any) -> Any:
    placed = [Placed(axis, target, order, extrapolation) for axis, target in zip(axes, targets, strict=True)]
    return GridInterpolator(axes, Scattering(placed, targets[0].shape), order, **options)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["ascending", "descending", "unsorted"]))
def test_polynomials_of_the_order_are_reproduced_on_any_spacing(order: int, seed: int, how: str) -> None:
    rng = np.random.default_rng(seed)
    y, x = nodes(rng, 9, how), nodes(rng, 11, how)
    powers = rng.normal(size=(order + 1, order + 1))
    axes = [grid_axis(y, "y"), grid_axis(x, "x")]
    ty, tx = rng.uniform(y.min(), y.max(), 12), rng.uniform(x.min(), x.max(), 12)
    polynomial = np.polynomial.polynomial
    field = polynomial.polygrid2d(y / 5, x / 5, powers)
    scale = np.abs(field).max()
    found = crossing(axes, [ty, tx], order)(field)
    np.testing.assert_allclose(found, polynomial.polygrid2d(ty / 5, tx / 5, powers), atol=1e-8 * scale)
    at = scattering(axes, [ty, tx], order)(field)
    np.testing.assert_allclose(at, polynomial.polyval2d(ty / 5, tx / 5, powers), atol=1e-8 * scale)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["linear", "nearest"]))
def test_orders_0_and_1_are_those_of_scipy(seed: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    z, y, x = (np.sort(nodes(rng, size, "ascending")) for size in (3, 4, 6))
    field = rng.normal(size=(3, 4, 6))
    targets = [rng.uniform(part.min() - 1, part.max() + 1, 20) for part in (z, y, x)]
    axes = [grid_axis(part, "n") for part in (z, y, x)]
    expected = RegularGridInterpolator((z, y, x), field, method, False, np.nan)(np.stack(targets, axis=1))
    found = scattering(axes, targets, 1 if method == "linear" else 0)(field)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize("how", ["ascending", "descending", "unsorted"])
def test_a_target_on_a_node_has_its_value(order: int, how: str) -> None:
    rng = np.random.default_rng(3)
    y, x = nodes(rng, 8, how), nodes(rng, 9, how)
    field = rng.normal(size=(8, 9)) + 1e5
    found = crossing([grid_axis(y, "y"), grid_axis(x, "x")], [y, x], order)(field)
    np.testing.assert_allclose(found, field, rtol=1e-13)


@pytest.mark.parametrize("order", [2, 3, 5])
def test_a_missing_cell_reaches_only_the_places_beside_it(order: int) -> None:
    rng = np.random.default_rng(0)
    y, x = np.arange(40.0), np.arange(50.0)
    smooth = np.sin(y / 6)[:, None] * np.cos(x / 7)
    holed = smooth.copy()
    holed[20, 25] = np.nan
    axes = [grid_axis(y, "y"), grid_axis(x, "x")]
    ty, tx = rng.uniform(0, 39, 200), rng.uniform(0, 49, 200)
    with_hole, without = (crossing(axes, [ty, tx], order)(field) for field in (holed, smooth))
    missing = (np.abs(ty - 20) < 1)[:, None] & (np.abs(tx - 25) < 1)
    assert missing.any()
    np.testing.assert_array_equal(np.isnan(with_hole), missing)
    np.testing.assert_allclose(with_hole[~missing], without[~missing], atol=4e-3)
    far = (np.abs(ty - 20) > 8)[:, None] | (np.abs(tx - 25) > 8)
    np.testing.assert_allclose(with_hole[far], without[far], atol=2e-6 if order < 5 else 2e-4)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_linear_fields_stay_exact_around_holes(order: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, x = nodes(rng, 14, "descending"), nodes(rng, 16, "ascending")
    field = 3 * y[:, None] - 2 * x + 5
    top, left = rng.integers(0, 11), rng.integers(0, 13)
    field[top : top + 3, left : left + 4] = np.nan
    axes = [grid_axis(y, "y"), grid_axis(x, "x")]
    ty, tx = rng.uniform(y.min(), y.max(), 30), rng.uniform(x.min(), x.max(), 30)
    found = crossing(axes, [ty, tx], order)(field)
    valid = np.isfinite(found)
    assert valid.mean() > 0.5
    np.testing.assert_allclose(found[valid], (3 * ty[:, None] - 2 * tx + 5)[valid], atol=1e-9)


def test_a_coast_does_not_make_a_cubic_swing_out() -> None:
    rng = np.random.default_rng(1)
    y, x = np.arange(30.0), np.arange(40.0)
    field = 280 + rng.normal(scale=0.5, size=(30, 40))
    land = (x[None, :] + 6 * np.sin(y / 3)[:, None]) > 25
    field[land] = np.nan
    axes = [grid_axis(y, "y"), grid_axis(x, "x")]
    found = crossing(axes, [np.arange(0, 29, 0.25), np.arange(0, 39, 0.25)], 3)(field)
    assert np.nanmin(found) > np.nanmin(field) - 1.5
    assert np.nanmax(found) < np.nanmax(field) + 1.5


@pytest.mark.parametrize("order", [0, 1, 3])
def test_a_node_beside_a_missing_cell_keeps_its_value(order: int) -> None:
    y, x = np.arange(0, 1, 0.1), np.arange(0, 1, 0.1)
    field = np.add.outer(y, x)
    field[4, 4] = np.nan
    targets = [np.array([0.1 * k for k in range(10)])] * 2  # 0.1 * 3 is not 0.3
    found = crossing([grid_axis(y, "y"), grid_axis(x, "x")], targets, order)(field)
    np.testing.assert_allclose(found, field, atol=1e-12)


@pytest.mark.parametrize("order", [0, 1, 3])
def test_a_field_without_any_value_gives_none(order: int) -> None:
    axes = [grid_axis(np.arange(5.0), "y"), grid_axis(np.arange(5.0), "x")]
    find = crossing(axes, [np.array([-1.0, 2.5]), np.array([2.5])], order, fill_value=-9.0)
    np.testing.assert_array_equal(find(np.full((5, 5), np.nan)), [[-9.0], [np.nan]])


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinite_cells_are_missing(bad: float) -> None:
    field = np.add.outer(np.arange(6.0), np.arange(6.0))
    field[0, 0] = bad
    axes = [grid_axis(np.arange(6.0), "y"), grid_axis(np.arange(6.0), "x")]
    found = crossing(axes, [np.array([0.5, 2.5]), np.array([0.5])], 3)(field)
    assert np.isnan(found[0, 0])
    assert found[1, 0] == pytest.approx(3.0)


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("first", [0.0, -180.0, 100.0])
def test_longitudes_go_round_the_globe(order: int, first: float) -> None:
    lon = first + np.arange(0, 360, 7.5)
    lat = np.arange(-60, 61, 10.0)
    field = np.cos(np.deg2rad(lat))[:, None] * np.cos(np.deg2rad(lon - 30))
    axes = [grid_axis(lat, "lat"), grid_axis(lon, "lon", 360.0)]
    targets = np.array([-179.0, -0.5, 0.5, 99.0, 359.0, 364.0, 719.5])
    tolerance = {0: 0.07, 1: 3e-3, 2: 2e-4, 3: 3e-5}[order]
    found = crossing(axes, [np.array([0.0]), targets], order)(field)[0]
    np.testing.assert_allclose(found, np.cos(np.deg2rad(targets - 30)), atol=tolerance)
    turned = crossing(axes, [np.array([0.0]), targets + 360], order)(field)[0]
    np.testing.assert_allclose(turned, found, atol=1e-12)


def test_the_cut_of_the_globe_does_not_show() -> None:
    """The same field, cut elsewhere, gives the same cubic values."""
    rng = np.random.default_rng(5)
    lon, lat = np.arange(0, 360, 5.0), np.arange(5.0)
    field = rng.normal(size=(5, lon.size))
    field[2, 0] = np.nan
    targets = [rng.uniform(0, 4, 50), rng.uniform(-180, 180, 50)]
    expected = scattering([grid_axis(lat, "y"), grid_axis(lon, "x", 360.0)], targets, 3)(field)
    rolled = np.roll(field, 36, axis=1)
    axes = [grid_axis(lat, "y"), grid_axis(np.roll(np.where(lon >= 180, lon - 360, lon), 36), "x", 360.0)]
    np.testing.assert_allclose(scattering(axes, targets, 3)(rolled), expected, atol=1e-6)


def test_a_meridian_that_is_there_twice_is_taken_once() -> None:
    lon = np.arange(0, 361, 30.0)
    field = np.cos(np.deg2rad(lon))[None, :] * np.ones((3, 1))
    axes = [grid_axis(np.arange(3.0), "y"), grid_axis(lon, "x", 360.0)]
    found = crossing(axes, [np.array([1.0]), np.array([360.0, 0.0, -30.0])], 3)(field)[0]
    np.testing.assert_allclose(found, [1.0, 1.0, np.cos(np.pi / 6)], atol=1e-12)


@pytest.mark.parametrize("targets", [[-5.0, 5.0], [355.0, 365.0], [715.0, -355.0]])
def test_a_region_takes_longitudes_of_either_convention(targets: list[float]) -> None:
    lon = np.arange(-20, 21, 1.0)
    field = np.ones((3, 1)) * lon
    axes = [grid_axis(np.arange(3.0), "y"), grid_axis(lon, "x", 360.0)]
    found = crossing(axes, [np.array([1.0]), np.array([*targets, 180.0])], 1)(field)[0]
    np.testing.assert_allclose(found, [-5.0, 5.0, np.nan], atol=1e-12)


def test_a_region_is_no_circle() -> None:
    axis = grid_axis(np.arange(0, 300, 10.0), "x", 360.0)
    assert not axis.closed
    assert axis.outside(axis.wrapped(np.array([295.0, -5.0, 290.0]))).tolist() == [True, True, False]


MODES = {"nearest": "edge", "mirror": "reflect", "reflect": "symmetric"}


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("mode", ["nearest", "mirror", "reflect"])
def test_beyond_the_edge_the_field_is_continued_as_asked(order: int, mode: str) -> None:
    values = np.array([1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 1.0])
    field = np.stack([values, values])
    axes = [grid_axis(np.arange(2.0), "y"), grid_axis(np.arange(7.0), "x")]
    beyond = np.arange(-3.0, 10.0)
    found = crossing(axes, [np.array([0.0]), beyond], order, mode)(field)[0]
    np.testing.assert_allclose(found, np.pad(values, 3, mode=MODES[mode]), atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_linear_extrapolation_continues_the_tangent(order: int) -> None:
    rng = np.random.default_rng(2)
    y, x = nodes(rng, 6, "descending"), nodes(rng, 7, "ascending")
    axes = [grid_axis(y, "y"), grid_axis(x, "x")]
    ty, tx = np.array([y.min() - 5, y.max() + 3]), np.array([x.min() - 2, x.max() + 4])
    found = crossing(axes, [ty, tx], order, "linear")(2 * y[:, None] - x + 1)
    np.testing.assert_allclose(found, 2 * ty[:, None] - tx + 1, atol=1e-9)


def test_a_curve_goes_on_smoothly_beyond_the_edge() -> None:
    x = np.linspace(0, 2, 9)
    field = np.tile(x**3, (2, 1))
    axes = [grid_axis(np.arange(2.0), "y"), grid_axis(x, "x")]
    found = crossing(axes, [np.array([0.0]), np.array([3.0])], 3, "linear")(field)
    assert found[0, 0] == pytest.approx(8 + 12 * 1.0)  # value and slope of x**3 at 2


def test_targets_that_are_no_number_get_the_fill_value() -> None:
    axes = [grid_axis(np.arange(3.0), "y"), grid_axis(np.arange(0, 360, 90.0), "x", 360.0)]
    targets = [np.array([np.nan, 1.0, 1.0]), np.array([0.0, np.inf, 0.0])]
    for mode in ("constant", "nearest", "linear"):
        found = scattering(axes, targets, 1, mode, fill_value=-1.0)(np.ones((3, 4)))
        np.testing.assert_array_equal(found, [-1.0, -1.0, 1.0])


def test_the_smallest_value_is_kept_apart_from_the_fill_value() -> None:
    field = np.tile([0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0], (4, 1))
    axes = [grid_axis(np.arange(4.0), "y"), grid_axis(np.arange(7.0), "x")]
    targets = [np.array([1.0]), np.array([1.5, 9.0])]
    assert crossing(axes, targets, 3)(field)[0, 0] < 0
    found = crossing(axes, targets, 3, fill_value=-99.0, min_value=0.0)(field)
    np.testing.assert_array_equal(found, [[0.0, -99.0]])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_few_nodes_lower_the_order(size: int) -> None:
    y = np.arange(float(size))
    field = np.tile((y + 1)[:, None], (1, 5))
    axes = [grid_axis(y, "y"), grid_axis(np.arange(5.0), "x")]
    found = crossing(axes, [y, np.array([2.5])], 3)(field)
    np.testing.assert_allclose(found[:, 0], y + 1, atol=1e-12)


def test_the_node_at_the_edge_is_inside_in_float32() -> None:
    x = np.arange(0, 2, 0.1, dtype=np.float32)
    axis = grid_axis(x, "x")
    assert not axis.outside(np.array([1.9, 0.0])).any()
    assert axis.outside(np.array([1.91, -0.01])).all()


@pytest.mark.parametrize("labels", [np.array(["a", "b"]), np.array([], float), np.array([1.0, 1.0])])
def test_labels_that_are_no_places_are_refused(labels: Array) -> None:
    with pytest.raises(ValueError, match="'x'"):
        grid_axis(labels, "x")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_bridging_keeps_what_is_valid_and_stays_near_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    field = rng.normal(size=(7, 8))
    field[rng.random(field.shape) < rng.random()] = np.nan
    field[3, 3] = 1.0
    found = bridged(field, [np.arange(7.0), np.cumsum(rng.uniform(0.1, 3, 8))])
    valid = np.isfinite(field)
    np.testing.assert_array_equal(found[valid], field[valid])
    low, high = field[valid].min(), field[valid].max()
    assert np.isfinite(found).all()
    assert found.min() >= low - (high - low) - 1e-12
    assert found.max() <= high + (high - low) + 1e-12


def test_neighbours_across_count_when_asked() -> None:
    known = np.zeros((5, 5), bool)
    known[2, 2] = True
    assert beside(known).sum() == 5
    assert beside(known, diagonal=True).sum() == 9


def test_a_missing_scipy_is_named_with_its_extra() -> None:
    code = "import sys; sys.modules['scipy'] = None; sys.modules['scipy.interpolate'] = None; "
    code += "import cfdb.analysis.interpolating.interp"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError: interpolation needs the package scipy: pip install cfdb[interp]" in done.stderr
