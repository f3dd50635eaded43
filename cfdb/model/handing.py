"""Can another process read blocks of a variable itself?"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy.typing as npt

from cfdb.compute.rechunk import suits_workers
from cfdb.compute.source import Source
from cfdb.errors import NotPicklableError
from cfdb.model.part import Part
from cfdb.storage.booklet_store import BookletStore

Array = npt.NDArray[Any]
Load = Callable[[Any], Any]


def loader(part: Part, source: Source, lengths: Sequence[int] | None, max_mem: int) -> Load | None:
    """Give a function that reads blocks of a part in another process, or None when it is better read here.

    Parameters
    ----------
    part : Part
        What is read.
    source : Source
        Its description.
    lengths : sequence of int, optional
        Shape of the blocks; None for stored chunks.
    max_mem : int
        Bytes this process may use to read them.
    """
    if not _opens_elsewhere(part) or (lengths is not None and not suits_workers(source, lengths, max_mem)):
        return None
    return partial(_read, part)


def loader_of_all(parts: dict[str, Part]) -> Load | None:
    """Give a function that reads blocks of several parts in another process, or None when it is better done here."""
    return partial(_read_all, parts) if all(map(_opens_elsewhere, parts.values())) else None


def _opens_elsewhere(part: Part) -> bool:
    if not isinstance(part._array.store, BookletStore):
        return False  # one process asks the remote
    try:
        part._labels.reopening()
    except NotPicklableError:
        return False
    return True


def _read(part: Part, box: Any) -> Array:
    values: Array = part._source().read(box)
    return values


def _read_all(parts: dict[str, Part], where: dict[str, Any]) -> dict[str, Array]:
    return {name: _read(part, tuple(where[dim] for dim in part.dims)) for name, part in parts.items()}
