"""Which enumeration holds categories that are given as text?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.conventions.flags import table_of
from cfdb.errors import DataTypeError, EncodingError
from cfdb.format.dtypes import DataType, enum_dtype

Array = npt.NDArray[Any]

#: What a user may say instead of a type, so that it is made from the data.
WORDS = ("enum", "category", "categorical")


@dataclass(frozen=True, slots=True)
class Categories:
    """Categories, ready to be stored.

    Attributes
    ----------
    dtype : DataType
        The enumeration.
    data : ndarray
        The numbers; masked where a category is missing.
    fill_value : int or None
        Number of missing ones, if there are any.
    """

    dtype: DataType
    data: Array
    fill_value: int | None


def categories_of(name: str, wanted: Any, data: Any) -> Categories | None:
    """Make an enumeration of text, or of a pandas Categorical; None when neither was asked for.

    Parameters
    ----------
    name : str
        Name of the variable, for messages.
    wanted
        What was given as its type.
    data
        Values: text and None, or a Categorical, whose order of categories is kept.

    Raises
    ------
    DataTypeError
        If ``'enum'`` is wanted of something else.

    Examples
    --------
    >>> found = categories_of("cover", "enum", ["water", "forest", None])
    >>> found.dtype.members, found.data.tolist(), found.fill_value
    ((('forest', 0), ('water', 1)), [1, 0, None], 255)
    """
    asked = isinstance(wanted, str) and wanted.lower() in WORDS
    held = getattr(data, "values", data) if hasattr(getattr(data, "dtype", None), "categories") else None
    if held is None and not asked:
        return None
    if held is not None and not (asked or wanted is None):
        return None
    if held is not None:
        names, places = [str(category) for category in held.categories], np.asarray(held.codes, np.int64)
    else:
        names, places = _from_text(name, data)
    missing = places < 0
    base = np.min_scalar_type(len(names))
    fill = int(np.iinfo(base).max) if missing.any() else None
    dtype = enum_dtype(base, {category: code for code, category in enumerate(names)})
    codes = np.where(missing, 0, places).astype(base)
    return Categories(dtype, np.ma.MaskedArray(codes, missing) if fill is not None else codes, fill)


def _from_text(name: str, data: Any) -> tuple[list[str], Array]:
    """Give the categories in alphabetical order, and the place of each value; -1 for None."""
    if data is None:
        raise DataTypeError(f"{name!r}: dtype='enum' needs data=, or name the members with cfdb.dtypes.enum_dtype(...)")
    values = np.asarray(data, object)
    wrong = next((value for value in values.flat if value is not None and not isinstance(value, str)), None)
    if wrong is not None:
        raise DataTypeError(f"{name!r}: dtype='enum' takes text and None, not {wrong!r}; cfdb.dtypes.enum_dtype(...)")
    listed = values.ravel().tolist()
    names = sorted({value for value in listed if value is not None})
    code_of = {None: -1, **{text: number for number, text in enumerate(names)}}
    places = np.array([code_of[value] for value in listed], np.int64).reshape(values.shape)
    return names, places


def codes_of(dtype: DataType, values: Any) -> Any:
    """Turn text into the numbers of an enumeration or of flags; anything else comes back as it is."""
    given = values if isinstance(values, np.ndarray) else np.asarray(values, object if _has_text(values) else None)
    is_text = given.dtype.kind in "UT" or (given.dtype.kind == "O" and _has_text(given.flat))
    if not is_text:
        return given
    table = table_of(dtype.members, bits=dtype.name == "flags")
    try:
        return table.encode(given)
    except EncodingError as error:
        if not all(text is None or isinstance(text, str) for text in given.flat):
            raise
        raise EncodingError(
            f"{error}; the members of a type stay as they are: for others make a new variable, with "
            f"dtype=cfdb.dtypes.enum_dtype({dtype.encoded!r}, {{name: number, ...}}), and write .flags.decode() into it"
        ) from None


def _has_text(values: Any) -> bool:
    if isinstance(values, str):
        return True
    if isinstance(values, list | tuple):
        return any(_has_text(value) for value in values)
    return isinstance(values, np.flatiter) and any(isinstance(value, str) for value in values)
