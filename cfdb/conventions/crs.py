"""Which coordinate reference system do words, codes and CF attributes name?

The only module that imports pyproj, when a system is first asked for.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def _pyproj() -> Any:
    try:
        import pyproj
    except ImportError as error:
        raise ImportError("coordinate reference systems need the package pyproj: pip install cfdb[geo]") from error
    return pyproj


def from_user_input(crs: Any) -> Any:
    """Give the coordinate reference system that a user names.

    Parameters
    ----------
    crs : int, str, dict or pyproj.CRS
        EPSG code, ``'EPSG:2193'``, WKT, PROJ string, PROJJSON, CF attributes ... as of ``pyproj.CRS.from_user_input``.

    Returns
    -------
    pyproj.CRS

    Raises
    ------
    ValueError
        If it names none.

    Examples
    --------
    >>> from_user_input(4326).name
    'WGS 84'
    """
    pyproj = _pyproj()
    if isinstance(crs, Mapping) and "grid_mapping_name" in crs:
        found = from_cf(crs)
        if found is not None:
            return found
    try:
        return pyproj.CRS.from_user_input(crs)
    except (pyproj.exceptions.CRSError, TypeError, ValueError) as error:
        raise ValueError(f"crs={crs!r} names no coordinate reference system: {error}") from error


def to_text(crs: Any) -> str:
    """Write a system down: as short as it comes, in WKT where that would lose something.

    Examples
    --------
    >>> to_text(from_user_input(2193))
    'EPSG:2193'
    """
    text = str(crs.to_string())
    try:
        same = len(text) < 64 and _pyproj().CRS.from_user_input(text) == crs
    except _pyproj().exceptions.CRSError:
        same = False
    return text if same else str(crs.to_wkt())


@lru_cache(maxsize=64)
def from_text(text: str) -> Any:
    """Read back what `to_text` gave."""
    return _pyproj().CRS.from_user_input(text)


def to_cf(crs: Any) -> dict[str, Any]:
    """Give the attributes of a CF grid mapping variable.

    Examples
    --------
    >>> to_cf(from_user_input(4326))["grid_mapping_name"]
    'latitude_longitude'
    """
    return dict(crs.to_cf())


def from_cf(attrs: Mapping[str, Any]) -> Any:
    """Give the system that the attributes of a grid mapping variable describe; None when they describe none.

    ``crs_wkt`` and its relatives (``spatial_ref``, ``epsg_code``) count more than single parameters, as CF has it.

    Examples
    --------
    >>> from_cf({"grid_mapping_name": "latitude_longitude", "semi_major_axis": 6371000.0}).ellipsoid.semi_major_metre
    6371000.0
    >>> from_cf({"long_name": "nothing of the kind"}) is None
    True
    """
    pyproj = _pyproj()
    plain = {name: _plain(value) for name, value in attrs.items()}
    for name in ("crs_wkt", "spatial_ref", "epsg_code"):
        said = plain.get(name)
        if isinstance(said, str | int) and said:
            code = str(said)
            code = f"EPSG:{code}" if name == "epsg_code" and code.isdigit() else code
            try:
                return pyproj.CRS.from_user_input(code)
            except pyproj.exceptions.CRSError:
                continue
    if not isinstance(plain.get("grid_mapping_name"), str):
        return None
    if "semi_major_axis" in plain and not plain.keys() & {"semi_minor_axis", "inverse_flattening"}:
        plain["earth_radius"] = plain.pop("semi_major_axis")  # a sphere, which pyproj would not take it for
    try:
        return pyproj.CRS.from_cf(plain)
    except (pyproj.exceptions.CRSError, KeyError, TypeError, ValueError):
        return None


def _plain(value: Any) -> Any:
    """Give Python's own numbers for NumPy's."""
    if isinstance(value, np.ndarray):
        return value.item() if value.size == 1 else value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def transform(crs_from: Any, crs_to: Any, x: Any, y: Any) -> tuple[Array, Array]:
    """Bring coordinates from one system into another, always x (longitude, easting) first.

    Parameters
    ----------
    crs_from, crs_to
        As of `from_user_input`.
    x, y : array-like
        Coordinates of the same shape, in the units of `crs_from`.

    Returns
    -------
    tuple of ndarray
        x and y in the units of `crs_to`; infinite where there is no such place.

    Examples
    --------
    >>> x, y = transform(4326, 2193, [173.0], [0.0])
    >>> round(float(x[0])), round(float(y[0]))
    (1600000, 10000000)
    """
    convert = _transformer(to_text(from_user_input(crs_from)), to_text(from_user_input(crs_to)))
    found_x, found_y = convert.transform(np.asarray(x, np.float64), np.asarray(y, np.float64))
    return np.asarray(found_x), np.asarray(found_y)


@lru_cache(maxsize=32)
def _transformer(crs_from: str, crs_to: str) -> Any:
    return _pyproj().Transformer.from_crs(crs_from, crs_to, always_xy=True)
