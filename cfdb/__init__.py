"""cfdb: labelled N-dimensional scientific data in one local file, in step with S3."""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cfdb import errors
from cfdb.errors import PartialDataWarning
from cfdb.options import get_options, set_options

if TYPE_CHECKING:
    from cfdb import kernel
    from cfdb.analysis.checking.check import check_rule
    from cfdb.analysis.moving.combine import combine
    from cfdb.analysis.moving.merge import merge_into
    from cfdb.arrays_remote import from_dict, load_array, save_array
    from cfdb.exporting import cfdb_to_netcdf4
    from cfdb.format import dtypes
    from cfdb.format.dtypes import compute_scale_and_offset
    from cfdb.format.rounding import keep_bits
    from cfdb.importing import from_netcdf
    from cfdb.model.loading import LoadResult
    from cfdb.opening import open_dataset
    from cfdb.opening_many import estimate, open_many, read_metadata
    from cfdb.opening_remote import open_edataset
    from cfdb.plan.chunk_guess import guess_chunk_shape
    from cfdb.remotes import Catalog, browse, glob
    from ebooklet.cache_manager import CacheManager
    from ebooklet.connection import S3Connection
    from ebooklet.estimate import Estimate
    from ebooklet.prices import Prices
    from ebooklet.query import Q
    from ebooklet.stores.ledger import budget

__version__ = "1.0.dev0"

#: Where the other public names live; each is loaded when it is first used.
_HOMES = {
    "CacheManager": "ebooklet.cache_manager:CacheManager",
    "Estimate": "ebooklet.estimate:Estimate",
    "LoadResult": "cfdb.model.loading:LoadResult",
    "Prices": "ebooklet.prices:Prices",
    "Catalog": "cfdb.remotes:Catalog",
    "Q": "ebooklet.query:Q",
    "S3Connection": "ebooklet.connection:S3Connection",
    "budget": "ebooklet.stores.ledger:budget",
    "cfdb_to_netcdf4": "cfdb.exporting:cfdb_to_netcdf4",
    "browse": "cfdb.remotes:browse",
    "check_rule": "cfdb.analysis.checking.check:check_rule",
    "combine": "cfdb.analysis.moving.combine:combine",
    "compute_scale_and_offset": "cfdb.format.dtypes:compute_scale_and_offset",
    "dtypes": "cfdb.format.dtypes",
    "estimate": "cfdb.opening_many:estimate",
    "from_dict": "cfdb.arrays_remote:from_dict",
    "from_netcdf": "cfdb.importing:from_netcdf",
    "glob": "cfdb.remotes:glob",
    "guess_chunk_shape": "cfdb.plan.chunk_guess:guess_chunk_shape",
    "keep_bits": "cfdb.format.rounding:keep_bits",
    "kernel": "cfdb.kernel",
    "load_array": "cfdb.arrays_remote:load_array",
    "merge_into": "cfdb.analysis.moving.merge:merge_into",
    "open_dataset": "cfdb.opening:open_dataset",
    "open_edataset": "cfdb.opening_remote:open_edataset",
    "open_many": "cfdb.opening_many:open_many",
    "read_metadata": "cfdb.opening_many:read_metadata",
    "save_array": "cfdb.arrays_remote:save_array",
}

_OPENING = (
    "; a file is opened by cfdb.open_dataset(path), what is in step with a remote by cfdb.open_edataset(conn, path)"
)
#: The way to what is looked for under another name.
_ELSEWHERE = {
    **dict.fromkeys(("open", "Dataset", "EDataset", "DataSet", "File", "load_dataset", "read", "load"), _OPENING),
    "open_mfdataset": "; cfdb.combine(paths, output_path) makes one file of many, cfdb.open_many(remotes) opens many",
    **dict.fromkeys(("concat", "merge"), "; cfdb.combine and cfdb.merge_into put datasets together"),
}

logging.getLogger("cfdb").addHandler(logging.NullHandler())  # nothing is printed unless asked

__all__ = [
    "CacheManager",
    "Estimate",
    "LoadResult",
    "PartialDataWarning",
    "Prices",
    "Catalog",
    "Q",
    "S3Connection",
    "__version__",
    "budget",
    "cfdb_to_netcdf4",
    "browse",
    "check_rule",
    "combine",
    "compute_scale_and_offset",
    "dtypes",
    "errors",
    "estimate",
    "from_dict",
    "from_netcdf",
    "get_options",
    "glob",
    "guess_chunk_shape",
    "keep_bits",
    "kernel",
    "load_array",
    "merge_into",
    "open_dataset",
    "open_edataset",
    "open_many",
    "read_metadata",
    "save_array",
    "set_options",
]


def _load(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cfdb' has no attribute {name!r}{_ELSEWHERE.get(name, '')}")
    module, _, attribute = _HOMES[name].partition(":")
    home = import_module(module)
    found = globals()[name] = getattr(home, attribute) if attribute else home
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


if not TYPE_CHECKING:
    __getattr__ = _load  # a type checker shall know the names above and no others
