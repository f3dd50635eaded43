"""What is to be written into a dataset, whatever it comes as?

Datasets, parts of them, xarray's objects, labelled arrays and dicts all become a `Bundle` of variables that are read
block by block.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.analysis.moving.blocks import Slices
from cfdb.errors import ShapeError
from cfdb.model.making import as_names
from cfdb.model.part import Part
from cfdb.model.reading import Reading

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A variable on its way into a dataset.

    Attributes
    ----------
    name : str
        Its name.
    dims : tuple of str
        Names of its dimensions.
    shape : tuple of int
        Their lengths.
    dtype : numpy.dtype
        Type of the values that `read` gives.
    role : str
        What it is for, as of a variable.
    read : callable
        Gives the values of a block; masked where they are missing.
    part : Part, optional
        Where it comes from, when that is a dataset.
    attrs : mapping
        Attributes, for a variable that is created.
    """

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    role: str
    read: Callable[[Slices], Array]
    part: Part | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_labels(self) -> bool:
        """Whether its values are the labels of the dimension of the same name."""
        return self.dims == (self.name,)

    def all(self) -> Array:
        """Read everything."""
        return self.read(tuple(slice(0, size) for size in self.shape))


@dataclass(frozen=True, slots=True)
class Bundle:
    """Variables with their labels.

    Attributes
    ----------
    name : str
        Where they come from, for messages.
    variables : dict
        The variables by name.
    attrs : mapping
        Attributes of the whole.
    source : Reading, optional
        The dataset, when they come from one.
    """

    name: str
    variables: dict[str, Incoming]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    source: Reading | None = None
    sizes: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        for item in self.variables.values():
            if len(set(item.dims)) < len(item.dims) or "" in item.dims:
                raise ShapeError(f"{item.name!r} has the dimensions {item.dims}: each needs a name of its own")
            if len(item.dims) != len(item.shape):
                raise ShapeError(f"{item.name!r} names {len(item.dims)} dimensions for an array of shape {item.shape}")
            for dim, size in zip(item.dims, item.shape, strict=True):
                if sizes.setdefault(dim, size) != size:
                    raise ShapeError(f"dimension {dim!r} has length {sizes[dim]}; {item.name!r} has {size} there")
        object.__setattr__(self, "sizes", sizes)

    def labels(self, dim: str) -> Incoming | None:
        """Give what labels a dimension."""
        found = self.variables.get(dim)
        return found if found is not None and found.is_labels else None


def bundle_of(other: Any, name: str = "the data to be written") -> Bundle:
    """Make a bundle of whatever is given.

    Examples
    --------
    >>> bundle_of({"t": (("x",), [1.0, 2.0]), "x": [10, 20]}).sizes
    {'x': 2}
    """
    if isinstance(other, Reading):
        parts = {key: _of_part(key, part, role=part.role) for key, part in other.variables.items()}
        return Bundle(getattr(other, "name", name), parts, other.attrs.data, other)
    if isinstance(other, Part):
        coords = {key: _of_part(key, part, role=part.role) for key, part in other.coords.items()}
        return Bundle(name, {other.name: _of_part(other.name, other, role=other.role), **coords})
    if isinstance(other, Mapping) and not hasattr(other, "data_vars"):
        return Bundle(name, {key: _of_item(key, value, other) for key, value in other.items()})
    if hasattr(other, "data_vars") and hasattr(other, "coords"):
        coords = {key: _of_labelled(key, value, "auxiliary") for key, value in other.coords.items()}
        data = {key: _of_labelled(key, value, "data") for key, value in other.data_vars.items()}
        return Bundle(name, {**coords, **data}, dict(other.attrs))
    if hasattr(other, "dims") and hasattr(other, "shape"):
        own = getattr(other, "name", None)
        if not isinstance(own, str):
            raise TypeError("an array that is to be written needs a name: give it one, or write {'name': array}")
        coords = {key: _of_labelled(key, value, "auxiliary") for key, value in getattr(other, "coords", {}).items()}
        return Bundle(name, {**coords, own: _of_labelled(own, other, "data")})
    raise TypeError(
        f"{type(other).__name__} cannot be written by label: give a Dataset, a part of one, an xarray object, or a "
        "dict {'name': (dims, array)}"
    )


def _of_part(name: str, part: Part, role: str) -> Incoming:
    if role == "coordinate" and part.dims != (name,):
        role = "auxiliary"
    return Incoming(
        name,
        part.dims,
        part.shape,
        np.dtype(part.dtype.dtype_decoded),
        role,
        lambda block: part._codec.read(part._selected().take(block), True, None),
        part,
        part.attrs.data,
    )


def _of_labelled(name: str, value: Any, role: str) -> Incoming:
    """Take an array that knows its dimensions; of xarray's only the variable is asked, which has no labels."""
    array = getattr(value, "variable", value)
    dims = tuple(map(str, value.dims))
    kind = "coordinate" if dims == (name,) else role
    attrs = dict(getattr(value, "attrs", None) or {})
    shape = tuple(value.shape)
    return Incoming(name, dims, shape, np.dtype(value.dtype), kind, lambda block: _values(array[block]), None, attrs)


def _of_item(name: str, value: Any, others: Mapping[str, Any]) -> Incoming:
    """Take an item of a dict: ``(dims, array[, attrs])``, a labelled array, or plain values."""
    if isinstance(value, Part):
        return _of_part(name, value, value.role)
    attrs: Mapping[str, Any] = {}
    if isinstance(value, tuple) and 2 <= len(value) <= 3 and isinstance(value[0], str | tuple | list):
        dims, array = as_names(value[0]), value[1]
        attrs = dict(value[2]) if len(value) == 3 else {}
    elif hasattr(value, "dims") and hasattr(value, "shape"):
        return _of_labelled(name, value, "data")
    else:
        array = value
        dims = (name,) if np.ndim(value) == 1 else ()
        if np.ndim(value) > 1:
            raise ShapeError(
                f"{name!r} has {np.ndim(value)} dimensions without names: write {{{name!r}: (dims, array)}}"
            )
    if not hasattr(array, "shape") or not hasattr(array, "dtype"):
        array = np.asarray(array)
    role = "coordinate" if dims == (name,) else "data"
    read = (lambda block: _values(array[block])) if array.shape else (lambda block: _values(array))
    return Incoming(name, dims, tuple(array.shape), np.dtype(array.dtype), role, read, None, attrs)


def _values(part: Any) -> Array:
    """Load a part of an array."""
    if isinstance(part, np.ndarray):
        return part
    if isinstance(part, Part):
        return part.read()
    found: Array = np.asarray(part)
    return found
