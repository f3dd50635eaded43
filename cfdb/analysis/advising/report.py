"""Where are the bytes of a dataset, and what could be saved?

Records and the table answer; no chunk is read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from cfdb.format.codecs import CodecPipeline
from cfdb.format.codecs.spec import AUTO
from cfdb.format.dimension import Slots
from cfdb.format.names import parse_chunk_key
from cfdb.model.doors import door
from cfdb.model.reading import Reading
from cfdb.model.view import View
from cfdb.plan.axis import count_chunks, logical_cells, stored_chunks
from cfdb.plan.chunks import ChunkGrid
from cfdb.storage.protocol import Stored

#: A smaller share of the file is not worth compacting.
_WORTH = 0.2
#: Chunks of so few bytes, so many of them, are worth a word.
_SMALL, _MANY = 2**13, 1000
#: A dimension of so many times more chunks than needed is in pieces.
_SPLIT = 2


@dataclass(frozen=True, slots=True)
class VariableStorage:
    """Where the bytes of a variable are.

    Attributes
    ----------
    name : str
        The variable.
    role : str
        What it is for.
    dtype : str
        Type of its values, and what they are stored as.
    codec : str
        How chunks are compressed.
    chunk_shape : tuple of int
        Shape of a chunk.
    chunks, written : int
        Chunks it has, and those that were written.
    stored : int
        Bytes of the written ones, as they are stored.
    decoded : int
        Bytes of their values when they are read.
    values : int
        Number of these values.
    local, local_bytes : int
        Written chunks that are here, and their size.
    """

    name: str
    role: str
    dtype: str
    codec: str
    chunk_shape: tuple[int, ...]
    chunks: int
    written: int
    stored: int
    decoded: int
    values: int
    local: int
    local_bytes: int

    @property
    def missing(self) -> int:
        """Chunks that were never written."""
        return self.chunks - self.written

    @property
    def ratio(self) -> float:
        """How many times smaller the values are than when they are read."""
        return self.decoded / self.stored if self.stored else 1.0

    @property
    def bytes_per_value(self) -> float:
        """Stored bytes for each value."""
        return self.stored / self.values if self.values else 0.0


@dataclass(frozen=True, slots=True)
class DimensionStorage:
    """How a dimension lies in storage.

    Attributes
    ----------
    name : str
        The dimension.
    size : int
        Its length.
    runs : int
        Pieces it is stored in: more than one after insertions and deletions in its middle.
    chunks, least : int
        Chunks along it, of the variable with the shortest ones, and how many it would have in one piece.
    """

    name: str
    size: int
    runs: int
    chunks: int
    least: int


@dataclass(frozen=True, slots=True)
class StorageReport:
    """Where the bytes of a dataset are.

    Attributes
    ----------
    name : str
        Where it lives.
    variables : tuple of VariableStorage
        Variable by variable, in the order of creation.
    dimensions : tuple of DimensionStorage
        Dimension by dimension.
    file_size : int or None
        Size of the local file; None where there is none, or it is kept in step with a remote.
    reclaimable : int or None
        About how many bytes `compact` would give back.
    suggestions : tuple of str
        What could be done.
    """

    name: str
    variables: tuple[VariableStorage, ...]
    dimensions: tuple[DimensionStorage, ...]
    file_size: int | None
    reclaimable: int | None
    suggestions: tuple[str, ...] = ()

    @property
    def stored(self) -> int:
        """Bytes of all written chunks."""
        return sum(variable.stored for variable in self.variables)

    @property
    def decoded(self) -> int:
        """Bytes of their values when they are read."""
        return sum(variable.decoded for variable in self.variables)

    @property
    def chunks(self) -> int:
        """Chunks that were written."""
        return sum(variable.written for variable in self.variables)

    @property
    def local_bytes(self) -> int:
        """Bytes of the chunks that are here."""
        return sum(variable.local_bytes for variable in self.variables)

    @property
    def ratio(self) -> float:
        """How many times smaller the values are than when they are read."""
        return self.decoded / self.stored if self.stored else 1.0

    def __getitem__(self, name: str) -> VariableStorage:
        return {variable.name: variable for variable in self.variables}[name]

    def __str__(self) -> str:
        text: str = door("print_storage")(self)
        return text

    __repr__ = __str__


def storage_report(dataset: Reading) -> StorageReport:
    """Tell where the bytes of a dataset, a group or a part of one are.

    Parameters
    ----------
    dataset : Dataset, Group or DatasetView
        Of a part, the chunks it touches count, as a whole.

    Returns
    -------
    StorageReport
    """
    variables = tuple(_of_variable(name, variable) for name, variable in dataset.variables.items())
    structure = dataset._labels.structure
    used = {dim.path: dim for variable in dataset.variables for dim in variable._member.dims}
    dimensions = tuple(_of_dimension(name, dim.slots, dataset) for name, dim in used.items())
    room = structure.store.room()
    size, reclaimable = (None, None) if room is None else (room[0], max(0, room[0] - room[1]))
    suggestions = tuple(_suggest(variables, dimensions, size, reclaimable))
    return StorageReport(structure.store.name, variables, dimensions, size, reclaimable, suggestions)


def _of_variable(name: str, view: View) -> VariableStorage:
    grid = view._array.grid
    chosen = None if view._selection is None else view._selection
    total = len(grid) if chosen is None else len(grid.plan(chosen))
    if chosen is None:
        found = view.stored()
        values = view.size if found.chunks == total else _values_in(grid, view._array.written())
    else:
        found, values = _selected(view, grid.plan(chosen).keys())
    pipeline = view._array.pipeline
    itemsize = view._array.dtype.itemsize
    return VariableStorage(
        name=name,
        role=view.role,
        dtype=_type(view),
        codec=codec_text(pipeline),
        chunk_shape=view.chunk_shape,
        chunks=total,
        written=found.chunks,
        stored=found.nbytes,
        decoded=values * itemsize,
        values=values,
        local=found.local,
        local_bytes=found.local_bytes,
    )


def _selected(view: View, keys: Sequence[str]) -> tuple[Stored, int]:
    """Look up the chunks that a part touches, and count their values."""
    store, sizes = view._array.store, view._array.store.sizes(keys)
    there = [(key, size) for key, size in zip(keys, sizes, strict=True) if size is not None]
    near = store.local([key for key, _ in there])
    here = [size for (_, size), local in zip(there, near, strict=True) if local]
    indexes = [found[1] for key, _ in there if (found := parse_chunk_key(key)) is not None]
    stored = Stored(len(there), sum(size for _, size in there), len(here), sum(here))
    return stored, _values_in(view._array.grid, indexes)


def _values_in(grid: ChunkGrid, indexes: Any) -> int:
    """Count the cells of chunks that belong to the array."""
    axes = [
        {chunk: _length(logical_cells(chunk, slots, length), length) for chunk in stored_chunks(slots, length)}
        for slots, length in zip(grid.axes, grid.chunk_shape, strict=True)
    ]
    return sum(prod(axis.get(chunk, 0) for axis, chunk in zip(axes, index, strict=True)) for index in indexes)


def _length(picked: Any, length: int) -> int:
    return picked.size if isinstance(picked, np.ndarray) else len(range(*picked.indices(length)))


def _type(view: View) -> str:
    dtype = view.dtype
    stored = f" as {dtype.dtype_encoded.name}" if dtype.is_packed else ""
    return f"{dtype.name}{stored}"


def codec_text(pipeline: CodecPipeline) -> str:
    """Name the codecs of a variable."""
    names = [codec.name for codec in pipeline.chain]
    if names == [AUTO]:
        return f"auto {pipeline.chain[0].option('level')}"
    return " + ".join(names)


def _of_dimension(name: str, slots: Slots, dataset: Reading) -> DimensionStorage:
    """Compare how a dimension is cut into chunks with how it would be in one piece."""
    lengths = [
        length
        for variable in dataset.variables
        for dim, length in zip(variable._member.dims, variable.chunk_shape, strict=True)
        if dim.path == name
    ]
    length = min(lengths, default=1)
    return DimensionStorage(name, slots.size, len(slots.runs), count_chunks(slots, length), -(-slots.size // length))


def _suggest(
    variables: Sequence[VariableStorage],
    dimensions: Sequence[DimensionStorage],
    size: int | None,
    reclaimable: int | None,
) -> Iterator[str]:
    """Say what could be saved."""
    if size and reclaimable and reclaimable > max(_WORTH * size, 2**16):
        share = 100 * reclaimable // size
        yield f"{share} % of the file are values that were overwritten or deleted: ds.prune() gives them back"
    for dim in dimensions:
        if dim.chunks >= _SPLIT * dim.least and dim.chunks - dim.least > 1:
            yield (
                f"the dimension {dim.name!r} lies in {dim.runs} pieces, in {dim.chunks:,} chunks where {dim.least:,} "
                f"would do: ds.defragment({dim.name!r})"
            )
    for variable in variables:
        if variable.written >= _MANY and variable.decoded <= _SMALL * variable.written:
            yield f"{variable.name!r} has {variable.written:,} chunks of few values: larger ones compress better"
        if variable.codec != _usual(variable) and variable.stored > 2**20:
            yield f"{variable.name!r} is stored with {variable.codec}: ds[{variable.name!r}].suggest_encoding()"
    most = max(variables, key=lambda variable: variable.stored, default=None)
    if most is not None and most.stored > 2**24 and most.ratio < 2 and most.dtype.startswith("float"):
        yield f"{most.name!r} hardly compresses: .suggest_encoding(max_error=...) finds what rounding it saves"


def _usual(variable: VariableStorage) -> str:
    return variable.codec if variable.codec.startswith(("auto", "vlen")) else "auto"
