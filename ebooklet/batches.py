"""How are many values written in one go, and what became of each?"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from ebooklet.errors import ClosedError, ReadOnlyError, StorageFullError
from ebooklet.progress import Progress, reporting
from ebooklet.sizes import byte_size

Pair = tuple[str, Any]
OnItemError = Literal["raise", "collect"]
#: Writes values together, all or nothing, and gives their bytes.
Put = Callable[[Sequence[Pair]], int]

BATCH_SIZE = 1000
SHOWN = 5
# They are not the fault of one item:
_OF_THE_FILE = (ClosedError, ReadOnlyError, StorageFullError, MemoryError)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of the items of a batch; true when none failed.

    Attributes
    ----------
    what : str
        What was done: ``'set'`` or ``'deleted'``.
    total, successful : int
        Items, and how many of them did not fail; of deleted ones those that were there.
    errors : dict
        What failed: exceptions by key.
    failed_indices : tuple of int
        Positions of the failed items, counted from 0 in the order they came.
    nbytes : int
        Bytes written, as they are stored.
    duration : float
        Seconds it took.
    """

    what: str
    total: int
    successful: int
    errors: Mapping[str, Exception]
    failed_indices: tuple[int, ...]
    nbytes: int
    duration: float

    @property
    def failed(self) -> int:
        """How many items failed."""
        return self.total - self.successful

    @property
    def failed_keys(self) -> tuple[str, ...]:
        """Their keys; a key that is no str as Python writes it."""
        return tuple(self.errors)

    @property
    def failures(self) -> Mapping[str, Exception]:
        """The same as `errors`."""
        return self.errors

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failed

    @property
    def n_requests(self) -> int:
        """None are sent: what is written waits for a push."""
        return 0

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        text = f"{self.what} {self.successful} of {self.total} items, {byte_size(self.nbytes)}"
        lines = [f"  {key}: {error}" for key, error in islice(self.errors.items(), SHOWN)]
        if len(self.errors) > SHOWN:
            lines.append(f"  ... and {len(self.errors) - SHOWN} more")
        return "\n".join([text, *lines])


def pairs_of(items: Mapping[str, Any] | Iterable[Pair]) -> Iterable[Pair]:
    """Give the pairs of a mapping, or what is pairs already."""
    return items.items() if isinstance(items, Mapping) else items


def checked_pair(item: Any) -> Pair:
    """Give an item of a stream as the pair it should be."""
    if not isinstance(item, Sequence) or isinstance(item, str | bytes) or len(item) != 2:
        raise TypeError(f"{item!r} is no pair of key and value")
    return item[0], item[1]


def write_stream(
    put: Put,
    items: Iterable[Pair],
    *,
    batch_size: int = BATCH_SIZE,
    on_error: OnItemError = "raise",
    progress: Progress = None,
    name: str = "",
) -> BatchResult:
    """Write pairs as they come, `batch_size` together.

    Parameters
    ----------
    put
        Writes some, all or nothing.
    items
        Pairs of key and value; as many as a batch has are held at a time.
    batch_size
        Items written together.
    on_error
        ``'raise'``: the first item that cannot be written is an error, and its batch is not written;
        ``'collect'``: a batch with such items is written item by item, and they are told in the result.
    progress
        True for a bar, or a function called with the items done and in all (0 when that is not known).
    name
        Of the file, for messages.
    """
    if on_error not in ("raise", "collect"):
        raise ValueError(f"on_error={on_error!r}: choose 'raise' or 'collect'")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size={batch_size!r}: at least 1 is needed")
    started, tally = time.monotonic(), _Tally()
    total = len(items) if isinstance(items, Sequence | Mapping) else 0
    remaining = iter(items)
    with reporting(progress, f"write {name}", unit=" items") as report:
        while some := list(islice(remaining, batch_size)):
            tally.write(put, some, on_error)
            if report is not None:
                report(tally.total, total)
    return tally.result("set", started)


class _Tally:
    """What became of the items so far."""

    def __init__(self) -> None:
        self.total = 0
        self.nbytes = 0
        self.errors: dict[str, Exception] = {}
        self.indices: list[int] = []

    def write(self, put: Put, some: Sequence[Pair], on_error: OnItemError) -> None:
        """Write a batch; when that fails and failures are collected, item by item."""
        try:
            self.nbytes += put(some)
        except _OF_THE_FILE:
            raise
        except Exception:
            if on_error == "raise":
                raise
            self._write_each(put, some)
        self.total += len(some)

    def _write_each(self, put: Put, some: Sequence[Pair]) -> None:
        for number, item in enumerate(some):
            try:
                self.nbytes += put([item])
            except _OF_THE_FILE:
                raise
            except Exception as error:
                self.errors[_key_of(item)] = error
                self.indices.append(self.total + number)

    def result(self, what: str, started: float) -> BatchResult:
        """Sum up."""
        good = self.total - len(self.indices)
        seconds = time.monotonic() - started
        return BatchResult(what, self.total, good, self.errors, tuple(self.indices), self.nbytes, seconds)


def delete_together(
    has: Callable[[Sequence[str]], Sequence[bool]],
    delete: Callable[[Sequence[str]], None],
    keys: Iterable[str],
    missing_ok: bool,
) -> BatchResult:
    """Delete keys, all or, when some are missing and that is not in order, none."""
    started = time.monotonic()
    wanted = list(dict.fromkeys(keys))
    there = has(wanted)
    missing = [key for key, is_there in zip(wanted, there, strict=True) if not is_there]
    if missing and not missing_ok:
        shown = ", ".join(map(repr, missing[:SHOWN])) + (f" and {len(missing) - SHOWN} more" * (len(missing) > SHOWN))
        raise KeyError(f"there is no {shown}: nothing was deleted; missing_ok=True passes over them")
    delete([key for key, is_there in zip(wanted, there, strict=True) if is_there])
    count = len(wanted) - len(missing)
    return BatchResult("deleted", count, count, {}, (), 0, time.monotonic() - started)


def collected(keys: Iterable[Any]) -> Iterator[str]:
    """Give keys, and refuse a str, whose letters would be taken for them."""
    if isinstance(keys, str | bytes):
        raise TypeError(f"keys={keys!r}: give a list of keys, [{keys!r}]")
    return iter(keys)


def _key_of(item: Any) -> str:
    try:
        key, _ = checked_pair(item)
    except TypeError:
        return repr(item)
    return key if isinstance(key, str) else repr(key)
