"""What is special about a variable that holds data?"""

from typing import ClassVar

from cfdb.model.variable import Variable


class DataVariable(Variable):
    """A variable that holds data along named dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     ds["x"] = ("x", np.array([10.0, 20.0, 30.0]))
    ...     ds["t"] = (("time", "x"), np.arange(6, dtype="int16").reshape(2, 3), {"units": "K"})
    ...     t = ds["t"]
    ...     print(t.dims, t.shape, t.loc[:, 20.0].values, float(t[1, -1]), (t + 1).max())
    ('time', 'x') (2, 3) [1 4] 5.0 6
    """

    __slots__ = ()
    _kind: ClassVar[str] = "data variable"
