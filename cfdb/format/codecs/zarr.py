"""How does zarr v3 describe our chunks, so that it reads the very same bytes?

Packed values appear as their codes with CF's ``scale_factor``, ``add_offset`` and ``_FillValue``, as in netCDF.
"""

from typing import Any

import numpy as np

from cfdb.errors import DataTypeError
from cfdb.format.codecs.spec import Chain, chain_to_record
from cfdb.format.dtypes import DataType


def zarr_codecs(chain: Chain) -> list[dict[str, Any]]:
    """Describe a chain as the ``codecs`` of a zarr v3 array.

    Examples
    --------
    >>> from cfdb.format.codecs.spec import default_chain
    >>> from cfdb.format.dtypes import dtype
    >>> [codec["name"] for codec in zarr_codecs(default_chain(dtype("int16")))]
    ['cfdb.auto']
    """
    described = []
    for codec in chain:
        options = dict(codec.options)
        name, configuration = {
            "cfdb.auto": ("cfdb.auto", chain_to_record((codec,))[0][1]),
            "bytes": ("bytes", {"endian": "little"}),
            "vlen-utf8": ("vlen-utf8", {}),
            "vlen-bytes": ("vlen-bytes", {}),
            "shuffle": ("numcodecs.shuffle", options),
            "zstd": ("zstd", {"level": options.get("level"), "checksum": bool(options.get("checksum"))}),
            "lz4": ("numcodecs.lz4", {}),
        }[codec.name]
        described.append({"name": name, "configuration": configuration})
    return described


def zarr_data_type(dtype: DataType) -> Any:
    """Describe the type of the stored cells as a zarr v3 data type.

    Raises
    ------
    DataTypeError
        If zarr has none (geometries).

    Examples
    --------
    >>> from cfdb.format.dtypes import dtype
    >>> zarr_data_type(dtype("float32", precision=1, min_value=0, max_value=100))
    'uint16'
    """
    if dtype.kind == "G":
        raise DataTypeError(f"zarr has no type for {dtype}")
    if dtype.kind == "T":
        return "string"
    stored = dtype.dtype_encoded
    if stored.kind in "Mm":
        unit, scale = np.datetime_data(stored)
        name = "numpy.datetime64" if stored.kind == "M" else "numpy.timedelta64"
        return {"name": name, "configuration": {"unit": unit, "scale_factor": scale}}
    if stored.kind == "S":
        return {"name": "null_terminated_bytes", "configuration": {"length_bytes": stored.itemsize}}
    return stored.name


def cf_attributes(dtype: DataType) -> dict[str, Any]:
    """Give the CF attributes with which a reader of the stored cells finds the values."""
    if dtype.kind == "t":
        return {"units": dtype.units, "calendar": dtype.calendar}
    if dtype.kind == "e":
        names, codes = [name for name, _ in dtype.members], [code for _, code in dtype.members]
        return {"flag_masks" if dtype.name == "flags" else "flag_values": codes, "flag_meanings": " ".join(names)}
    packing = dtype.packing
    if packing is None:
        return {}
    found: dict[str, Any] = {}
    if dtype.kind != "M":
        found = {"scale_factor": 1 / packing.factor, "add_offset": packing.offset}
    if packing.fill is not None:
        found["_FillValue"] = packing.fill
    return found
