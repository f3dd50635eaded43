"""What can be wanted of a new variable?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from cfdb.errors import InvalidNameError
from cfdb.format.attributes import encode_value
from cfdb.format.metadata import ROLES
from cfdb.format.names import check_path
from cfdb.model.axes import check_axis

ChunkShape = Sequence[int] | Mapping[str, int] | int | None


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted of a new variable; fields as of `cfdb.format.metadata.VariableRecord`.

    ``encoding`` is ``'auto'`` (the best lossless form of each chunk is found), ``'portable'`` (only codecs that every
    zarr reader knows), or a dict as ``encoding`` of a variable says it, which may name ``compression``, ``level`` and
    ``portable`` as well. ``source_encoding`` is how another file stored the values: noted, and of no effect.

    Floats are rounded when they are written, if one of these is given: ``precision`` (decimals), ``keep_bits`` (bits
    of the mantissa), ``bit_information`` (share of the information in the bits of ``data``, as in 0.99).
    """

    name: str
    dims: tuple[str, ...]
    dtype: Any = None
    data: Any = None
    role: str = "data"
    chunk_shape: ChunkShape = None
    attrs: Mapping[str, Any] | None = None
    fill_value: Any = None
    missing_value: Any = None
    links: Mapping[str, str | Sequence[str]] | None = None
    axis: str | None = None
    step: bool | int | float | None = None
    units: str | None = None
    encoding: Mapping[str, Any] | str | None = None
    source_encoding: Mapping[str, Any] | None = None
    compression: str | None = None
    compression_level: int | None = None
    unlimited: bool = False
    encoded: bool = False
    precision: int | None = None
    keep_bits: int | None = None
    bit_information: float | None = None


_FIELDS = [field.name for field in fields(Request)]


def request_of(method: str, options: Mapping[str, Any], *args: Any, **given: Any) -> Request:
    """Make the request of a method: what it says itself, and the options its user gave."""
    check_options(method, options)
    named = {*_FIELDS[: len(args)], *given}
    twice = [option for option in options if option in named]
    if twice:
        raise TypeError(f"{method}() sets {twice[0]} itself; use create.variable(...) to choose it")
    return Request(*args, **{**options, **given})


def check_options(method: str, options: Mapping[str, Any]) -> None:
    """Refuse options that nothing knows."""
    for option in options:
        if option in ("min_value", "max_value"):
            raise TypeError(
                f"{method}() has no parameter {option!r}: a range belongs to the type, "
                "dtype=cfdb.dtypes.dtype('float32', precision=2, min_value=-60, max_value=60)"
            )
        if option not in _FIELDS:
            near = get_close_matches(option, _FIELDS, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(map(repr, near))}?" if near else f"it has {', '.join(_FIELDS)}"
            raise TypeError(f"{method}() has no parameter {option!r}; {hint}")


def as_names(dims: str | Sequence[str]) -> tuple[str, ...]:
    """Give names as a tuple."""
    names = (dims,) if isinstance(dims, str) else tuple(dims)
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise TypeError(f"dimensions are given by their names; {wrong[0]!r} is a {type(wrong[0]).__name__}")
    return names


def checked_request(request: Request) -> Request:
    """Refuse what no record could hold, before anything is made; errors name the parameter.

    Raises
    ------
    InvalidNameError
        If the name or the role is none.
    TypeError
        If a parameter is of another type than it must be.
    """
    path = check_path(request.name)
    if request.role not in ROLES:
        raise InvalidNameError(f"role={request.role!r} of {path!r}: choose one of {', '.join(ROLES)}")
    kinds = {"attrs": Mapping, "source_encoding": Mapping, "units": str}
    for option, kind in kinds.items():
        value = getattr(request, option)
        if value is not None and not isinstance(value, kind):
            wanted = "a str" if kind is str else "a dict"
            raise TypeError(f"{option}={value!r} of {path!r}: give {wanted}, or None")
    for option in ("unlimited", "encoded"):
        if not isinstance(getattr(request, option), bool | np.bool_):
            raise TypeError(f"{option}={getattr(request, option)!r} of {path!r}: give True or False")
    if np.ndim(request.fill_value):
        raise TypeError(f"fill_value={request.fill_value!r} of {path!r}: give a single value")
    encode_value(request.missing_value, "missing_value")
    encode_value(dict(request.source_encoding or {}), "source_encoding")
    return replace(request, axis=check_axis(request.axis), unlimited=bool(request.unlimited))
