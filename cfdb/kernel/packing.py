"""How do floats become integer codes, and codes floats again?"""

from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.kernel.codec import Conversion

Array = npt.NDArray[Any]


def pack_floats(values: Array, codes: np.dtype[Any], conversion: Conversion) -> tuple[Array, int]:
    """Turn floats into codes.

    Parameters
    ----------
    values : ndarray of float32 or float64
    codes : np.dtype
        Integer type of the codes.
    conversion : Conversion
        How the codes become floats again. Its `fill` stands for what has no code; 0 does when that is None.

    Returns
    -------
    ndarray, int
        The codes, and how many values have none.

    Examples
    --------
    >>> pack_floats(np.array([0.5, np.nan, 1.26]), np.dtype("u1"), Conversion(0, 10.0, 0.0, 255))
    (array([  5, 255,  13], dtype=uint8), 1)
    """
    if values.dtype.str not in ("<f4", "<f8") or codes.kind not in "iu":
        raise ValueError(f"values of {values.dtype} cannot be packed into {codes}")
    scaled, fits = scale(values, codes, conversion)
    misfits = fits.size - int(fits.sum())
    if misfits:
        scaled = np.where(fits, scaled, 0.0)
    packed = np.asarray(scaled).astype(codes)
    if misfits:
        packed[~fits] = 0 if conversion.fill is None else conversion.fill
    return packed, misfits


def scale(values: Array, codes: np.dtype[Any], conversion: Conversion) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Give the codes of floats as floats, and mark those that the type of the codes holds."""
    scaled = np.array(values, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        if conversion.base is None:
            scaled -= conversion.offset
            scaled *= conversion.factor
            np.rint(scaled, out=scaled)
        else:
            scaled *= conversion.factor
            np.rint(scaled, out=scaled)
            scaled -= conversion.base
    limits = np.iinfo(codes)
    low, high = float(limits.min), float(limits.max)
    if high > limits.max:
        high = float(np.nextafter(high, 0))
    return scaled, np.asarray((scaled >= low) & (scaled <= high))


def unpack_floats(codes: Array, conversion: Conversion) -> Array:
    """Turn codes into float64.

    Examples
    --------
    >>> unpack_floats(np.array([5, 255, 13], "u1"), Conversion(0, 10.0, 0.0, 255))
    array([0.5, nan, 1.3])
    """
    values = np.array(codes, np.float64)
    if conversion.base is not None:
        values += conversion.base
        values /= conversion.factor
    else:
        values /= conversion.factor
        values += conversion.offset
    if conversion.fill is not None:
        values[codes == conversion.fill] = np.nan
    return values
