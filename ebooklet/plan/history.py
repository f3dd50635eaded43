"""Which version of a history does somebody mean, and which versions does a rule keep?"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from ebooklet.errors import VersionNotFoundError
from ebooklet.format.snapshot import Entry, SnapshotRef, check_tag
from ebooklet.sizes import counted
from ebooklet.times import microseconds, moment

Spec = str | int | datetime | date
_ID = re.compile(r"[0-9a-f]{4,32}")
_YEAR = re.compile(r"(19|20)\d{2}")
_MONTH = re.compile(r"\d{4}-\d{2}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_WHOLE_ID = 32
NEAREST = 5


def choose(wanted: Spec, tags: Mapping[str, SnapshotRef], entries: Iterable[Entry]) -> Entry | SnapshotRef:
    """Find the version somebody means.

    Parameters
    ----------
    wanted : str, int, datetime or date
        A tag; an id or at least four digits of it; a moment (the version that was the newest then; ``'2019'`` is the
        year); or how many versions to go back from the newest.
    tags : mapping
        Where the versions with names stand.
    entries : iterable of Entry
        All versions, the newest first; not read further than needed.

    Returns
    -------
    Entry, or SnapshotRef for a tag

    Raises
    ------
    VersionNotFoundError
        If there is none, or more than one.

    Examples
    --------
    >>> history = [Entry(bytes([n]) * 16, 1_600_000_000_000_000 + n, None) for n in (3, 2, 1)]
    >>> choose(1, {}, history).id == choose("0202", {}, history).id == bytes([2]) * 16
    True
    >>> choose("2030-01-01", {}, history).id == bytes([3]) * 16
    True
    """
    if isinstance(wanted, bool) or not isinstance(wanted, str | int | date):
        raise TypeError(
            f"version={wanted!r} is a {type(wanted).__name__}: give a tag, an id, a date or datetime, or how many "
            "versions to go back"
        )
    if isinstance(wanted, int):
        return _back(wanted, entries)
    if isinstance(wanted, date):
        return _at(_microseconds(wanted), wanted, entries)
    if wanted in tags:
        return tags[wanted]
    when = _parsed_time(wanted)
    if when is not None:
        return _at(when, wanted, entries)
    if _ID.fullmatch(wanted.lower()):
        return _by_id(wanted.lower(), entries)
    raise VersionNotFoundError(
        f"version={wanted!r}: {_known(tags)}, and it is neither an id of a version nor a date; 0 is the newest version"
    )


def check_new_tag(name: str) -> str:
    """Return the name of a tag if a version can be given it: one that reads as a date or an id would hide these.

    Examples
    --------
    >>> check_new_tag("v1")
    'v1'
    >>> check_new_tag("2024-01")
    Traceback (most recent call last):
    ValueError: '2024-01' cannot be a tag: it reads as a date, and version='2024-01' means the newest one then; ...
    """
    check_tag(name)
    if _parsed_time(name) is not None:
        raise ValueError(
            f"{name!r} cannot be a tag: it reads as a date, and version={name!r} means the newest one then; call it "
            f"{f'v{name}'!r}, say"
        )
    if _ID.fullmatch(name.lower()):
        raise ValueError(
            f"{name!r} cannot be a tag: it reads as the first digits of an id; call it {f'v{name}'!r}, say"
        )
    return name


def _back(number: int, entries: Iterable[Entry]) -> Entry:
    if number < 0:
        raise ValueError(f"version={number}: count back from the newest version, which is 0; one before it is 1")
    seen = 0
    for entry in entries:
        if seen == number:
            return entry
        seen += 1
    there = f"{counted(seen, 'version')} {'is' if seen == 1 else 'are'}"
    raise VersionNotFoundError(f"version={number}: only {there} kept; log() lists them")


def _at(when: int, wanted: object, entries: Iterable[Entry]) -> Entry:
    oldest = None
    for entry in entries:
        if entry.time <= when:
            return entry
        oldest = entry
    since = (
        "there is none" if oldest is None else f"the oldest that is kept is of {moment(oldest.time):%Y-%m-%d %H:%M} UTC"
    )
    raise VersionNotFoundError(f"version={str(wanted)!r}: no version is that old; {since}")


def _by_id(digits: str, entries: Iterable[Entry]) -> Entry:
    found: list[Entry] = []
    for entry in entries:
        if entry.id.hex().startswith(digits):
            found.append(entry)
            if len(digits) == _WHOLE_ID:
                break
    if not found:
        raise VersionNotFoundError(f"version={digits!r}: no version that is kept has such an id; log() lists them")
    if len(found) > 1:
        names = ", ".join(entry.id.hex()[: len(digits) + 4] for entry in found[:NEAREST])
        raise VersionNotFoundError(f"version={digits!r} can be any of {names}: give more digits")
    return found[0]


def _parsed_time(text: str) -> int | None:
    """What a text says about time, in UTC unless it names a zone; a year, month or day is meant up to its end."""
    try:
        if _YEAR.fullmatch(text):
            return _microseconds(date(int(text), 12, 31))
        if _MONTH.fullmatch(text):
            first = date.fromisoformat(f"{text}-01")
            following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
            return _microseconds(following - timedelta(days=1))
        if _DAY.fullmatch(text):
            return _microseconds(date.fromisoformat(text))
        if "-" not in text:
            return None
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return microseconds(found if found.tzinfo else found.replace(tzinfo=UTC))


def _microseconds(when: datetime | date) -> int:
    if not isinstance(when, datetime):
        when = datetime.combine(when, time.max, UTC)
    found = microseconds(when)
    assert found is not None, "a moment was given"
    return found


def _known(tags: Collection[str]) -> str:
    if not tags:
        return "there are no tags"
    some = ", ".join(map(repr, sorted(tags)[:NEAREST]))
    return f"no tag has this name (there are {some}{', ...' if len(tags) > NEAREST else ''})"


def kept(
    entries: Sequence[Entry], tagged: Callable[[Entry], bool], *, before: int | None = None, keep: int | None = None
) -> Iterator[Entry]:
    """Give the versions that stay when old ones expire.

    Parameters
    ----------
    entries : sequence of Entry
        All versions, the newest first.
    tagged : callable
        Tells whether a version has a name.
    before : int, optional
        Versions that were replaced by a newer one before this moment (microseconds) go, so that every moment since
        then has its version.
    keep : int, optional
        So many of the newest stay in any case; without `before` all others go.

    Examples
    --------
    >>> history = [Entry(bytes([n]) * 16, 10 * n, None) for n in (4, 3, 2, 1)]
    >>> [entry.time for entry in kept(history, lambda entry: entry.time == 10, before=35)]
    [40, 30, 10]
    >>> [entry.time for entry in kept(history, lambda entry: False, keep=2)]
    [40, 30]
    """
    newest = max(1, keep or 0)
    for number, entry in enumerate(entries):
        recent = before is not None and number > 0 and entries[number - 1].time >= before
        if number < newest or recent or tagged(entry):
            yield entry
