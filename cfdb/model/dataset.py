"""What is an open dataset, and how do its changes become permanent?"""

import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from cfdb.format.names import owner_of
from cfdb.model.changing import Changing
from cfdb.model.coordinate import Coordinate
from cfdb.model.data_variable import DataVariable
from cfdb.model.files import Files
from cfdb.model.groups import Group
from cfdb.model.history import History
from cfdb.model.labels import Labels, Reopen
from cfdb.model.listing import Chosen
from cfdb.model.structure import Member, Structure
from cfdb.model.variable import Variable
from cfdb.model.view import View
from cfdb.storage.protocol import refuse_timestamp


def build_variable(labels: Labels, member: Member) -> Variable:
    """Make the object of a variable, by what it is for."""
    if member.is_index:
        return Coordinate(labels, member)
    return DataVariable(labels, member) if member.record.role == "data" else Variable(labels, member)


class Dataset(Changing):
    """An open dataset: named variables along shared dimensions.

    Datasets are opened by `cfdb.open_dataset` and `cfdb.open_edataset`. Leaving the ``with`` block cleanly, or `close`,
    makes all changes permanent, as one; an exception that leaves it drops what was changed since the last `sync`.

    Examples
    --------
    >>> import numpy as np
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     lat = ds.create.coord.generic("lat", data=[60.0, 50.0, 40.0])
    ...     ds["t"] = ("lat", np.array([3.0, 2.0, 1.0]), {"units": "K"})
    ...     print(list(ds), ds.sizes, float(ds["t"].sel(lat=50)))
    ['lat', 't'] {'lat': 3} 2.0
    """

    _has_remote: ClassVar[bool] = False
    #: The file; None in memory.
    file_path: Path | None = None

    def __init__(
        self,
        structure: Structure,
        *,
        file_path: Path | None = None,
        on_error: str = "rollback",
        masked: bool = True,
        reopen: Reopen | None = None,
        history: History | None = None,
    ) -> None:
        check_on_error(on_error)
        super().__init__(Labels(structure, build_variable, masked, reopen))
        self.file_path = file_path
        self._on_error = on_error
        self._history = history

    # what it is

    @property
    def name(self) -> str:
        """Where the dataset lives, for messages."""
        return self._structure.store.name

    @property
    def dataset_type(self) -> str:
        """Kind of dataset: ``grid``, ``ts_ortho``, ``grid_forecast`` or ``ts_forecast``."""
        return self._structure.dataset.dataset_type

    @property
    def compression(self) -> str:
        """Compression of new variables."""
        return self._structure.dataset.compression

    @property
    def compression_level(self) -> int | None:
        """Compression level of new variables; None is the compression's default."""
        return self._structure.dataset.compression_level

    @property
    def files(self) -> Files:
        """Small files that travel with the dataset: bytes, texts and what JSON can hold, by name."""
        return Files(self._structure)

    def _selected(self) -> Chosen:
        return {}

    def _object(self, member: Member) -> View:
        found: View = self._labels.variable(member)
        return found

    def _group(self, path: str) -> Group:
        return Group(self._labels, path)

    def __bool__(self) -> bool:
        return self.is_open and bool(len(self))

    # making it permanent

    def sync(self) -> None:
        """Make every change so far permanent, as one: structure, attributes and data."""
        self._structure.check_open()
        if not self._structure.store.writable:
            self._structure.check_writable()
        self._commit()

    def _commit(self) -> None:
        with self._structure.lock:  # nothing may grow in between: its values would be written without its length
            if self._history is not None:
                self._history.write()
            self._structure.flush()
            self._structure.store.commit()
            self._settle()

    def _settle(self) -> None:
        """Take what is there for what the last commit left."""
        if self._history is not None:
            self._history.settle()

    def rollback(self) -> int:
        """Drop every change since the last `sync`; give their number."""
        self._structure.check_writable()
        structure = self._structure
        with structure.lock:
            dropped = structure.pending + structure.store.rollback()
            structure.reload()
            self._settle()
        return dropped

    def prune(self, timestamp: Any = None) -> int:
        """Give back the room of values that were overwritten or deleted; everything so far becomes permanent.

        The file is written anew beside the old one and takes its place as the last step: a crash leaves one of them
        whole. It needs the room of both meanwhile. Readers that have it open keep reading the old one.

        Parameters
        ----------
        timestamp : int, str or datetime, optional
            Of a local file in step with a remote: copies of remote values that came before this moment go as well, and
            are fetched again when they are touched.

        Returns
        -------
        int
            By how many bytes the file became smaller.

        Examples
        --------
        >>> import numpy as np
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["t"] = ("x", np.random.default_rng(1).random(100_000))
        ...     ds["u"] = ("x", np.zeros(100_000))
        ...     del ds["t"]
        ...     print(ds.prune() > 600_000)
        True
        """
        self._structure.check_writable()
        if not self._has_remote:
            refuse_timestamp(self.name, timestamp)
        with self._structure.lock:
            self._structure.store.delete(self._orphans())
            self.sync()
            return self._structure.store.prune(timestamp)

    def compact(self) -> Any:
        """Do the same as `prune`; of a dataset in step with a remote it is the remote that is compacted."""
        return self.prune()

    def _orphans(self) -> list[str]:
        """Find keys of chunks and attributes whose variable is gone."""
        known = {member.id for member in self._structure.members.values()}
        owners = ((key, owner_of(key)) for key in self._structure.store.keys(""))
        return [key for key, owner in owners if owner is not None and owner not in known]

    def refresh(self) -> bool:
        """Move a dataset that is open for reading to the newest state; tell whether there was one."""
        self._structure.check_open()
        moved = self._structure.store.refresh()
        if moved:
            self._structure.reload()
        return moved

    def close(self) -> None:
        """Make every change permanent and release the file; a second call does nothing."""
        if self._structure.closed:
            return
        try:
            if self._structure.store.writable:
                self._commit()
        finally:
            self._structure.close()

    def __enter__(self) -> Self:
        self._structure.check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or self._structure.closed or not self._structure.store.writable or self._on_error == "keep":
            self.close()
            return
        try:
            dropped = self._structure.pending + self._structure.store.rollback()
        finally:
            self._structure.close()
        if dropped:
            warnings.warn(
                f"an exception ({kind.__name__}) left the `with` block of {self.name}: {dropped} changes since the last"
                " sync() are dropped. Call sync() after each step that should stay, or open with on_error='keep'",
                UserWarning,
                stacklevel=2,
            )

    def __reduce__(self) -> Any:
        return self._labels.reopening()


def check_on_error(on_error: str) -> None:
    """Refuse what cannot be done with the changes of a block that an exception leaves."""
    if on_error not in ("rollback", "keep"):
        raise ValueError(f"on_error={on_error!r}: choose 'rollback' or 'keep'")
