"""Geometries come back as shapely has them, rounded; they label dimensions and are selected by place."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPolygon, Point, Polygon, box

import cfdb
from cfdb.conventions import geometries
from cfdb.errors import CoordinateError, DataTypeError, EncodingError, LabelNotFoundError, SelectionError

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
PAIRS = st.tuples(NUMBERS, NUMBERS)
TRIPLES = st.tuples(NUMBERS, NUMBERS, NUMBERS)
POINTS = st.one_of(PAIRS, TRIPLES).map(Point)
LINES = st.one_of(st.lists(PAIRS, min_size=2, max_size=6), st.lists(TRIPLES, min_size=2, max_size=6)).map(LineString)
RINGS = st.lists(PAIRS, min_size=3, max_size=8, unique=True).map(Polygon)
POLYGONS = st.one_of(RINGS, st.lists(RINGS, min_size=1, max_size=3).map(MultiPolygon))
KINDS = {"point": POINTS, "line": LINES, "polygon": POLYGONS}


@pytest.fixture
def ds() -> Any:
    with cfdb.open_dataset(None, "n", "ts_ortho") as ds:
        yield ds


def _rounded(geometry: Any, precision: int) -> Any:
    """Round with shapely and NumPy alone."""
    if geometry is None:
        return None
    return shapely.transform(geometry, lambda c: np.round(c, precision) + 0.0, include_z=bool(shapely.has_z(geometry)))


def _same(found: Any, expected: Any) -> bool:
    return len(found) == len(expected) and all(
        a is b or (a is not None and b is not None and shapely.equals_exact(a, b, 1e-9) and a.has_z == b.has_z)
        for a, b in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data(), precision=st.integers(0, 7))
def test_geometries_come_back_rounded_and_otherwise_unchanged(kind: str, data: Any, precision: int) -> None:
    values = data.draw(st.lists(st.one_of(st.none(), KINDS[kind]), min_size=1, max_size=7))
    with cfdb.open_dataset(None, "n") as ds:
        variable = ds.create.data_var.generic("g", ("n",), kind, (3,), data=values, precision=precision)
        expected = [_rounded(value, precision) for value in values]
        assert _same(variable.values.tolist(), expected)
        variable[::2] = values[::2]  # a second writing moves nothing
        assert _same(variable.values.tolist(), expected)
        keys = [None if value is None else geometries.key(value) for value in expected]
        assert geometries.keys(variable.values).tolist() == keys


@pytest.mark.parametrize("dataset_type", ["ts_ortho", "ts_forecast"])
@settings(max_examples=40, deadline=None)
@given(points=st.lists(st.tuples(st.integers(-500, 500), st.integers(-500, 500)), min_size=1, max_size=8, unique=True))
def test_points_label_a_dimension_through_growth_and_loss(dataset_type: str, points: list[tuple[int, int]]) -> None:
    with cfdb.open_dataset(None, "n", dataset_type) as ds:
        wanted = [Point(x / 10, y / 10) for x, y in points]
        coord = ds.create.coord.point(wanted[1:2])
        ds["t"] = ("point", np.ones(len(wanted[1:2])))
        coord.append(wanted[2:])
        coord.prepend(wanted[:1])
        assert coord.values.tolist() == wanted
        for place, point in enumerate(wanted):
            assert ds["t"].sel(point=point)._selected() == ds["t"].isel(point=place)._selected()
        coord.drop(wanted[-1])
        assert coord.values.tolist() == wanted[:-1]


def test_files_keep_geometries(tmp_path: Path) -> None:
    path = tmp_path / "stations.cfdb"
    with cfdb.open_dataset(path, "n", "ts_ortho") as ds:
        ds.create.coord.point([(170.5, -45.9), (174.8, -41.3)])
        ds["catchment"] = ("point", np.array([box(0, 0, 1, 1), None], object))
    with cfdb.open_dataset(path) as ds:
        assert ds["point"].values.tolist() == [Point(170.5, -45.9), Point(174.8, -41.3)]
        assert ds["catchment"].values.tolist() == [box(0, 0, 1, 1), None]
        assert (ds["catchment"].dtype.name, ds["catchment"].dtype.precision) == ("polygon", 5)
        assert "POINT (170.5 -45.9)" in str(ds)
        assert "polygon" in str(ds["catchment"])


class TestCreation:
    def test_of_shapely_objects_wkt_and_numbers_is_the_same(self, ds: Any) -> None:
        given = [
            [Point(1.123456789, 2), Point(3, 4)],
            ["POINT (1.123456789 2)", "POINT (3 4)"],
            np.array([[1.123456789, 2], [3, 4]]),
            np.array([Point(1.123456789, 2), "POINT (3 4)"], object),
            [(1.123456789, 2), (3, 4)],
        ]
        for number, data in enumerate(given):
            ds.create.coord.generic(f"g{number}", data=data, dtype="point")
            assert ds[f"g{number}"].values.tolist() == [Point(1.12346, 2), Point(3, 4)]
            assert ds[f"g{number}"].dtype.precision == 5

    def test_finds_the_kind_of_shapely_objects(self, ds: Any) -> None:
        cases = {
            "point": [Point(0, 0)],
            "line": [LineString([(0, 0), (1, 1)]), shapely.MultiLineString([[(0, 0), (2, 2)]])],
            "polygon": [box(0, 0, 1, 1), MultiPolygon([box(3, 3, 4, 4)])],
        }
        for kind, data in cases.items():
            assert ds.create.coord.generic(kind, data=data).dtype.name == kind
        assert ds.create.coord.generic("empty", dtype="linestring").dtype.name == "line"

    def test_keeps_as_many_decimals_as_are_asked_for(self, ds: Any) -> None:
        assert ds.create.coord.point([(1.26, 2)], precision=1).values.tolist() == [Point(1.3, 2)]
        line = ds.create.coord.generic("l", dtype=cfdb.dtypes.dtype("line", 2), data=["LINESTRING (0.123 0, 1 1)"])
        assert line.values[0].coords[0] == (0.12, 0)
        with pytest.raises(ValueError, match="precision=3 of 'm', and its dtype says 2"):
            ds.create.coord.generic("m", dtype=line.dtype, precision=3)

    def test_heights_stay(self, ds: Any) -> None:
        points = ds.create.coord.point([Point(1, 2, 3.5), Point(4, 5)])
        assert [point.has_z for point in points.values] == [True, False]
        assert np.array_equal(geometries.coordinates(points.values), [[1, 2, 3.5], [4, 5, np.nan]], equal_nan=True)

    @pytest.mark.parametrize(
        ("kind", "data", "error", "message"),
        [
            ("point", [LineString([(0, 0), (1, 1)])], DataTypeError, r"'g' \(position 0\): a LineString cannot"),
            ("line", [None, Point(0, 0)], DataTypeError, r"position 1\): a Point cannot be stored as line"),
            ("polygon", ["POLYGON ((0 0"], EncodingError, "is no WKT"),
            ("polygon", np.zeros((2, 2)), DataTypeError, "are no polygons; give shapely geometries or WKT"),
            ("point", np.zeros((2, 4)), DataTypeError, r"or coordinates of shape \(\.\.\., 2\)"),
            ("point", [(0.0, np.inf)], EncodingError, "a coordinate is inf"),
            ("point", np.array([5, "POINT (0 0)"], object), DataTypeError, "5 of type int is no geometry"),
            ("point", shapely.from_wkt(["POINT M (0 0 1)"]), DataTypeError, "with M are not stored"),
            ("point", [Point(0, 0), Point(0.000001, 0)], CoordinateError, "would hold 'POINT \\(0 0\\)' twice"),
            ("line", ["LINESTRING (0 0, 1 1)", "LINESTRING (1 1, 0 0)"], CoordinateError, "twice"),
            ("point", [Point(0, 0), None], CoordinateError, r"cannot hold None \(position 1\)"),
            (None, [Point(0, 0), box(0, 0, 1, 1)], DataTypeError, "Point, Polygon cannot be stored in one variable"),
        ],
    )  # fmt: skip
    def test_of_what_does_not_fit_leaves_nothing(
        self, ds: Any, kind: Any, data: Any, error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            ds.create.coord.generic("g", data=data, dtype=kind)
        assert (len(ds), ds.sizes) == (0, {})

    def test_a_fill_value_is_refused(self, ds: Any) -> None:
        with pytest.raises(ValueError, match="missing geometries are None"):
            ds.create.data_var.generic("g", ("n",), "point", data=[(0, 0)], fill_value=Point(0, 0))
        assert len(ds) == 0


class TestGrowth:
    def test_by_anything_that_creation_takes(self, ds: Any) -> None:
        coord = ds.create.coord.point([(0, 0)])
        ds["t"] = ("point", [1.0])
        coord.append(np.array([[1, 1]]))
        coord.append(["POINT (2 2)"])
        coord.prepend([Point(-1, -1)])
        coord.insert(1, [(9, 9)])
        expected = [(-1, -1), (9, 9), (0, 0), (1, 1), (2, 2)]
        assert [point.coords[0] for point in coord.values] == expected
        assert np.isfinite(ds["t"].values).tolist() == [False, False, True, False, False]

    def test_refuses_the_same_place_and_other_kinds(self, ds: Any) -> None:
        coord = ds.create.coord.line(["LINESTRING (0 0, 1 1)"])
        for labels, error in (
            (["LINESTRING (1.000001 1, 0 0)"], CoordinateError),
            (["LINESTRING (5 5, 6 6)", "LINESTRING (6 6, 5 5)"], CoordinateError),
            ([Point(0, 0)], DataTypeError),
            ([None], CoordinateError),
        ):
            with pytest.raises(error):
                coord.append(labels)
        assert coord.values.tolist() == [LineString([(0, 0), (1, 1)])]

    def test_assignment_keeps_labels_unique(self, ds: Any) -> None:
        coord = ds.create.coord.point([(0, 0), (1, 1)])
        coord[0] = Point(3, 3)
        with pytest.raises(CoordinateError, match="twice"):
            coord[1] = Point(3, 3.000001)
        assert coord.values.tolist() == [Point(3, 3), Point(1, 1)]


def test_a_wrong_geometry_is_refused_and_nothing_is_written(ds: Any) -> None:
    variable = ds.create.data_var.generic("g", ("n",), "point", data=[(0, 0), (1, 1)])
    for value in (LineString([(0, 0), (1, 1)]), "POINT (", [Point(5, 5), box(0, 0, 1, 1)]):
        with pytest.raises((DataTypeError, EncodingError)):
            variable[...] = value
    assert variable.values.tolist() == [Point(0, 0), Point(1, 1)]
    variable[1] = None
    variable[0] = "POINT (7 7)"
    assert variable.values.tolist() == [Point(7, 7), None]


class TestSelection:
    @pytest.fixture
    def rain(self, ds: Any) -> Any:
        ds.create.coord.point([(170.5, -45.9), (174.8, -41.3), (174.76, -36.85)])
        ds["rain"] = ("point", [1.0, 2.0, 3.0])
        return ds["rain"]

    def test_by_geometry_text_and_numbers(self, ds: Any, rain: Any) -> None:
        for label in (Point(174.8, -41.3), "POINT (174.8 -41.3)", (174.8, -41.3), Point(174.8000001, -41.3)):
            assert rain.sel(point=label).item() == 2
        assert rain.loc[Point(174.8, -41.3)].item() == 2
        assert rain.loc["POINT (174.8 -41.3)"].item() == 2
        both = [Point(174.76, -36.85), "POINT (170.5 -45.9)"]
        assert rain.loc[both].values.tolist() == [3, 1]
        assert rain.sel(point=np.array([[174.76, -36.85], [170.5, -45.9]])).values.tolist() == [3, 1]
        assert ds.sel(point=both)["rain"].values.tolist() == [3, 1]
        assert ds.select_loc({"point": both[0]})["rain"].item() == 3
        assert rain.loc[Point(170.5, -45.9) : Point(174.8, -41.3)].values.tolist() == [1, 2]
        assert rain.loc[[True, False, True]].values.tolist() == [1, 3]
        rain.loc[Point(170.5, -45.9)] = 7
        assert rain.values.tolist() == [7, 2, 3]

    def test_of_a_part_of_the_labels(self, rain: Any) -> None:
        view = rain[::-2]
        assert view.coords["point"].values.tolist() == [Point(174.76, -36.85), Point(170.5, -45.9)]
        assert view.loc[Point(170.5, -45.9)].item() == 1
        with pytest.raises(KeyError):
            view.loc[Point(174.8, -41.3)]

    def test_a_missing_label_names_the_nearest(self, rain: Any) -> None:
        with pytest.raises(KeyError, match=r"POINT \(174\.9 -41\.3\) is not in 'point'; the nearest label is POINT "):
            rain.loc[Point(174.9, -41.3)]
        with pytest.raises(LabelNotFoundError, match=r"within 0\.01; the nearest label is"):
            rain.sel(point=Point(174.9, -41.3), method="nearest", tolerance=0.01)

    @settings(max_examples=30, deadline=None)
    @given(labels=st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=9, unique=True),
           wanted=st.tuples(NUMBERS, NUMBERS))  # fmt: skip
    def test_nearest_is_the_nearest(self, labels: list[tuple[int, int]], wanted: tuple[float, float]) -> None:
        with cfdb.open_dataset(None, "n", "ts_ortho") as ds:
            ds.create.coord.point(np.array(labels, float))
            ds["t"] = ("point", np.arange(len(labels)))
            found = labels[ds["t"].sel(point=wanted, method="nearest").item()]
            wanted = tuple(round(number, 5) for number in wanted)
            shortest = min(np.hypot(x - wanted[0], y - wanted[1]) for x, y in labels)
            assert np.hypot(found[0] - wanted[0], found[1] - wanted[1]) == pytest.approx(shortest, rel=1e-12)

    def test_what_cannot_be_a_label(self, rain: Any) -> None:
        for label, message in (
            (box(0, 0, 1, 1), r"what lies inside an area is selected with \.within"),
            (3, "are no points"),
            ("Dunedin", "is no WKT"),
        ):
            with pytest.raises(SelectionError, match=message):
                rain.sel(point=label)
        with pytest.raises(SelectionError, match="have no order"):
            rain.sel(point=Point(0, 0), method="pad")

    def test_by_region(self, ds: Any, rain: Any) -> None:
        places = ds["point"]
        for region in (
            (174, -42, 175, -36),
            box(174, -42, 175, -36),
            "POLYGON ((174 -42, 175 -42, 175 -36, 174 -36, 174 -42))",
        ):
            assert places.within(region).tolist() == [False, True, True]
        assert rain.isel(point=places.within((174.8, -41.3, 180, -36))).values.tolist() == [2]
        assert places.within((174.8, -41.3, 180, -36), "within").tolist() == [False, False, False]
        assert ds.isel(point=[0, 1])["point"].within((174, -42, 175, -36)).tolist() == [False, True]
        with pytest.raises(ValueError, match="predicate='near'"):
            places.within(box(0, 0, 1, 1), "near")
        with pytest.raises(ValueError, match="region="):
            places.within((5, 5, 1, 1))
        with pytest.raises(TypeError, match="holds float64, no geometries"):
            rain.within(box(0, 0, 1, 1))

    def test_lines_and_polygons_by_region(self, ds: Any) -> None:
        reach = ds.create.coord.line(["LINESTRING (0 0, 5 5)", "LINESTRING (1 1, 2 2)", "LINESTRING (8 8, 9 9)"])
        assert reach.within((0, 0, 3, 3)).tolist() == [False, True, False]
        assert reach.within((0, 0, 3, 3), "intersects").tolist() == [True, True, False]
        assert ds["line"].sel(line="LINESTRING (2 2, 1 1)").item() == LineString([(1, 1), (2, 2)])


def test_statistics_and_printing_of_geometries_do_not_fail(ds: Any) -> None:
    variable = ds.create.data_var.generic("g", ("n",), "polygon", (2,), data=[box(0, 0, 1, 1), None, box(1, 1, 2, 2)])
    assert "polygon" in repr(variable)
    ds.create.variable("one", (), "point", data=Point(1, 2), role="auxiliary")
    ds.create.variable("two", ("n",), "line", data=[None] * 3, role="auxiliary")
    assert [line.split()[1:] for line in str(ds).splitlines() if line.startswith(("  one", "  two"))] == [
        ["point", "POINT", "(1", "2)"],
        ["line", "None", "...", "None", "(n)"],
    ]
    assert repr(variable[1:])
    assert [values.tolist() for _, values in variable.iter_chunks()] == [[box(0, 0, 1, 1), None], [box(1, 1, 2, 2)]]
    out = np.empty(3, object)
    assert variable.read(out=out).tolist() == [box(0, 0, 1, 1), None, box(1, 1, 2, 2)]
    assert box(0, 0, 1, 1) in variable


def test_masked_geometries_are_missing_and_points_of_nan_too(ds: Any) -> None:
    masked = np.ma.MaskedArray([Point(0, 0), Point(1, 1)], [False, True])
    ds.create.data_var.generic("a", ("n",), "point", data=masked)
    ds.create.data_var.generic("b", ("n",), "point", data=np.array([[0, 0], [np.nan, np.nan]]))
    for name in "ab":
        assert ds[name].values.tolist() == [Point(0, 0), None]


WITHOUT = """
import sys
for name in ("shapely", "pyproj"):
    sys.modules[name] = None
import cfdb
with cfdb.open_dataset({path!r}) as ds:
    print(ds)
    print(ds["point"])
    print(ds["t"].values.tolist(), ds["t"].isel(point=0).values)
    for name, do in (("values", lambda: ds["point"].values), ("crs", lambda: ds.crs)):
        try:
            do()
        except ImportError as error:
            print(name, error)
"""


def test_without_shapely_a_dataset_opens_and_prints_and_values_name_the_extra(tmp_path: Path) -> None:
    path = str(tmp_path / "p.cfdb")
    with cfdb.open_dataset(path, "n", "ts_ortho") as ds:
        ds.create.coord.point([(170.5, -45.9), (174.8, -41.3)])
        ds["t"] = ("point", [1.0, 2.0])
        ds.create.crs.from_user_input(4326, xy_coord="point")
    done = subprocess.run([sys.executable, "-c", WITHOUT.format(path=path)], capture_output=True, text=True, check=True)
    out = done.stdout
    assert out.count("point  point  POINT (170.5 -45.9) ... POINT (174.8 -41.3)") == 2
    assert "[1.0, 2.0]" in out
    assert "values geometries need the package shapely: pip install cfdb[geo]" in out
    assert "crs coordinate reference systems need the package pyproj: pip install cfdb[geo]" in out


def test_geometries_import_shapely_only_when_there_are_some() -> None:
    code = (
        "import sys, cfdb, numpy as np\n"
        "with cfdb.open_dataset(None, 'n') as ds:\n"
        "    ds['t'] = ('x', np.array(['a', None], object))\n"
        "    ds.crs, str(ds)\n"
        "print(sorted({'shapely', 'pyproj'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_an_empty_coordinate_of_geometries_finds_nothing_and_grows(ds: Any) -> None:
    coord = ds.create.coord.point()
    assert (coord.values.tolist(), coord.within((0, 0, 1, 1)).tolist()) == ([], [])
    for method in (None, "nearest"):
        with pytest.raises(KeyError, match="it has no labels"):
            coord.sel(point=Point(0, 0), method=method)
    coord.append([])
    coord.append(np.empty((0, 2)))
    coord.append([Point(1, 2)])
    assert coord.sel(point=Point(9, 9), method="nearest").item() == Point(1, 2)
