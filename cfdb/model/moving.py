"""How do values of other datasets get into an open one, and how is it laid out anew?

The work is done upstairs (see `doors`).
"""

from typing import Any

from cfdb.model.doors import door


class Moving:
    """A dataset, or a group of one, into which whole blocks of values can be written."""

    def write(self, other: Any, mode: str = "upsert", *, max_mem: int | str = 2**29, progress: Any = None) -> Any:
        """Write values by label: where they go is said by the coordinates they come with.

        Labels that are not there yet are added where they belong: a coordinate keeps its direction, one that is not
        sorted, and strings, get them behind the last one. Variables that do not exist are created, with attributes;
        attributes of those that do exist stay. An error leaves everything as it was.

        Parameters
        ----------
        other : Dataset, DatasetView, variable, xarray object or dict
            Variables with labels; in a dict as ``{'t': (dims, array[, attrs]), 'time': labels}``. What is lazy is read
            block by block. Dimensions are found by name, their order does not matter; one without labels must have the
            same length on both sides.
        mode : {'upsert', 'append', 'error'}
            ``'upsert'`` replaces what is there at the same labels and adds the others. ``'append'`` takes new labels
            behind the last one only, along any dimension: others that exist must all exist. ``'error'`` adds as
            ``'upsert'`` does, and refuses to replace a cell that holds a value.
        max_mem : int or str
            Bytes to use, or a text as ``'500MB'``; a chunk is held in any case.
        progress : bool or callable, optional
            True for a bar, or a function that is called with the blocks done and their number.

        Returns
        -------
        WriteResult
            Labels added by dimension, cells written by variable; prints as text.

        Raises
        ------
        CoordinateError
            If labels cannot be added: they do not fit an enforced step, occur twice, or the mode does not allow it.
        ShapeError
            If dimensions do not fit.
        UnitsError
            If values come in other units than those of the variable; times are compared as moments.

        Examples
        --------
        >>> import cfdb
        >>> import numpy as np
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["t"] = ("day", np.array([1.0, 2.0]))
        ...     ds["day"] = ("day", np.array([10, 20]))
        ...     print(ds.write({"t": ("day", [5.0, 6.0, 7.0]), "day": [20, 15, 30]}))
        ...     print(ds["day"].values, ds["t"].values)
        added day 2; written t 3 cells
        [10 15 20 30] [1. 6. 5. 7.]
        """
        return door("write_dataset")(self, other, mode, max_mem, progress)

    def defragment(self, dim: str, *, max_mem: int | str = 2**29, progress: Any = None) -> Any:
        """Rewrite what lies along a dimension so that neighbours share chunks again.

        Labels inserted between others lie in chunks of their own, and what is dropped leaves holes. After many of both
        this brings the chunks of all variables along the dimension into the state of a new dataset. Values, labels and
        attributes stay. Nobody else may write to the dataset meanwhile; an error leaves everything as it was.

        Parameters
        ----------
        dim : str
            Name of the dimension.
        max_mem : int or str
            Bytes to use, or a text as ``'500MB'``; a chunk is held in any case.
        progress : bool or callable, optional
            True for a bar, or a function that is called with the chunks done and their number.

        Returns
        -------
        Defragmentation
            Chunks written by variable; prints as text.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     x = ds.create.coord.generic("x", data=[1, 3, 5])
        ...     x.insert(1, [2])
        ...     print(ds.defragment("x"))
        ...     print(x.values)
        x: 3 pieces are one now; 1 chunk written for 2 (x 1)
        [1 2 3 5]
        """
        return door("defragment")(self, dim, max_mem, progress)
