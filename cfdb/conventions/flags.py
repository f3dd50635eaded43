"""What do the numbers of a flag variable mean? (CF: ``flag_values``, ``flag_masks``, ``flag_meanings``)

A meaning with a value alone holds where the number is that value; one with a mask alone where any of its bits is set;
one with both where the bits under the mask are the value.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import DataTypeError, EncodingError

Array = npt.NDArray[Any]

VALUES, MASKS, MEANINGS = "flag_values", "flag_masks", "flag_meanings"


@dataclass(frozen=True, slots=True)
class Meaning:
    """A name, and the numbers it stands for.

    Attributes
    ----------
    name : str
        What it means.
    value : int or None
        The number, or the bits under the mask.
    mask : int or None
        Which bits count; None is all of them.
    """

    name: str
    value: int | None = None
    mask: int | None = None

    def holds(self, codes: Array) -> npt.NDArray[np.bool_]:
        """Tell for every number whether it means this."""
        bits = codes if self.mask is None else codes & codes.dtype.type(self.mask)
        found: npt.NDArray[np.bool_] = bits != 0 if self.value is None else bits == self.value
        return found


@dataclass(frozen=True, slots=True)
class FlagTable:
    """Meanings of the numbers of a variable.

    Attributes
    ----------
    meanings : tuple of Meaning
        In their order.

    Examples
    --------
    >>> table = FlagTable((Meaning("rain", mask=1), Meaning("snow", mask=2)))
    >>> table.decode(np.array([0, 1, 3])).tolist(), table.encode(["rain snow", ""]).tolist()
    (['', 'rain', 'rain snow'], [3, 0])
    """

    meanings: tuple[Meaning, ...]

    @property
    def is_exclusive(self) -> bool:
        """Whether a number has one meaning at most."""
        return all(meaning.mask is None for meaning in self.meanings)

    def find(self, name: str) -> Meaning:
        """Find a meaning by name.

        Raises
        ------
        KeyError
            If there is none; the message names those that there are.
        """
        for meaning in self.meanings:
            if meaning.name == name:
                return meaning
        raise KeyError(_unknown(name, [meaning.name for meaning in self.meanings]))

    def decode(self, codes: Array) -> Array:
        """Turn numbers into text: None where they are masked or mean nothing, several meanings with blanks between."""
        if not np.size(codes):
            return np.empty(np.shape(codes), object)
        values = np.ma.getdata(codes)
        unique, places = np.unique(values, return_inverse=True)
        held = [meaning.holds(unique) for meaning in self.meanings]
        texts = np.empty(unique.size, object)
        for number in range(unique.size):
            names = [meaning.name for meaning, where in zip(self.meanings, held, strict=True) if where[number]]
            texts[number] = None if not names and self.is_exclusive else " ".join(names)
        found: Array = texts[places.ravel()].reshape(values.shape)
        mask = np.ma.getmaskarray(codes)
        found[mask] = None
        return found

    def encode(self, texts: Any) -> Array:
        """Turn text into numbers, as int64; None is masked.

        Raises
        ------
        EncodingError
            If a text is no meaning.
        """
        given = np.asarray(texts, object)
        listed = given.ravel().tolist()
        codes_by_text = {text: 0 if text is None else self._code(text) for text in dict.fromkeys(listed)}
        codes = np.array([codes_by_text[text] for text in listed], np.int64).reshape(given.shape)
        if None not in codes_by_text:
            return codes
        return np.ma.MaskedArray(codes, np.array([text is None for text in listed]).reshape(given.shape))

    def _code(self, text: Any) -> int:
        if not isinstance(text, str):
            raise EncodingError(f"{text!r} is no meaning: give a str, or numbers throughout")
        names = {meaning.name: meaning for meaning in self.meanings}
        if text in names:
            chosen = [names[text]]
        else:
            words = [] if self.is_exclusive else text.split()
            unknown = [word for word in words if word not in names]
            if unknown or self.is_exclusive:
                raise EncodingError(_unknown(unknown[0] if unknown else text, list(names)))
            chosen = [names[word] for word in words]
        code = 0
        for meaning in chosen:
            code |= int(meaning.mask or 0) if meaning.value is None else meaning.value
        return code


def table_of(members: Sequence[tuple[str, int]], *, bits: bool) -> FlagTable:
    """Give the table of a type with names: an enumeration, or independent `bits`."""
    return FlagTable(tuple(Meaning(name, mask=code) if bits else Meaning(name, code) for name, code in members))


def table_of_attributes(attrs: Mapping[str, Any], what: str) -> FlagTable | None:
    """Read the table that attributes describe; None when they describe none.

    Raises
    ------
    DataTypeError
        If they do not fit together.

    Examples
    --------
    >>> attrs = {"flag_values": np.array([1, 2], "i1"), "flag_meanings": "good bad"}
    >>> [(meaning.name, meaning.value) for meaning in table_of_attributes(attrs, "t").meanings]
    [('good', 1), ('bad', 2)]
    """
    values, masks = _numbers(attrs.get(VALUES)), _numbers(attrs.get(MASKS))
    if MEANINGS not in attrs or (values is None and masks is None):
        return None
    text = attrs[MEANINGS]
    names = text.split() if isinstance(text, str) else [str(name) for name in text]
    for attribute, numbers in ((VALUES, values), (MASKS, masks)):
        if numbers is not None and len(numbers) != len(names):
            raise DataTypeError(f"{what!r} has {len(numbers)} {attribute} and {len(names)} {MEANINGS}: they must fit")
    nothing: list[int | None] = [None] * len(names)
    columns = zip(names, values or nothing, masks or nothing, strict=True)
    return FlagTable(tuple(Meaning(*column) for column in columns))


def attributes_of(table: FlagTable, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Give the CF attributes that describe a table."""
    found: dict[str, Any] = {}
    for attribute, field in ((VALUES, "value"), (MASKS, "mask")):
        numbers = [getattr(meaning, field) for meaning in table.meanings]
        if any(number is not None for number in numbers):
            found[attribute] = np.array([0 if number is None else number for number in numbers], dtype)
    found[MEANINGS] = " ".join(re.sub(r"\s+", "_", meaning.name.strip()) for meaning in table.meanings)
    return found


def _numbers(value: Any) -> list[int] | None:
    if value is None:
        return None
    if isinstance(value, str):  # some files write numbers as text: "0b, 1b"
        return [int(number) for number in re.findall(r"-?\d+", value)]
    return [int(number) for number in np.atleast_1d(np.asarray(value)).tolist()]


def _unknown(name: Any, names: Iterable[str]) -> str:
    listed = list(names)
    near = get_close_matches(str(name), listed, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(map(repr, listed[:10]))}"
    return f"there is no meaning {name!r}; {hint}"
