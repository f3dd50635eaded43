"""Where does a remote database live locally when the user names no file?

In the cache folder: ``$CFDB_CACHE`` when set, else the platform's folder for caches of this user. The name of the file
is the last part of the key and a hash of endpoint, bucket and key, so that databases of equal names do not meet.
"""

import os
import re
from pathlib import Path

from ebooklet.format.checksum import digest

ENVIRONMENT_VARIABLE = "CFDB_CACHE"


def cache_folder() -> Path:
    """Return the folder that holds the local files of remote databases opened without a path.

    Returns
    -------
    Path
        ``$CFDB_CACHE``, or the user's cache folder of the platform; it need not exist yet.

    Examples
    --------
    >>> import os
    >>> os.environ["CFDB_CACHE"] = "/scratch/cache"
    >>> cache_folder().as_posix()
    '/scratch/cache'
    >>> del os.environ["CFDB_CACHE"]
    """
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    try:
        import platformdirs
    except ImportError as error:
        raise ImportError(
            "choosing a cache folder needs platformdirs: pip install 'cfdb[ebooklet]', "
            f"or set {ENVIRONMENT_VARIABLE}, or pass file_path="
        ) from error
    return Path(platformdirs.user_cache_dir("cfdb", appauthor=False))


def cache_name(endpoint: str, bucket: str, key: str) -> str:
    """Return the file name for the database at `key` of `bucket` at `endpoint`.

    Examples
    --------
    >>> name = cache_name("https://s3.example.org", "data", "models/big data.cfdb")
    >>> name.rpartition("-")[0]
    'big_data.cfdb'
    >>> name == cache_name("https://s3.example.org", "other", "models/big data.cfdb")
    False
    """
    identity = "\0".join((endpoint.rstrip("/"), bucket, key)).encode()
    basename = re.sub(r"[^A-Za-z0-9._-]", "_", key.rstrip("/").rpartition("/")[2])[-100:].lstrip(".") or "database"
    return f"{basename}-{digest(identity).hex()[:16]}"


def cache_path(endpoint: str, bucket: str, key: str, folder: str | os.PathLike[str] | None = None) -> Path:
    """Return the path of the cache file of a database, and make its folder.

    Parameters
    ----------
    endpoint, bucket, key
        Where the database lives.
    folder
        Another folder than :func:`cache_folder`.
    """
    place = cache_folder() if folder is None else Path(folder).expanduser()
    place.mkdir(parents=True, exist_ok=True)
    return place / cache_name(endpoint, bucket, key)
