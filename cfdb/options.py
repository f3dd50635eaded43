"""Which options hold for the whole process?"""

import os
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the process; change them with `set_options`.

    Attributes
    ----------
    max_load : int
        Largest array in bytes that `.values`, `np.asarray` or an operator may load at once.
    threads : int
        Threads that encode and decode chunks.
    """

    max_load: int = 4 * 2**30
    threads: int = min(os.cpu_count() or 1, 16)


_current = Options()


def get_options() -> Options:
    """Give the options in force."""
    return _current


class set_options:
    """Change options of the process, for good or inside a `with` block.

    Parameters
    ----------
    **changes
        The attributes of `Options`: ``max_load`` (bytes) and ``threads``.

    Raises
    ------
    ValueError
        If there is no such option, or a value is not a positive integer.

    Examples
    --------
    >>> import cfdb
    >>> with cfdb.set_options(max_load=10**6):
    ...     cfdb.get_options().max_load
    1000000
    """

    def __init__(self, **changes: int) -> None:
        global _current
        known = [field.name for field in fields(Options)]
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"there is no option {name!r}; the options are {', '.join(known)}")
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r}: give a positive whole number")
        self._before = _current
        _current = replace(_current, **changes)

    def __enter__(self) -> "set_options":
        return self

    def __exit__(self, *_: object) -> None:
        global _current
        _current = self._before
