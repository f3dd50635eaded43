"""What may a variable, dimension or group be called, and under which keys do its records lie?"""

import secrets
import unicodedata

from cfdb.errors import InvalidNameError

DATASET_KEY = "ds"
GLOBAL_ATTRIBUTES_KEY = "a/."
VARIABLE_PREFIX = "v/"
DIMENSION_PREFIX = "d/"
ATTRIBUTES_PREFIX = "a/"
FILE_PREFIX = "f/"

_GROUP = "./"
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH = 8
_MAX_NAME_BYTES = 255


def new_id() -> str:
    """Draw an identity for a variable or a dimension.

    Returns
    -------
    str
        Eight random characters of ``a-z2-7``; identities are never used again.

    Examples
    --------
    >>> len(new_id()), is_id(new_id())
    (8, True)
    """
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))


def is_id(text: str) -> bool:
    """Tell whether the text has the form of an identity."""
    return len(text) == _ID_LENGTH and all(letter in _ID_LETTERS for letter in text)


def composed(name: str) -> str:
    r"""Give a name in Unicode normal form C, in which names are kept.

    Examples
    --------
    >>> composed("e\u0301") == "\u00e9"
    True
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def check_name(name: str) -> str:
    """Check a name by netCDF's rule.

    Parameters
    ----------
    name : str
        Name of a variable, dimension, group or attribute, without its path.

    Returns
    -------
    str
        The name in Unicode normal form C.

    Raises
    ------
    InvalidNameError
        If the name is empty, longer than 255 UTF-8 bytes, or holds ``/``, a control character or a trailing space.

    Examples
    --------
    >>> check_name("température 2 m")
    'température 2 m'
    """
    if not isinstance(name, str):
        raise InvalidNameError(f"a name must be a str, not {type(name).__name__}: {name!r}")
    normal = composed(name)
    problem = _problem(normal)
    if problem:
        raise InvalidNameError(
            f"{name!r} cannot be a name: {problem}. A name is 1 to 255 bytes of UTF-8 without '/', control characters "
            "or a trailing space"
        )
    return normal


def _problem(name: str) -> str | None:
    if not name:
        return "it is empty"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "it holds a lone surrogate, which UTF-8 does not know"
    if size > _MAX_NAME_BYTES:
        return f"it takes {size} bytes"
    if "/" in name:
        return "it holds '/', which separates groups"
    if any(unicodedata.category(letter) == "Cc" for letter in name):
        return "it holds a control character"
    if name[-1].isspace():
        return "it ends with a space"
    return None


def check_path(path: str) -> str:
    """Check a name with its groups, as in ``group/subgroup/name``.

    Examples
    --------
    >>> check_path("forecast/t2m")
    'forecast/t2m'
    """
    if not isinstance(path, str):
        raise InvalidNameError(f"a name must be a str, not {type(path).__name__}: {path!r}")
    return "/".join(check_name(part) for part in path.strip("/").split("/"))


def variable_key(path: str) -> str:
    """Give the key of a variable's record."""
    return f"{VARIABLE_PREFIX}{path}"


def dimension_key(path: str) -> str:
    """Give the key of a dimension's record."""
    return f"{DIMENSION_PREFIX}{path}"


def attributes_key(owner: str | None) -> str:
    """Give the key of the attributes of a variable (by its identity), a group, or (None) the dataset.

    Examples
    --------
    >>> attributes_key("abcdefgh"), attributes_key(group_owner("ocean/deep")), attributes_key(None)
    ('a/abcdefgh', 'a/./ocean/deep', 'a/.')
    """
    return GLOBAL_ATTRIBUTES_KEY if owner is None else f"{ATTRIBUTES_PREFIX}{owner}"


def file_key(path: str) -> str:
    """Give the key of a file that travels with the dataset."""
    return f"{FILE_PREFIX}{composed(path)}"


def group_owner(path: str) -> str:
    """Give what a group is called as an owner of attributes; a record of them, even empty, is what declares it."""
    return f"{_GROUP}{path}"


def group_of(owner: str | None) -> str | None:
    """Give the path of the group that an owner of attributes is; None when it is something else."""
    return owner.removeprefix(_GROUP) if owner is not None and owner.startswith(_GROUP) else None


def groups_around(path: str) -> list[str]:
    """Give a group and those around it, outermost first.

    Examples
    --------
    >>> groups_around("ocean/deep"), groups_around("")
    (['ocean', 'ocean/deep'], [])
    """
    parts = path.split("/") if path else []
    return ["/".join(parts[: number + 1]) for number in range(len(parts))]


def chunk_key(variable_id: str, index: tuple[int, ...]) -> str:
    """Give the key of a chunk.

    Parameters
    ----------
    variable_id : str
        Identity of the variable.
    index : tuple of int
        Number of the chunk along every axis: slot // chunk length. Negative after a prepend.

    Examples
    --------
    >>> chunk_key("abcdefgh", (3, -1)), chunk_key("abcdefgh", ())
    ('abcdefgh/3.-1', 'abcdefgh/s')
    """
    return f"{variable_id}/{'.'.join(map(str, index)) if index else 's'}"


def owner_of(key: str) -> str | None:
    """Give the identity of the variable that a chunk or attributes belong to; None for keys of other kinds.

    Examples
    --------
    >>> owner_of("abcdefgh/3.-1"), owner_of("a/abcdefgh"), owner_of("v/temperature"), owner_of("a/.")
    ('abcdefgh', 'abcdefgh', None, None)
    """
    chunk = parse_chunk_key(key)
    if chunk is not None:
        return chunk[0]
    owner = key.removeprefix(ATTRIBUTES_PREFIX)
    return owner if owner != key and is_id(owner) else None


def parse_chunk_key(key: str) -> tuple[str, tuple[int, ...]] | None:
    """Split the key of a chunk into variable and index; None for keys of other kinds.

    Examples
    --------
    >>> parse_chunk_key("abcdefgh/3.-1"), parse_chunk_key("v/temperature")
    (('abcdefgh', (3, -1)), None)
    """
    variable_id, separator, rest = key.partition("/")
    if not separator or not is_id(variable_id):
        return None
    if rest == "s":
        return variable_id, ()
    try:
        return variable_id, tuple(int(part) for part in rest.split("."))
    except ValueError:
        return None
