"""Which coordinates fit the type of a dataset?"""

from cfdb.errors import CoordinateTypeError
from cfdb.format.dtypes import DataType

#: Names of the horizontal coordinates of a grid, which stations have none of.
_HORIZONTAL = ("lat", "latitude", "lon", "longitude", "x", "y")


def check_coordinate(dataset_type: str, name: str, dtype: DataType, axis: str | None) -> None:
    """Refuse the coordinate of a dimension that does not belong into a dataset of this type.

    Grids have no dimension of geometries. Series at stations (``ts_...``) have one, and therefore no dimension along x
    or y; coordinates that only accompany the stations (``dims=('station',)``) may be called as they like.

    Parameters
    ----------
    dataset_type : str
        ``'grid'``, ``'grid_forecast'``, ``'ts_ortho'`` or ``'ts_forecast'``.
    name : str
        Name of the coordinate.
    dtype : DataType
        Its type.
    axis : str or None
        Its axis.

    Raises
    ------
    CoordinateTypeError
        If it does not belong there; it is a ValueError and a TypeError.
    """
    if dataset_type.startswith("grid"):
        if dtype.kind == "G":
            raise CoordinateTypeError(
                f"coordinate {name!r} is of type {dtype}, but the dataset is of type {dataset_type!r}: create the "
                f"dataset with dataset_type='ts_ortho' for a dimension of geometries, or keep them in a data variable"
            )
        return
    last = name.rpartition("/")[2].lower()
    if last in _HORIZONTAL or axis in ("x", "y"):
        why = f"named {last!r}" if last in _HORIZONTAL else f"with axis={axis!r}"
        raise CoordinateTypeError(
            f"a dimension {why} ({name!r}) belongs to a grid, but the dataset is of type {dataset_type!r}: create the "
            "dataset with dataset_type='grid', or give the places as geometries (ds.create.coord.point), or their "
            "coordinates as companions of a dimension (dims=('station',))"
        )
