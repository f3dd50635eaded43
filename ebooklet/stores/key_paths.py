"""At which path of a folder does an object lie?

At the one its key spells. What a file system cannot hold is written as ``%XX``; an empty part is ``%_``; a file whose
name is needed for a folder (keys ``a`` and ``a/b``) stands aside as ``a%``. None of these can come from another key.
"""

import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

from ebooklet.errors import UnsupportedOperationError

CONTROL_FOLDER = ".ebooklet"
LONGEST_NAME = 254

_FORBIDDEN = re.compile(rb'[\x00-\x1f\x7f%\\:*?"<>|]')
_EMPTY = "%_"


def path_of_key(key: str) -> Path:
    """The relative path of a key; it never leaves the folder.

    Examples
    --------
    >>> path_of_key("data/x.cfdb").as_posix(), path_of_key("../a//b?").as_posix()
    ('data/x.cfdb', '%2E%2E/a/%_/b%3F')
    """
    names = [_name_of_part(part) for part in key.split("/")]
    if names[0] == CONTROL_FOLDER:
        names[0] = "%2E" + CONTROL_FOLDER[1:]
    for name in names:
        if len(name.encode()) > LONGEST_NAME:
            raise UnsupportedOperationError(
                f"{key!r} cannot be kept in a folder: a part of it has more than {LONGEST_NAME} bytes"
            )
    return Path(*names)


def key_of_path(path: Path) -> str:
    """The key of a relative path.

    Examples
    --------
    >>> key_of_path(path_of_key("../a//b?"))
    '../a//b?'
    """
    names = list(path.parts)
    if names[-1].endswith("%"):
        names[-1] = names[-1][:-1]
    return "/".join("" if name == _EMPTY else unquote_to_bytes(name).decode() for name in names)


def displaced(path: Path) -> Path:
    """Where a file stands whose own name is taken by a folder."""
    return path.with_name(path.name + "%")


def _name_of_part(part: str) -> str:
    if not part:
        return _EMPTY
    if part in {".", ".."}:
        return part.replace(".", "%2E")
    return _FORBIDDEN.sub(lambda found: b"%%%02X" % found[0][0], part.encode()).decode()
