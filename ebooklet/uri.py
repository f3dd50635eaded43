r"""Where is a database, and what may it be called?

========================  =======================================================
``s3://bucket/key``       a bucket; endpoint and credentials come from the boto3 chain
``https://host/path``     read-only, without credentials
``file:///folder/key``    a folder used as an object store
``C:\folder\key``         the same on Windows; ``\\server\share\key`` is ``file://server/share/key``
========================  =======================================================
"""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, quote, unquote, urlsplit

from ebooklet.errors import InvalidURLError

Scheme = Literal["s3", "file", "http", "https"]

OBJECTS_SUFFIX = ".objects"
# S3 allows 1024 bytes; `.objects/<uuid>/<name>` is added to the key of a database.
LONGEST_KEY = 900

_WINDOWS = re.compile(r"^(?:[A-Za-z]:[\\/]|\\\\)")
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_AFTER = re.compile(r"[?#]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FORMS = "s3://bucket/key, https://host/path/key or file:///folder/key"


@dataclass(frozen=True, slots=True)
class Uri:
    """A parsed address: `place` is the bucket, the folder, or the URL up to the key."""

    scheme: Scheme
    place: str
    key: str


def is_url(text: str) -> bool:
    """Whether a text has the form of a URL.

    Examples
    --------
    >>> is_url("s3://bucket/key"), is_url("folder/key"), is_url("C:/folder/key")
    (True, False, False)
    """
    return _URL.match(text) is not None


def is_windows_path(text: str) -> bool:
    r"""Whether a text is an absolute path of Windows.

    Examples
    --------
    >>> is_windows_path(r"C:\data\x.cfdb"), is_windows_path(r"\\server\share\x"), is_windows_path("/data/x")
    (True, True, False)
    """
    return _WINDOWS.match(text) is not None


def check_db_key(key: str) -> str:
    """Return the key of a database, or say why it cannot be one.

    Raises
    ------
    InvalidURLError
        If the key is empty or too long, has control characters, an empty, ``.`` or ``..`` part, or a part that ends in
        ``.objects`` (objects of a database lie there).

    Examples
    --------
    >>> check_db_key("datasets/example.cfdb")
    'datasets/example.cfdb'
    """
    if not isinstance(key, str):
        raise TypeError(f"the key of a database is a str, not {type(key).__name__}")
    fault = _fault_of(key)
    if fault:
        raise InvalidURLError(f"{key!r} cannot be the key of a database: {fault}")
    return key


def _fault_of(key: str) -> str | None:
    if not key:
        return "it is empty"
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "it has lone surrogates"
    if size > LONGEST_KEY:
        return f"it has {size} bytes in UTF-8, at most {LONGEST_KEY} are possible"
    if _CONTROL.search(key):
        return "it has control characters"
    for part in key.split("/"):
        if not part:
            return "it begins or ends with '/', or has '//'"
        if part in {".", ".."}:
            return f"it has the part {part!r}"
        if part.endswith(OBJECTS_SUFFIX):
            return f"{part!r} ends in {OBJECTS_SUFFIX!r}, where the objects of a database lie"
    return None


def parse_uri(text: str) -> Uri:
    """Take an address apart.

    Parameters
    ----------
    text : str
        ``s3://bucket/key``, ``https://host/path/key``, ``http://...``, ``file:///folder/key`` or an absolute path of
        Windows.

    Returns
    -------
    Uri

    Raises
    ------
    InvalidURLError
        If the text is no such address, or has a query string, a fragment or credentials.

    Examples
    --------
    >>> parse_uri("s3://bucket/datasets/x.cfdb")
    Uri(scheme='s3', place='bucket', key='datasets/x.cfdb')
    >>> parse_uri("file:///scratch/my%20data/x.cfdb")
    Uri(scheme='file', place='/scratch/my data', key='x.cfdb')
    >>> parse_uri("https://example.org/data/x.cfdb")
    Uri(scheme='https', place='https://example.org/data', key='x.cfdb')
    """
    if not isinstance(text, str):
        raise TypeError(f"a URL is a str, not {type(text).__name__}")
    shown = _without_credentials(text)
    if _CONTROL.search(text):
        raise InvalidURLError(f"{_AFTER.split(shown)[0]!r} has control characters")
    if is_windows_path(text):
        return _folder_and_key(text.replace("\\", "/"))
    if not is_url(text):
        raise InvalidURLError(_not_a_url(text))
    _check_bare(text, shown)
    scheme = text.partition("://")[0].lower()
    if scheme == "s3":
        return _parse_s3(text)
    if scheme in {"http", "https"}:
        return _parse_http(text)
    if scheme == "file":
        return _parse_file(text)
    raise InvalidURLError(f"{text!r}: {scheme}:// is not supported; use {_FORMS}")


def _check_bare(text: str, shown: str) -> None:
    """Refuse what follows or precedes the address proper, without repeating it."""
    if "?" in text or "#" in text:
        raise InvalidURLError(
            f"{_AFTER.split(shown)[0]!r} is followed by a query string or fragment: a database has several objects "
            "below its URL, so that a signed or parametrised URL of one of them is not enough"
        )
    if shown != text:
        raise InvalidURLError(f"{shown!r} was given with credentials; pass them to S3Connection instead")


def _not_a_url(text: str) -> str:
    if text.startswith("/"):
        return f"{text!r} is a path, not a URL; as a folder of objects it is written file://{quote(text)}"
    return f"{text!r} is not a URL; use {_FORMS}"


def _without_credentials(text: str) -> str:
    scheme, _, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _parse_s3(text: str) -> Uri:
    bucket, _, key = text.partition("://")[2].partition("/")
    if not bucket:
        raise InvalidURLError(f"{text!r} names no bucket; use s3://bucket/key")
    return Uri("s3", bucket, check_db_key(key))


def _parse_http(text: str) -> Uri:
    parts = split_http(text)
    place, _, name = text.rpartition("/")
    if not name or parts.path in {"", "/"}:
        raise InvalidURLError(f"{text!r} names no database; use https://host/path/key")
    return Uri("https" if parts.scheme == "https" else "http", place, check_db_key(unquote(name)))


def split_http(text: str) -> SplitResult:
    """The parts of an ``http(s)`` URL.

    Raises
    ------
    InvalidURLError
        If it has no host, or a host or port that cannot be.
    """
    try:
        parts = urlsplit(text)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise InvalidURLError(f"{text!r} is not a URL: {error}") from error
    if not valid or parts.scheme not in {"http", "https"}:
        raise InvalidURLError(f"{text!r} names no host; a URL begins with https://host")
    return parts


def _parse_file(text: str) -> Uri:
    host, _, rest = text.partition("://")[2].partition("/")
    path = unquote(rest)
    if host not in {"", "localhost"}:
        if not path.strip("/").partition("/")[2]:
            raise InvalidURLError(
                f"{text!r} names the server {host!r} and no share and key there, as file://server/share/key; a folder "
                "of this computer is written file:///folder/key"
            )
        return _folder_and_key(f"//{host}/{path}")
    return _folder_and_key(path if is_windows_path(path) else f"/{path}")


def _folder_and_key(path: str) -> Uri:
    """The parts of a path with '/'; the folder of a network share is given as Windows writes it."""
    folder, _, name = path.rpartition("/")
    if folder.startswith("//"):
        if folder.count("/") < 3:
            raise InvalidURLError(f"{path!r} names no share and key, as //server/share/key")
        folder = folder.replace("/", "\\")
    return Uri("file", folder or "/", check_db_key(name))


def join_uri(base: str, *parts: str) -> str:
    r"""The address of something below a bucket, a URL or a folder.

    Parameters
    ----------
    base : str
        ``s3://bucket``, ``s3://bucket/folder``, ``https://host/folder``, ``file:///folder``, or the path of a folder.
    *parts : str
        Parts of the key, which may have '/' in them; they are not encoded yet.

    Raises
    ------
    InvalidURLError
        If the result is no address that :func:`parse_uri` takes.

    Examples
    --------
    >>> join_uri("s3://bucket/rain", "2024", "europe.cfdb")
    's3://bucket/rain/2024/europe.cfdb'
    >>> join_uri("https://example.org/data/", "my rain.cfdb")
    'https://example.org/data/my%20rain.cfdb'
    >>> join_uri(r"C:\data", "x.cfdb"), join_uri(r"\\server\share", "x.cfdb"), join_uri("/scratch/my data", "x.cfdb")
    ('file:///C:/data/x.cfdb', 'file://server/share/x.cfdb', 'file:///scratch/my%20data/x.cfdb')
    """
    if is_windows_path(base):
        path = base.replace("\\", "/")
        base = f"file:{quote(path)}" if path.startswith("//") else f"file:///{path[:2]}{quote(path[2:])}"
    elif base.startswith("/"):
        base = f"file://{quote(base)}"
    scheme, separator, place = base.partition("://")
    key = check_db_key("/".join(part.strip("/") for part in parts))
    joined = f"{scheme}{separator}{place.rstrip('/')}/{key if scheme.lower() == 's3' else quote(key)}"
    parse_uri(joined)
    return joined
