"""How do points, lines and polygons become text that is stored, and shapely's geometries again?

The only module that imports shapely, when the first geometry is seen. A stored cell is the geometry's WKT in UTF-8, its
coordinates rounded to the precision of the variable; None is missing. Two geometries are the same label when their
rounded, normalised forms are the same: neither the direction of a line nor where a ring starts tells them apart.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import CorruptChunkError, DataTypeError, EncodingError
from cfdb.format.rounding import round_decimals

Array = npt.NDArray[Any]

#: Decimals of coordinates when nothing is said: about a metre in degrees.
DEFAULT_PRECISION = 5
#: Kinds by the names a user may call them.
NAMES = {"point": "point", "line": "line", "linestring": "line", "polygon": "polygon"}
#: shapely's names of the geometries of each kind; those of several parts belong to lines and polygons.
_KINDS = {
    "point": ("Point",),
    "line": ("LineString", "LinearRing", "MultiLineString"),
    "polygon": ("Polygon", "MultiPolygon"),
}
#: GEOS' numbers of types.
_TYPES = dict(
    enumerate(["Point", "LineString", "LinearRing", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon"])
)
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}
#: What a geometry may be to a region, and shapely's function that asks the region.
_PREDICATES = {"covered_by": "covers", "within": "contains", "intersects": "intersects"}


def _shapely() -> Any:
    try:
        import shapely
    except ImportError as error:
        raise ImportError("geometries need the package shapely: pip install cfdb[geo]") from error
    return shapely


def kind_of(values: Array) -> str | None:
    """Tell which kind of geometry an array of objects holds; None when it holds none.

    Raises
    ------
    DataTypeError
        If it holds geometries of several kinds, or of one that is not stored.

    Examples
    --------
    >>> import shapely
    >>> kind_of(np.array([shapely.Point(1, 2), None])), kind_of(np.array(["a", None], object))
    ('point', None)
    """
    shapely = sys.modules.get("shapely")  # without it there is no geometry yet
    if shapely is None or values.dtype.kind != "O" or not bool(np.any(shapely.is_geometry(values))):
        return None
    names = {value.geom_type for value in values.flat if shapely.is_geometry(value)}
    kinds = {_KIND_OF.get(name) for name in names}
    kind = kinds.pop()
    if kinds or kind is None:
        raise DataTypeError(
            f"geometries of type {', '.join(sorted(names))} cannot be stored in one variable: it holds points, lines "
            "(also of several parts) or polygons (also of several parts)"
        )
    return kind


def normalise(values: Any, kind: str, precision: int | None, name: str = "geometries") -> Array:
    """Give values as shapely's geometries with rounded coordinates.

    Parameters
    ----------
    values : array-like
        Geometries, WKT strings, None (missing); for points also numbers of shape (..., 2) or (..., 3), where a point of
        NaN is missing.
    kind : str
        ``'point'``, ``'line'`` or ``'polygon'``.
    precision : int or None
        Decimals to keep of the coordinates; None keeps all.
    name : str
        What they belong to, for messages.

    Returns
    -------
    ndarray of object
        Geometries and None.

    Raises
    ------
    DataTypeError
        If a value is no geometry of this kind.
    EncodingError
        If a text is no WKT, or a coordinate is infinite or NaN.

    Examples
    --------
    >>> normalise([[170.123456, -45], "POINT (1 2)", None], "point", 3).tolist()
    [<POINT (170.123 -45)>, <POINT (1 2)>, None]
    """
    shapely = _shapely()
    array = _as_objects(values)
    if array.dtype.kind in "iuf":
        array = _points_of(array, kind, name)
    found = np.empty(array.shape, object)
    found[...] = array
    others = ~(shapely.is_geometry(found) | shapely.is_missing(found))
    for place in np.flatnonzero(others):
        found.flat[place] = _read(found.flat[place], kind, f"{name} (position {place})")
    _check_kind(found, kind, name)
    return _rounded(found, precision, name)


def _as_objects(values: Any) -> Array:
    """Give an array of numbers, or of objects where None or text stand among coordinates."""
    if isinstance(values, np.ma.MaskedArray):
        objects: Array = values.data.astype(object)
        objects[np.ma.getmaskarray(values)] = None
        return objects
    try:
        array = np.asarray(values)
    except ValueError:  # coordinates among geometries and None: each entry is a value
        array = np.empty(len(values), object)
        array[:] = [np.asarray(value, float) if isinstance(value, list | tuple) else value for value in values]
    return array.astype(object) if array.dtype.kind in "UT" else array


def _points_of(numbers: Array, kind: str, name: str) -> Array:
    """Make points of numbers."""
    if kind != "point" or (numbers.size and (numbers.ndim == 0 or numbers.shape[-1] not in (2, 3))):
        raise DataTypeError(
            f"{name}: numbers of shape {numbers.shape} are no {kind}s; give shapely geometries or WKT strings"
            f"{', or coordinates of shape (..., 2) or (..., 3)' if kind == 'point' else ''}"
        )
    if not numbers.size:
        return np.empty(numbers.shape[:-1] if numbers.ndim > 1 else (0,), object)
    missing = np.asarray(np.isnan(numbers.astype(np.float64)).all(axis=-1))
    points: Array = np.empty(missing.shape, object)
    points[~missing] = _shapely().points(numbers[~missing])
    return points


def _read(value: Any, kind: str, what: str) -> Any:
    """Make a geometry of text or of coordinates; NaN is missing."""
    shapely = _shapely()
    if isinstance(value, str):
        try:
            return shapely.from_wkt(value)
        except shapely.errors.GEOSException as error:
            raise EncodingError(f"{what}: {value!r} is no WKT ({error})") from error
    if isinstance(value, np.ndarray) and kind == "point" and value.shape in ((2,), (3,)):
        return shapely.Point(value)
    if isinstance(value, float) and value != value:
        return None
    raise DataTypeError(f"{what}: {value!r} of type {type(value).__name__} is no geometry")


def _check_kind(geometries: Array, kind: str, name: str) -> None:
    """Refuse geometries of another kind."""
    shapely = _shapely()
    types = np.asarray(shapely.get_type_id(geometries))
    wrong = ~np.isin(types, [-1, *(number for number, found in _TYPES.items() if found in _KINDS[kind])])
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise DataTypeError(
            f"{name} (position {place}): a {geometries.flat[place].geom_type} cannot be stored as {kind}"
        )
    if hasattr(shapely, "has_m") and bool(np.any(shapely.has_m(geometries))):
        raise DataTypeError(f"{name}: coordinates with M are not stored; drop them with shapely.force_2d or force_3d")


def _rounded(geometries: Array, precision: int | None, name: str) -> Array:
    """Round the coordinates of all geometries, those in two and in three dimensions apart."""
    shapely = _shapely()

    def move(coordinates: Array) -> Array:
        if not bool(np.isfinite(coordinates).all()):
            raise EncodingError(f"{name}: a coordinate is {coordinates[~np.isfinite(coordinates)][0]}, not finite")
        return coordinates + 0.0 if precision is None else round_decimals(coordinates, precision)

    present = ~shapely.is_missing(geometries)
    for has_z in (False, True):
        chosen = present & (shapely.has_z(geometries) == has_z)
        if chosen.any():
            geometries[chosen] = shapely.transform(geometries[chosen], move, include_z=has_z)
    return geometries


def encode(values: Any, kind: str, precision: int | None, name: str = "geometries") -> Array:
    """Give the cells that are stored of values as `normalise` takes them.

    Examples
    --------
    >>> encode([(1.26, 2)], "point", 1).tolist()
    [b'POINT (1.3 2)']
    """
    texts = to_wkt(normalise(values, kind, precision, name))
    cells = np.empty(texts.size, object)
    cells[:] = [None if text is None else text.encode() for text in texts.flat]
    return cells.reshape(texts.shape)


def decode(cells: Array) -> Array:
    """Give the geometries of stored cells.

    Examples
    --------
    >>> decode(np.array([b"POINT (1 2)", None], object)).tolist()
    [<POINT (1 2)>, None]
    """
    shapely = _shapely()
    try:
        return np.asarray(shapely.from_wkt(cells), object)
    except (shapely.errors.GEOSException, UnicodeDecodeError) as error:
        raise CorruptChunkError(f"a stored geometry cannot be read: {error}") from error


def to_wkt(geometries: Any) -> Array:
    """Write geometries as text, every coordinate with as few digits as give it back.

    Examples
    --------
    >>> import shapely
    >>> to_wkt([shapely.Point(0.1, 2)]).tolist()
    ['POINT (0.1 2)']
    """
    return np.asarray(_shapely().to_wkt(geometries, rounding_precision=-1, trim=True), object)


def from_wkt(texts: Any) -> Array:
    """Read geometries from text.

    Examples
    --------
    >>> from_wkt(["POINT (1 2)", None]).tolist()
    [<POINT (1 2)>, None]
    """
    return np.asarray(_shapely().from_wkt(texts), object)


def keys(geometries: Array) -> Array:
    """Give what identifies each geometry: the same text for all that are one label; None stays.

    Examples
    --------
    >>> forth, back = from_wkt(["LINESTRING (0 0, 1 1)", "LINESTRING (1 1, 0 0)"])
    >>> key(forth) == key(back)
    True
    """
    return to_wkt(_shapely().normalize(geometries))


def key(geometry: Any) -> str:
    """Give what identifies one geometry: see `keys`."""
    return str(keys(geometry)[()])


def coordinates(points: Array) -> npt.NDArray[np.float64]:
    """Give the coordinates of points, of shape (n, 2), or (n, 3) where one of them has a height.

    Examples
    --------
    >>> coordinates(from_wkt(["POINT (1 2)", None])).tolist()
    [[1.0, 2.0], [nan, nan]]
    """
    shapely = _shapely()
    flat = np.asarray(points, object).ravel()
    width = 3 if bool(np.any(shapely.has_z(flat))) else 2
    found = np.full((flat.size, width), np.nan)
    present = ~(shapely.is_missing(flat) | shapely.is_empty(flat))
    found[present] = shapely.get_coordinates(flat[present], include_z=width == 3)
    return found


def within(geometries: Array, region: Any, predicate: str = "covered_by") -> npt.NDArray[np.bool_]:
    """Tell which geometries lie in a region.

    Parameters
    ----------
    geometries : ndarray of object
        Any shape; None lies nowhere.
    region : geometry, str or sequence of 4 numbers
        A polygon or another geometry, its WKT, or a box (x_min, y_min, x_max, y_max).
    predicate : {'covered_by', 'within', 'intersects'}
        Wholly in it or on its edge; wholly in it and not all on its edge; any part of it.

    Examples
    --------
    >>> within(from_wkt(["POINT (0 0)", "POINT (1 1)", "POINT (5 5)"]), (0, 0, 2, 2)).tolist()
    [True, True, False]
    """
    shapely = _shapely()
    if predicate not in _PREDICATES:
        raise ValueError(f"predicate={predicate!r}: choose {', '.join(map(repr, _PREDICATES))}")
    area = _region(region, shapely)
    shapely.prepare(area)
    found: npt.NDArray[np.bool_] = getattr(shapely, _PREDICATES[predicate])(area, geometries)
    return found


def _region(region: Any, shapely: Any) -> Any:
    """Read a region."""
    if isinstance(region, str):
        return shapely.from_wkt(region)
    if hasattr(region, "geom_type"):
        return region
    if isinstance(region, Sequence | np.ndarray) and len(region) == 4:
        x_min, y_min, x_max, y_max = (float(number) for number in region)
        if x_min <= x_max and y_min <= y_max:
            return shapely.box(x_min, y_min, x_max, y_max)
    raise ValueError(f"region={region!r}: give a geometry, its WKT, or a box (x_min, y_min, x_max, y_max)")


@dataclass(slots=True)
class Finder:
    """Geometries among which one is looked for by identity or by distance.

    Parameters
    ----------
    geometries : ndarray of object
        Without None.
    """

    geometries: Array
    _places: dict[str, int] = field(init=False, repr=False)
    _tree: Any = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self._places = {text: place for place, text in enumerate(keys(self.geometries).tolist())}

    def place(self, geometry: Any) -> int | None:
        """Give the position of a geometry; None when it is not there."""
        return self._places.get(key(geometry))

    def nearest(self, geometry: Any) -> tuple[int, float] | None:
        """Give the position of the nearest geometry, and its distance in units of the coordinates."""
        if self._tree is None:
            self._tree = _shapely().STRtree(self.geometries)
        found, distances = self._tree.query_nearest(geometry, return_distance=True)
        return (int(found.min()), float(distances[0])) if found.size else None
