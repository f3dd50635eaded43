"""How is a moment given, and how is it kept? Kept: integers, microseconds since the epoch."""

from datetime import UTC, datetime


def microseconds(moment: int | str | datetime | None) -> int | None:
    """Turn a moment as people give it into microseconds since the epoch; None stays None.

    Examples
    --------
    >>> microseconds("2020-01-01T00:00:00+00:00"), microseconds(12)
    (1577836800000000, 12)
    """
    if moment is None:
        return None
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(f"{moment.isoformat()} has no time zone: add one, like '+00:00'")
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
    if isinstance(moment, bool) or not isinstance(moment, int):
        raise TypeError(f"{moment!r} is no time: give microseconds since the epoch, an ISO string or a datetime")
    if moment < 0:
        raise ValueError(f"{moment} lies before 1970")
    return moment


def moment(microseconds_: int) -> datetime:
    """Turn microseconds since the epoch into a datetime in UTC.

    Examples
    --------
    >>> moment(0).isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(microseconds_ / 1e6, UTC)
