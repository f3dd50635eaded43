"""What can be asked of any part of a variable?

`View` is a selection of a variable that was not read yet. It answers shape, dims and coordinates without reading,
composes with further selections, and gives an array when one is needed.
"""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from cfdb.errors import MemoryLimitError, SelectionError
from cfdb.format.dtypes import DataType
from cfdb.model.arrays import ArrayLike
from cfdb.model.attributes import Attributes
from cfdb.model.containers import Variables
from cfdb.model.doors import door
from cfdb.model.labels import Labels, Loc, pick, refuse_pointwise
from cfdb.model.loading import LoadResult
from cfdb.model.points import Points
from cfdb.model.structure import Member
from cfdb.model.values import Codec
from cfdb.options import get_options
from cfdb.plan.indexing import Selection, select
from cfdb.storage.engine import ChunkedArray
from cfdb.storage.protocol import Stored

Array = npt.NDArray[Any]
Key = Any


class View(ArrayLike):
    """A part of a variable, not read yet.

    NumPy's functions and operators read it and give arrays; assigning to it writes to the variable.
    """

    __slots__ = ("__weakref__", "_array", "_codec", "_labels", "_member", "_selection", "attrs")
    _kind: ClassVar[str] = "view"

    def __init__(
        self, member: Member, array: ChunkedArray, attrs: Attributes, labels: Labels, selection: Selection | None = None
    ) -> None:
        self._member = member
        self._array = array
        self._labels = labels
        self._selection = selection
        self._codec = Codec(member, array)
        self.attrs = attrs

    # what it is

    def _selected(self) -> Selection:
        """Give the selection; a whole variable's follows its dimensions."""
        self._labels.check(self._member)
        return self._array.everything() if self._selection is None else self._selection

    @property
    def name(self) -> str:
        """Name of the variable."""
        return self._member.path

    @property
    def id(self) -> str:
        """Identity of the variable, under which its chunks are stored."""
        return self._member.id

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every dimension."""
        self._labels.check(self._member)
        return self._array.shape if self._selection is None else self._selection.shape

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions; an axis added by None has none ('')."""
        names = [dim.path for dim in self._member.dims]
        if self._selection is None:
            self._labels.check(self._member)
            return tuple(names)
        return tuple("" if axis is None else names[axis] for axis in self._selected().layout)

    @property
    def sizes(self) -> dict[str, int]:
        """Lengths by dimension."""
        return dict(zip(self.dims, self.shape, strict=True))

    @property
    def coord_names(self) -> tuple[str, ...]:
        """Names of the coordinates along the dimensions, in their order."""
        return tuple(name for name in self.dims if self._labels.has(name))

    @property
    def coords(self) -> Variables["View"]:
        """The coordinates along the dimensions, restricted to the same part."""
        return Variables(self._labels.coordinates(self._member, self._selected(), self.dims), "coordinate")

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    ndims = ndim

    @property
    def size(self) -> int:
        """Number of cells."""
        return prod(self.shape)

    @property
    def dtype(self) -> DataType:
        """Type of the values; ``np.dtype(var.dtype)`` is NumPy's."""
        return self._member.record.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the values when loaded."""
        return self.size * self._array.dtype.itemsize

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of a stored chunk of the variable."""
        return self._member.record.chunk_shape

    chunks = chunk_shape

    @property
    def n_chunks(self) -> int:
        """Number of chunks this part lies in, written or not."""
        return len(self._array.grid.plan(self._selected()))

    @property
    def units(self) -> str | None:
        """Units: of the attributes, or as given by `update_units`, or of the CF time."""
        found = self._member.record.units or self.attrs.data.get("units") or self.dtype.units
        return None if found is None else str(found)

    @property
    def fill_value(self) -> Any:
        """Declared fill value, None when there is none."""
        return self._member.record.fill_value

    @property
    def role(self) -> str:
        """What the variable is for: ``data``, ``coordinate``, ``auxiliary``, ``bounds``, ``grid_mapping`` ..."""
        return self._member.record.role

    @property
    def encoding(self) -> Mapping[str, Any]:
        """How the variable is stored elsewhere (netCDF options), and how its values are rounded."""
        return dict(self._member.record.encoding)

    @property
    def writable(self) -> bool:
        """Whether values can be assigned."""
        return self._labels.writable

    @property
    def is_open(self) -> bool:
        """Whether the dataset is open and the variable still in it."""
        return self._labels.is_open and self._member.exists

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"{self._kind} {self.name!r} has no dimensions, so it has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(
            f"iterating over {self._kind} {self.name!r} cell by cell would be slow: use .iter_chunks() to go through "
            "it chunk by chunk, or .values to load it"
        )

    # selecting

    def __getitem__(self, key: Key) -> "View":
        return self._at(self._taken(key))

    def _taken(self, key: Key) -> Selection:
        """Select from this part."""
        self._labels.check(self._member)
        return select(key, self._array.shape) if self._selection is None else self._selection.take(key)

    def __setitem__(self, key: Key, value: Any) -> None:
        selection = self._taken(key)
        self._labels.check_writable(self._member)
        self._write(selection, value)

    @property
    def loc(self) -> Loc["View"]:
        """Select and assign by label; both ends of a slice are inclusive."""
        return Loc(self._labels, self.dims, self._label_values, self.__getitem__, self.__setitem__)

    @property
    def vindex(self) -> Points:
        """Select and assign single cells, given by one array of positions per dimension."""
        return Points(self.name, self._selected(), self._read_points, self._write_points)

    def isel(self, positions: Mapping[str, Any] | None = None, **named: Any) -> "View":
        """Select by position.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["t"] = (("y", "x"), np.arange(6.0).reshape(2, 3))
        ...     ds["t"].isel(x=-1).values
        array([2., 5.])
        """
        chosen = {**(positions or {}), **named}
        self._check_dims(chosen)
        refuse_pointwise(chosen)
        return self[tuple(chosen.get(name, slice(None)) for name in self.dims)]

    def sel(
        self, labels: Mapping[str, Any] | None = None, *, method: str | None = None, tolerance: Any = None, **named: Any
    ) -> "View":
        """Select by label.

        Parameters
        ----------
        labels : dict, optional
            Labels, lists or slices of labels by dimension; also as keywords.
        method : {None, 'nearest', 'pad', 'backfill'}
            What to take when a label is not there.
        tolerance : optional
            Largest distance accepted with a method.
        """
        chosen = {**(labels or {}), **named}
        self._check_dims(chosen)
        refuse_pointwise(chosen)
        key = tuple(
            self._labels.positions(name, self._label_values(name), chosen[name], method, tolerance)
            if name in chosen
            else slice(None)
            for name in self.dims
        )
        return self[key]

    select = isel
    select_loc = sel

    def _check_dims(self, chosen: Mapping[str, Any]) -> None:
        unknown = [name for name in chosen if name not in self.dims]
        if unknown:
            raise SelectionError(
                f"{self.name!r} has no dimension {unknown[0]!r}; its dimensions are {', '.join(map(repr, self.dims))}"
            )

    def _label_values(self, dim: str) -> Array:
        """Give the labels of one dimension of this part."""
        if self._selection is None:
            return self._labels.values(dim)
        selection = self._selected()
        number = [each.path for each in self._member.dims].index(dim)
        return pick(self._labels.values(dim), selection.axes[number])

    def _at(self, selection: Selection) -> "View":
        return View(self._member, self._array, self.attrs, self._labels, selection)

    # values

    @property
    def values(self) -> Array:
        """The values as a NumPy array; masked where a declared fill value stands."""
        return self._load_implicitly()

    data = values

    def read(self, *, masked: bool | None = None, out: Array | None = None) -> Array:
        """Read the values.

        Parameters
        ----------
        masked : bool, optional
            Whether cells that hold the declared fill value are masked; None is what the dataset was opened with.
        out : ndarray, optional
            Where the values go: of the shape and NumPy type of the result.

        Returns
        -------
        ndarray or MaskedArray
        """
        selection = self._selected()
        mask = self._labels.masked if masked is None else masked
        return self._codec.read(selection, mask, out)

    def load(self, progress: Any = None) -> LoadResult:
        """Bring the chunks of this part near, without making an array of them.

        Parameters
        ----------
        progress : bool or callable, optional
            True for a bar, or a function that is called with the chunks done and their number.

        Returns
        -------
        LoadResult
        """
        selection = self._selected()
        with door("reporting")(progress, f"load {self.name}", unit=" chunks") as report:
            fetched, present = self._array.load(selection, report)
        return LoadResult(fetched, present)

    def _load_implicitly(self) -> Array:
        limit = get_options().max_load
        if self.nbytes > limit:
            raise MemoryLimitError(
                f"loading {self._kind} {self.name!r} of shape {self.shape} would take {self.nbytes:,} bytes, more than "
                f"max_load={limit:,}: select less, use .iter_chunks(), read into an array of your own with "
                "read(out=...), or raise the limit with cfdb.set_options(max_load=...)"
            )
        return self.read()

    def set(self, key: Key, data: Any, decoded: bool = True) -> None:
        """Assign values, or (`decoded=False`) stored codes."""
        selection = self._taken(key)
        self._labels.check_writable(self._member)
        self._write(selection, data, encoded=not decoded)

    def _write(self, selection: Selection, value: Any, *, encoded: bool = False) -> None:
        values = value.read() if isinstance(value, View) else value
        self._labels.guard(self._member)
        try:
            self._codec.write(selection, values, encoded=encoded)
        finally:
            self._member.version += 1  # also when a part was written

    def _read_points(self, points: list[Array], shape: tuple[int, ...]) -> Array:
        return self._codec.present(self._array.read_points(points).reshape(shape), self._labels.masked)

    def _write_points(self, points: list[Array], shape: tuple[int, ...], value: Any) -> None:
        self._labels.check_writable(self._member)
        self._labels.guard(self._member)
        stored = self._codec.encode(value)
        self._array.write_points(points, np.broadcast_to(stored, shape, subok=True).reshape(-1))
        self._member.version += 1

    # chunk by chunk

    def iter_chunks(
        self, include_data: bool = True, *, masked: bool | None = None
    ) -> Iterator[tuple[tuple[slice, ...], Array]] | Iterator[tuple[slice, ...]]:
        """Go through the values chunk by chunk, in the order of the cells.

        The next chunks are read while the caller works on one.

        Parameters
        ----------
        include_data : bool
            Whether values are read; without them only the slices are given.
        masked : bool, optional
            As of `read`.

        Yields
        ------
        tuple
            Slices of this part, one per dimension, and the values there.
        """
        selection = self._selected()
        if not include_data:
            return (slices for slices, _ in self._array.pieces(selection))
        mask = self._labels.masked if masked is None else masked
        return self._iter_data(selection, mask)

    def _iter_data(self, selection: Selection, mask: bool) -> Iterator[tuple[tuple[slice, ...], Array]]:
        parts = self._array.iterate(selection)
        if self._codec.is_plain(mask):
            yield from parts
        else:
            for slices, values in parts:
                yield slices, self._codec.present(values, mask)

    def written_chunks(self) -> Iterator[tuple[slice, ...]]:
        """Give the slices of this part whose chunks were written; the others read as fill."""
        selection = self._selected()
        written = self._array.written_keys()
        return (slices for slices, key in self._array.pieces(selection) if key in written)

    def get_chunk(self, key: Key = (), missing_none: bool = False) -> Array | None:
        """Read the first chunk of a selection, clipped to it.

        Parameters
        ----------
        key : optional
            As in ``var[key]``.
        missing_none : bool
            Whether to give None for a chunk that was never written, instead of fill.
        """
        part = self if key is None or key == () else self[key]
        first = next(part._array.pieces(part._selected()), None)
        if first is None:
            return part.read()
        slices, chunk = first
        return None if missing_none and not part._array.is_written(chunk) else part[slices].read()

    def stored(self) -> Stored:
        """Tell how many chunks of the variable are stored, their size, and how much of it is local."""
        self._labels.check(self._member)
        return self._array.stored()

    def __repr__(self) -> str:
        text: str = door("summarize_variable")(self)
        return text

    def __reduce__(self) -> Any:
        reopen, arguments = self._labels.reopening()
        return _reopened, (reopen, arguments, self.name, self._selection)


def _reopened(reopen: Any, arguments: tuple[Any, ...], name: str, selection: Selection | None) -> View:
    """Open the dataset of an unpickled view, and select the same part."""
    variable: View = reopen(*arguments)[name]
    return variable if selection is None else variable._at(selection)
