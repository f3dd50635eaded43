"""Which weights go with which cells of a part?"""

from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.reduce_weights import Weights
from cfdb.errors import CoordinateError, SelectionError, ShapeError
from cfdb.model.part import Part


def weights_of(part: Part, weights: Any, axes: tuple[int, ...], *, positive: bool = False) -> Weights | None:
    """Bring weights into the shape of a part.

    Parameters
    ----------
    part : Part
        What is weighted.
    weights : array-like, or an array with dimensions
        Along the reduced dimensions, in their order; or along dimensions of its own, which are found by name.
    axes : tuple of int
        Axes that are reduced.
    positive : bool
        Whether negative weights are refused.

    Raises
    ------
    ValueError
        If a weight is missing, or negative where that has no meaning.
    """
    if weights is None:
        return None
    dims = getattr(weights, "dims", None)
    if isinstance(dims, tuple):
        values = _by_name(part, weights, dims)
    else:
        values = _floats(weights)
        shape = tuple(part.shape[axis] for axis in axes)
        if values.shape != shape:
            names = ", ".join(repr(part.dims[axis]) for axis in axes)
            raise ShapeError(
                f"weights of shape {values.shape}, but {part.name!r} has {shape} along {names}: give one per position, "
                f"or an array with names of dimensions, such as xarray.DataArray(weights, dims={part.dims[axes[0]]!r})"
            )
        values = values.reshape([size if axis in axes else 1 for axis, size in enumerate(part.shape)])
    if np.isnan(values).any():
        raise ValueError("weights cannot have missing values: set them to 0 to leave cells out")
    if positive and bool((values < 0).any()):
        raise ValueError("a variance cannot be weighted with negative weights")
    return Weights(values)


def _by_name(part: Part, weights: Any, dims: tuple[str, ...]) -> npt.NDArray[np.float64]:
    unknown = [dim for dim in dims if dim not in part.dims]
    if unknown:
        raise SelectionError(f"the weights have a dimension {unknown[0]!r}, which {part.name!r} has not: {part.dims}")
    values = _floats(weights.values)
    for dim, length in zip(dims, values.shape, strict=True):
        if length != part.sizes[dim]:
            raise ShapeError(f"the weights have length {length} along {dim!r}, {part.name!r} has {part.sizes[dim]}")
        labels = weights.coords[dim].values if dim in weights.coords and dim in part.coord_names else None
        if labels is not None and not np.array_equal(np.asarray(labels), part._label_values(dim)):
            raise CoordinateError(f"the labels of the weights along {dim!r} differ from those of {part.name!r}")
    ordered = np.transpose(values, [dims.index(dim) for dim in part.dims if dim in dims])
    return ordered.reshape([size if dim in dims else 1 for dim, size in zip(part.dims, part.shape, strict=True)])


def _floats(weights: Any) -> npt.NDArray[np.float64]:
    """Give weights as floats; what is missing as NaN."""
    try:
        found: npt.NDArray[np.float64] = np.ma.filled(np.ma.asarray(weights).astype(np.float64), np.nan)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"weights of type {type(weights).__name__} are no numbers: give an array, or one with names of dimensions "
            "(a variable, a LabelledArray, an xarray.DataArray)"
        ) from error
    return found
