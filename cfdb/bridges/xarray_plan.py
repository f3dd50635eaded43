"""As what does a variable appear in xarray? Pure: what xarray makes of a netCDF file, it gets from a dataset.

Integers with a declared fill become floats with NaN, strings become objects, times get a unit that xarray knows; how
the values are stored goes into the encoding, so that a file that xarray writes is like the one that was read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.conventions.calendars import is_time_units
from cfdb.format.dtypes import DataType
from cfdb.model.part import Part
from cfdb.model.values import unmasked
from cfdb.plan.indexing import Range

Array = npt.NDArray[Any]
Convert = Callable[[Array], Array]

#: Attributes that name other variables; xarray keeps them in the encoding of variables whose relations are coordinates.
RELATIONS = (
    "coordinates",
    "grid_mapping",
    "bounds",
    "climatology",
    "cell_measures",
    "formula_terms",
    "ancillary_variables",
)
#: Relations written as ``key: name``, which names alone do not tell.
_KEYED = ("cell_measures", "formula_terms")
_UNITS = ("s", "ms", "us", "ns")
#: More chunks than this along a dimension are described by their usual length.
_MOST_CHUNKS = 10_000


@dataclass(frozen=True, slots=True)
class Appearance:
    """A variable as xarray knows it.

    Attributes
    ----------
    dtype : numpy.dtype
        NumPy type of the values.
    convert : callable
        Turns what is read into these values.
    attrs, encoding : mapping
        Attributes, and how the values are stored.
    """

    dtype: np.dtype[Any]
    convert: Convert
    attrs: Mapping[str, Any]
    encoding: Mapping[str, Any]


def appearance(part: Part, links: Mapping[str, tuple[str, ...]]) -> Appearance:
    """Decide as what a part of a variable appears.

    Parameters
    ----------
    part : Part
        The part.
    links : mapping
        Names of related variables, by relation.
    """
    dtype, convert = values_of(part)
    attrs, encoding = dict(part.attrs.data), _encoding(part, part._labels.masked)
    for relation in RELATIONS:
        text = attrs.pop(relation, None)
        names = links.get(relation, ())
        if names and relation not in _KEYED and not (isinstance(text, str) and ":" in text):
            text = " ".join(names)
        if text is not None:
            encoding[relation] = text
    _describe(part, attrs, encoding)
    return Appearance(dtype, convert, attrs, encoding)


def values_of(part: Part) -> tuple[np.dtype[Any], Convert]:
    """Give the type of the values in xarray, and what makes them of those that are read."""
    dtype, masked = np.dtype(part.dtype.dtype_decoded), part._labels.masked
    kind = dtype.kind
    if kind == "T":
        return np.dtype(object), lambda values: values.astype(object)
    if kind == "M" or kind == "m":
        return _times(dtype)
    if kind in "iub" and masked and part.fill_value is not None:
        # as xarray chooses: float32 holds every integer of 16 bits
        target = np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)
        return target, lambda values: np.ma.MaskedArray(values, dtype=target).filled(np.nan)
    if kind == "S" and masked and part.fill_value is not None:
        return np.dtype(object), lambda values: np.ma.MaskedArray(values, dtype=object).filled(None)
    return dtype, lambda values: np.asarray(unmasked(values, part.name))


def _times(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], Convert]:
    """Choose a unit that xarray knows: seconds for coarser ones, nanoseconds for finer ones."""
    unit, count = np.datetime_data(dtype)
    if dtype.kind == "m" and unit in ("Y", "M"):
        return np.dtype(np.int64), lambda values: unmasked(values, "durations").astype(np.int64)
    if unit in _UNITS and count == 1:
        return dtype, lambda values: np.asarray(unmasked(values, "times"))
    target = np.dtype(f"{dtype.kind}8[{unit if unit in _UNITS else 'ns' if unit in ('ps', 'fs', 'as') else 's'}]")
    return target, lambda values: unmasked(values, "times").astype(target)


def _encoding(part: Part, masked: bool) -> dict[str, Any]:
    """Say how the values are stored, in xarray's words."""
    dtype, fill = part.dtype, part.fill_value
    found: dict[str, Any] = {name: value for name, value in part.encoding.items() if name not in RELATIONS}
    if dtype.is_packed and dtype.kind in "fiu":
        found |= _packing(dtype)
    elif dtype.kind == "t":
        found |= {"units": dtype.units, "calendar": dtype.calendar, "dtype": dtype.dtype_encoded}
    elif dtype.kind in "iufe" and fill is not None:
        found["dtype"] = np.dtype(dtype.dtype_decoded)
    if fill is not None and masked and dtype.kind in "iufe":
        found["_FillValue"] = fill
    chunks = preferred_chunks(part)
    if chunks:
        found["preferred_chunks"] = chunks
    return found


def _packing(dtype: DataType) -> dict[str, Any]:
    found: dict[str, Any] = {"dtype": dtype.dtype_encoded, "add_offset": float(dtype.offset or 0)}
    found["scale_factor"] = 10.0 ** -(dtype.precision or 0)
    return found | ({} if dtype.fillvalue is None else {"_FillValue": dtype.fillvalue})


def _describe(part: Part, attrs: dict[str, Any], encoding: dict[str, Any]) -> None:
    """Complete the attributes by what a variable keeps beside them."""
    if part.dtype.kind == "e":
        attrs.update({name: value for name, value in part.flags.attrs.items() if name not in attrs})
    kind = part.dtype.kind
    units = part.units
    if kind in "Mt":
        if is_time_units(attrs.get("units")):
            encoding.setdefault("units", attrs.pop("units"))
        if "calendar" in attrs:
            encoding.setdefault("calendar", attrs.pop("calendar"))
    elif kind == "m" and np.datetime_data(part.dtype.dtype_decoded)[0] in ("Y", "M"):
        attrs.setdefault("units", {"Y": "years", "M": "months"}[np.datetime_data(part.dtype.dtype_decoded)[0]])
    elif units is not None:
        attrs.setdefault("units", units)
    axis = part._member.record.axis
    if axis is not None and len(axis) == 1:
        attrs.setdefault("axis", axis.upper())
    fill = part.fill_value
    if fill is not None and "_FillValue" not in encoding and kind not in "TG":
        attrs.setdefault("_FillValue", fill)


def preferred_chunks(part: Part) -> dict[str, int | tuple[int, ...]]:
    """Give the lengths of the stored chunks, as this part cuts them: a number where they are regular."""
    selection, member = part._selected(), part._member
    found: dict[str, int | tuple[int, ...]] = {}
    for axis in selection.layout:
        if axis is None:
            continue
        length, runs = part.chunk_shape[axis], member.dims[axis].slots.runs
        name, axis_selected = member.dims[axis].path, selection.axes[axis]
        found[name] = length
        if isinstance(axis_selected, Range) and axis_selected.step == 1 and len(runs) == 1:
            count = len(axis_selected)
            first = min(length - (runs[0].slot + axis_selected.start) % length, count)
            if first not in (length, count) and count // length < _MOST_CHUNKS:
                full, rest = divmod(count - first, length)
                found[name] = (first, *(length,) * full, *((rest,) if rest else ()))
    return found
