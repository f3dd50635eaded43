"""What can be asked of a part of a variable whose answer is worked out upstairs?

Every method here is a door (see `doors`): xarray, interpolation, advice.
"""

from typing import Any

from cfdb.model.doors import door
from cfdb.model.part import Part


class Asking(Part):
    """A part of a variable that other rooms answer for."""

    __slots__ = ()

    def to_xarray(self) -> Any:
        """Give an `xarray.DataArray` that reads from here when its values are needed.

        Returns
        -------
        xarray.DataArray
            With the coordinates along its dimensions and those its attributes name; nothing is read yet.
        """
        return door("variable_to_xarray")(self)

    def interp(
        self,
        x: str | None = None,
        y: str | None = None,
        z: str | None = None,
        iter_dim: Any = None,
        xy: str | None = None,
        *,
        max_mem: int | str = 2**27,
    ) -> Any:
        """Prepare an interpolation in space.

        Parameters
        ----------
        x, y, z, xy : str, optional
            Names of the dimensions, where neither their axis nor CF attributes say which is which: a grid has x and y,
            stations have xy. x and y may also be two auxiliary coordinates of stations.
        iter_dim : str or sequence of str, optional
            Dimensions to go along, one field at a time; those left over stay in the fields. All that are not space
            when left out.
        max_mem : int or str
            Bytes of values that are held at a time; at least one field is.

        Returns
        -------
        cfdb.analysis.interpolating.interp.GridInterp or cfdb.analysis.interpolating.interp.PointInterp
            With ``to_grid``, ``to_points``, ``interp_na`` and ``regrid_levels``.

        Raises
        ------
        ValueError
            If no dimensions of space are found.
        """
        return door("interpolate")(self, x, y, z, iter_dim, xy, max_mem=max_mem)

    def explain(self) -> Any:
        """Tell what reading this part takes: chunks touched, bytes decoded against used, and how to do better.

        Nothing is read; plans and the table of the file answer.

        Returns
        -------
        Explanation
            Prints as text; numbers as fields: ``chunks``, ``bytes_to_fetch``, ``bytes_decoded``, ``ratio`` ...

        Examples
        --------
        >>> import numpy as np
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["t"] = (("y", "x"), np.zeros((20, 30), "float32"))
        ...     told = ds["t"][0].explain()
        ...     print(told.chunks, told.bytes_decoded, told.bytes_used, told.ratio)
        1 2400 120 20.0
        """
        return door("explain")(self)

    def suggest_encoding(self, max_error: float | None = None) -> Any:
        """Find the type, packing and rounding in which the values take the least room.

        Evenly spaced chunks, of up to 64 MiB and 1,024 of them, are read and encoded in every way that may do.

        Parameters
        ----------
        max_error : float, optional
            Largest error accepted, in the unit of the values; None is lossless.

        Returns
        -------
        EncodingAdvice
            Prints as text; ``.options`` are parameters for ``ds.create.data_var.generic``. Only ways that are known to
            keep *all* values within the error are recommended, those that were not looked at included.

        Examples
        --------
        >>> import numpy as np
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["t"] = ("x", 280 + np.random.default_rng(0).normal(0, 9, 5000))
        ...     advice = ds["t"].suggest_encoding(max_error=0.1)
        ...     made = ds.create.data_var.generic("t2", "x", data=ds["t"].values, **advice.options)
        ...     print(advice.best.label, bool(np.max(np.abs(made.values - ds["t"].values)) <= 0.1))
        float64, precision=1 True
        """
        return door("suggest_encoding")(self, max_error)
