"""In which order do keys stand, in tables and in packs?

Keys of chunks, ``<prefix>/<int>.<int>...`` (negative after a prepend), are ordered by prefix, then by the
N-dimensional tile their slots lie in, then by slot, all numerically. A tile holds about a page of a table, so a grid
that grows along any axis touches as many pages as the new chunks need, not all of them. Every other key is ordered by
its text.
"""

import struct
from functools import lru_cache

_EDGES = {1: 512, 2: 22, 3: 8, 4: 4, 5: 3, 6: 3}
_MOST_DIMS = 32
_LONGEST = _MOST_DIMS * len("-9223372036854775808.")
_SHIFT = 1 << 63  # makes signed 64-bit slots sort as unsigned ones
_GRID = b"/\x00\x01"  # what stands between the prefix and the numbers of a grid
_NUL = b"\x00\xff"  # what stands for a zero byte, so that no other key can look like a grid's
_NUMBER = struct.Struct(">Q")


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
    if not slash or not tail[-1:].isdecimal() or len(tail) > _LONGEST:
        return _text(key)
    parts = tail.split(".")
    edge = _EDGES.get(len(parts), 2)
    numbers = [_tile_and_slot(part, edge) for part in parts]
    if None in numbers or len(parts) > _MOST_DIMS:
        return _text(key)
    tiles, slots = zip(*numbers, strict=True)
    return b"".join((_text(prefix), _GRID, bytes((len(parts),)), *tiles, *slots))


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


@lru_cache(maxsize=1 << 13)
def _tile_and_slot(part: str, edge: int) -> tuple[bytes, bytes] | None:
    """Number of a slot and of its tile, or None unless it is a plain decimal number of 64 bits with sign."""
    digits = part.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or (digits[0] == "0" and len(part) > 1) or len(digits) > 19:
        return None
    slot = int(part)
    if not -_SHIFT <= slot < _SHIFT:
        return None
    return _NUMBER.pack(slot // edge + _SHIFT), _NUMBER.pack(slot + _SHIFT)
