"""Which options hold for the whole process?"""

import os
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from ebooklet.prices import Prices
from ebooklet.sizes import parse_size


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the process; change them with `set_options`.

    Attributes
    ----------
    max_load : int
        Largest array in bytes that `.values`, `np.asarray` or an operator may load at once.
    max_fetch : int or None
        Most bytes that one `load`, or one such array, may fetch from a remote; None is no limit.
    threads : int
        Threads that encode and decode chunks.
    prices : Prices or None
        What requests, transfer and storage cost, for estimates.
    cache_dir : str or None
        Folder of the local files of remote datasets that are opened without a path; None is the usual one.
    """

    max_load: int = 4 * 2**30
    max_fetch: int | None = None
    threads: int = min(os.cpu_count() or 1, 16)
    prices: Prices | None = None
    cache_dir: str | None = None


_current = Options()


def get_options() -> Options:
    """Give the options in force."""
    return _current


class set_options:
    """Change options of the process, for good or inside a `with` block.

    Parameters
    ----------
    **changes
        The attributes of `Options`: ``max_load`` and ``max_fetch`` (bytes, or a text as ``'5GB'``), ``threads``,
        ``prices`` (a dict, the path of a TOML file, or None) and ``cache_dir``.

    Raises
    ------
    ValueError
        If there is no such option, or it cannot have this value.

    Examples
    --------
    >>> import cfdb
    >>> with cfdb.set_options(max_load="1MB"):
    ...     cfdb.get_options().max_load
    1000000
    """

    def __init__(self, **changes: Any) -> None:
        global _current
        known = [field.name for field in fields(Options)]
        for name in changes:
            if name not in known:
                raise ValueError(f"there is no option {name!r}; the options are {', '.join(known)}")
        read = {name: _READERS[name](name, value) for name, value in changes.items()}
        self._before = _current
        _current = replace(_current, **read)

    def __enter__(self) -> "set_options":
        return self

    def __exit__(self, *_: object) -> None:
        global _current
        _current = self._before


def size_of(name: str, text: str) -> int:
    """Read a number of bytes that is given as text.

    Raises
    ------
    ValueError
        If the text is no size; the message names what it was given for.

    Examples
    --------
    >>> size_of("max_mem", "20MB")
    20000000
    """
    try:
        return parse_size(text)
    except ValueError as error:
        raise ValueError(f"{name}={error}") from None


def _size(name: str, value: Any) -> int:
    return _number(name, size_of(name, value) if isinstance(value, str) else value)


def _size_or_none(name: str, value: Any) -> int | None:
    return None if value is None else _size(name, value)


def _number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}={value!r}: give a positive whole number")
    return value


def _prices(name: str, value: Any) -> Prices | None:
    return Prices.of(value)


def _folder(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str | os.PathLike):
        raise ValueError(f"{name}={value!r}: give a folder, or None for the usual one")
    return None if value is None else os.fspath(value)


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "max_load": _size,
    "max_fetch": _size_or_none,
    "threads": _number,
    "prices": _prices,
    "cache_dir": _folder,
}
