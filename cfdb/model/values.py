"""How do stored values become what a user sees, and back?

The chunk engine gives numbers; CF times become dates of their calendar here, stored text becomes geometries, and a
declared fill value becomes a mask.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.conventions import geometries
from cfdb.conventions.calendars import decode_times, encode_times
from cfdb.errors import EncodingError
from cfdb.model.categories import codes_of
from cfdb.model.structure import Member
from cfdb.plan.indexing import Selection
from cfdb.storage.engine import ChunkedArray

Array = npt.NDArray[Any]


class Codec:
    """Reads and writes the values of one variable as its user knows them."""

    __slots__ = ("_array", "_member")

    def __init__(self, member: Member, array: ChunkedArray) -> None:
        self._member = member
        self._array = array

    def read(self, selection: Selection, masked: bool, out: Array | None) -> Array:
        """Read a selection in the shape of its result."""
        if out is None:
            return self.present(selection.to_result(self._array.read(selection)), masked)
        if not isinstance(out, np.ndarray) or not out.flags.writeable:
            raise ValueError(f"out= is a {type(out).__name__} that cannot be written to: give a writable NumPy array")
        if out.shape != selection.shape or out.dtype != self._member.record.dtype.dtype_decoded:
            raise ValueError(
                f"out= has shape {out.shape} and type {out.dtype}; this takes {selection.shape} and "
                f"{self._member.record.dtype.dtype_decoded}"
            )
        if self._is_calendar or self._is_geometry:
            out[...] = self.present(selection.to_result(self._array.read(selection)), masked)
        else:
            self._array.read(selection, out.reshape(selection.full_shape))
        return out

    def present(self, values: Array, masked: bool) -> Array:
        """Turn what the engine gave into what a user sees."""
        if self.is_plain(masked):
            return values
        dtype = self._member.record.dtype
        if self._is_calendar:
            dates: Array = decode_times(values, str(dtype.units), str(dtype.calendar))
            return dates
        if self._is_geometry:
            return geometries.decode(values)
        fill = self._member.record.fill_value
        return np.ma.MaskedArray(values, mask=values == fill, fill_value=fill)

    def is_plain(self, masked: bool) -> bool:
        """Tell whether a user sees what the engine gives."""
        record = self._member.record
        if record.dtype.kind in "tG":
            return False
        return not masked or record.fill_value is None or record.dtype.kind == "T" or _is_nan(record.fill_value)

    def encode(self, values: Any) -> Array:
        """Turn what a user gives into what the engine takes."""
        if self._is_calendar:
            dtype, times = self._member.record.dtype, np.asarray(values)
            if times.dtype.kind in "iuf":
                return times
            return encode_times(times, str(dtype.units), str(dtype.calendar), dtype.dtype_encoded)
        if self._is_geometry:
            dtype = self._member.record.dtype
            return geometries.encode(values, dtype.name, dtype.precision, repr(self._member.path))
        if self._member.record.dtype.kind == "e":
            numbers: Array = codes_of(self._member.record.dtype, values)
            return numbers
        return values if isinstance(values, np.ndarray) else np.asarray(values, self._hint(values))

    def codes(self, values: Any) -> Array:
        """Check stored codes that a user gives: none is changed to fit."""
        given, target = np.asarray(values), self._member.record.dtype.dtype_encoded
        if target.kind not in "iu" or given.dtype == target:
            return given
        with np.errstate(invalid="ignore"):
            codes = given.astype(target)
        if not np.array_equal(codes, given):
            raise EncodingError(f"{given[codes != given].flat[0]} is no code of {self._member.path!r} ({target})")
        return codes

    def write(self, selection: Selection, values: Any, *, encoded: bool) -> None:
        """Write values, broadcast to a selection."""
        stored = self.codes(values) if encoded else self.encode(values)
        if not encoded and stored.size < selection.size:
            # what is broadcast is turned into cells while it is small
            stored, encoded = self._array.pipeline.to_cells(stored), True
        self._array.write(selection, selection.to_full(stored), encoded=encoded)

    def identities(self, values: Array) -> Array:
        """Give what must be unique among labels, from what the engine knows: of geometries their normalised text."""
        return geometries.keys(geometries.decode(values)) if self._is_geometry else values

    @property
    def _is_geometry(self) -> bool:
        return self._member.record.dtype.kind == "G"

    @property
    def _is_calendar(self) -> bool:
        return self._member.record.dtype.kind == "t"

    def _hint(self, values: Any) -> Any:
        """Type in which NumPy should read a list: objects where None may stand for a missing string."""
        return object if self._member.record.dtype.kind == "T" and isinstance(values, list | tuple) else None


def _is_nan(value: Any) -> bool:
    return bool(value != value)


#: NumPy's reductions that have a masked twin.
_MASKED_REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: np.ma.sum,
    np.multiply: np.ma.prod,
    np.minimum: np.ma.min,
    np.maximum: np.ma.max,
    np.logical_and: np.ma.all,
    np.logical_or: np.ma.any,
}


def unmasked(values: Any, what: str, dtype: Any = None) -> Any:
    """Turn a masked array into one where missing cells are NaN or NaT; integers with missing cells become float64.

    Parameters
    ----------
    values
        An array, masked or not; anything else comes back as it is.
    what : str
        What it belongs to, for the message.
    dtype : optional
        The type the caller will make of it.
    """
    if not isinstance(values, np.ma.MaskedArray):
        return values
    if not np.ma.is_masked(values):
        return values.data
    if values.dtype.kind in "fc":
        return values.filled(np.nan)
    if values.dtype.kind in "mM":
        times = values.data.copy()
        times[np.ma.getmaskarray(values)] = "NaT"
        return times
    if dtype is not None and np.dtype(dtype).kind in "iub":
        raise ValueError(f"{what} has missing cells, which {np.dtype(dtype)} cannot hold: take .values, a masked array")
    return np.ma.MaskedArray(values, dtype=np.float64).filled(np.nan)


def reduce_masked(ufunc: np.ufunc, method: str, inputs: list[Any], options: dict[str, Any], what: str) -> Any:
    """Apply a method of a ufunc other than the call itself: missing cells are left out, or come out as NaN."""
    twin = _MASKED_REDUCTIONS.get(ufunc)
    wanted = {name: value for name, value in options.items() if value is not None and value is not False}
    plain = set(wanted) <= ({"axis", "keepdims", "dtype"} if ufunc in (np.add, np.multiply) else {"axis", "keepdims"})
    if method == "reduce" and twin is not None and plain and isinstance(inputs[0], np.ma.MaskedArray):
        return twin(inputs[0], **{"axis": options.get("axis", 0), **wanted})
    return getattr(ufunc, method)(*(unmasked(item, what) for item in inputs), **options)
