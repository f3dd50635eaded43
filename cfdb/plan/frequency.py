"""How long is a period such as ``'M'``, ``'7D'`` or ``'QS-DEC'``, and where does it begin?"""

import re
from dataclasses import dataclass

from cfdb.errors import GroupingError

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
#: Length in months, or in days (W, D), of what is no tick of a clock.
_IN_MONTHS = {"Y": 12, "YS": 12, "Q": 3, "QS": 3, "M": 1, "MS": 1}
_IN_DAYS = {"W": 7, "D": 1}
_PATTERN = re.compile(rf"(\d+)?(YS|Y|QS|Q|MS|M|W|D|h|ms|us|ns|m|s)(?:-({'|'.join(_MONTHS)}))?")
_WORDS = {"season": "QS-DEC", "quarter": "QS"}
_ANCHORED = ("YS", "QS")


@dataclass(frozen=True, slots=True)
class Frequency:
    """A regular sequence of periods.

    Attributes
    ----------
    unit : str
        ``'M'`` or ``'D'``, or a unit of the clock (``h m s ms us ns``).
    length : int
        Units of one period.
    phase : int
        Units from a January, or a Monday, to the begin of a period.
    count : int
        How many periods make a window; windows of several are counted from the period of the first date.
    """

    unit: str
    length: int = 1
    phase: int = 0
    count: int = 1


def parse_frequency(name: str, text: str) -> Frequency:
    """Read a period.

    Parameters
    ----------
    name : str
        What is grouped, for messages.
    text : str
        A number (left out: 1) and a unit: ``Y`` years, ``Q`` quarters, ``M`` months, ``W`` weeks from Monday to Sunday
        (ISO 8601), ``D`` days, ``h m s ms us ns``. Also pandas' ``YS MS QS`` and, with the month in which they begin,
        ``'YS-OCT'`` (water years) and ``'QS-DEC'``; ``'season'`` is ``'QS-DEC'``, ``'quarter'`` is ``'QS'``.

    Returns
    -------
    Frequency

    Raises
    ------
    GroupingError
        If it is none.

    Examples
    --------
    >>> parse_frequency("time", "7D"), parse_frequency("time", "season")
    (Frequency(unit='D', length=1, phase=0, count=7), Frequency(unit='M', length=3, phase=2, count=1))
    """
    match = _PATTERN.fullmatch(_WORDS.get(text, text))
    if match is None or (match[3] and match[2] not in _ANCHORED):
        raise GroupingError(
            f"{name!r} cannot be grouped by {text!r}: give a period, a number and one of Y Q M W D h m s ms us "
            f"ns ('M', '7D', '6h'), 'season', 'QS-DEC' or 'YS-OCT', or a component of dates such as '{name}.month'"
        )
    count = int(match[1] or 1)
    if not count:
        raise GroupingError(f"{name!r} cannot be grouped by {text!r}: a window has 1 period or more")
    unit = match[2]
    if unit in _IN_MONTHS:
        length = _IN_MONTHS[unit]
        return Frequency("M", length, _MONTHS.index(match[3] or "JAN") % length, count)
    if unit in _IN_DAYS:
        return Frequency("D", _IN_DAYS[unit], 0, count)
    return Frequency(unit, 1, 0, count)
