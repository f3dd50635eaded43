"""How does xarray read from a dataset, without copying it? The only module that imports xarray."""

from typing import Any

from cfdb.model.values import unmasked

try:
    import xarray as xr
except ImportError as error:
    raise ImportError("xarray is not installed: pip install cfdb[xarray]") from error


def labelled_to_xarray(labelled: Any) -> "xr.DataArray":
    """Give an array in memory as an `xarray.DataArray`; missing cells become NaN.

    Parameters
    ----------
    labelled : LabelledArray
        With name, dims, values, coords and attrs.

    Returns
    -------
    xarray.DataArray
    """
    coords = {name: (each.dims, _plain(each), dict(each.attrs)) for name, each in labelled.coords.items()}
    return xr.DataArray(_plain(labelled), coords, labelled.dims, labelled.name, dict(labelled.attrs))


def _plain(labelled: Any) -> Any:
    values = unmasked(labelled.values, f"{labelled.name!r}")
    return values.astype(object) if values.dtype.kind == "T" else values
