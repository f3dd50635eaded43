"""How does a variable know the labels along its dimensions, without knowing its dataset?

`Labels` is what the variables of one open dataset share: the structure, their arrays, and the values of coordinates
that were read.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from cfdb.errors import DimensionNotFoundError, NotPicklableError, SelectionError, VariableNotFoundError
from cfdb.format.dimension import Slots
from cfdb.model.structure import Dimension, Member, Structure
from cfdb.model.values import Codec
from cfdb.plan.geometry_labels import GeometryIndex
from cfdb.plan.indexing import Axis, Positions, Range, Selection
from cfdb.plan.labels import LabelIndex
from cfdb.storage.engine import ChunkedArray

Array = npt.NDArray[Any]
V = TypeVar("V")
Reopen = tuple[Callable[..., Any], tuple[Any, ...]]
Index = LabelIndex | GeometryIndex

#: Indexes of parts of coordinates that are kept.
_MOST_INDEXES = 32
#: Labels and positions that have no dimensions of their own.
SIMPLE = (slice, int, float, str)


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
        self._indexes: dict[str | tuple[str, Range], tuple[Array, Index]] = {}

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

    def known(self, member: Member) -> Array | None:
        """Give all values of a variable if they are cached."""
        state = (member.version, tuple(dim.slots for dim in member.dims))
        cached = self._values.get(member.id)
        return cached[1] if cached is not None and cached[0] == state else None

    def values_of(self, member: Member) -> Array:
        """Give all values of a variable, cached until it changes; read-only."""
        state = (member.version, tuple(dim.slots for dim in member.dims))
        cached = self.known(member)
        if cached is not None:
            return cached
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

    def locate(self, dim: str, label: Any, method: str | None, tolerance: Any, axis: Axis | None = None) -> Any:
        """Turn labels of one dimension, or of a part of it, into a key of positions.

        Raises
        ------
        SelectionError
            If the dimension has no labels; the message says how to select then.
        """
        if isinstance(label, slice) and label == slice(None) and method is None:
            return label
        return self.index(dim, axis).locate(label, method, tolerance)

    def index(self, dim: str, axis: Axis | None = None) -> Index:
        """Give what finds the labels of one dimension, or of a part of it."""
        member = self.structure.index_of(self.structure.dims[dim])
        if member is None:
            raise SelectionError(
                f"the dimension {dim!r} has no coordinate, so it has no labels: select by position with "
                f"isel({_keyword(dim)}...), or give it labels with ds.create.coord"
            )
        values = self.values_of(member)
        if isinstance(axis, Positions):
            return _index(member, pick(values, axis), dim)
        key = member.id if axis is None else (member.id, axis)
        kept = self._indexes.get(key)
        if kept is None or kept[0] is not values or kept[1].name != dim:
            if len(self._indexes) >= _MOST_INDEXES:
                self._indexes.clear()
            part = values if axis is None else pick(values, axis)
            kept = self._indexes[key] = (values, _index(member, part, dim))
        return kept[1]

    def coordinates(
        self, member: Member, selection: Selection, dims: tuple[str, ...], roles: tuple[str, ...] = ("auxiliary",)
    ) -> dict[str, Any]:
        """Give the coordinates of a selection, restricted to it.

        First those along its dimensions, then those of dimensions that an integer dropped (single labels), then the
        auxiliary ones (variables of some `roles`) whose dimensions are among the variable's.
        """
        axes = dict(zip((dim.id for dim in member.dims), selection.axes, strict=True))
        found: dict[str, Any] = {}
        dropped: dict[str, Any] = {}
        for dim in member.dims:
            index = self.structure.index_of(dim)
            if index is not None:
                (found if dim.path in dims else dropped)[dim.path] = self._part(index, axes, dims)
        found |= dropped
        for other in self.structure.members.values():
            if _describes(other, member, roles):
                found[other.path] = self._part(other, axes, dims)
        return found

    def _part(self, member: Member, axes: Mapping[str, Axis], dims: tuple[str, ...]) -> Any:
        """Give the part of a variable that lies along selected axes."""
        variable = self.variable(member)
        if all(dim.path in dims and is_whole(axes[dim.id], dim.size) for dim in member.dims):
            return variable
        return variable[tuple(_key(axes[dim.id], dim.path in dims) for dim in member.dims)]


def _key(axis: Axis, stays: bool) -> "int | Axis":
    return axis if stays else int(axis.positions()[0])


def _describes(auxiliary: Member, member: Member, roles: tuple[str, ...]) -> bool:
    """Tell whether an auxiliary coordinate belongs to a variable, by a link or by its place.

    It is in the variable's group or one around it. Its dimensions are among the variable's in either case.
    """
    if auxiliary.record.role not in roles:
        return False
    linked = auxiliary.id in member.record.links.get("coordinates", ())
    group = auxiliary.path.rpartition("/")[0]
    inside = linked or not group or member.path.startswith(f"{group}/")
    return inside and auxiliary is not member and all(dim in member.dims for dim in auxiliary.dims)


def _index(member: Member, values: Array, dim: str) -> Index:
    """Make labels of a dimension ready to be looked up."""
    dtype = member.record.dtype
    if dtype.kind == "G":
        return GeometryIndex(values, dim, dtype.name, dtype.precision)
    return LabelIndex(values, dim, dtype.calendar)


def _keyword(name: str) -> str:
    return f"{name}=" if name.isidentifier() else f"{name!r}: "


def is_whole(axis: Axis, size: int) -> bool:
    """Tell whether an axis is selected whole and in order."""
    return axis == Range(0, size)


def pick(values: Array, axis: Axis) -> Array:
    """Take the selected labels."""
    if is_whole(axis, len(values)):
        return values
    picked: Array = values[axis.to_slice() if isinstance(axis, Range) else axis.values]
    return picked


def known_dims(
    labels: Labels,
    chosen: dict[str, Any],
    dims: tuple[str, ...],
    what: str,
    whole: Iterable[Dimension],
    missing_dims: str = "raise",
) -> dict[str, Any]:
    """Give what is chosen along dimensions that exist; what becomes of the rest, `missing_dims` says.

    `whole` are the dimensions before anything was selected.

    Raises
    ------
    DimensionNotFoundError
        Names the dimensions there are, and what to do with a variable that is none.
    """
    if missing_dims not in ("raise", "warn", "ignore"):
        raise ValueError(f"missing_dims={missing_dims!r}: choose 'raise', 'warn' or 'ignore'")
    unknown = [name for name in chosen if name not in dims]
    if not unknown:
        return chosen
    if any(dim.path == unknown[0] for dim in whole):
        text = f"the dimension {unknown[0]!r} of {what} was dropped by an integer; a list or a slice would keep it"
    else:
        text = _unknown_dim(labels.structure, unknown[0], dims, what)
    if missing_dims == "raise":
        raise DimensionNotFoundError(text)
    if missing_dims == "warn":
        warnings.warn(text, UserWarning, stacklevel=4)
    return {name: key for name, key in chosen.items() if name in dims}


def _unknown_dim(structure: Structure, name: str, dims: tuple[str, ...], what: str) -> str:
    there = f"its dimensions are {', '.join(map(repr, dims))}" if dims else "it has none"
    text = f"{what} has no dimension {name!r}; "
    member = structure.members.get(name)
    if member is None or name in structure.dims:
        return text + there
    along = [dim.path for dim in member.dims]
    if not along:
        return f"{text}ds[{name!r}] is a single value, not labels; {there}"
    values = f"ds[{name!r}].values"
    if len(along) == 1:
        way = f"select with isel({_keyword(along[0])}{values} == ...)"
    else:
        way = f"find positions with np.nonzero({values} == ...) and take them with .vindex or .isel_points"
    return f"{text}ds[{name!r}] is a variable along {', '.join(map(repr, along))}: {way}"


class Loc(Generic[V]):
    """Selects by label: ``var.loc[label, start:stop, [a, b]]`` or ``loc[{'lat': 40}]``, both ends inclusive."""

    __slots__ = ("_axis", "_dims", "_get", "_labels", "_set", "_what", "_whole")

    def __init__(
        self,
        labels: Labels,
        dims: tuple[str, ...],
        axis: Callable[[str], Axis | None],
        get: Callable[[Any], V],
        set: Callable[[Any, Any], None],
        what: Callable[[], str],
        whole: Iterable[Dimension],
    ) -> None:
        self._labels = labels
        self._whole = whole
        self._dims = dims
        self._axis = axis
        self._get = get
        self._set = set
        self._what = what

    def __getitem__(self, key: Any) -> V:
        return self._get(self._positions(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._set(self._positions(key), value)

    def _positions(self, key: Any) -> tuple[Any, ...]:
        if isinstance(key, Mapping):
            chosen = known_dims(self._labels, dict(key), self._dims, self._what(), self._whole)
            parts = [chosen.get(name) for name in self._dims]
        else:
            parts = self._expanded(key)
        found: list[Any] = []
        for name, part in zip(self._dims, parts, strict=False):
            if part is None:
                found.append(slice(None))
                continue
            if not isinstance(part, SIMPLE):
                refuse_pointwise({name: part})
            found.append(self._labels.locate(name, part, None, None, self._axis(name)))
        return tuple(found)

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


class NamedLoc(Loc[V]):
    """Selects by label where dimensions have no order that a user would know: ``ds.loc[{'lat': 40}]``."""

    __slots__ = ()

    def _expanded(self, key: Any) -> list[Any]:
        raise TypeError("name the dimensions of a dataset, as in ds.loc[{'lat': 40}], or take .sel(lat=40)")


def by_dimension(given: Mapping[str, Any] | None, named: dict[str, Any]) -> dict[str, Any]:
    """Join what is chosen in a dict and by keywords.

    Raises
    ------
    TypeError
        If something without the name of a dimension is given.
    """
    if given is None:
        return named
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{given!r} does not say along which dimension: give sel(time=...) or sel({{'time': ...}}); without names, "
            "labels go through .loc[...] and positions into the brackets"
        )
    return {**given, **named}


def refuse_pointwise(chosen: Mapping[str, Any]) -> None:
    """Refuse indexers that xarray would take point by point: here several lists select rows and columns."""
    for name, key in chosen.items():
        dims = () if isinstance(key, SIMPLE) else getattr(key, "dims", ())
        if dims and tuple(dims) != (name,):
            raise SelectionError(
                f"{name}= is an array along {', '.join(map(repr, dims))}: lists select rows and columns here; take "
                f"points with .sel_points(...), .isel_points(...) or .vindex[...], rows with {name}=array.values"
            )
