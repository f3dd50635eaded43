"""How are remote datasets opened many at once, looked at with one request, or priced before they are opened?"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Self

from cfdb.model.edataset import EDataset
from cfdb.opening_remote import open_edataset


class OpenDatasets(list[Any]):
    """Datasets that were opened together; as a context manager it closes them together."""

    def close(self) -> None:
        """Close all of them, also when closing one fails."""
        with self:
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stack = ExitStack()
        for each in self:
            if isinstance(each, EDataset):
                stack.push(each)
        stack.__exit__(kind, error, trace)


def open_many(
    remotes: Iterable[Any], threads: int = 8, *, return_exceptions: bool = False, **options: Any
) -> OpenDatasets:
    """Open many remote datasets at the same time.

    Parameters
    ----------
    remotes : iterable
        What `open_edataset` takes: connections, URIs, dicts.
    threads : int
        How many are opened at the same time.
    return_exceptions : bool
        Whether what cannot be opened is an exception in the list. Otherwise all that were opened are closed again and
        the exceptions are raised together.
    **options
        As of `open_edataset`, for all of them.

    Returns
    -------
    OpenDatasets
        A list in the order of `remotes`; used in a ``with`` statement it closes them.

    Raises
    ------
    ExceptionGroup
        Of the errors, each with a note that names its remote.

    Examples
    --------
    >>> import tempfile
    >>> import cfdb
    >>> remotes = [f"file://{tempfile.mkdtemp()}/{year}.cfdb" for year in (2023, 2024)]
    >>> for remote in remotes:
    ...     with cfdb.open_edataset(remote, flag="n", cache=None) as ds:
    ...         ds["t"] = ("x", [1.5, 2.5])
    >>> with cfdb.open_many(remotes, cache=None) as datasets:
    ...     [float(ds["t"].values.sum()) for ds in datasets]
    [4.0, 4.0]
    """
    if isinstance(remotes, str | Mapping):
        raise TypeError(f"open_many takes several remotes: open_edataset({remotes!r}) opens one")
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ValueError(f"threads={threads!r}: give a positive whole number")
    wanted = list(remotes)
    opened: list[Future[Any]] = []
    try:
        with ThreadPoolExecutor(threads, thread_name_prefix="open") as pool:
            opened = [pool.submit(open_edataset, each, **options) for each in wanted]
    except BaseException:
        _close(opened)
        raise
    errors = [_named(future.exception(), each) for future, each in zip(opened, wanted, strict=True)]
    failed = [error for error in errors if error is not None]
    if failed and not return_exceptions:
        _close(opened)
        raise ExceptionGroup(f"{len(failed)} of {len(wanted)} datasets could not be opened", failed)
    return OpenDatasets(future.exception() or future.result() for future in opened)


def _named(error: BaseException | None, remote: Any) -> Exception | None:
    if error is None:
        return None
    if not isinstance(error, Exception):
        raise error
    error.add_note(f"when {remote!r} was opened")
    return error


def _close(opened: Sequence[Future[Any]]) -> None:
    """Close what was opened, publishing nothing."""
    for future in opened:
        if not future.cancel() and future.exception() is None:
            dataset = future.result()
            dataset.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)


@dataclass(frozen=True, slots=True)
class VariableMetadata:
    """What is said of a variable.

    Attributes
    ----------
    dims, shape, chunk_shape
        Its dimensions, their lengths, and the shape of a stored chunk.
    dtype : str
        Type of the values.
    role : str
        ``data``, ``coordinate``, ``auxiliary``, ...
    attrs : dict
        Its attributes.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunk_shape: tuple[int, ...]
    dtype: str
    role: str
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DatasetMetadata:
    """What a dataset says of itself, without its values; prints as text.

    Attributes
    ----------
    uri : str
        Where it is.
    dataset_type : str
        ``grid``, ``ts_ortho``, ...
    attrs : dict
        Its attributes.
    sizes : dict
        Lengths by dimension.
    variables : dict of str to VariableMetadata
        Variables by name, those of groups too, by their path.
    groups : tuple of str
        Paths of the groups.
    n_requests, nbytes : int
        Requests this took, and bytes that came with them.
    """

    uri: str
    dataset_type: str
    attrs: dict[str, Any]
    sizes: dict[str, int]
    variables: dict[str, VariableMetadata]
    groups: tuple[str, ...] = ()
    n_requests: int = 0
    nbytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Give the same as plain dicts."""
        return asdict(self)

    def __str__(self) -> str:
        sizes = ", ".join(f"{name}: {size}" for name, size in self.sizes.items())
        lines = [f"{self.uri} ({self.dataset_type}; {sizes})"]
        lines += [f"  {name} ({', '.join(each.dims)}) {each.dtype}" for name, each in self.variables.items()]
        lines += [f"  {name}: {value}" for name, value in self.attrs.items()]
        return "\n".join(lines)


def read_metadata(remote_conn: Any, **options: Any) -> DatasetMetadata:
    """Tell what a remote dataset says of itself, with one request and without a local file.

    Structure and attributes come with the object that the one request reads; very many of them take more requests.

    Parameters
    ----------
    remote_conn : S3Connection, str or dict
        The remote.
    **options
        As of `open_edataset`.

    Returns
    -------
    DatasetMetadata

    Examples
    --------
    >>> import tempfile
    >>> import cfdb
    >>> remote = f"file://{tempfile.mkdtemp()}/t.cfdb"
    >>> with cfdb.open_edataset(remote, flag="n", cache=None) as ds:
    ...     ds["t"] = ("x", [1.5, 2.5], {"units": "K"})
    >>> found = cfdb.read_metadata(remote)
    >>> found.variables["t"].attrs, found.sizes, found.n_requests
    ({'units': 'K'}, {'x': 2}, 1)
    """
    with open_edataset(remote_conn, cache=None, **options) as ds:
        return DatasetMetadata(
            uri=ds.remote_uri,
            dataset_type=ds.dataset_type,
            attrs=dict(ds.attrs.data),
            sizes=dict(ds.sizes),
            variables={name: _described(variable) for name, variable in ds.variables.items()},
            groups=tuple(ds.groups),
            n_requests=ds.stats.total,
            nbytes=ds.stats.received,
        )


def _described(variable: Any) -> VariableMetadata:
    return VariableMetadata(
        variable.dims,
        variable.shape,
        variable.chunk_shape,
        str(variable.dtype),
        variable.role,
        dict(variable.attrs.data),
    )


def estimate(
    what: Any, select: Mapping[str, Any] | None = None, variables: Sequence[str] | str | None = None, **options: Any
) -> Any:
    """Tell what loading or pushing something takes: requests, bytes, time, and money by the option `prices`.

    Parameters
    ----------
    what
        A dataset, a variable or a part of one; pending changes (``ds.changes()``); or a remote, which is opened for
        reading with one request.
    select : dict, optional
        Labels by dimension, as of `sel`, to take only a part.
    variables : sequence of str, optional
        Names of the variables; all of them by default.
    **options
        As of `open_edataset`, for a remote.

    Returns
    -------
    Estimate
        It prints as text.

    Examples
    --------
    >>> import tempfile
    >>> import cfdb, numpy as np
    >>> remote = f"file://{tempfile.mkdtemp()}/t.cfdb"
    >>> with cfdb.open_edataset(remote, flag="n", cache=None) as ds:
    ...     ds["t"] = ("x", np.random.default_rng(0).normal(size=10_000))
    >>> print(cfdb.estimate(remote, cache=None))
    load 1 chunk: 1 request, 7... kB
    """
    if hasattr(what, "estimate"):
        _refuse(select, variables, options)
        return what.estimate()
    if not hasattr(what, "load"):
        with open_edataset(what, **options) as ds:
            return estimate(ds, select, variables)
    _refuse(None, None, options)
    part = what if select is None else what.sel(select)
    chosen = {} if variables is None else {"variables": variables}
    return part.load(dry_run=True, **chosen)


def _refuse(select: Any, variables: Any, options: Mapping[str, Any]) -> None:
    given = [name for name, value in (("select", select), ("variables", variables)) if value is not None]
    given += list(options)
    if given:
        raise TypeError(f"{given[0]}= does not go with what is open already, or waits for a push")
