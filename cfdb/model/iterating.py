"""How does one go through a variable, chunk by chunk or group by group?"""

from collections.abc import Iterator
from typing import Any

import numpy.typing as npt

from cfdb.model.grouping import GroupBy, group_axes
from cfdb.model.part import Part
from cfdb.plan.indexing import Selection

Array = npt.NDArray[Any]
Key = Any


class Iterating(Part):
    """A part of a variable that can be gone through."""

    __slots__ = ()

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
        part = self if key is None or key == () else self._at(self._taken(key))
        first = next(part._array.pieces(part._selected()), None)
        if first is None:
            return part.read()
        slices, chunk = first
        return None if missing_none and not part._array.is_written(chunk) else part._at(part._taken(slices)).read()

    def groupby(self, coord_names: Any, max_mem: int = 2**29) -> GroupBy:
        """Cut into groups along one or several dimensions.

        Parameters
        ----------
        coord_names : str, iterable of str, or dict
            What is grouped: the name of a dimension (each of its positions is a group of its own), ``'time.month'`` and
            other components of dates, or the name of a variable along a dimension, by whose values is grouped. As a
            dict, names with the size of a group (int) or a period: ``{'time': 'M'}``, ``'7D'``, ``'season'`` ...
        max_mem : int
            Bytes that going through the groups may take.

        Returns
        -------
        GroupBy
        """
        return GroupBy(self, group_axes(self, coord_names), max_mem)
