"""What can be said about a chunk without reading it?

Statistics are computed at every encode over the *logical* cells (those that belong to the array now), in decoded
values, and kept beside the chunk's key. They are exact or absent: counts always, minimum and maximum for everything
ordered, sums exact for integers, compensated for float64, and added up in float64 for float32. A chunk that lost cells
is marked *stale*: its statistics are never used, only computed anew.
"""

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import FormatError
from cfdb.kernel import summarise, summarise_texts
from cfdb.kernel.summary import exact_sum, float_sum, joined_sum

Array = npt.NDArray[Any]

VERSION = 1
_STALE, _HAS_EXTREMES, _HAS_SUM = 1, 2, 4
_WHOLE = _HAS_EXTREMES | _HAS_SUM
_HEAD = struct.Struct("<BBcQQ")
_FLOATS = struct.Struct("<BBcQQdddd")
#: Longest string or bytes kept as minimum or maximum, in UTF-8 bytes.
_MAX_TEXT = 64


@dataclass(frozen=True, slots=True)
class FloatSum:
    """A sum of floats and the part of it that does not fit in one float."""

    value: float
    rest: float = 0.0

    def __float__(self) -> float:
        return self.value + self.rest if math.isfinite(self.value) else self.value


@dataclass(frozen=True, slots=True)
class ChunkStatistics:
    """Statistics of a chunk's logical cells.

    Attributes
    ----------
    kind : str
        Kind of the decoded values: ``f i u b c M m T S`` or ``O``.
    valid, missing : int
        Number of cells with a value and without (NaN, NaT, None, the fill value).
    minimum, maximum : optional
        Of the valid cells: float, int, bool, str or bytes; times as counts of their own unit. None when there are none,
        or when the kind has no order.
    total : int or FloatSum or None
        Sum of the valid cells; None for kinds that do not add up.
    stale : bool
        Whether the chunk has lost cells since.
    """

    kind: str
    valid: int
    missing: int
    minimum: Any = None
    maximum: Any = None
    total: int | FloatSum | None = None
    stale: bool = False

    @property
    def count(self) -> int:
        """Number of logical cells."""
        return self.valid + self.missing

    @property
    def sum(self) -> int | float | None:
        """Sum of the valid cells as one number."""
        return float(self.total) if isinstance(self.total, FloatSum) else self.total

    def as_stale(self) -> "ChunkStatistics":
        """Mark as no longer true."""
        return replace(self, stale=True)

    def pack(self) -> bytes:
        """Write down; 19 to 51 bytes for numbers.

        Examples
        --------
        >>> unpack(compute(np.array([1, 5, 3])).pack()).maximum
        5
        """
        extremes = self.minimum is not None and self.maximum is not None
        flags = _STALE * self.stale + _HAS_EXTREMES * extremes + _HAS_SUM * (self.total is not None)
        if extremes and self.kind == "f" and isinstance(self.total, FloatSum):  # most chunks: at once
            numbers = (self.minimum, self.maximum, self.total.value, self.total.rest)
            return _FLOATS.pack(VERSION, flags, b"f", self.valid, self.missing, *numbers)
        parts = [_HEAD.pack(VERSION, flags, self.kind.encode(), self.valid, self.missing)]
        if extremes:
            parts += [_pack_value(self.kind, self.minimum), _pack_value(self.kind, self.maximum)]
        if isinstance(self.total, FloatSum):
            parts.append(struct.pack("<dd", self.total.value, self.total.rest))
        elif self.total is not None:
            parts.append(self.total.to_bytes(16, "little", signed=True))
        return b"".join(parts)


def unpack(note: bytes) -> ChunkStatistics | None:
    """Read statistics back.

    Returns
    -------
    ChunkStatistics or None
        None when there are none, or a newer release wrote them: compute them anew.

    Raises
    ------
    FormatError
        If they are damaged.
    """
    if not note or note[0] != VERSION:
        return None
    if len(note) == _FLOATS.size and note[1] & ~_STALE == _WHOLE and note[2:3] == b"f":  # most chunks: at once
        _, flags, _, valid, missing, low, high, value, rest = _FLOATS.unpack(note)
        return ChunkStatistics("f", valid, missing, low, high, FloatSum(value, rest), bool(flags & _STALE))
    try:
        _, flags, letter, valid, missing = _HEAD.unpack_from(note)
        kind = letter.decode("ascii")
        place = _HEAD.size
        minimum = maximum = total = None
        if flags & _HAS_EXTREMES:
            minimum, place = _unpack_value(kind, note, place)
            maximum, place = _unpack_value(kind, note, place)
        if flags & _HAS_SUM:
            total = _unpack_total(kind, note[place : place + 16])
    except (struct.error, UnicodeDecodeError, IndexError) as error:
        raise FormatError(f"the statistics of a chunk are damaged: {error}") from error
    return ChunkStatistics(kind, valid, missing, minimum, maximum, total, bool(flags & _STALE))


def mark_stale(note: bytes) -> bytes:
    """Mark packed statistics as stale without reading the rest.

    Examples
    --------
    >>> unpack(mark_stale(compute(np.arange(3)).pack())).stale
    True
    """
    if not note or note[0] != VERSION:
        return b""
    return note[:1] + bytes((note[1] | _STALE,)) + note[2:]


def compute(values: Array, *, fill_value: Any = None, missing: npt.NDArray[np.bool_] | None = None) -> ChunkStatistics:
    """Compute statistics.

    Parameters
    ----------
    values : ndarray
        Decoded values of the logical cells, in any shape.
    fill_value : optional
        Value that means missing, beside NaN, NaT and None.
    missing : ndarray of bool, optional
        Cells that are missing whatever their value (a mask).

    Examples
    --------
    >>> statistics = compute(np.array([1.5, np.nan, 2.5]))
    >>> statistics.valid, statistics.missing, statistics.sum
    (2, 1, 4.0)
    """
    kind = values.dtype.kind
    if kind == "T" and getattr(values.dtype, "na_object", None) is None:
        return _of_strings(values, fill_value, missing)
    if kind in "TUO":
        return _of_objects(values, fill_value, missing)
    if _is_plain(values, fill_value) and missing is None:
        return _of_numbers(values)
    present = values.ravel()
    absent = _absent(values, fill_value, missing)
    if absent is not None:
        present = values[~absent]
    lost = values.size - present.size
    if not present.size or kind not in "fiubMmS":
        nothing = FloatSum(0.0) if kind == "f" else 0 if kind in "iubm" else None
        return ChunkStatistics(kind, present.size, lost, total=nothing)
    if kind == "f":
        return _of_floats(present, lost)
    if kind == "S":
        low, high = np.sort(present)[[0, -1]]  # minimum and maximum have no loop for bytes
        return _of_texts("S", bytes(low), bytes(high), present.size, lost)
    numbers = present.view(np.int64) if kind in "mM" else present
    minimum, maximum = numbers.min().item(), numbers.max().item()
    total = None if kind == "M" else exact_sum(numbers)
    return ChunkStatistics(kind, present.size, lost, minimum, maximum, total)


def merge(parts: Iterable[ChunkStatistics]) -> ChunkStatistics | None:
    """Join the statistics of several chunks; None when there are none. Stale parts make the result stale.

    Examples
    --------
    >>> merge([compute(np.array([1, 2])), compute(np.array([7]))]).sum
    10
    """
    found = list(parts)
    if not found:
        return None
    kind = found[0].kind
    filled = [part for part in found if part.valid]
    known = all(part.minimum is not None for part in filled) and bool(filled)
    return ChunkStatistics(
        kind,
        sum(part.valid for part in found),
        sum(part.missing for part in found),
        min(part.minimum for part in filled) if known else None,
        max(part.maximum for part in filled) if known else None,
        _merged_total([part.total for part in found]),
        any(part.stale for part in found),
    )


def _merged_total(totals: list[int | FloatSum | None]) -> int | FloatSum | None:
    if any(total is None for total in totals):
        return None
    floats = [total for total in totals if isinstance(total, FloatSum)]
    if floats:
        return FloatSum(*joined_sum([number for total in floats for number in (total.value, total.rest)]))
    return sum(total for total in totals if isinstance(total, int))


def _absent(values: Array, fill_value: Any, missing: Any) -> npt.NDArray[np.bool_] | None:
    """Mark the cells without a value; None when there are none."""
    found: npt.NDArray[np.bool_] | None = None
    kind = values.dtype.kind
    if kind in "mM":
        found = np.isnat(values)
    elif kind == "c" or (kind == "f" and values.size and np.isnan(values.min())):
        found = np.isnan(values)
    if fill_value is not None and fill_value == fill_value:
        same = values == fill_value
        found = same if found is None else found | same
    if missing is not None:
        found = missing if found is None else found | missing
    return found if found is not None and found.any() else None


def _is_plain(values: Array, fill_value: Any) -> bool:
    """Whether NaN alone means missing, and the kernel knows the type."""
    kind, size = values.dtype.kind, values.dtype.itemsize
    undeclared = fill_value is None or fill_value != fill_value
    return undeclared and (kind in "iu" or (kind == "f" and size in (4, 8))) and values.dtype.isnative


def _of_numbers(values: Array) -> ChunkStatistics:
    found = summarise(np.ascontiguousarray(values))
    total = FloatSum(found.total, found.rest) if values.dtype.kind == "f" else int(found.total)
    return ChunkStatistics(values.dtype.kind, found.valid, found.missing, found.minimum, found.maximum, total)


def _of_floats(present: Array, lost: int) -> ChunkStatistics:
    minimum, maximum = float(present.min()), float(present.max())
    total = FloatSum(*float_sum(present, max(-minimum, maximum)))
    return ChunkStatistics("f", present.size, lost, minimum, maximum, total)


def _of_strings(values: Array, fill_value: Any, missing: Any) -> ChunkStatistics:
    valid, low, high = summarise_texts(values, missing, fill_value if isinstance(fill_value, str) else None)
    if not valid:
        return ChunkStatistics("T", 0, values.size)
    return _of_texts("T", low, high, valid, values.size - valid)


def _of_objects(values: Array, fill_value: Any, missing: Any) -> ChunkStatistics:
    shown = (values if missing is None else values[~missing]).ravel().tolist()
    present = [value for value in shown if value is not None and value != fill_value]
    lost = values.size - len(present)
    if present and all(isinstance(value, str) for value in present):
        return _of_texts("T", min(present), max(present), len(present), lost)
    return ChunkStatistics("T" if values.dtype.kind in "TU" else "O", len(present), lost)


def _of_texts(kind: str, low: Any, high: Any, valid: int, lost: int) -> ChunkStatistics:
    sizes = [len(text.encode() if isinstance(text, str) else text) for text in (low, high)]
    if max(sizes) > _MAX_TEXT:
        return ChunkStatistics(kind, valid, lost)
    return ChunkStatistics(kind, valid, lost, low, high)


def _pack_value(kind: str, value: Any) -> bytes:
    if kind in "TS":
        text: bytes = value.encode() if kind == "T" else value
        return bytes((len(text),)) + text
    return struct.pack({"f": "<d", "u": "<Q", "b": "<?"}.get(kind, "<q"), value)


def _unpack_value(kind: str, note: bytes, place: int) -> tuple[Any, int]:
    if kind in "TS":
        stop = place + 1 + note[place]
        text = note[place + 1 : stop]
        if len(text) != note[place]:
            raise struct.error("a text ends too early")
        return (text.decode() if kind == "T" else text), stop
    form = struct.Struct({"f": "<d", "u": "<Q", "b": "<?"}.get(kind, "<q"))
    return form.unpack_from(note, place)[0], place + form.size


def _unpack_total(kind: str, data: bytes) -> int | FloatSum:
    if len(data) != 16:
        raise struct.error("the sum ends too early")
    return FloatSum(*struct.unpack("<dd", data)) if kind == "f" else int.from_bytes(data, "little", signed=True)
