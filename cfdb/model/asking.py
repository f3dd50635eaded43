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
        max_mem: int = 2**27,
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
        max_mem : int
            Bytes of values that are held at a time; at least one field is.

        Returns
        -------
        cfdb.analysis.interp.GridInterp or cfdb.analysis.interp.PointInterp
            With ``to_grid``, ``to_points``, ``interp_na`` and ``regrid_levels``.

        Raises
        ------
        ValueError
            If no dimensions of space are found.
        """
        return door("interpolate")(self, x, y, z, iter_dim, xy, max_mem=max_mem)

    def explain(self) -> Any:
        """Tell what reading this part takes: chunks touched, bytes decoded against used, and how to do better.

        Returns
        -------
        Explanation
            Prints as text.
        """
        return door("explain")(self)

    def suggest_encoding(self, max_error: float | None = None) -> Any:
        """Find the type, packing and chunks in which the values take the least room.

        Parameters
        ----------
        max_error : float, optional
            Largest error accepted, in the unit of the values; None is lossless.

        Returns
        -------
        EncodingAdvice
            Prints as text; ``.options`` are parameters for ``ds.create.data_var.generic``.
        """
        return door("suggest_encoding")(self, max_error)
