"""How does the structure of a dataset, or of a group in it, change?"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cfdb.errors import CoordinateError, VariableNotFoundError
from cfdb.format.names import composed
from cfdb.model.creation import Creator
from cfdb.model.making import assign
from cfdb.model.moving import Moving
from cfdb.model.reading import Reading
from cfdb.model.renaming import delete, drop_dimension, rename
from cfdb.model.structure import Dimension, Structure, unknown_name
from cfdb.model.undo import all_or_nothing


class Changing(Moving, Reading):
    """Named variables along shared dimensions that can be created, renamed and deleted."""

    @property
    def _structure(self) -> Structure:
        return self._labels.structure

    @property
    def writable(self) -> bool:
        """Whether changes are accepted."""
        return self._structure.writable

    @property
    def unlimited_dims(self) -> tuple[str, ...]:
        """Names of the dimensions that are declared to grow."""
        return tuple(name for name, dim in self._structure.dims.items() if dim.record.unlimited)

    @property
    def create(self) -> Creator:
        """Create coordinates, data variables, dimensions and groups."""
        self._structure.check_writable()
        return Creator(self._labels, self._group)

    def __setitem__(self, name: str, value: Any) -> None:
        self._structure.check_writable()
        assign(self._labels, composed(name) if isinstance(name, str) else name, value)

    def __delitem__(self, name: str) -> None:
        with all_or_nothing(self._structure):
            delete(self._structure, name)

    def rename(self, names: Mapping[str, str] | None = None, **named: str) -> None:
        """Rename variables, dimensions and groups, as one; no chunk is touched.

        CF attributes that name them (``coordinates``, ``grid_mapping``, ``cell_methods`` ...) follow.

        Parameters
        ----------
        names : mapping
            New names by old ones; a coordinate's dimension is renamed with it, a group with everything in it. Names
            may be swapped.

        Raises
        ------
        VariableNotFoundError
            If there is nothing of a name; nothing changes then.
        InvalidNameError
            If a name is not allowed or taken; nothing changes then.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["a"], ds["b"] = ("x", [1, 2]), ("x", [3, 4])
        ...     ds.rename(a="b", b="a", x="station")
        ...     print(ds["a"].values, ds["a"].dims)
        [3 4] ('station',)
        """
        self._structure.check_writable()
        with self._structure.lock:
            rename(self._structure, {**(names or {}), **named})

    def drop_dim(self, name: str) -> None:
        """Delete a dimension that no variable uses but its own coordinate, which goes with it.

        Parameters
        ----------
        name : str
            Its name.

        Raises
        ------
        CoordinateError
            If variables lie along it; the message names them.
        """
        with all_or_nothing(self._structure):
            drop_dimension(self._structure, name)

    def resize(self, sizes: Mapping[str, int] | None = None, **named: int) -> None:
        """Give dimensions without a coordinate a new length; new places read as missing until they are written.

        Parameters
        ----------
        sizes : mapping
            Lengths by dimension; also as keywords. Dimensions with a coordinate grow by its `append`.
        """
        with all_or_nothing(self._structure):
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
        dim = self._structure.dimension(name) if isinstance(name, str) else None
        if dim is None:
            raise VariableNotFoundError(unknown_name("dimension", name, self._structure.dims))
        if self._structure.index_of(dim) is not None:
            raise CoordinateError(f"the dimension {name!r} has labels: grow it with ds[{name!r}].append(...)")
        return dim


def _length(name: str, size: Any) -> int:
    """Refuse what cannot be the length of a dimension."""
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 0:
        raise ValueError(f"{name}={size!r}: give a length, a whole number that is not negative")
    return int(size)
