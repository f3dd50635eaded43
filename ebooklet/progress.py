"""How does long work say how far it is?

Everything that takes `progress=` turns it into a callback here: ``True`` draws a bar on standard error (with tqdm), a
callable is handed ``(done, total)``, ``False`` or None stays silent. Deeper down progress is only ever a callable or
None.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Report = Callable[[int, int], None]
Progress = bool | Report | None


@contextmanager
def reporting(progress: Progress, label: str, *, unit: str = "B") -> Iterator[Report | None]:
    """Turn a `progress=` argument into a callback for the length of a `with` block.

    Parameters
    ----------
    progress : bool, callable or None
        True: a bar on standard error. A callable: called with ``(done, total)``. False or None: nothing is reported.
    label : str
        What is going on, written before the bar.
    unit : str
        What is counted; bytes are written as kB, MB, ...

    Yields
    ------
    callable or None
        To be called with ``(done, total)`` as the work goes on; None when nobody wants to know.

    Raises
    ------
    ImportError
        If a bar was asked for and tqdm is not installed.
    TypeError
        If `progress` is something else.

    Examples
    --------
    >>> seen = []
    >>> with reporting(lambda done, total: seen.append((done, total)), "load") as report:
    ...     report(10, 30)
    >>> seen
    [(10, 30)]
    """
    if progress is None or progress is False:
        yield None
    elif callable(progress):
        yield progress
    elif progress is True:
        bar = _bar(label, unit)
        try:
            yield lambda done, total: _advance(bar, done, total)
        finally:
            bar.close()
    else:
        raise TypeError(f"progress={progress!r}: give True, False or a function that takes (done, total)")


def _bar(label: str, unit: str) -> Any:
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError(
            "progress=True draws its bar with tqdm: pip install cfdb[ebooklet], or pass a function"
        ) from error

    class Bar(tqdm):  # type: ignore[type-arg]
        monitor_interval = 0  # no watching thread: it would outlive the bar

    return Bar(total=0, desc=label, unit=unit, unit_scale=unit == "B")


def _advance(bar: Any, done: int, total: int) -> None:
    if bar.total != total:
        bar.total = total
        bar.refresh()
    bar.update(done - bar.n)
