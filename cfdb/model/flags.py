"""What can be asked of a variable whose numbers have meanings?"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.conventions.flags import FlagTable, attributes_of, table_of, table_of_attributes
from cfdb.errors import DataTypeError, NoFlagsError
from cfdb.format.dtypes import DataType

Array = npt.NDArray[Any]


class Flags(Mapping[str, Any]):
    """The meanings of a flag variable, and where they hold: ``var.flags``.

    A mapping of meanings to numbers: to the value of an enumeration, to the bits of a mask, to a pair (mask, value)
    where CF gives both.

    Parameters
    ----------
    table : FlagTable
        The meanings.
    dtype : np.dtype
        Type of the numbers.
    read : callable
        Reads the numbers.

    Examples
    --------
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     sky = ds.create.data_var.generic("sky", "x", "enum", data=["clear", "rain", "clear"])
    ...     print(sky.values, dict(sky.flags), sky.flags.is_("clear"), sky[1:].flags.decode())
    [0 1 0] {'clear': 0, 'rain': 1} [ True False  True] ['rain' 'clear']
    """

    def __init__(self, table: FlagTable, dtype: np.dtype[Any], read: Callable[[], Array]) -> None:
        self._table = table
        self._dtype = dtype
        self._read = read

    def __getitem__(self, name: str) -> Any:
        found = self._table.find(name)
        if found.mask is not None and found.value is not None:
            return (found.mask, found.value)
        return found.mask if found.value is None else found.value

    def __iter__(self) -> Iterator[str]:
        return (meaning.name for meaning in self._table.meanings)

    def __len__(self) -> int:
        return len(self._table.meanings)

    @property
    def meanings(self) -> tuple[str, ...]:
        """Names of the meanings."""
        return tuple(self)

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes that say the same in CF: ``flag_values``, ``flag_masks``, ``flag_meanings``."""
        return attributes_of(self._table, self._dtype)

    def is_(self, *names: str) -> npt.NDArray[np.bool_]:
        """Tell for every cell whether it has a meaning, or one of several; missing cells have none.

        Parameters
        ----------
        *names : str
            Meanings.

        Returns
        -------
        ndarray of bool
            Of the shape of the variable or view.

        Raises
        ------
        KeyError
            If there is no such meaning.
        """
        wanted = [self._table.find(name) for name in names]
        codes = self._read()
        found = np.zeros(np.shape(codes), np.bool_)
        for meaning in wanted:
            found |= meaning.holds(np.ma.getdata(codes))
        return found & ~np.ma.getmaskarray(codes)

    def decode(self) -> Array:
        """Give the meanings as text.

        Returns
        -------
        ndarray of object
            One str per cell, the names of bits with blanks between; None where a cell is missing or means nothing.
        """
        return self._table.decode(self._read())

    def encode(self, texts: Any) -> Array:
        """Give the numbers of meanings, in the type of the variable; None becomes masked.

        Raises
        ------
        EncodingError
            If a text is no meaning.
        """
        codes: Array = self._table.encode(texts).astype(self._dtype)
        return codes

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {self[name]}" for name in self) or "<no meanings>"


def means_the_same(one: DataType, other: DataType) -> bool:
    """Tell whether numbers mean in one type what they mean in another: all do, but those of different enumerations."""
    if not one.kind == other.kind == "e":
        return True
    return (one.name, dict(one.members)) == (other.name, dict(other.members))


def meant(part: Any, other: object) -> npt.NDArray[np.bool_] | None:
    """Tell where numbers with meanings mean a text; None when it is not about meanings.

    Raises
    ------
    DataTypeError
        If there are several texts, or the numbers have no meanings.
    """
    if part.dtype.kind not in "eiu":
        return None
    if isinstance(other, str):
        found: npt.NDArray[np.bool_] = part.flags.is_(other)
        return found
    if isinstance(other, list | tuple | np.ndarray) and _has_text(other):
        raise DataTypeError(
            f"{part.name!r} is compared with one meaning at a time, as in var == {str(np.asarray(other).flat[0])!r}; "
            "var.flags.is_(...) takes several, and var.flags.decode() gives texts to compare with texts"
        )
    return None


def _has_text(values: Any) -> bool:
    given = np.asarray(values)
    return given.dtype.kind in "UT" or (given.dtype.kind == "O" and any(isinstance(value, str) for value in given.flat))


def flags_of(name: str, dtype: DataType, attrs: Mapping[str, Any], read: Callable[[], Array]) -> Flags:
    """Give the meanings of a variable: those of its type, or of its CF attributes.

    Raises
    ------
    NoFlagsError
        If its numbers have none.
    """
    table = table_of(dtype.members, bits=dtype.name == "flags") if dtype.kind == "e" else None
    if table is None and dtype.kind in "iu":
        table = table_of_attributes(attrs, name)
    if table is None:
        raise NoFlagsError(
            f"the values of {name!r} ({dtype}) have no meanings: create it with dtype='enum' or "
            "cfdb.dtypes.enum_dtype(...), or give integers the attributes flag_values (or flag_masks) and flag_meanings"
        )
    return Flags(table, dtype.dtype_decoded, read)
