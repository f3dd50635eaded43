"""cfdb: labelled N-dimensional scientific data in one local file, in step with S3."""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cfdb import errors
from cfdb.errors import PartialDataWarning
from cfdb.options import get_options, set_options

if TYPE_CHECKING:
    from cfdb import kernel
    from cfdb.analysis.check import check_rule
    from cfdb.analysis.combine import combine
    from cfdb.analysis.merge import merge_into
    from cfdb.exporting import cfdb_to_netcdf4
    from cfdb.format import dtypes
    from cfdb.format.dtypes import compute_scale_and_offset
    from cfdb.format.rounding import keep_bits
    from cfdb.importing import from_netcdf
    from cfdb.opening import open_dataset
    from cfdb.opening_remote import open_edataset
    from cfdb.plan.chunk_guess import guess_chunk_shape
    from ebooklet.connection import S3Connection

__version__ = "1.0.dev0"

#: Where the other public names live; each is loaded when it is first used.
_HOMES = {
    "S3Connection": "ebooklet.connection:S3Connection",
    "cfdb_to_netcdf4": "cfdb.exporting:cfdb_to_netcdf4",
    "dtypes": "cfdb.format.dtypes",
    "combine": "cfdb.analysis.combine:combine",
    "compute_scale_and_offset": "cfdb.format.dtypes:compute_scale_and_offset",
    "check_rule": "cfdb.analysis.check:check_rule",
    "guess_chunk_shape": "cfdb.plan.chunk_guess:guess_chunk_shape",
    "keep_bits": "cfdb.format.rounding:keep_bits",
    "kernel": "cfdb.kernel",
    "from_netcdf": "cfdb.importing:from_netcdf",
    "merge_into": "cfdb.analysis.merge:merge_into",
    "open_dataset": "cfdb.opening:open_dataset",
    "open_edataset": "cfdb.opening_remote:open_edataset",
}

logging.getLogger("cfdb").addHandler(logging.NullHandler())  # nothing is printed unless asked

__all__ = [
    "PartialDataWarning",
    "S3Connection",
    "__version__",
    "check_rule",
    "cfdb_to_netcdf4",
    "combine",
    "compute_scale_and_offset",
    "dtypes",
    "errors",
    "from_netcdf",
    "get_options",
    "guess_chunk_shape",
    "keep_bits",
    "kernel",
    "merge_into",
    "open_dataset",
    "open_edataset",
    "set_options",
]


def _load(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cfdb' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    home = import_module(module)
    found = globals()[name] = getattr(home, attribute) if attribute else home
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


if not TYPE_CHECKING:
    __getattr__ = _load  # a type checker shall know the names above and no others
