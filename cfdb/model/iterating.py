"""How does one go through a variable, block by block or group by group?"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from math import prod
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from cfdb.compute.parallel import bounded, count_workers, map_blocks
from cfdb.compute.rechunk import block_lengths, check_budget, iter_boxes, plan_source, read_blocks
from cfdb.compute.rechunker import Rechunker
from cfdb.compute.source import Source
from cfdb.model.grouping import GroupBy, group_axes
from cfdb.model.handing import loader
from cfdb.model.part import Part
from cfdb.plan.indexing import Selection
from cfdb.storage.engine import ChunkedArray

Array = npt.NDArray[Any]
Key = Any
Slices = tuple[slice, ...]

#: Bytes of a date that is an object.
DATE_BYTES = 128
#: So many chunks are looked at for one that was written.
FEW_CHUNKS = 256


class Iterating(Part):
    """A part of a variable that can be gone through."""

    __slots__ = ()

    @overload
    def iter_chunks(
        self,
        chunk_shape: Any = None,
        max_mem: int | str = 2**29,
        decoded: bool = True,
        include_data: Literal[True] = True,
        *,
        prefetch: bool | int = True,
        masked: bool | None = None,
    ) -> Iterator[tuple[Slices, Array]]: ...

    @overload
    def iter_chunks(
        self,
        chunk_shape: Any = None,
        max_mem: int | str = 2**29,
        decoded: bool = True,
        *,
        include_data: Literal[False],
        prefetch: bool | int = True,
        masked: bool | None = None,
    ) -> Iterator[Slices]: ...

    def iter_chunks(
        self,
        chunk_shape: Any = None,
        max_mem: int | str = 2**29,
        decoded: bool = True,
        include_data: bool = True,
        *,
        prefetch: bool | int = True,
        masked: bool | None = None,
    ) -> Iterator[tuple[Slices, Array]] | Iterator[Slices]:
        """Go through the values block by block, in the order of the cells: the last dimension varies fastest.

        Parameters
        ----------
        chunk_shape : dict, tuple of int or int, optional
            Shape of the blocks: by dimension, where those not named are whole, or one length per dimension; -1 is a
            whole dimension. Blocks at the edges are smaller. None takes the stored chunks as far as they lie in this
            part, the next ones being read while the caller works on one.
        max_mem : int or str
            Bytes of cells that may be held, the block handed over and the one before it included; the less, the more
            often chunks are decoded (`rechunker` counts). At least two blocks and a stored chunk are held. Decoding
            takes a few MiB for each thread beside that. Without `chunk_shape` a few chunks are held, whatever is said.
        decoded : bool
            Whether values are given; False gives what is stored: codes where values are packed, numbers of CF times.
        include_data : bool
            Whether values are read; without them only the slices are given.
        prefetch : bool or int
            Whether chunks of a remote dataset are asked for in advance, many at a time, while the caller works on those
            before them; a number is about how many at a time, by default as many as take 64 MiB when decoded. With
            `chunk_shape` they are no fewer than are read at once, which `max_mem` decides.
        masked : bool, optional
            As of `read`.

        Yields
        ------
        tuple
            Slices of this part, one per dimension, and the values there: an array of the caller's own.

        Raises
        ------
        VariableNotFoundError
            If `chunk_shape` names a dimension that there is not.
        ShapeError
            If a length is none.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["t"] = (("y", "x"), np.arange(12.0).reshape(4, 3))
        ...     for where, block in ds["t"].iter_chunks({"y": 3}):
        ...         print(where[0], block.shape)
        slice(0, 3, 1) (3, 3)
        slice(3, 4, 1) (1, 3)
        """
        self._selected()
        budget = check_budget(max_mem)
        _check_prefetch(prefetch)
        if chunk_shape is None:
            return self._stored_chunks(decoded, include_data, prefetch, masked)
        source = self._described(decoded, masked)
        lengths = block_lengths(source, chunk_shape)
        if not include_data:
            return iter_boxes(source.shape, lengths)
        blocks: Iterator[Any] = read_blocks(source, plan_source(source, lengths, budget), prefetch=prefetch)
        return blocks

    def _stored_chunks(
        self, decoded: bool, include_data: bool, prefetch: bool | int, masked: bool | None
    ) -> Iterator[Any]:
        selection = self._selected()
        boxes = (slices for slices, _ in self._array.pieces(selection))
        if None in selection.layout:
            boxes = (_placed(slices, selection) for slices in boxes)
        if not include_data:
            return boxes
        if not prefetch:
            source = self._described(decoded, masked)
            return ((box, source.read(box)) for box in boxes)
        parts = (self._array if decoded else self._array.codes()).iterate(
            selection, None if prefetch is True else prefetch
        )
        mask = self._labels.masked if masked is None else masked
        plain = not decoded or self._codec.is_plain(mask)
        if plain and None not in selection.layout:
            return parts
        return self._presented(parts, selection, None if plain else mask)

    def _presented(
        self, parts: Iterator[tuple[Slices, Array]], selection: Selection, mask: bool | None
    ) -> Iterator[tuple[Slices, Array]]:
        added = tuple(None if axis is None else slice(None) for axis in selection.layout)
        for slices, values in parts:
            yield (
                _placed(slices, selection),
                (values if mask is None else self._codec.present(values, mask))[(*added, ...)],
            )

    def _described(self, decoded: bool, masked: bool | None) -> Source:
        """Describe values or (`decoded=False`) what is stored."""
        source = replace(self._source(masked), itemsize=self.infer_itemsize())
        if decoded:
            return source
        selection, array = self._selected(), self._array.codes()
        return replace(
            source,
            dtype=array.dtype,
            itemsize=array.dtype.itemsize,
            chunk_nbytes=array.chunk_nbytes,
            read=lambda box: _read(array, selection.take(box)),
        )

    def written_chunks(self) -> Iterator[Slices]:
        """Give the slices of this part whose chunks were written; the others read as fill."""
        selection = self._selected()
        written = self._array.written_keys()
        return (_placed(slices, selection) for slices, key in self._array.pieces(selection) if key in written)

    def get_chunk(self, key: Key = (), missing_none: bool = False) -> Array | None:
        """Read the first chunk of a selection, clipped to it.

        Parameters
        ----------
        key : optional
            As in ``var[key]``.
        missing_none : bool
            Whether to give None for a chunk that was never written, instead of fill.
        """
        part = self if key is None or key == () else self._at(self._taken(key))
        first = next(part._array.pieces(part._selected()), None)
        if first is None:
            return part.read()
        slices, chunk = first
        if missing_none and not part._array.is_written(chunk):
            return None
        values: Array = part._at(part._taken(_placed(slices, part._selected()))).read()
        return values

    def items(self, decoded: bool = True) -> Iterator[tuple[tuple[int, ...], Any]]:
        """Give every cell with its index, chunk by chunk; slow: blocks of `iter_chunks` are there for work on many.

        Parameters
        ----------
        decoded : bool
            As of `iter_chunks`.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["t"] = (("y", "x"), np.arange(4).reshape(2, 2))
        ...     [(index, int(value)) for index, value in ds["t"].items()]
        [((0, 0), 0), ((0, 1), 1), ((1, 0), 2), ((1, 1), 3)]
        """
        for where, block in self.iter_chunks(decoded=decoded):
            starts = [part.start for part in where]
            for place in np.ndindex(block.shape):
                yield tuple(start + offset for start, offset in zip(starts, place, strict=True)), block[place]

    def groupby(self, coord_names: Any, max_mem: int | str = 2**29) -> GroupBy:
        """Cut into groups along one or several dimensions.

        Parameters
        ----------
        coord_names : str, iterable of str, or dict
            What is grouped: the name of a dimension (each of its positions is a group of its own), ``'time.month'`` and
            other components of dates, or the name of a variable along a dimension, by whose values is grouped. As a
            dict, names with the size of a group (int) or a period: ``{'time': 'M'}``, ``'7D'``, ``'season'`` ...
        max_mem : int or str
            Bytes that going through the groups may take, or a text as ``'500MB'``.

        Returns
        -------
        GroupBy
            Iterating gives where each group lies and its values; ``.mean()`` and others reduce it.

        Raises
        ------
        GroupingError
            If the labels cannot be grouped so; it is a ValueError.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     days = np.arange("2020-01-30", "2020-02-03", dtype="M8[D]")
        ...     ds["time"] = (("time",), days)
        ...     ds["t"] = (("time",), np.arange(4.0))
        ...     for (where,), values in ds["t"].groupby({"time": "M"}):
        ...         print(where, values)
        slice(0, 2, 1) [0. 1.]
        slice(2, 4, 1) [2. 3.]
        """
        return GroupBy(self, group_axes(self, coord_names), check_budget(max_mem), self.infer_itemsize())

    def map(
        self,
        func: Callable[[Slices, Array], Any],
        chunk_shape: Any = None,
        max_mem: int | str = 2**29,
        n_workers: int | None = None,
        *,
        method: str | None = None,
    ) -> Iterator[tuple[Slices, Any]]:
        """Call a function on every block, in several processes.

        Processes that can open the dataset themselves (it lies in a file and was opened for reading) read their blocks;
        otherwise this process reads and hands them over.

        Parameters
        ----------
        func : callable
            Called with the slices of a block and its values: ``func(target_chunk, data)``. It must be defined where
            another process can import it: at the top of a module, or of a script whose work stands below
            ``if __name__ == "__main__":``.
        chunk_shape : optional
            As of `iter_chunks`. Chunks that were never written are blocks as well: of fill.
        max_mem : int or str
            Bytes of cells that may be held by all processes together; fewer are started where it is little.
        n_workers : int, optional
            Number of processes; by default one for each processor. 0 calls the function in this process, block after
            block.
        method : {'forkserver', 'spawn', 'fork'}, optional
            How processes are started; by default afresh, never by a fork of this process.

        Yields
        ------
        tuple
            The slices of a block and what the function gave, in the order in which they come; None is left out.

        Raises
        ------
        NotPicklableError
            If the function cannot be handed to another process.
        Exception
            What the function raises, with a note that names the block. The workers are ended.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["t"] = (("y", "x"), np.arange(12.0).reshape(4, 3))
        ...     for where, warmest in ds["t"].map(lambda where, data: float(data.max()), {"y": 2}, n_workers=0):
        ...         print(where[0], warmest)
        slice(0, 2, 1) 5.0
        slice(2, 4, 1) 11.0
        """
        source, budget = self._described(True, None), check_budget(max_mem)
        lengths = None if chunk_shape is None else block_lengths(source, chunk_shape)
        nbytes = source.chunk_nbytes if lengths is None else prod(lengths) * source.itemsize
        number = bounded(count_workers(n_workers), nbytes, budget)
        load = loader(self, source, lengths, budget) if number else None
        if load is None:
            tasks: Iterator[Any] = self.iter_chunks(chunk_shape, budget // 2)
        else:
            tasks = ((box, None) for box in self.iter_chunks(chunk_shape, include_data=False))
        return map_blocks(func, tasks, load=load, n_workers=number, method=method)

    def rechunker(self) -> Rechunker:
        """Plan and read this part in blocks of other shapes than the stored chunks."""
        layout = self._selected().layout
        chunks = tuple(1 if axis is None else self.chunk_shape[axis] for axis in layout)
        return Rechunker(self._described(True, None), chunks)

    def infer_itemsize(self) -> int:
        """Give the bytes a value takes in memory; of strings and geometries the mean of the first stored chunk."""
        kind = self.dtype.kind
        if kind == "t":
            return DATE_BYTES
        if kind not in "TG":
            # one more where a mask may come with them
            return self._array.dtype.itemsize + (self.fill_value is not None)
        keys = [key for _, key in islice(self._array.pieces(self._selected()), FEW_CHUNKS)]
        written = [key for key, here in zip(keys, self._array.store.has(keys), strict=True) if here]
        if not written:
            return self.dtype.itemsize
        slices = next(slices for slices, key in self._array.pieces(self._selected()) if key == written[0])
        part = self._at(self._taken(_placed(slices, self._selected())))
        texts = [str(value) for value in self._array.read(part._selected()).ravel().tolist()]
        return self.dtype.itemsize + sum(map(len, texts)) * (2 if kind == "G" else 1) // max(1, len(texts))


def _check_prefetch(prefetch: Any) -> None:
    if not isinstance(prefetch, bool) and not (isinstance(prefetch, int) and prefetch > 0):
        raise ValueError(f"prefetch={prefetch!r}: give True, False, or how many chunks to ask for at a time")


def _placed(slices: Slices, selection: Selection) -> Slices:
    """Add the axes that None added."""
    if None not in selection.layout:
        return slices
    own = iter(slices)
    return tuple(slice(0, 1, 1) if axis is None else next(own) for axis in selection.layout)


def _read(array: ChunkedArray, selection: Selection) -> Array:
    return selection.to_result(array.read(selection))
