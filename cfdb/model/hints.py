"""What does one do here instead of what xarray, pandas or NumPy call by another name?"""

import difflib

_XARRAY = "xarray does that: {it}.to_xarray().{name}"
_VALUES = "it works on arrays in memory: {it}.values.{name}"
_DATASET = "it belongs to the dataset: ds.{name}"
_PART = "take the part of the dataset: ds.sel(...).{name}(..., include_data_vars=[...])"
_VARIABLE = "it belongs to a variable: ds['...'].{name}"
_SYNC = "changes become permanent with ds.sync(), or when the dataset is closed; ds.push() publishes them in a bucket"
_NEAR = "bring chunks near with {it}.load(), or values with {it}.values"
_LOG = "the versions of a dataset in a bucket are listed by ds.log()"
_BACK = "in a bucket, ds.rollback(to=...) goes back and open_edataset(..., version=...) reads an old version"
_REMOTE = "it belongs to datasets in a bucket: cfdb.open_edataset(remote_conn, ...)"
_CONNECTION = "it takes the connection: ebooklet.{name}(remote_conn)"

#: What is not offered under a name, and the way to it.
HINTS = {
    **dict.fromkeys(
        (
            "plot", "resample", "rolling", "coarsen", "rolling_exp", "to_dataframe", "to_series", "to_pandas", "fillna",
            "dropna", "ffill", "bfill", "interpolate_na", "diff", "shift", "roll", "cumsum", "cumprod", "differentiate",
            "integrate", "polyfit", "rank", "sortby", "reindex", "reindex_like", "assign_coords", "assign", "stack",
            "unstack", "transpose", "swap_dims", "expand_dims", "broadcast_like", "drop_sel", "drop_isel", "drop_vars",
            "head", "tail", "thin", "pad", "idxmin", "idxmax", "groupby_bins", "to_zarr", "to_netcdf",
            "to_dask_dataframe", "chunk", "pipe", "hvplot",
        ),
        _XARRAY,
    ),
    **dict.fromkeys(
        ("ravel", "flatten", "reshape", "astype", "tolist", "T", "round", "sort", "argsort", "take"), _VALUES
    ),
    "iloc": "positions go straight into the brackets, as in NumPy: {it}[0, :10], or {it}.isel(...)",
    "iat": "positions go straight into the brackets: {it}[0, 0].item()",
    "at": "labels go through {it}.loc[...]",
    "to_numpy": "take {it}.values",
    "compute": "take {it}.values, or {it}.to_xarray().compute()",
    **dict.fromkeys(("persist", "fetch", "download"), _NEAR),
    "weighted": "reductions take weights: {it}.mean(..., weights=...)",
    **dict.fromkeys(("isnull", "isna", "notnull", "notna"), _XARRAY),
    "oindex": "brackets are orthogonal already: {it}[[0, 2], [1, 3]] takes rows and columns",
}  # fmt: skip

#: The same, of a dataset or of a variable alone.
OF_DATASETS = {
    **dict.fromkeys(
        (
            "mean", "sum", "min", "max", "std", "var", "count", "any", "all", "argmin", "argmax", "quantile", "median",
            "where", "where_chunks", "explain", "suggest_encoding", "interp", "values", "sel_points", "isel_points",
        ),
        _VARIABLE,
    ),
    **dict.fromkeys(("save", "flush", "commit"), _SYNC),
    **dict.fromkeys(("fetch", "download"), "bring chunks near with ds.load()"),
    **dict.fromkeys(("versions", "history"), _LOG),
    **dict.fromkeys(("checkout", "revert", "restore"), _BACK),
    **dict.fromkeys(
        (
            "push", "pull", "changes", "log", "tag", "tags", "fork", "expire", "collect",
            "copy_remote", "delete_remote", "cache_info", "lock_info",
        ),
        _REMOTE,
    ),
    **dict.fromkeys(("fsck", "rebuild"), _CONNECTION),
    **dict.fromkeys(("undo", "discard"), "ds.rollback() drops what was changed since the last sync()"),
    **dict.fromkeys(("drop", "drop_vars"), "delete a variable with del ds['...']"),
    "items": "take [(name, ds[name]) for name in ds]",
    "info": "take print(ds)",
}  # fmt: skip
OF_VARIABLES = {
    **dict.fromkeys(
        ("advise", "check", "storage_report", "prune", "rename", "resize", "sync", "write", "close", "create"), _DATASET
    ),
    **dict.fromkeys(("copy", "to_netcdf4"), _PART),
    "rechunk": "chunks are chosen when data are written: ds.copy(..., chunk_shape=...)",
    "append": "coordinates grow, and variables with them: ds['...'].append(labels)",
}


def not_offered(name: str, owner: type, what: str) -> AttributeError:
    """Make the error for an attribute that is not there, with a way out where one is known.

    Examples
    --------
    >>> str(not_offered("resample", object, "variable"))
    "a variable has no attribute 'resample'; xarray does that: var.to_xarray().resample"
    >>> str(not_offered("bit_lenght", int, "variable"))
    "a variable has no attribute 'bit_lenght'; did you mean 'bit_length'?"
    """
    it = "ds" if "dataset" in what else "var"
    hint = (OF_DATASETS if it == "ds" else OF_VARIABLES).get(name) or HINTS.get(name)
    text = f"a {what} has no attribute {name!r}"
    if hint is not None:
        text = f"{text}; {hint.format(it=it, name=name)}"
    elif not name.startswith("_"):
        near = difflib.get_close_matches(name, _offered(owner), n=2, cutoff=0.7)
        text = f"{text}; did you mean {' or '.join(map(repr, near))}?" if near else text
    return AttributeError(text, name=name, obj=None)  # with an object the interpreter would append its own guess


def _offered(owner: type) -> list[str]:
    return [name for name in dir(owner) if not name.startswith("_")]
