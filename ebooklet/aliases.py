"""How else may the parameters of a connection be spelled?"""

from collections.abc import Mapping
from typing import Any

#: Other spellings, by the name that is used here.
ALIASES = {
    "object_key": "db_key",
    "aws_access_key_id": "access_key_id",
    "secret_access_key": "access_key",
    "aws_secret_access_key": "access_key",
    "aws_session_token": "session_token",
    "region_name": "region",
    "max_workers": "threads",
}


def spelled(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters in the spelling used here.

    Raises
    ------
    ValueError
        If a parameter is given twice with different values, which are not shown: they may be secret.

    Examples
    --------
    >>> spelled({"bucket": "lab", "object_key": "x.cfdb"})
    {'bucket': 'lab', 'db_key': 'x.cfdb'}
    """
    found: dict[str, Any] = {}
    said: dict[str, str] = {}
    for name, value in given.items():
        own = ALIASES.get(name, name)
        if own in found and found[own] != value:
            raise ValueError(f"{said[own]}= and {name}= mean the same and differ: give one of them")
        found[own] = value
        said.setdefault(own, name)
    return found
