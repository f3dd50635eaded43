"""What of a dataset is not pushed yet, variable by variable?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cfdb.format.names import FILE_PREFIX, parse_chunk_key
from cfdb.model.doors import door
from cfdb.options import get_options


class Changes:
    """Everything that is not pushed yet, as it was when this object was made; earlier sessions are included.

    Parameters
    ----------
    changes
        Pending keys of the file below.
    names : mapping
        Names of variables by identity.
    target : str
        Where a push goes.
    push, pull, discard : callable
        What the dataset does.
    """

    def __init__(
        self,
        changes: Any,
        names: Mapping[str, str],
        target: str,
        *,
        push: Callable[..., Any],
        pull: Callable[[], bool],
        discard: Callable[[Sequence[str] | None], int],
    ) -> None:
        self._changes = changes
        self._names = names
        self.target = target
        self._push = push
        self._pull = pull
        self._discard = discard

    def __len__(self) -> int:
        return len(self._changes)

    def __bool__(self) -> bool:
        return bool(self._changes)

    @property
    def nbytes(self) -> int:
        """Bytes of all new values."""
        size: int = self._changes.nbytes
        return size

    @property
    def objects(self) -> int:
        """Objects that a push would write: packs and the root."""
        number: int = self._changes.objects
        return number

    def estimate(self) -> Any:
        """Tell what a push takes: requests, bytes, and money by the option `prices`; sends nothing.

        Returns
        -------
        Estimate
            As :meth:`ebooklet.changes.Changes.estimate` gives it.
        """
        return self._changes.estimate(get_options().prices)

    @property
    def replaced(self) -> int | None:
        """How many keys of the remote the push replaces (flag ``'n'``); None when it replaces none."""
        number: int | None = self._changes.replaced
        return number

    def iter_changes(self) -> Iterator[Any]:
        """Iterate over the changed keys: records with key, kind, timestamps and nbytes."""
        yield from self._changes.iter_changes()

    __iter__ = iter_changes

    def by_variable(self) -> dict[str | None, list[Any]]:
        """Group the changed keys by variable, or file; None stands for records of the structure and attributes."""
        groups: dict[str | None, list[Any]] = {}
        for change in self._changes.iter_changes():
            chunk = parse_chunk_key(change.key)
            name = None if chunk is None else self._names.get(chunk[0], f"deleted variable {chunk[0]}")
            if change.key.startswith(FILE_PREFIX):
                name = f"file {change.key.removeprefix(FILE_PREFIX)}"
            groups.setdefault(name, []).append(change)
        return groups

    def push(self, **options: Any) -> Any:
        """Publish them; see `EDataset.push`."""
        return self._push(**options)

    def pull(self) -> bool:
        """Move to the newest version of the remote, keeping them on top; see `EDataset.pull`."""
        return self._pull()

    def discard(self, keys: Sequence[str] | None = None) -> int:
        """Give them up: the dataset reads again what the remote has; see `EDataset.discard`."""
        return self._discard(keys)

    def __repr__(self) -> str:
        text: str = door("summarize_pending")(self)
        return text
