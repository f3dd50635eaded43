"""In which order do keys stand, in tables and in packs?

Keys of chunks, ``<prefix>/<int>.<int>...`` (negative after a prepend), are ordered by prefix, then by the
N-dimensional tile their slots lie in, then by slot, all numerically. A tile holds about a page of a table, so a grid
that grows along any axis touches as many pages as the new chunks need, not all of them. Every other key is ordered by
its text.
"""

import struct

_EDGES = {1: 512, 2: 22, 3: 8, 4: 4, 5: 3, 6: 3}
_MOST_DIMS = 32
_SHIFT = 1 << 63  # makes signed 64-bit slots sort as unsigned ones
_GRID = b"\x00\x01"  # what stands in place of the text of the slots
_NUL = b"\x00\xff"  # what stands for a zero byte, so that no other key can look like a grid's
_LAYOUTS = [struct.Struct(f">B{2 * ndim}Q") for ndim in range(_MOST_DIMS + 1)]


def order_key(key: str) -> bytes:
    """Bytes that sort as the keys do; different keys have different ones.

    Parameters
    ----------
    key : str
        Any key.

    Returns
    -------
    bytes
        A pure function of the key.

    Examples
    --------
    >>> sorted(["t/10.0", "t/2.0", "t/1.30", "t/-1.0", "a"], key=order_key)
    ['a', 't/-1.0', 't/2.0', 't/10.0', 't/1.30']
    """
    prefix, slash, tail = key.rpartition("/")
    slots = _slots(tail) if slash else None
    if slots is None:
        return _text(key)
    edge = _EDGES.get(len(slots), 2)
    numbers = [slot // edge + _SHIFT for slot in slots] + [slot + _SHIFT for slot in slots]
    return _text(prefix) + b"/" + _GRID + _LAYOUTS[len(slots)].pack(len(slots), *numbers)


def prefix_bounds(prefix: str) -> tuple[bytes, bytes | None]:
    """Return a range of order keys [first, end) that holds every key beginning with `prefix`; no end is None.

    Keys in the range need not begin with `prefix`: grids are ordered by number, not by text.

    Examples
    --------
    >>> first, end = prefix_bounds("t/1")
    >>> first <= order_key("t/10.4") < end
    True
    """
    folder, slash, tail = prefix.rpartition("/")
    if slash and tail and not tail.strip("-0123456789."):
        prefix = folder + slash
    first = _text(prefix)
    return first, first[:-1] + bytes([first[-1] + 1]) if first and first[-1] < 0xFF else _after(first)


def _after(first: bytes) -> bytes | None:
    stripped = first.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None


def _text(key: str) -> bytes:
    data = key.encode()
    return data.replace(b"\x00", _NUL) if b"\x00" in data else data


def _slots(tail: str) -> list[int] | None:
    """Slots of a chunk key, or None unless every one is a plain decimal number of 64 bits with sign."""
    if not tail[-1:].isdecimal() or not tail.isascii():
        return None
    parts = tail.split(".")
    if len(parts) > _MOST_DIMS:
        return None
    slots = []
    for part in parts:
        digits = part.removeprefix("-")
        if not digits.isdigit() or (digits[0] == "0" and len(part) > 1) or len(digits) > 19:
            return None
        slot = int(part)
        if not -_SHIFT <= slot < _SHIFT:
            return None
        slots.append(slot)
    return slots
