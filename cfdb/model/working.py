"""What can a worker do with its part of a dataset? Read and write values, and hand over what it wrote."""

from types import TracebackType
from typing import Any, NoReturn

from cfdb.errors import ReadOnlyError
from cfdb.model.edataset import EDataset
from cfdb.model.structure import Structure

_ONLY_VALUES = (
    "a worker changes values only, so that all parts fit together: make and change variables, dimensions "
    "and attributes in the dataset that was forked, push(), and fork() again"
)


def _fixed(self: Structure, *args: Any, **options: Any) -> NoReturn:
    """Refuse to change the structure."""
    raise ReadOnlyError(f"{self.store.name}: {_ONLY_VALUES}")


class FixedStructure(Structure):
    """The records of a dataset that a worker writes: they stay as they are."""

    touch_attributes = _fixed
    set_dataset = _fixed
    add_dimension = _fixed
    set_dimension = _fixed
    remove_dimension = _fixed
    add_member = _fixed
    set_member = _fixed
    remove_members = _fixed
    add_group = _fixed
    remove_group = _fixed
    rename = _fixed


def _refused(name: str) -> Any:
    def refuse(self: "WorkerDataset", *args: Any, **options: Any) -> NoReturn:
        raise ReadOnlyError(f"{name}() is for the dataset that was forked: a worker sends what it writes by result()")

    refuse.__doc__ = "Refuse: only the dataset that was forked can do that."
    return refuse


class WorkerDataset(EDataset):
    """A part of a dataset, written by a worker; made by `DatasetFork.open`.

    It shows the version of the fork and what the worker wrote itself. Leaving ``with`` sends what was written; `result`
    is what the dataset that was forked has to be given. An exception that leaves ``with`` sends nothing.
    """

    push = _refused("push")
    pull = _refused("pull")
    refresh = _refused("refresh")
    discard = _refused("discard")
    delete_remote = _refused("delete_remote")
    compact = _refused("compact")
    fork = _refused("fork")
    merge = _refused("merge")
    break_lock = _refused("break_lock")
    tag = _refused("tag")
    delete_tag = _refused("delete_tag")
    expire = _refused("expire")
    collect = _refused("collect")

    def result(self, *, progress: Any = None) -> Any:
        """Send what was written, if it was not yet, close the dataset, and return the record for `EDataset.merge`.

        Parameters
        ----------
        progress : callable, optional
            Called with the bytes sent and in all.

        Returns
        -------
        ForkResult
            A small record: keys and the objects that hold their values.

        Raises
        ------
        ebooklet.ForkError
            If the dataset was closed by an exception, or by `close`.
        """
        if not self._structure.closed:
            self.sync()
            sent = self._store.result(progress)
            self._structure.close()
            return sent
        return self._store.result(progress)

    def close(self) -> None:
        """Close the dataset; what was not sent is dropped."""
        if not self._structure.closed:
            self._structure.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and not self._structure.closed:
            self.result()
        self.close()
