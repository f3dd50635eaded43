"""What is a part of a variable, and what are its values?

`Part` is a selection of a variable that was not read yet. It answers shape, dims and coordinates without reading, and
gives an array when one is needed. What can be done with it stands in the modules above: `iterating`, `reducing`,
`asking`, and all of it together in `view`.
"""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.source import Source
from cfdb.errors import MemoryLimitError
from cfdb.format.dtypes import DataType
from cfdb.model.arrays import ArrayLike
from cfdb.model.attributes import Attributes, not_replaced
from cfdb.model.containers import Variables
from cfdb.model.doors import door
from cfdb.model.flags import Flags, flags_of
from cfdb.model.labels import Labels, pick
from cfdb.model.loading import Order, Wish, check_transfer
from cfdb.model.structure import Member
from cfdb.model.values import Codec
from cfdb.options import get_options
from cfdb.plan.chunks import ChunkPlan
from cfdb.plan.indexing import Axis, Selection, select
from cfdb.storage.engine import ChunkedArray
from cfdb.storage.protocol import Stored

Array = npt.NDArray[Any]
Key = Any


class Part(ArrayLike):
    """A part of a variable, not read yet."""

    __slots__ = ("__weakref__", "_array", "_attrs", "_codec", "_labels", "_member", "_selection")

    def __init__(
        self, member: Member, array: ChunkedArray, attrs: Attributes, labels: Labels, selection: Selection | None = None
    ) -> None:
        self._member = member
        self._array = array
        self._labels = labels
        self._selection = selection
        self._codec = Codec(member, array)
        self._attrs = attrs

    # what it is

    def _selected(self) -> Selection:
        """Give the selection; a whole variable's follows its dimensions."""
        self._labels.check(self._member)
        return self._array.everything() if self._selection is None else self._selection

    @property
    def attrs(self) -> Attributes:
        """Attributes of the variable, to be changed in place."""
        return self._attrs

    @attrs.setter
    def attrs(self, value: Any) -> None:
        raise not_replaced("var")

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
        """Names of the coordinates: those along the dimensions in their order, then the others as in `coords`."""
        return tuple(self.coords.keys())

    @property
    def coords(self) -> Variables[Any]:
        """The coordinates, restricted to the same part.

        First those along the dimensions, then single labels of dimensions that an integer dropped, then auxiliary ones.
        """
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
    def flags(self) -> Flags:
        """What the numbers mean, of an enumeration or flags (by type or CF attributes): names, ``is_``, ``decode``."""
        return flags_of(self.name, self.dtype, self.attrs, self._load_implicitly)

    @property
    def fill_value(self) -> Any:
        """Declared fill value, None when there is none."""
        return self._member.record.fill_value

    @property
    def role(self) -> str:
        """What the variable is for: ``data``, ``coordinate``, ``auxiliary``, ``bounds``, ``grid_mapping`` ..."""
        return self._member.record.role

    @property
    def links(self) -> dict[str, tuple[str, ...]]:
        """Names of related variables, by what they are (``bounds``, ``grid_mapping``, ``coordinates`` ...)."""
        structure = self._labels.structure
        found = {}
        for relation, ids in self._member.record.links.items():
            members = [structure.member_of(identity) for identity in ids]
            found[relation] = tuple(member.path for member in members if member is not None)
        return found

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

    # parts of it

    def _taken(self, key: Key) -> Selection:
        """Select from this part."""
        self._labels.check(self._member)
        return select(key, self._array.shape) if self._selection is None else self._selection.take(key)

    def _at(self, selection: Selection) -> Any:
        """Give another part of the same variable."""
        raise NotImplementedError

    def _what(self) -> str:
        """Say what it is, for messages."""
        return f"{self._kind} {self.name!r}"

    def _label_axis(self, dim: str) -> Axis | None:
        """Give what is selected of one dimension; None is all of it."""
        if self._selection is None:
            return None
        return self._selection.axes[[each.path for each in self._member.dims].index(dim)]

    def _label_values(self, dim: str) -> Array:
        """Give the labels of one dimension of this part."""
        axis = self._label_axis(dim)
        return self._labels.values(dim) if axis is None else pick(self._labels.values(dim), axis)

    def _source(self, masked: bool | None = None) -> Source:
        """Describe this part to what computes with it."""
        selection = self._selected()
        mask = self._labels.masked if masked is None else masked
        owners = tuple(self._owners(selection, axis) for axis in selection.layout)
        return Source(
            name=self.name,
            dims=self.dims,
            shape=self.shape,
            dtype=np.dtype(self.dtype.dtype_decoded),
            itemsize=self._array.dtype.itemsize,
            breaks=tuple(_breaks(chunks) for chunks in owners),
            chunk_nbytes=self._array.chunk_nbytes,
            read=lambda box: self._codec.read(selection.take(box), mask, None),
            prefetch=lambda box: self._array.prefetch(selection.take(box)),
            owners=owners,
        )

    def _owners(self, selection: Selection, axis: int | None) -> npt.NDArray[np.int64]:
        """Give the number of the chunk that holds each position along one axis of a result."""
        if axis is None:
            return np.zeros(1, np.int64)
        positions = selection.axes[axis].positions()
        chunks: npt.NDArray[np.int64] = self._member.dims[axis].slots.slots(positions) // self.chunk_shape[axis]
        return chunks

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

    def load(
        self,
        progress: Any = None,
        *,
        order: Order = None,
        max_rate: Any = None,
        background: bool = False,
        dry_run: bool = False,
    ) -> Any:
        """Bring the chunks of this part near, without making an array of them.

        What arrives is verified and committed to the local file on the way: a load that was cut short goes on where it
        stopped.

        Parameters
        ----------
        progress : bool or callable, optional
            True for a bar, or a function that is called with the chunks that are here and their number.
        order : {'C', 'F'} or callable, optional
            In which order the chunks arrive, about: the last axis varying fastest, the first one, or by what a function
            returns for the numbers of a chunk along the axes. None takes the fewest requests.
        max_rate : float or str, optional
            Bytes per second that are asked for at most, as a number or as ``'5MB/s'``.
        background : bool
            Whether to load in another thread and return a `LoadJob` at once; closing the dataset ends it.
        dry_run : bool
            Whether to load nothing and tell what it would take: an `Estimate`.

        Returns
        -------
        LoadResult, LoadJob or Estimate

        Raises
        ------
        TransferLimitError
            If more would be fetched than the option `max_fetch` allows.

        Examples
        --------
        >>> import cfdb, tempfile
        >>> remote = f"file://{tempfile.mkdtemp()}/t.cfdb"
        >>> with cfdb.open_edataset(remote, flag="n", cache=None) as ds:
        ...     ds["t"] = ("x", np.arange(100_000.0) ** 0.5)
        >>> with cfdb.open_edataset(remote, cache=None) as ds:
        ...     before = ds["t"].load(dry_run=True)
        ...     done = ds["t"].load()
        ...     before.n_requests == done.n_requests, ds["t"].load(dry_run=True).n_requests
        (True, 0)
        """
        wish = Wish(progress, order, max_rate, background, dry_run)
        return wish.carry_out(self.name, self._labels.structure, [self._chunk_plan()])

    def _chunk_plan(self) -> ChunkPlan:
        return self._array.grid.plan(self._selected())

    def _load_implicitly(self) -> Array:
        limit = get_options().max_load
        if self.nbytes > limit:
            raise MemoryLimitError(
                f"loading {self._kind} {self.name!r} of shape {self.shape} would take {self.nbytes:,} bytes, more than "
                f"max_load={limit:,}: select less, use .iter_chunks(), read into an array of your own with "
                "read(out=...), or raise the limit with cfdb.set_options(max_load=...)"
            )
        if get_options().max_fetch is not None:
            check_transfer(self._array.store, self._chunk_plan().keys(), f"{self._kind} {self.name!r}")
        return self.read()

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


def _breaks(chunks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give the positions at which another chunk begins."""
    starts: npt.NDArray[np.int64] = np.flatnonzero(np.diff(chunks)) + 1
    return np.concatenate([np.zeros(min(chunks.size, 1), np.int64), starts])


def _reopened(reopen: Any, arguments: tuple[Any, ...], name: str, selection: Selection | None) -> Part:
    """Open the dataset of an unpickled part, and select the same part."""
    variable: Part = reopen(*arguments)[name]
    found: Part = variable if selection is None else variable._at(selection)
    return found
