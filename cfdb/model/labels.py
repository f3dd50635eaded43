"""How does a variable know the labels along its dimensions, without knowing its dataset?

`Labels` is what the variables of one open dataset share: the structure, their arrays, and the values of coordinates
that were read.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from cfdb.errors import NotPicklableError, SelectionError, VariableNotFoundError
from cfdb.format.dimension import Slots
from cfdb.model.structure import Dimension, Member, Structure
from cfdb.model.values import Codec
from cfdb.plan.geometry_labels import GeometryIndex
from cfdb.plan.indexing import Axis, Range, Selection
from cfdb.plan.labels import LabelIndex
from cfdb.storage.engine import ChunkedArray

Array = npt.NDArray[Any]
V = TypeVar("V")
Reopen = tuple[Callable[..., Any], tuple[Any, ...]]


class Labels:
    """What the variables of an open dataset share.

    Parameters
    ----------
    structure : Structure
        The records.
    build : callable
        Makes the object that a user gets for a variable.
    masked : bool
        Whether cells that hold a declared fill value are masked.
    reopen : tuple, optional
        Function and arguments with which another process opens the same dataset.
    """

    def __init__(
        self,
        structure: Structure,
        build: "Callable[[Labels, Member], Any]",
        masked: bool = True,
        reopen: Reopen | None = None,
    ) -> None:
        self.structure = structure
        self.masked = masked
        self._reopen = reopen
        self._build = build
        self._arrays: dict[str, ChunkedArray] = {}
        self._values: dict[str, tuple[object, Array]] = {}
        self._indexes: dict[str, LabelIndex | GeometryIndex] = {}

    # variables

    def array(self, member: Member) -> ChunkedArray:
        """Give the array of a variable; the same one every time."""
        found = self._arrays.get(member.id)
        if found is None:
            with self.structure.lock:
                found = self._arrays.setdefault(member.id, self._new_array(member))
        return found

    def _new_array(self, member: Member) -> ChunkedArray:
        pipeline = member.record.pipeline()
        return ChunkedArray(self.structure.store, member.id, pipeline, member.dims, lambda: member.path)

    def variable(self, member: Member) -> Any:
        """Give the object a user works with."""
        return self._build(self, member)

    def check(self, member: Member) -> None:
        """Raise when the dataset was closed or the variable deleted."""
        self.structure.check_open()
        if not member.exists:
            raise VariableNotFoundError(f"the variable {member.path!r} was deleted")

    def check_writable(self, member: Member) -> None:
        """Raise when values of the variable cannot be assigned."""
        self.check(member)
        self.structure.check_writable()

    def guard(self, member: Member) -> None:
        """Tell the store which records a change of values relies on."""
        self.structure.guard(member)

    def forget_dropped(self, dim: Dimension, before: Slots) -> None:
        """Clean up the chunks of everything along a dimension that has lost positions."""
        for member in self.structure.users_of(dim):
            self.structure.guard(member)
            for number, each in enumerate(member.dims):
                if each is dim:
                    self.array(member).forget_dropped(number, before)
            member.version += 1

    def reopening(self) -> Reopen:
        """Give what pickle needs to open the dataset again elsewhere."""
        if self._reopen is None or self.structure.store.writable:
            why = "is open for writing" if self.structure.store.writable else "lives in memory"
            raise NotPicklableError(
                f"the dataset {self.structure.store.name} {why}, so it cannot be handed to another process: open it "
                "with flag='r' for that"
            )
        return self._reopen

    @property
    def writable(self) -> bool:
        """Whether the dataset accepts changes."""
        return self.structure.writable

    @property
    def is_open(self) -> bool:
        """Whether the dataset is open."""
        return not self.structure.closed

    # labels

    def has(self, dim: str) -> bool:
        """Tell whether a dimension has a coordinate."""
        found = self.structure.dims.get(dim)
        return found is not None and self.structure.index_of(found) is not None

    def values(self, dim: str) -> Array:
        """Give the labels of a dimension: its coordinate's values, or else the positions; read-only."""
        found = self.structure.dims[dim]
        member = self.structure.index_of(found)
        return np.arange(found.size) if member is None else self.values_of(member)

    def values_of(self, member: Member) -> Array:
        """Give all values of a variable, cached until it changes; read-only."""
        state = (member.version, tuple(dim.slots for dim in member.dims))
        cached = self._values.get(member.id)
        if cached is not None and cached[0] == state:
            return cached[1]
        array = self.array(member)
        values = Codec(member, array).read(array.everything(), False, None)
        values.flags.writeable = False
        self._values[member.id] = (state, values)
        return values

    def remember(self, member: Member, values: Array) -> None:
        """Put new values into the cache of a coordinate that grew, so that it need not be read again."""
        state = (member.version, tuple(dim.slots for dim in member.dims))
        values.flags.writeable = False
        self._values[member.id] = (state, values)

    def positions(self, dim: str, values: Array, label: Any, method: str | None, tolerance: Any) -> Any:
        """Turn labels of one dimension into a key of positions."""
        if isinstance(label, slice) and label == slice(None):
            return label
        cached = self._indexes.get(dim)
        if cached is None or cached.values is not values:
            cached = self._indexes[dim] = self._index(dim, values)
        return cached.locate(label, method, tolerance)

    def _index(self, dim: str, values: Array) -> LabelIndex | GeometryIndex:
        """Make labels of a dimension ready to be looked up."""
        member = self.structure.index_of(self.structure.dims[dim])
        if member is not None and member.record.dtype.kind == "G":
            return GeometryIndex(values, dim, member.record.dtype.name, member.record.dtype.precision)
        return LabelIndex(values, dim)

    def coordinates(self, member: Member, selection: Selection, dims: tuple[str, ...]) -> dict[str, Any]:
        """Give the coordinates along the dimensions of a selection, restricted to it."""
        found = {}
        for number, dim in enumerate(member.dims):
            index = self.structure.index_of(dim)
            if index is not None and dim.path in dims:
                coordinate = self.variable(index)
                axis = selection.axes[number]
                found[dim.path] = coordinate if is_whole(axis, dim.size) else coordinate[axis]
        return found


def is_whole(axis: Axis, size: int) -> bool:
    """Tell whether an axis is selected whole and in order."""
    return axis == Range(0, size)


def pick(values: Array, axis: Axis) -> Array:
    """Take the selected labels."""
    if is_whole(axis, len(values)):
        return values
    picked: Array = values[axis.to_slice() if isinstance(axis, Range) else axis.values]
    return picked


class Loc(Generic[V]):
    """Selection by label: ``var.loc[...]``; both ends of a slice are inclusive."""

    __slots__ = ("_dims", "_get", "_labels", "_set", "_values")

    def __init__(
        self,
        labels: Labels,
        dims: tuple[str, ...],
        values: Callable[[str], Array],
        get: Callable[[Any], V],
        set: Callable[[Any, Any], None],
    ) -> None:
        self._labels = labels
        self._dims = dims
        self._values = values
        self._get = get
        self._set = set

    def __getitem__(self, key: Any) -> V:
        return self._get(self._positions(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._set(self._positions(key), value)

    def _positions(self, key: Any) -> tuple[Any, ...]:
        chosen = key if isinstance(key, Mapping) else dict(zip(self._dims, self._expanded(key), strict=False))
        unknown = [name for name in chosen if name not in self._dims]
        if unknown:
            raise SelectionError(f"there is no dimension {unknown[0]!r}; there are {', '.join(map(repr, self._dims))}")
        return tuple(
            self._labels.positions(name, self._values(name), chosen[name], None, None)
            if chosen.get(name) is not None
            else slice(None)
            for name in self._dims
        )

    def _expanded(self, key: Any) -> list[Any]:
        parts = list(key) if isinstance(key, tuple) else [key]
        dots = [number for number, part in enumerate(parts) if part is Ellipsis]
        if len(dots) > 1:
            raise SelectionError("an index can only have a single ellipsis ('...')")
        if len(parts) - len(dots) > len(self._dims):
            raise SelectionError(f"too many labels: {len(parts)} for the dimensions {', '.join(map(repr, self._dims))}")
        if dots:
            missing = len(self._dims) - len(parts) + 1
            parts[dots[0] : dots[0] + 1] = [None] * missing
        return parts


def refuse_pointwise(chosen: Mapping[str, Any]) -> None:
    """Refuse indexers that xarray would take point by point: here several lists select rows and columns."""
    for name, key in chosen.items():
        dims = getattr(key, "dims", ())
        if dims and tuple(dims) != (name,):
            raise SelectionError(
                f"{name}= is an array along {', '.join(map(repr, dims))}: lists select rows and columns here; take "
                f"points with .vindex[...], rows with {name}=array.values"
            )
