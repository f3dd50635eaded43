"""How does one go through several variables of a dataset in step?"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import prod
from typing import Any

from cfdb.compute.lockstep import Arrays, Together, read_together, together
from cfdb.compute.parallel import bounded, count_workers, map_blocks
from cfdb.compute.rechunk import check_budget, suits_workers
from cfdb.compute.rechunker import DatasetRechunker
from cfdb.model.grouping import DatasetGroupBy, group_axes
from cfdb.model.handing import loader_of_all
from cfdb.model.listing import Listing
from cfdb.model.view import View

Names = Iterable[str] | str | None


class Lockstep(Listing):
    """A dataset, or a part of one, that can be gone through."""

    def iter_chunks(
        self,
        chunk_shape: Mapping[str, int] | None,
        data_vars: Names = None,
        max_mem: int | str = 2**29,
        include_data: bool = True,
        *,
        prefetch: bool = True,
    ) -> Iterator[Together] | Iterator[dict[str, slice]]:
        """Go through several variables block by block, in step.

        Parameters
        ----------
        chunk_shape : dict
            Length of the blocks by dimension; a dimension that is not named is whole.
        data_vars : iterable of str, optional
            The variables; by default all that hold data. One of them has all their dimensions; those with fewer give
            what they have there at every block.
        max_mem : int or str
            Bytes of cells that may be held by all of them together, as of a variable's `iter_chunks`.
        include_data : bool
            Whether values are read; without them only the slices are given.
        prefetch : bool
            Whether chunks of a remote dataset are asked for in advance, many at a time.

        Yields
        ------
        tuple of dict
            Slices by dimension, and the values by variable: arrays of the caller's own.

        Raises
        ------
        ShapeError
            If a variable has a dimension that the others do not share; it is a ValueError.

        Examples
        --------
        >>> import cfdb, numpy as np
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["t"] = (("y", "x"), np.arange(12.0).reshape(4, 3))
        ...     ds["mask"] = (("x",), np.array([True, False, True]))
        ...     for where, values in ds.iter_chunks({"y": 2}):
        ...         print(where["y"], values["t"][:, values["mask"]].sum())
        slice(0, 2, 1) 10.0
        slice(2, 4, 1) 34.0
        """
        parts, budget = self._named(data_vars), check_budget(max_mem)
        if not parts and not include_data:
            return iter(())
        arrays = together(_sources(self._some(parts)), chunk_shape)
        return read_together(arrays, budget, prefetch=prefetch) if include_data else arrays.boxes()

    def groupby(self, coord_names: Any, data_vars: Names = None, max_mem: int | str = 2**29) -> DatasetGroupBy:
        """Cut several variables into the same groups along one or several dimensions.

        Parameters
        ----------
        coord_names : str, iterable of str, or dict
            As of a variable's `groupby`.
        data_vars : iterable of str, optional
            As of `iter_chunks`.
        max_mem : int or str
            Bytes that going through the groups may take, or a text as ``'500MB'``.

        Returns
        -------
        DatasetGroupBy
            Iterating gives where each group lies by dimension, and its values by variable; ``.mean()`` and others give
            a dict of results by variable.
        """
        parts, budget = self._some(self._named(data_vars)), check_budget(max_mem)
        widest = max(parts.values(), key=lambda part: part.ndim)
        groups = group_axes(widest, coord_names)
        members = {each.dim: each.members for each in groups}
        return DatasetGroupBy(together(_sources(parts), None, members), groups, budget, parts)

    def map(
        self,
        func: Callable[[dict[str, slice], dict[str, Any]], Any],
        chunk_shape: Mapping[str, int] | None,
        data_vars: Names = None,
        max_mem: int | str = 2**29,
        n_workers: int | None = None,
        *,
        method: str | None = None,
    ) -> Iterator[tuple[dict[str, slice], Any]]:
        """Call a function on every block of several variables, in several processes.

        Parameters
        ----------
        func : callable
            Called with the slices of a block by dimension and its values by variable.
        chunk_shape, data_vars
            As of `iter_chunks`.
        max_mem, n_workers, method
            As of a variable's `map`.

        Yields
        ------
        tuple
            The slices of a block by dimension and what the function gave; None is left out.
        """
        parts, budget = self._some(self._named(data_vars)), check_budget(max_mem)
        arrays = together(_sources(parts), chunk_shape)
        number = bounded(count_workers(n_workers), _nbytes(arrays), budget)
        load = loader_of_all(dict(parts)) if number and _suits(arrays, budget) else None
        if load is None:
            tasks: Iterator[Any] = read_together(arrays, budget // 2)
        else:
            tasks = ((box, None) for box in arrays.boxes())
        return map_blocks(func, tasks, load=load, n_workers=number, method=method)

    def rechunker(self, data_vars: Names = None) -> DatasetRechunker:
        """Plan and read several variables in blocks of other shapes than their stored chunks."""
        parts = self._some(self._named(data_vars))
        return DatasetRechunker({name: part.rechunker() for name, part in parts.items()})

    def _named(self, data_vars: Names) -> dict[str, View]:
        if data_vars is None:
            names = self.data_var_names
        else:
            names = (data_vars,) if isinstance(data_vars, str) else tuple(data_vars)
        return {name: self[name] for name in names}

    @staticmethod
    def _some(parts: dict[str, View]) -> dict[str, View]:
        if not parts:
            raise ValueError("there are no variables to go through: name some with data_vars=")
        return parts


def _sources(parts: Mapping[str, View]) -> dict[str, Any]:
    return {name: part._described(True, None) for name, part in parts.items()}


def _nbytes(arrays: Arrays) -> int:
    shapes = arrays.shapes()
    return sum(prod(shapes[name]) * source.itemsize for name, source in arrays.sources.items())


def _suits(arrays: Arrays, max_mem: int) -> bool:
    shapes, share = arrays.shapes(), max_mem // len(arrays.sources)
    return all(suits_workers(source, shapes[name], share) for name, source in arrays.sources.items())
