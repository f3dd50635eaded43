"""How does a dataset in a file become a file of another format?"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from cfdb.display.progress import Progress
from cfdb.opening import open_dataset


def cfdb_to_netcdf4(
    cfdb_path: str | os.PathLike[str],
    nc_path: str | os.PathLike[str],
    compression: str | None = "gzip",
    sel: Mapping[str, Any] | None = None,
    sel_loc: Mapping[str, Any] | None = None,
    include_data_vars: Sequence[str] | None = None,
    exclude_data_vars: Sequence[str] | None = None,
    *,
    progress: Progress = False,
    **kwargs: Any,
) -> None:
    """Write a dataset file, or a part of it, as a netCDF-4 file; details as of `Dataset.to_netcdf4`.

    Parameters
    ----------
    cfdb_path, nc_path : str or path
        From where, and to where; a netCDF file of this name is replaced.
    compression : {'gzip', 'lzf', None}
        Of HDF5.
    sel, sel_loc : dict, optional
        Positions or labels to select by dimension; not both.
    include_data_vars, exclude_data_vars : sequence of str, optional
        Data variables to write, or to leave out; not both.
    progress : bool or callable
        True draws a bar; a function is called with the bytes done and in all.
    **kwargs
        Passed on to ``h5netcdf.File``.

    Examples
    --------
    >>> import os, cfdb
    >>> folder = getfixture("tmp_path")
    >>> with cfdb.open_dataset(folder / "t.cfdb", "n") as ds:
    ...     ds["t"] = ("x", [1.5, 2.5, 3.5])
    >>> cfdb.cfdb_to_netcdf4(folder / "t.cfdb", folder / "t.nc", sel={"x": slice(1, None)})
    >>> cfdb.from_netcdf(folder / "t.nc", folder / "back.cfdb")["t"].values
    array([2.5, 3.5])
    """
    if sel is not None and sel_loc is not None:
        raise ValueError("sel= and sel_loc= exclude each other: give positions or labels")
    with open_dataset(cfdb_path) as dataset:
        part: Any = dataset
        if sel is not None:
            part = dataset.select(sel)
        elif sel_loc is not None:
            part = dataset.select_loc(sel_loc)
        part.to_netcdf4(nc_path, compression, include_data_vars, exclude_data_vars, progress=progress, **kwargs)
