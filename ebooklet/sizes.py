"""How are bytes, durations and rates written for a person, and how do people write them?"""

import re
from datetime import timedelta

_SIZE = re.compile(r"\s*(\d+(?:\.\d*)?)\s*([kMGTP]?)(i?)B?\s*", re.IGNORECASE)
_RATE = re.compile(r"(.*?)\s*(?:/\s*s|ps)\s*", re.IGNORECASE)
_DURATION = re.compile(r"\s*(\d+(?:\.\d*)?)\s*(ms|min|[smhdw])\s*")
_SECONDS = {"ms": 0.001, "s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
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
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        return size
    found = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if found is None or (found[3] and not found[2]):
        raise ValueError(f"{size!r} is not a size: give a number of bytes, or a text as '500kB', '16MB' or '1.5GiB'")
    power = " KMGTP".index(found[2].upper() or " ")
    base = 1024.0 if found[3] else 1000.0
    return round(float(found[1]) * pow(base, power))


def parse_rate(rate: float | str) -> float:
    """The bytes per second that a text such as ``'5MB/s'`` says; ``'5MB'`` means the same.

    Raises
    ------
    ValueError
        If the text is no rate, or not more than zero.

    Examples
    --------
    >>> parse_rate("5MB/s"), parse_rate("500 kB"), parse_rate(1000)
    (5000000.0, 500000.0, 1000.0)
    """
    found = _RATE.fullmatch(rate) if isinstance(rate, str) else None
    try:
        number = _number(rate)
        number = float(parse_size(found[1] if found else rate)) if number is None else number  # type: ignore[arg-type]
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ValueError(f"{rate!r} is not a rate: give bytes per second, or a text as '500kB/s' or '5MB/s'")
    return number


def parse_duration(duration: float | str) -> float:
    """The seconds that a text such as ``'24h'``, ``'30d'`` or ``'10min'`` says.

    Raises
    ------
    ValueError
        If the text is no duration, or less than zero.

    Examples
    --------
    >>> parse_duration("24h"), parse_duration("1.5 min"), parse_duration(2)
    (86400.0, 90.0, 2.0)
    """
    found = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    number = _number(duration)
    seconds = float(found[1]) * _SECONDS[found[2]] if found else -1.0 if number is None else number
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{duration!r} is not a duration: give seconds, or a text as '90s', '10min', '24h' or '30d'")
    return seconds


def counted(number: int, noun: str, plural: str = "") -> str:
    """Write how many there are of something.

    Examples
    --------
    >>> counted(1, "key"), counted(0, "key"), counted(2000, "version"), counted(2, "entry", "entries")
    ('1 key', '0 keys', '2,000 versions', '2 entries')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def parse_age(age: int | str | timedelta, name: str, instead: str = "") -> timedelta:
    """How old things are to be: a text such as ``'30d'``, a timedelta, or 0.

    Any other bare number is refused: 30 may mean days, seconds, or a count, and things are deleted by it.

    Parameters
    ----------
    age
        What was given.
    name : str
        Of the parameter, for messages.
    instead : str
        What else may have been meant, for messages.

    Raises
    ------
    ValueError
        If it is no age.

    Examples
    --------
    >>> parse_age("30d", "older_than").days, parse_age(0, "grace").days
    (30, 0)
    >>> parse_age(30, "grace")
    Traceback (most recent call last):
    ValueError: grace=30: a number does not say of what; write it with a unit, as '30d' or '30s', or as a timedelta
    """
    if isinstance(age, timedelta):
        if age < timedelta(0):
            raise ValueError(f"{name}={age}: a duration cannot be negative")
        return age
    if _number(age):
        raise ValueError(
            f"{name}={age}: a number does not say of what; write it with a unit, as '{age}d' or '{age}s', or as a "
            f"timedelta{instead}"
        )
    try:
        return timedelta(seconds=parse_duration(age))
    except ValueError:
        raise ValueError(
            f"{name}={age!r} is not a duration: give a text as '90s', '24h' or '30d', or a timedelta"
        ) from None


def duration_text(seconds: float) -> str:
    """Write a time for a person.

    Examples
    --------
    >>> duration_text(0.42), duration_text(75), duration_text(7300), duration_text(200_000)
    ('0.42 s', '1.2 min', '2.0 h', '2.3 d')
    """
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    unit, length = next((unit, _SECONDS[unit]) for unit in ("d", "h", "min") if seconds >= _SECONDS[unit])
    return f"{seconds / length:.1f} {unit}"


def _number(given: object) -> float | None:
    return float(given) if isinstance(given, int | float) and not isinstance(given, bool) else None
