"""Which moment does a value of a record stand for?"""

import re
from datetime import UTC, date, datetime
from typing import Any

_MOMENT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)?(Z|[+-]\d\d:?\d\d)?)?)?)?"
)


def moment_of(value: Any) -> tuple[datetime, int] | None:
    """The moment, and nanoseconds that it has no room for; None for what is none.

    A year or a month stands for its beginning; without a time zone it is UTC.

    Parameters
    ----------
    value
        A `datetime`, a `date`, or an ISO text: ``'2020'``, ``'2020-05'``, ``'2020-05-01T12:30:00Z'``.

    Examples
    --------
    >>> moment_of("2020-05")[0].isoformat(), moment_of("May 2020")
    ('2020-05-01T00:00:00+00:00', None)
    >>> moment_of("2020-05-01T02:00+02:00") == moment_of(date(2020, 5, 1))
    True
    """
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC), 0
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC), 0
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    nanoseconds = int((fraction or "0").ljust(9, "0")[:9])
    text = f"{year}-{month or '01'}-{day or '01'}T{hour or '00'}:{minute or '00'}:{second or '00'}{zone or 'Z'}"
    try:
        moment = datetime.fromisoformat(text).replace(microsecond=nanoseconds // 1000).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment, nanoseconds % 1000
