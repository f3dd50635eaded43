"""How do decimal values become small integers, and back, without ever making up a number?

A packed value is ``code / 10**precision + offset``; one code may be reserved for missing values. What the codes cannot
hold is never wrapped: it becomes missing where that exists, and is an `EncodingError` where it does not.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import EncodingError
from cfdb.kernel import Conversion, pack_floats
from cfdb.kernel.packing import scale, unpack_floats

Array = npt.NDArray[Any]

_SIZES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Packing:
    """Linear packing into integers.

    Attributes
    ----------
    codes : np.dtype
        Stored integer type, little-endian.
    precision : int or None
        Decimals kept; None for integers and times.
    offset : int or float
        Value of code 0.
    fill : int or None
        Code reserved for missing values.
    """

    codes: np.dtype[Any]
    precision: int | None
    offset: int | float
    fill: int | None

    @property
    def factor(self) -> float:
        """Codes per unit of the value."""
        return float(10 ** (self.precision or 0))

    @property
    def base(self) -> int | None:
        """Offset in codes, when it is a whole number: then decimals decode exactly."""
        base = self.offset * self.factor
        whole = round(base)
        return whole if abs(base - whole) <= 1e-9 * max(1.0, abs(base)) and abs(whole) < 2**52 else None

    @property
    def blank(self) -> int:
        """Code of cells that were never written."""
        return 0 if self.fill is None else self.fill

    @property
    def conversion(self) -> Conversion:
        """How codes become floats."""
        return Conversion(self.base, self.factor, float(self.offset), self.fill)

    def pack_floats(self, values: Array) -> Array:
        """Turn floats into codes; NaN, infinities and values out of range become missing."""
        floats = values if values.dtype.str in ("<f4", "<f8") else values.astype(np.float64)
        codes, misfits = pack_floats(floats, self.codes, self.conversion)
        if misfits and self.fill is None:
            _, fits = scale(floats, self.codes, self.conversion)
            raise EncodingError(
                f"{values[~fits].flat[0]!r} has no code in {self} and no code is reserved for missing values; declare "
                "a fillvalue, or a range (min_value, max_value) that holds it"
            )
        packed: Array = codes
        return packed

    def unpack_floats(self, codes: Array, out: Array) -> None:
        """Turn codes into floats, in `out`."""
        np.copyto(out, unpack_floats(codes, self.conversion), casting="same_kind")

    def pack_integers(self, values: Array, missing: npt.NDArray[np.bool_] | None = None) -> Array:
        """Turn integers into codes.

        Parameters
        ----------
        values : ndarray of integers
            What to encode.
        missing : ndarray of bool, optional
            Cells that become the reserved code, whatever their value.
        """
        offset = int(self.offset)
        limits = np.iinfo(self.codes)
        low, high = limits.min + offset, limits.max + offset
        present = values if missing is None else values[~missing]
        if present.size:
            smallest, largest = int(present.min()), int(present.max())
            if smallest < low or largest > high:
                wrong = smallest if smallest < low else largest
                raise EncodingError(f"{wrong} has no code in {self}, which holds {low} to {high}")
            if self.fill is not None and bool(np.any(present == self.fill + offset)):
                raise EncodingError(f"{self.fill + offset} would be read as missing: {self} reserves its code")
        codes = _shifted(values, -offset, self.codes)
        if missing is not None and missing.any():
            if self.fill is None:
                raise EncodingError(f"{self} reserves no code for missing values; declare a fillvalue")
            codes[missing] = self.fill
        return codes

    def unpack_integers(self, codes: Array, out: Array, missing: int | None) -> None:
        """Turn codes into integers, in `out`; the reserved code becomes `missing` (0 when None)."""
        np.copyto(out, _shifted(codes, int(self.offset), out.dtype))
        if self.fill is not None:
            out[codes == self.fill] = 0 if missing is None else missing

    def __str__(self) -> str:
        return f"{self.codes.name} (precision {self.precision}, offset {self.offset})"


def _shifted(values: Array, offset: int, target: np.dtype[Any]) -> Array:
    """Give ``values + offset`` in another integer type; modulo 2**64, so that no intermediate step overflows."""
    wide = values.astype(np.uint64) if values.dtype.kind == "u" else values.astype(np.int64).view(np.uint64)
    shifted = wide + np.uint64(offset % 2**64)
    return shifted.astype(target) if target.kind == "u" else shifted.view(np.int64).astype(target)


def smallest_codes(span: int, reserved: int) -> str | None:
    """Name the smallest unsigned integer that holds codes up to ``span + reserved``; None when none does."""
    for size in _SIZES:
        if span + reserved <= 256**size - 1:
            return f"uint{8 * size}"
    return None


def compute_scale_and_offset(min_value: float, max_value: float, dtype: str | np.dtype[Any]) -> tuple[float, float]:
    """Compute CF's ``scale_factor`` and ``add_offset`` for packing a range into an integer type.

    Parameters
    ----------
    min_value, max_value : float
        Range to be held.
    dtype : str or np.dtype
        Integer type of the codes; its lowest code is left free for missing values.

    Returns
    -------
    tuple of float
        ``scale_factor, add_offset``: value = code * scale_factor + add_offset.

    Raises
    ------
    ValueError
        If the type is no integer, or the range is empty.

    Examples
    --------
    >>> compute_scale_and_offset(0, 254, "uint8")
    (1.0, -1.0)
    """
    codes = np.dtype(dtype)
    if codes.kind not in "iu":
        raise ValueError(f"dtype={dtype!r}: packing needs an integer type")
    if not max_value > min_value:
        raise ValueError(f"the range from {min_value} to {max_value} is empty")
    limits = np.iinfo(codes)
    steps = int(limits.max) - int(limits.min) - 1
    scale = (float(max_value) - float(min_value)) / steps
    return scale, float(min_value) - (int(limits.min) + 1) * scale
