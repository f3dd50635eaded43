"""How does an array in memory get to a remote dataset and back, without a local file?"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.analysis.moving.copying import new_file
from cfdb.analysis.moving.nested import default_dims, fill_nested
from cfdb.errors import DataTypeError, InvalidNameError, ShapeError
from cfdb.model.dataset import Dataset
from cfdb.model.edataset import EDataset
from cfdb.opening_remote import open_edataset
from ebooklet.connection import Connection
from ebooklet.errors import RemoteExistsError

#: What is larger passes through a temporary file.
IN_MEMORY = 256 << 20
#: Blocks of dask arrays of these sizes become chunks.
GOOD_CHUNK = range(64 << 10, 64 << 20)


def save_array(
    conn: Any,
    name: str,
    arr: Any,
    dims: str | Sequence[str] | None = None,
    chunks: Any = "auto",
    *,
    overwrite: bool = False,
    message: str = "",
    **attrs: Any,
) -> Any:
    """Save an array as a variable of a remote dataset, which is created if there is none.

    Nothing is left on this computer. The dataset opens as any other.

    Parameters
    ----------
    conn : S3Connection, str or dict
        The remote dataset.
    name : str
        Name of the variable; ``'group/name'`` lies in a group.
    arr : array-like
        The values: what NumPy takes, a labelled array (`xarray.DataArray`), or a dask array, which is computed and
        written block by block.
    dims : str or sequence of str, optional
        Names of the dimensions, those of the dataset if they are there already; ``name_0``, ``name_1`` ... by default.
    chunks : tuple, dict, int or 'auto'
        Shape of the chunks; -1 is a whole dimension.
    overwrite : bool
        Whether to replace a variable of that name.
    message : str
        What to say about the version.
    **attrs
        Attributes of the variable.

    Returns
    -------
    PushResult
        What was sent: of a small array, one packed object and the root.

    Raises
    ------
    InvalidNameError
        If there is such a variable, and `overwrite` is false.
    ShapeError
        If the array does not fit its dimensions. After any error the remote is as it was.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import cfdb
    >>> remote = f"file://{tempfile.mkdtemp()}/field.cfdb"
    >>> print(cfdb.save_array(remote, "t", np.arange(6.0).reshape(2, 3), ("y", "x"), units="K"))
    pushed ... keys: 2 objects, ..., 2 requests
    >>> cfdb.load_array(remote, "t", {"y": 1})
    array([3., 4., 5.])
    """
    if not (hasattr(arr, "nbytes") and hasattr(arr, "shape") and hasattr(arr, "dtype")):
        arr = np.asanyarray(arr)
    with _opened(conn, arr.nbytes) as ds:
        if name in ds:
            if not overwrite:
                raise InvalidNameError(f"there is a variable {name!r} at {ds.remote_uri}: overwrite=True replaces it")
            del ds[name]
        _write(ds, name, arr, dims, None if isinstance(chunks, str) and chunks == "auto" else chunks, attrs)
        return ds.push(message=message or f"saved {name}")


@contextmanager
def _opened(conn: Any, nbytes: int) -> Iterator[EDataset]:
    """Open a remote dataset for writing; what is large passes through a file that is gone at the end."""
    with ExitStack() as stack:
        path = None
        if nbytes > IN_MEMORY:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cfdb-"))) / "part.cfdb"
        # nothing is told of dropped changes: none of them outlives the call
        yield stack.enter_context(open_edataset(conn, path, "c", cache=None, push_on_close=False, on_error="keep"))


def _write(ds: EDataset, name: str, arr: Any, dims: Any, chunks: Any, attrs: Mapping[str, Any]) -> None:
    labelled = getattr(arr, "dims", None)
    if isinstance(labelled, tuple) and dims is None and chunks is None:
        ds[name] = arr
        ds[name].attrs.update(attrs)
        return
    if isinstance(labelled, tuple):
        dims, arr = labelled if dims is None else dims, arr.values
    names = _dims(name, arr, dims)
    if hasattr(arr, "__dask_graph__"):
        _write_blocks(ds, name, arr, names, chunks, attrs)
    elif names == (name,):
        ds[name] = (names, arr, attrs)
    else:
        ds.create.data_var.generic(name, dims=names, data=np.asanyarray(arr), chunk_shape=chunks, attrs=attrs)


def _dims(name: str, arr: Any, dims: str | Sequence[str] | None) -> tuple[str, ...]:
    if dims is None:
        return default_dims(name, arr.ndim)
    names = (dims,) if isinstance(dims, str) else tuple(dims)
    if len(names) != arr.ndim:
        raise ShapeError(f"dims={dims!r} of {name!r} name {len(names)} dimensions; the array has shape {arr.shape}")
    return names


def _write_blocks(
    ds: EDataset, name: str, arr: Any, dims: tuple[str, ...], chunks: Any, attrs: Mapping[str, Any]
) -> None:
    """Compute and write a dask array, one block after the other."""
    if any(length != length for lengths in arr.chunks for length in lengths):
        raise ShapeError(f"the blocks of {name!r} have unknown lengths: call arr.compute_chunk_sizes() first")
    if arr.dtype.kind == "O":
        raise DataTypeError(f"{name!r} is a dask array of objects, whose type is not known before it is computed")
    if chunks is None and int(np.prod(arr.chunksize)) * arr.dtype.itemsize in GOOD_CHUNK:
        chunks = tuple(arr.chunksize)
    for dim, size in zip(dims, arr.shape, strict=True):
        if dim not in ds.sizes:
            ds.create.dimension(dim, size)
        elif ds.sizes[dim] != size:
            raise ShapeError(f"dimension {dim!r} has length {ds.sizes[dim]}; {name!r} has length {size} there")
    variable = ds.create.data_var.generic(name, dims=dims, dtype=arr.dtype, chunk_shape=chunks, attrs=attrs)
    starts = [[0, *accumulate(lengths)] for lengths in arr.chunks]
    for index in np.ndindex(*arr.numblocks):
        there = tuple(slice(start[number], start[number + 1]) for start, number in zip(starts, index, strict=True))
        variable[there] = np.asarray(arr.blocks[index])


def load_array(conn: Any, name: str, sel: Any = None, out: npt.NDArray[Any] | None = None) -> Any:
    """Read an array, or a part of one, from a remote dataset into memory.

    Parameters
    ----------
    conn : S3Connection, str or dict
        The remote dataset.
    name : str
        Name of the variable.
    sel : dict, tuple, slice or int, optional
        Which part: a dict gives labels of dimensions that have some, and positions of the others; anything else is an
        index, as in ``array[sel]``. Only its chunks are fetched.
    out : ndarray, optional
        Is filled, block by block, and returned.

    Returns
    -------
    ndarray

    Raises
    ------
    VariableNotFoundError
        If there is no such variable.
    ShapeError
        If `out` has another shape.
    ebooklet.RemoteMissingError
        If there is no such dataset.
    """
    limit = None if out is None else "64MB"
    with open_edataset(conn, cache=None, cache_bytes=limit) as ds:
        part = _selected(ds, name, sel)
        if out is None:
            return part.values
        if out.shape != part.shape:
            raise ShapeError(f"out has shape {out.shape}, {name!r} has {part.shape} there")
        for where, values in part.iter_chunks():
            np.copyto(out[where], values, casting="same_kind")
        return out


def _selected(ds: EDataset, name: str, sel: Any) -> Any:
    variable = ds[name]
    if sel is None:
        return variable
    if not isinstance(sel, Mapping):
        return variable[sel]
    labels = {dim: value for dim, value in sel.items() if dim in variable.coords}
    positions = {dim: value for dim, value in sel.items() if dim not in labels}
    part = variable.isel(**positions) if positions else variable
    return part.sel(**labels) if labels else part


def from_dict(
    nested: Mapping[str, Any],
    target: str | PathLike[str] | Connection | Mapping[str, Any] | None = None,
    *,
    overwrite: bool = False,
    message: str = "",
) -> Dataset:
    """Make a dataset from a nested dict of arrays; dicts in it become groups.

    Parameters
    ----------
    nested : mapping
        Arrays, numbers or texts by name, or ``(dims, array)`` and ``(dims, array, attrs)`` as for ``ds[name]``. Where
        nobody names the dimensions of ``t`` they are ``t_0``, ``t_1`` ... A dict under ``'@attrs'`` is the attributes
        of its level.
    target : str, path, S3Connection or dict, optional
        A local file, or a remote (``'s3://...'``), which is pushed at once; None keeps the dataset in memory.
    overwrite : bool
        Whether to replace what is there.
    message : str
        What to say about the version that is pushed.

    Returns
    -------
    Dataset
        It is open for writing; a remote one has no local file.

    Raises
    ------
    FileExistsError
        If there is something, and `overwrite` is false. After any error nothing has changed.

    Examples
    --------
    >>> import cfdb
    >>> with cfdb.from_dict({"rain": [1.0, 2.5], "model": {"rain": [[1, 2], [3, 4]]}}) as ds:
    ...     print(list(ds), ds["model/rain"].dims)
    ...     ds.to_dict()["model"]["rain"][1].tolist()
    ['rain', 'model/rain'] ('model/rain_0', 'model/rain_1')
    [3, 4]
    """
    if target is None or (isinstance(target, str) and "://" not in target) or isinstance(target, PathLike):
        with new_file(target, [], {"overwrite": overwrite}) as made:
            fill_nested(made.dataset, nested)
        return made.dataset
    ds = open_edataset(target, flag="n", cache=None, push_on_close=False)
    try:
        if not overwrite and ds.changes().replaced is not None:
            raise RemoteExistsError(f"there is something at {ds.remote_uri} already: overwrite=True replaces it")
        fill_nested(ds, nested)
        ds.push(message=message)
    except BaseException:
        ds.close()
        raise
    return ds
