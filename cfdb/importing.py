"""How does a file of another format become a dataset?"""

import os

from cfdb.bridges.netcdf import check_import, import_netcdf
from cfdb.bridges.netcdf_plan import Chunks, Names
from cfdb.display.progress import Progress
from cfdb.model.dataset import Dataset
from cfdb.opening import open_dataset


def from_netcdf(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str] | Dataset | None,
    *,
    flag: str = "n",
    chunks: Chunks = None,
    include: Names = None,
    exclude: Names = None,
    compression: str | None = None,
    progress: Progress = False,
) -> Dataset:
    """Import a netCDF-4 file: every variable, dimension, attribute and group.

    Roles follow CF: coordinates, auxiliary and scalar coordinates, bounds, grid mappings, cell measures, data. Stored
    numbers stay as they are, times too (they are read as dates of their calendar); packed integers keep their codes
    when the scale is a power of ten, and are decoded otherwise. Attributes of groups become attributes of the dataset,
    ``group/name``. Values that repeat or are missing cannot label a dimension: such a variable is auxiliary.

    Parameters
    ----------
    source : str or path
        A netCDF-4 file.
    target : str, path, Dataset or None
        Where it goes: a file, or an open writable dataset (also of `open_edataset`), which is not synced or pushed;
        None is a new dataset in memory.
    flag : {'n', 'w', 'c'}
        How a file is opened; ``'n'`` replaces what is there.
    chunks : dict, optional
        Chunk lengths of data variables by dimension (``{'time': 12}``), or tuples or dicts by variable; -1 is the whole
        dimension. What is not named here gets chunks of at most 2 MiB.
    include, exclude : str or sequence of str, optional
        Variables to take, or to leave out. Included ones bring their coordinates, bounds and grid mapping.
    compression : str, optional
        ``'zstd'``, ``'none'`` or ``'lz4'``; by default what the dataset uses.
    progress : bool or callable
        True draws a bar; a function is called with the bytes done and in all.

    Returns
    -------
    Dataset
        `target` itself, the new file, open for reading, or the new dataset in memory.

    Raises
    ------
    ImportError
        If h5netcdf is not installed.
    FormatError
        If the source is no netCDF-4 file.
    CFDBError
        If something in it cannot be represented; the message names the variable and the reason. Nothing was written.

    Examples
    --------
    >>> import cfdb, iris_sample_data, os
    >>> folder = os.path.join(os.path.dirname(iris_sample_data.__file__), "sample_data")
    >>> path = os.path.join(getfixture("tmp_path"), "a1b.cfdb")
    >>> with cfdb.from_netcdf(f"{folder}/A1B_north_america.nc", path, chunks={"time": 12}) as ds:
    ...     print(ds["air_temperature"].chunk_shape, ds["time"].values[0])
    (12, 37, 49) 1860-06-01 00:00:00
    """
    if isinstance(target, Dataset):
        import_netcdf(
            source, target, chunks=chunks, include=include, exclude=exclude, compression=compression, progress=progress
        )
        return target
    if flag not in ("n", "w", "c"):
        raise ValueError(f"flag={flag!r}: importing writes; choose 'n' (new), 'c' (create or add) or 'w' (add)")
    check_import(source, chunks=chunks, include=include, exclude=exclude)
    if target is None:
        dataset = open_dataset(None, "n", compression=compression or "zstd")
        return from_netcdf(source, dataset, chunks=chunks, include=include, exclude=exclude, progress=progress)
    with open_dataset(target, flag, compression=compression or "zstd") as dataset:
        from_netcdf(
            source, dataset, chunks=chunks, include=include, exclude=exclude, compression=compression, progress=progress
        )
    return open_dataset(target)
