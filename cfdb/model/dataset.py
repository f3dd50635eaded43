"""What is an open dataset, and how do its changes become permanent?"""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from cfdb.errors import CoordinateError, InvalidNameError, VariableNotFoundError
from cfdb.format.names import check_path, composed
from cfdb.model.coordinate import Coordinate
from cfdb.model.creation import Creator
from cfdb.model.data_variable import DataVariable
from cfdb.model.labels import Labels, Reopen
from cfdb.model.listing import Chosen
from cfdb.model.making import assign
from cfdb.model.reading import Reading
from cfdb.model.structure import Dimension, Member, Structure, unknown_name
from cfdb.model.variable import Variable
from cfdb.model.view import View


def build_variable(labels: Labels, member: Member) -> Variable:
    """Make the object of a variable, by what it is for."""
    if member.is_index:
        return Coordinate(labels, member)
    return DataVariable(labels, member) if member.record.role == "data" else Variable(labels, member)


class Dataset(Reading):
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

    def __init__(
        self,
        structure: Structure,
        *,
        file_path: Path | None = None,
        on_error: str = "rollback",
        masked: bool = True,
        reopen: Reopen | None = None,
    ) -> None:
        check_on_error(on_error)
        super().__init__(Labels(structure, build_variable, masked, reopen))
        self.file_path = file_path
        self._on_error = on_error

    # what it is

    @property
    def _structure(self) -> Structure:
        return self._labels.structure

    @property
    def name(self) -> str:
        """Where the dataset lives, for messages."""
        return self._structure.store.name

    @property
    def writable(self) -> bool:
        """Whether changes are accepted."""
        return self._structure.writable

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
    def crs(self) -> str | None:
        """Coordinate reference system, as ``'EPSG:4326'`` or WKT."""
        return self._structure.dataset.crs

    @property
    def unlimited_dims(self) -> tuple[str, ...]:
        """Names of the dimensions that are declared to grow."""
        return tuple(name for name, dim in self._structure.dims.items() if dim.record.unlimited)

    @property
    def create(self) -> Creator:
        """Create coordinates, data variables and dimensions."""
        self._structure.check_writable()
        return Creator(self._labels)

    def _selected(self) -> Chosen:
        return {}

    def _object(self, member: Member) -> View:
        found: View = self._labels.variable(member)
        return found

    def __bool__(self) -> bool:
        return self.is_open and bool(len(self))

    # changing the structure

    def __setitem__(self, name: str, value: Any) -> None:
        self._structure.check_writable()
        assign(self._labels, composed(name) if isinstance(name, str) else name, value)

    def __delitem__(self, name: str) -> None:
        self._structure.check_writable()
        structure = self._structure
        with structure.lock:
            member = structure.find(composed(name) if isinstance(name, str) else name)
            along = structure.users_of(member.dims[0]) if member.is_index else []
            users = [other.path for other in along if other is not member]
            if users:
                raise CoordinateError(
                    f"the coordinate {name!r} labels a dimension of {', '.join(map(repr, users[:5]))}; delete these "
                    "first"
                )
            structure.remove_member(member)
            for dim in dict.fromkeys(member.dims):
                if not structure.users_of(dim):
                    structure.remove_dimension(dim)

    def rename(self, names: Mapping[str, str] | None = None, **named: str) -> None:
        """Rename variables and dimensions; no chunk is touched.

        Parameters
        ----------
        names : mapping
            New names by old ones; a coordinate's dimension is renamed with it.
        """
        self._structure.check_writable()
        structure = self._structure
        with structure.lock:
            paths = {old: check_path(new) for old, new in {**(names or {}), **named}.items()}
            taken = {**structure.members, **structure.dims}
            for old, path in paths.items():
                if old not in taken:
                    raise VariableNotFoundError(unknown_name("variable", old, taken))
                if path != old and (path in taken or list(paths.values()).count(path) > 1):
                    raise InvalidNameError(f"cannot rename {old!r}: the name {path!r} is taken")
            for old, path in paths.items():
                if old in structure.dims:
                    dim = structure.dims[old]
                    structure.set_dimension(dim, replace(dim.record, path=path))
                if old in structure.members:
                    member = structure.members[old]
                    structure.set_member(member, replace(member.record, path=path))

    def resize(self, sizes: Mapping[str, int] | None = None, **named: int) -> None:
        """Give dimensions without a coordinate a new length; new places read as missing until they are written.

        Parameters
        ----------
        sizes : mapping
            Lengths by dimension; also as keywords. Dimensions with a coordinate grow by its `append`.
        """
        self._structure.check_writable()
        with self._structure.lock:
            wanted = {name: _length(name, size) for name, size in {**(sizes or {}), **named}.items()}
            for dim, size in [(self._plain_dim(name), size) for name, size in wanted.items()]:
                before = dim.record
                if size >= before.size:
                    slots = before.slots.append(size - before.size)
                else:
                    slots = before.slots.truncate(0, size)
                self._structure.set_dimension(dim, replace(before, slots=slots))
                if size < before.size:
                    self._labels.forget_dropped(dim, before.slots)

    def _plain_dim(self, name: str) -> Dimension:
        dims = self._structure.dims
        if name not in dims:
            raise VariableNotFoundError(unknown_name("dimension", name, dims))
        if self._structure.index_of(dims[name]) is not None:
            raise CoordinateError(f"the dimension {name!r} has labels: grow it with ds[{name!r}].append(...)")
        return dims[name]

    # making it permanent

    def sync(self) -> None:
        """Make every change so far permanent, as one: structure, attributes and data."""
        self._structure.check_open()
        if not self._structure.store.writable:
            self._structure.check_writable()
        with self._structure.lock:  # nothing may grow in between: its values would be written without its length
            self._structure.flush()
            self._structure.store.commit()

    def rollback(self) -> int:
        """Drop every change since the last `sync`; give their number."""
        self._structure.check_writable()
        structure = self._structure
        with structure.lock:
            dropped = structure.pending + structure.store.rollback()
            structure.reload()
        return dropped

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
                self._structure.flush()
                self._structure.store.commit()
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


def _length(name: str, size: Any) -> int:
    """Refuse what cannot be the length of a dimension."""
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 0:
        raise ValueError(f"{name}={size!r}: give a length, a whole number that is not negative")
    return int(size)


def check_on_error(on_error: str) -> None:
    """Refuse what cannot be done with the changes of a block that an exception leaves."""
    if on_error not in ("rollback", "keep"):
        raise ValueError(f"on_error={on_error!r}: choose 'rollback' or 'keep'")
