"""How do several writers share a dataset: in turns, or as workers whose changes one commit publishes?"""

from dataclasses import dataclass, field
from typing import Any

from cfdb.model.dataset import Dataset
from cfdb.model.doors import door
from cfdb.storage.ebooklet_store import EBookletStore


@dataclass(frozen=True, slots=True)
class DatasetFork:
    """What a worker needs to write a part of a dataset; travels to other processes and computers.

    Made by `EDataset.fork`. It holds the connection, with credentials only if that itself would be pickled with them.

    Attributes
    ----------
    db : ebooklet.Fork
        The same for the chunks.
    """

    db: Any
    masked: bool = field(default=True, repr=False)

    @property
    def version(self) -> str:
        """Id of the version that workers see and build on."""
        return str(self.db.version)

    def open(self, folder: Any = None) -> Any:
        """Open the dataset for a worker: leave the ``with`` block, then return its `result`.

        Parameters
        ----------
        folder : str or path, optional
            Where chunks wait until they are sent; a temporary folder by default.

        Returns
        -------
        WorkerDataset
            Values can be read and written; variables, dimensions and attributes cannot be changed.
        """
        return door("open_fork")(self, folder)


class SharedDataset(Dataset):
    """A dataset on a remote that others write as well."""

    _store: EBookletStore

    def fork(self) -> DatasetFork:
        """Return a record with which workers in other threads, processes and computers write for this dataset.

        Workers see what was pushed, so nothing may be pending here: make variables and dimensions, push, then fork.

        Raises
        ------
        ebooklet.ForkError
            If something is pending, or nothing was pushed yet.

        Examples
        --------
        >>> import numpy as np, tempfile
        >>> import cfdb
        >>> def work(fork, day):
        ...     with fork.open() as part:
        ...         part["t"][day] = np.full(3, day)
        ...     return part.result()
        >>> remote = f"file://{tempfile.mkdtemp()}/t.cfdb"
        >>> with cfdb.open_edataset(remote, flag="n", cache=None) as ds:
        ...     ds["x"] = ("x", [1, 2, 3])
        ...     ds["day"] = ("day", [0, 1])
        ...     t = ds.create.data_var.generic("t", ("day", "x"), dtype="float64", chunk_shape=(1, 3))
        ...     pushed = ds.push()
        ...     fork = ds.fork()
        ...     merged = ds.merge([work(fork, day) for day in range(2)])
        ...     print(merged.n_keys, ds["t"].values.tolist())
        2 [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
        """
        self._structure.check_writable()
        self.sync()
        return DatasetFork(self._store.fork(), self._labels.masked)

    def merge(self, results: Any) -> Any:
        """Take over what workers wrote; the next push publishes it in one commit, with what is pending here.

        Their chunks are read from the remote when they are touched. A result that was merged before is passed over. All
        results are merged, or none.

        Parameters
        ----------
        results : ForkResult or iterable of ForkResult
            What the workers gave back.

        Returns
        -------
        MergeResult

        Raises
        ------
        ebooklet.OverlapError
            If two workers, or a worker and this dataset, wrote the same chunk; it names variable and chunk. Nothing
            was merged.
        ebooklet.ForkError
            If a result belongs to another dataset or another version.
        """
        with self._structure.lock:
            self.sync()
            merged = self._store.merge(results)
            if merged:
                self._structure.reload()
                self._settle()
        return merged

    def lock_info(self) -> Any:
        """Tell who holds the lease on the remote (``lock=True``), this dataset perhaps; None when nobody does."""
        self._structure.check_open()
        return self._store.db.lock_info()

    def break_lock(self) -> Any:
        """End the lease on the remote whoever holds it, and tell who did; see `ebooklet.break_lock`."""
        self._structure.check_open()
        return self._store.db.break_lock()
