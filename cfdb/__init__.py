"""cfdb: labelled N-dimensional scientific data in one local file, in step with S3."""

import logging

from cfdb import errors
from cfdb.errors import PartialDataWarning
from cfdb.format import dtypes
from cfdb.format.dtypes import compute_scale_and_offset
from cfdb.importing import from_netcdf
from cfdb.opening import open_dataset, open_edataset
from cfdb.options import get_options, set_options
from ebooklet.connection import S3Connection

__version__ = "1.0.dev0"

logging.getLogger("cfdb").addHandler(logging.NullHandler())  # nothing is printed unless asked

__all__ = [
    "PartialDataWarning",
    "S3Connection",
    "__version__",
    "compute_scale_and_offset",
    "dtypes",
    "errors",
    "get_options",
    "from_netcdf",
    "open_dataset",
    "open_edataset",
    "set_options",
]
