"""What does one do here instead of what xarray, pandas or NumPy call by another name?"""

_XARRAY = "xarray does that: {it}.to_xarray().{name}"
_VALUES = "it works on arrays in memory: {it}.values.{name}"

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
    "persist": "bring chunks near with {it}.load(), or values with {it}.values",
    "oindex": "brackets are orthogonal already: {it}[[0, 2], [1, 3]] takes rows and columns",
}  # fmt: skip


def not_offered(name: str, owner: type, what: str) -> AttributeError:
    """Make the error for an attribute that is not there, with a way out where one is known.

    Examples
    --------
    >>> str(not_offered("resample", object, "variable"))
    "a variable has no attribute 'resample'; xarray does that: var.to_xarray().resample"
    """
    it = "ds" if "dataset" in what else "var"
    hint = HINTS.get(name)
    text = f"a {what} has no attribute {name!r}"
    if hint is not None:
        return AttributeError(f"{text}; {hint.format(it=it, name=name)}")
    return AttributeError(text, name=name, obj=owner)
