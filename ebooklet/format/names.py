"""How are the objects of a remote database called?

The root is ``D``, everything else ``D.objects/<uuid>/<26 characters>``. Records keep a name as 16 random bytes, so no
record from elsewhere can name anything but an object of its own database.
"""

import base64
import secrets
from functools import lru_cache
from uuid import UUID

from ebooklet.errors import CorruptFileError

NAME_BYTES = 16
SUFFIX = ".objects"
LEASE_NAME = "lease"  # the one object beside the packs whose name is no random text


def fresh_name() -> bytes:
    """Make a name that no object has."""
    return secrets.token_bytes(NAME_BYTES)


@lru_cache(4096)
def object_text(name: bytes) -> str:
    """Write a name as 26 letters and digits.

    Examples
    --------
    >>> object_text(bytes(16))
    'aaaaaaaaaaaaaaaaaaaaaaaaaa'
    """
    if len(name) != NAME_BYTES:
        raise CorruptFileError(f"the name of an object has {len(name)} bytes, not {NAME_BYTES}")
    return base64.b32encode(name).decode().rstrip("=").lower()


def check_database_key(key: str) -> str:
    """Return the key of a database if it can be one.

    Raises
    ------
    ValueError
        If it is empty, ends in ``.objects`` or ``/``, begins with ``/``, or has ``.`` or ``..`` as a part.

    Examples
    --------
    >>> check_database_key("models/era5.cfdb")
    'models/era5.cfdb'
    """
    parts = key.split("/")
    if not key or any(part in ("", ".", "..") for part in parts) or any(ord(letter) < 32 for letter in key):
        raise ValueError(f"{key!r} cannot be the key of a database: choose one like 'folder/name.cfdb'")
    if any(part.endswith(SUFFIX) for part in parts):
        raise ValueError(
            f"{key!r} cannot be the key of a database: names ending in {SUFFIX!r} hold the objects of others"
        )
    return key


def objects_prefix(key: str, uuid: UUID) -> str:
    """Return what the keys of all objects of a database begin with.

    Examples
    --------
    >>> objects_prefix("d", UUID(int=0))
    'd.objects/00000000000000000000000000000000/'
    """
    return f"{check_database_key(key)}{SUFFIX}/{uuid.hex}/"
