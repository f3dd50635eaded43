"""How is a number of bytes written for a person, and how do people write it?"""

import re

_SIZE = re.compile(r"\s*(\d+(?:\.\d*)?)\s*([kMGTP]?)(i?)B?\s*", re.IGNORECASE)
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def byte_size(nbytes: float) -> str:
    """Write a number of bytes with three significant digits and a decimal unit.

    Examples
    --------
    >>> byte_size(0), byte_size(999), byte_size(12_300), byte_size(1_740_000)
    ('0 B', '999 B', '12.3 kB', '1.74 MB')
    """
    size = float(nbytes)
    unit = 0
    # 999.5 would be written as 1000 of its unit
    while abs(size) >= 999.5 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    if unit == 0:
        return f"{size:.0f} {_UNITS[0]}"
    digits = 2 if abs(size) < 9.995 else 1 if abs(size) < 99.95 else 0
    return f"{size:.{digits}f} {_UNITS[unit]}"


def parse_size(size: int | str) -> int:
    """The number of bytes that a text such as ``'16MB'`` (decimal) or ``'16MiB'`` (binary) says.

    Raises
    ------
    ValueError
        If the text is no size.

    Examples
    --------
    >>> parse_size("16MB"), parse_size("1.5 GiB"), parse_size("500"), parse_size(7)
    (16000000, 1610612736, 500, 7)
    """
    if isinstance(size, int) and not isinstance(size, bool):
        return size
    found = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if found is None or (found[3] and not found[2]):
        raise ValueError(f"{size!r} is not a size: give a number of bytes, or a text as '500kB', '16MB' or '1.5GiB'")
    power = " KMGTP".index(found[2].upper() or " ")
    return round(float(found[1]) * (1024 if found[3] else 1000) ** power)
