"""What does reading a part of a variable take, and how could it take less?

Everything follows from plans, the table and the records: no chunk is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from cfdb.analysis.advising.chunk_costs import Layout, cost_of
from cfdb.analysis.advising.chunk_search import Way, find_chunk_shape
from cfdb.analysis.advising.touching import Touched, bounding, find_touched
from cfdb.format.codecs.spec import AUTO
from cfdb.model.doors import door
from cfdb.model.view import View
from cfdb.options import get_options
from cfdb.plan.indexing import Positions, Selection
from cfdb.storage.portions import BATCH_BYTES

#: So many times as many bytes decoded as used, and so many of them, are worth a word.
WASTE_RATIO, WASTE_BYTES = 4, 2**20
#: So many chunks, of so few bytes, are worth a word.
MANY_CHUNKS, SMALL_CHUNK = 256, 2**14


@dataclass(frozen=True, slots=True)
class Explanation:
    """What reading a part of a variable takes.

    Attributes
    ----------
    name : str
        The variable.
    dims : tuple of str
        Dimensions of the part.
    shape : tuple of int
        Its shape.
    chunk_shape, block_shape : tuple of int
        Shape of a chunk, and of the parts of it that are decoded apart from each other.
    chunks : int
        Chunks touched.
    written, missing : int
        How many of them were written; the others are fill, and cost nothing.
    local, to_fetch : int
        Written chunks that are here, and that a remote must send.
    bytes_stored : int
        Size of the written chunks, as they are stored.
    bytes_to_fetch : int
        How many of these bytes a remote must send.
    bytes_decoded : int
        Size of the blocks that are decoded.
    bytes_decoded_at_most : int
        The same if no chunk is in blocks: those whose values have no common decimals (noise) are decoded whole.
    bytes_used : int
        Size of the cells among them that belong to the part.
    bytes_result : int
        Size of the array that comes out.
    memory : int
        Estimate of the largest memory in use while it is read.
    suggested_chunk_shape : tuple of int or None
        Chunks that would suit this way of reading, when these do not.
    suggestions : tuple of str
        What to do about it.
    """

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunk_shape: tuple[int, ...]
    block_shape: tuple[int, ...]
    chunks: int
    written: int
    missing: int
    local: int
    to_fetch: int
    bytes_stored: int
    bytes_to_fetch: int
    bytes_decoded: int
    bytes_decoded_at_most: int
    bytes_used: int
    bytes_result: int
    memory: int
    suggested_chunk_shape: tuple[int, ...] | None = None
    suggestions: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        """Bytes decoded for each byte used; 1 is the best there is."""
        return self.bytes_decoded / self.bytes_used if self.bytes_used else 1.0

    def __str__(self) -> str:
        text: str = door("print_explanation")(self)
        return text

    __repr__ = __str__


def explain(view: View) -> Explanation:
    """Tell what reading a part of a variable takes.

    Parameters
    ----------
    view : View
        The part.

    Returns
    -------
    Explanation
    """
    selection, array = view._selected(), view._array
    touched = find_touched(array.grid, selection, array.pipeline.block_shape)
    keys = list(dict.fromkeys(touched.keys))
    sizes = array.store.sizes(keys)
    there = [(key, size) for key, size in zip(keys, sizes, strict=True) if size is not None]
    near = array.store.local([key for key, _ in there])
    far_bytes = [size for (_, size), here in zip(there, near, strict=True) if not here]
    written = {key for key, _ in there}
    visited = np.array([key in written for key in touched.keys], np.bool_)
    valuesize = array.chunk_nbytes // max(1, prod(array.chunk_shape))
    decoded = int(touched.decoded[visited].sum()) * valuesize
    used = int(touched.used[visited].sum()) * valuesize
    shape, suggestions = _suggest(view, selection, touched, visited, decoded, used)
    return Explanation(
        name=view.name,
        dims=view.dims,
        shape=view.shape,
        chunk_shape=array.chunk_shape,
        block_shape=array.pipeline.block_shape,
        chunks=len(keys),
        written=len(there),
        missing=len(keys) - len(there),
        local=sum(near),
        to_fetch=len(far_bytes),
        bytes_stored=sum(size for _, size in there),
        bytes_to_fetch=sum(far_bytes),
        bytes_decoded=decoded,
        bytes_decoded_at_most=int(visited.sum()) * prod(array.chunk_shape) * valuesize,
        bytes_used=used,
        bytes_result=view.nbytes,
        memory=view.nbytes + _working_bytes(array.chunk_nbytes, [size for _, size in there]),
        suggested_chunk_shape=shape,
        suggestions=suggestions,
    )


def layout_of(view: View, shape: tuple[int, ...] | None = None) -> Layout:
    """Describe the array of a variable, or a part of it of some shape, to the cost model."""
    array = view._array
    itemsize = array.pipeline.dtype.itemsize
    blocked = any(codec.name == AUTO for codec in array.pipeline.chain)
    valuesize = array.chunk_nbytes // max(1, prod(array.chunk_shape))
    return Layout(array.shape if shape is None else shape, itemsize, valuesize, blocked)


def _working_bytes(chunk_nbytes: int, sizes: Sequence[int]) -> int:
    """Estimate what threads need besides the result: chunks as they are stored, and one decoded by each."""
    if not sizes:
        return 0
    largest, threads = max(sizes), min(get_options().threads, len(sizes))
    portion = max(largest, min(len(sizes) * largest, BATCH_BYTES))
    return threads * (min(chunk_nbytes, BATCH_BYTES) + portion)


def _suggest(
    view: View, selection: Selection, touched: Touched, visited: Any, decoded: int, used: int
) -> tuple[tuple[int, ...] | None, tuple[str, ...]]:
    """Say how to read with less waste: another chunk shape, or another way."""
    found: list[str] = []
    lists = [dim for dim, axis in zip(view._member.dims, selection.axes, strict=True) if isinstance(axis, Positions)]
    if len(lists) > 1:
        names = " and ".join(repr(dim.path) for dim in lists)
        found.append(f"the lists along {names} select every combination; for single cells use .vindex")
    wasteful = decoded >= WASTE_BYTES and decoded >= WASTE_RATIO * max(1, used)
    around = _decoded_around(view, selection) if lists and decoded >= WASTE_BYTES else decoded
    if 2 * around < decoded:
        found.append(
            "its positions are scattered over the chunks, which are decoded whole: read the range that holds them and "
            f"pick from the array, which decodes {100 * around // decoded} % of that"
        )
    shape = _better_shape(view, selection) if wasteful else None
    if shape is not None:
        found.append(
            f"chunks of shape {shape} would suit this way of reading; they cost other ways more: weigh them with "
            "ds.advise(access=[...])"
        )
    chunk = view._array.chunk_nbytes
    if int(visited.sum()) >= MANY_CHUNKS and chunk <= SMALL_CHUNK:
        found.append(f"it takes many chunks of only {chunk:,} bytes: larger ones cost less to find and to compress")
    if wasteful and len(visited) == 1:
        found.append(
            "a loop over parts like this one decodes the same chunk again and again: read the chunk once, as "
            ".iter_chunks() does, and cut it in memory"
        )
    return shape, tuple(found)


def _decoded_around(view: View, selection: Selection) -> int:
    """Count the bytes decoded when the range that holds a selection is read."""
    array = view._array
    touched = find_touched(array.grid, bounding(selection), array.pipeline.block_shape)
    return int(touched.decoded.sum()) * (array.chunk_nbytes // max(1, prod(array.chunk_shape)))


def _better_shape(view: View, selection: Selection) -> tuple[int, ...] | None:
    """Find chunks for parts of this shape; None when those would hardly be better."""
    layout, present = layout_of(view), view._array.chunk_shape
    lengths = selection.full_shape
    if not prod(lengths):
        return None
    way = Way("this", tuple(min(length, size) for length, size in zip(lengths, layout.shape, strict=True)))
    found = find_chunk_shape(layout, [way], present)
    now, then = (cost_of(layout, shape, way.lengths).weighed for shape in (present, found))
    return found if 2 * then <= now else None
