"""What can be said about the difference of two versions of a dataset?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import VariableNotFoundError
from cfdb.model.doors import door

#: Absolute differences are counted by decades: up to 1e-12, up to 1e-11, ... up to 1e12, and above.
EDGES: npt.NDArray[np.float64] = np.power(10.0, np.arange(-12, 13), dtype=np.float64)

Index = tuple[int, ...]
Pair = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """Something other than values that differs: an attribute, a dimension's size, how a variable is stored.

    Attributes
    ----------
    owner : str or None
        The variable or group; None for the dataset.
    name : str
        What differs: ``'dtype'``, ``'dims'``, ``'chunk_shape'`` ..., or ``attrs['units']``.
    old, new
        Before and after; None where it is not there.
    """

    owner: str | None
    name: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class ValueDifference:
    """How the values of a variable differ, in the cells that both versions have.

    Attributes
    ----------
    cells : int
        Cells compared: those of changed chunks.
    changed : int
        Cells whose values differ, missing ones included.
    appeared, disappeared : int
        Cells that were missing before, or are missing now.
    cells_added, cells_removed : int
        Cells that only the new, or only the old version has, in the chunks compared.
    max_abs, mean_abs : float
        Largest and mean absolute difference of the changed cells that are finite in both; NaN where there is none, and
        for what is no number. Times in seconds.
    histogram : tuple of int, shape (26,)
        Absolute differences of these cells by decades: below 1e-12, ... from 1e11 to 1e12, and above.
    """

    cells: int = 0
    changed: int = 0
    appeared: int = 0
    disappeared: int = 0
    cells_added: int = 0
    cells_removed: int = 0
    max_abs: float = float("nan")
    mean_abs: float = float("nan")
    histogram: tuple[int, ...] = (0,) * (len(EDGES) + 1)

    @property
    def edges(self) -> npt.NDArray[np.float64]:
        """Limits of the bins of `histogram`, shape (25,): the first bin ends and the last one begins there."""
        return EDGES


@dataclass(frozen=True, slots=True)
class VariableDifference:
    """How a variable differs.

    Attributes
    ----------
    name : str
        Its name, in the new version if it is there.
    kind : {'added', 'changed', 'deleted'}
        Whether only one of the versions has it.
    added, changed, deleted : tuple of tuple of int
        Numbers of the chunks along every axis, by what became of them.
    old_nbytes, nbytes : int
        Bytes of these chunks as they are stored, before and after.
    fields : tuple of FieldDifference
        What else differs: name, type, attributes ...
    values : ValueDifference, optional
        How values differ, if it was asked for.
    """

    name: str
    kind: str
    added: tuple[Index, ...] = ()
    changed: tuple[Index, ...] = ()
    deleted: tuple[Index, ...] = ()
    old_nbytes: int = 0
    nbytes: int = 0
    fields: tuple[FieldDifference, ...] = ()
    values: ValueDifference | None = None

    @property
    def chunks(self) -> int:
        """Number of chunks that differ."""
        return len(self.added) + len(self.changed) + len(self.deleted)


Opened = Callable[[], AbstractContextManager[tuple[Any, Any]]]


@dataclass(frozen=True)
class DatasetDifference:
    """What differs between two versions of a dataset; true when anything does, prints as a table.

    Attributes
    ----------
    old, new : str
        Ids of the versions; ``'pending changes'`` for what is not pushed yet.
    variables : mapping of str to VariableDifference
        Variables that differ, by name.
    fields : tuple of FieldDifference
        What differs of the dataset itself: attributes, dimensions, groups.
    """

    old: str
    new: str
    variables: Mapping[str, VariableDifference] = field(default_factory=lambda: MappingProxyType({}))
    fields: tuple[FieldDifference, ...] = ()
    opened: Opened | None = field(default=None, repr=False, compare=False)

    def __bool__(self) -> bool:
        return bool(self.variables or self.fields)

    def __len__(self) -> int:
        return len(self.variables)

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def __getitem__(self, name: str) -> VariableDifference:
        found = self.variables.get(name)
        if found is None:
            names = ", ".join(map(repr, self.variables)) or "none"
            raise VariableNotFoundError(f"{name!r} does not differ; the variables that do: {names}")
        return found

    @cached_property
    def added(self) -> tuple[str, ...]:
        """Variables that only the new version has."""
        return self._of("added")

    @cached_property
    def changed(self) -> tuple[str, ...]:
        """Variables that both have, and that differ."""
        return self._of("changed")

    @cached_property
    def deleted(self) -> tuple[str, ...]:
        """Variables that only the old version has."""
        return self._of("deleted")

    def _of(self, kind: str) -> tuple[str, ...]:
        return tuple(name for name, one in self.variables.items() if one.kind == kind)

    def plot(self, variable: str | None = None, path: Any = None, *, at: Sequence[int] | None = None) -> Any:
        """Draw where a variable changed, and by how much.

        On the left the chunks that changed, along the last two dimensions; on the right the difference of one field.

        Parameters
        ----------
        variable : str, optional
            The variable; by default the one with the most changed chunks.
        path : str or path, optional
            Where to save the picture (PNG, PDF, SVG by its ending).
        at : sequence of int, optional
            Positions along the other dimensions; by default those of the first changed chunk.

        Returns
        -------
        matplotlib.figure.Figure, or the path

        Raises
        ------
        ImportError
            If matplotlib is not installed: ``pip install cfdb[demo]``.
        """
        return door("plot_difference")(self, variable, path, at)

    def __str__(self) -> str:
        text: str = door("print_difference")(self)
        return text
