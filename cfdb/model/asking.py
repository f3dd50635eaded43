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

    def interp(self, **names: Any) -> Any:
        """Prepare an interpolation in space.

        Parameters
        ----------
        **names
            ``x``, ``y``, ``z``, ``xy``: names of the coordinates, where their axes do not say so; ``iter_dim``: the
            dimension to go along, one field at a time.

        Returns
        -------
        cfdb.analysis.interp.GridInterp or cfdb.analysis.interp.PointInterp
        """
        return door("interpolate")(self, **names)

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
