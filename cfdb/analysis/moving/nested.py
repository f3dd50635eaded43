"""How do nested dicts of arrays become a dataset with groups, and the other way round?"""

import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from cfdb.errors import DataTypeError
from cfdb.model.changing import Changing
from cfdb.model.reading import Reading

#: Under this name a level of a full dict has the attributes of its group.
ATTRS = "@attrs"


def to_nested(source: Reading, full: bool = False) -> dict[str, Any]:
    """Give the values of a dataset as arrays by name: see `Dataset.to_dict`."""
    source.load()
    found: dict[str, Any] = {}
    for path in source.groups.keys():  # noqa: SIM118
        _level(found, path.split("/"))
    for path in source:
        variable = source[path]
        *groups, name = path.split("/")
        value = np.asanyarray(variable.values)
        _level(found, groups)[name] = (variable.dims, value, dict(variable.attrs)) if full else value
    if full:
        _add_attrs(found, source)
        for path in source.groups.keys():  # noqa: SIM118
            _add_attrs(_level(found, path.split("/")), source[path])
    return found


def _add_attrs(level: dict[str, Any], owner: Any) -> None:
    attrs = dict(owner.attrs)
    if attrs:
        level[ATTRS] = attrs


def _level(nested: dict[str, Any], groups: list[str]) -> dict[str, Any]:
    for group in groups:
        nested = nested.setdefault(group, {})
    return nested


def fill_nested(target: Changing, nested: Mapping[str, Any], path: str = "") -> None:
    """Write arrays by name into a dataset or group; dicts become groups.

    Parameters
    ----------
    target : Dataset or Group
        Where they go.
    nested : mapping
        Arrays or numbers, or ``(dims, array)``, ``(dims, array, attrs)``; dicts of these are groups.
    path : str
        Of the group in the dict as a whole, with a slash at the end, for messages.
    """
    if not isinstance(nested, Mapping):
        raise TypeError(f"a dict of arrays is wanted, not a {type(nested).__name__}")
    for name in _labels_first(nested):
        value = nested[name]
        if name == ATTRS:
            target.attrs.update(value)
        elif isinstance(value, Mapping):
            target.create.group(name)
            fill_nested(target[name], value, f"{path}{name}/")
        else:
            try:
                _write(target, name, value)
            except (DataTypeError, ValueError) as error:
                if type(error) not in (DataTypeError, ValueError):
                    raise
                shown = reprlib.repr(value)
                raise type(error)(f"{path}{name}: {shown} cannot be stored: {error}") from error


def _write(target: Changing, name: str, value: Any) -> None:
    if hasattr(value, "dims") or is_described(value):
        target[name] = value
        return
    array = np.asanyarray(value)
    dims = default_dims(name, array.ndim)
    for dim, size in zip(dims, array.shape, strict=True):
        target.create.dimension(dim, size)  # its own, whatever is called so in groups around
    target[name] = (dims, array)


def default_dims(name: str, ndim: int) -> tuple[str, ...]:
    """Names of the dimensions of an array of which nobody named them.

    Examples
    --------
    >>> default_dims("model/rain", 2)
    ('model/rain_0', 'model/rain_1')
    """
    return tuple(f"{name}_{number}" for number in range(ndim))


def is_described(value: Any) -> bool:
    """Whether a value is ``(dims, array[, attrs])``."""
    if not isinstance(value, tuple) or not 2 <= len(value) <= 3:
        return False
    dims = value[0]
    return isinstance(dims, str) or (isinstance(dims, tuple | list) and all(isinstance(dim, str) for dim in dims))


def _labels_first(nested: Mapping[str, Any]) -> list[str]:
    """Names, coordinates first: groups may lie along the dimensions of those around them."""
    ranks = {name: _rank(name, value) for name, value in nested.items()}
    return sorted(nested, key=lambda name: ranks[name])


def _rank(name: str, value: Any) -> int:
    if isinstance(value, Mapping):
        return 2
    dims = value[0] if is_described(value) else getattr(value, "dims", ())
    return 0 if dims in (name, (name,), [name]) else 1
