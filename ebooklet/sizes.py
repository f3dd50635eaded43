"""How is a number of bytes written for a person?"""

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
