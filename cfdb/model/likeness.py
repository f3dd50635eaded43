"""What does a new variable take over from the one it is to be like?"""

from typing import Any

from cfdb.format.codecs import Chain
from cfdb.model.structure import Structure
from cfdb.model.view import View

#: Relations that hold for every variable along the same dimensions.
_SHARED = ("grid_mapping", "coordinates", "cell_measures")


def likeness(structure: Structure, model: View) -> dict[str, Any]:
    """Give the options of creation that make a variable like another: how it is typed, stored and described.

    Parameters
    ----------
    structure : Structure
        Where the new variable will be; links are kept whose variables exist there.
    model : View
        The variable, or a part of it.
    """
    record = model._member.record
    links = {
        relation: names
        for relation, names in model.links.items()
        if relation in _SHARED and names and all(name in structure.members for name in names)
    }
    return {
        "dtype": record.dtype,
        "chunk_shape": record.chunk_shape,
        "attrs": model.attrs.data,
        "missing_value": record.missing_value,
        "units": record.units,
        "source_encoding": record.encoding,
        "links": links or None,
        **describe_chain(record.codecs),
    }


def describe_chain(chain: Chain) -> dict[str, Any]:
    """Give the options of creation that lead to a chain of codecs.

    Examples
    --------
    >>> from cfdb.format.codecs import default_chain
    >>> from cfdb.format.dtypes import dtype
    >>> describe_chain(default_chain(dtype("float32"), level=9))
    {'compression': 'zstd', 'compression_level': 9}
    >>> describe_chain(default_chain(dtype("float32"), portable=True))
    {'compression': 'zstd', 'compression_level': 1, 'encoding': 'portable'}
    """
    last = chain[-1]
    name = {"cfdb.auto": "zstd"}.get(last.name, last.name)
    if name not in ("zstd", "lz4"):
        return {"compression": "none"}
    found: dict[str, Any] = {"compression": name, "compression_level": last.option("level")}
    if name == "zstd" and chain[0].name == "bytes":
        found["encoding"] = "portable"
    return found
