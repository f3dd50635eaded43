"""What do catalogues know of a version that two writers made, each of whom knew only the own changes?"""

import json
from collections.abc import Mapping
from typing import Any

from ebooklet.format.snapshot import MAX_SUMMARY

EXTENTS = ("min", "max")


def join_summaries(before: bytes, ours: bytes, theirs: bytes, *, yielding: bool = False) -> bytes:
    """Join what two writers say about what became of one version.

    What only one of them changed is as that one says, an extent that both changed reaches from the lower to the higher
    end, and of anything else that both changed ours holds.

    Parameters
    ----------
    before : bytes
        What was said of the version that both began with, as JSON; empty when nobody said.
    ours, theirs : bytes
        What is said now.
    yielding : bool
        Whether some of our changes were given up, nobody knows here which: theirs holds then, with wider extents.

    Returns
    -------
    bytes
        Empty when one of them says nothing: what is not known is left out.

    Examples
    --------
    >>> join_summaries(
    ...     b'{"n": 1, "x": {"min": 0, "max": 5}}',
    ...     b'{"n": 1, "x": {"min": 0, "max": 9}}',
    ...     b'{"n": 2, "x": {"min": -1, "max": 7}}',
    ... )
    b'{"n": 2, "x": {"min": -1, "max": 9}}'
    """
    own, other = read_summary(ours), read_summary(theirs)
    if not own or not other:
        return b""
    joined = json.dumps(_joined(read_summary(before), own, other, yielding), ensure_ascii=False).encode()
    return joined if len(joined) <= MAX_SUMMARY else b""


def read_summary(data: bytes) -> dict[str, Any]:
    """Read what a version says of itself; whatever is no description is passed over, as if nobody had said anything.

    Examples
    --------
    >>> read_summary(b'{"dims": {"x": 2, "y": "far"}, "vars": 3, "title": "Rain"}'), read_summary(b"[1]")
    ({'dims': {'x': 2}, 'title': 'Rain'}, {})
    """
    try:
        found = json.loads(data) if data else {}
    except (ValueError, RecursionError):
        return {}
    return checked_summary(found)


def checked_summary(found: Any) -> dict[str, Any]:
    """What of something from elsewhere is a description."""
    if not isinstance(found, dict):
        return {}
    inner: dict[str, type] = {"vars": dict, "extents": dict, "dims": int, "attrs": object}
    checked = dict(found)
    for name in inner.keys() & found.keys():
        part = found[name]
        if isinstance(part, dict):
            checked[name] = {key: value for key, value in part.items() if isinstance(value, inner[name])}
        else:
            del checked[name]
    return checked


def _joined(base: Any, ours: Any, theirs: Any, yielding: bool) -> Any:
    if not (isinstance(ours, Mapping) and isinstance(theirs, Mapping)):
        return theirs if yielding or ours == base else ours
    base = base if isinstance(base, Mapping) else {}
    if all(name in ours and name in theirs for name in EXTENTS):
        return _joined_parts(base, ours, theirs, yielding) | _wider(ours, theirs)
    return _joined_parts(base, ours, theirs, yielding)


def _joined_parts(
    base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any], yielding: bool
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in dict.fromkeys([*theirs, *ours]):
        if name in ours and name in theirs:
            found[name] = _joined(base.get(name), ours[name], theirs[name], yielding)
        elif name in theirs:
            if yielding or name not in base or theirs[name] != base[name]:  # else it was removed here
                found[name] = theirs[name]
        elif not yielding and (name not in base or ours[name] != base[name]):
            found[name] = ours[name]
    return found


def _wider(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Both extents; numbers, or texts of one form, which are ordered as what they stand for."""
    try:
        return {"min": min(ours["min"], theirs["min"]), "max": max(ours["max"], theirs["max"])}
    except TypeError:
        return {}
