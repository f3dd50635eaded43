"""Which page holds a key, and in which row of it?

Pages that were used lately are known by their keys: finding one of those again costs a dictionary, not an order key and
a search in the directory. How many rows are known is bounded.
"""

import threading
from collections.abc import Callable, Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt

from ebooklet.format.columns import Column
from ebooklet.format.pages import HOT_NUMBERS, HotPage

KNOWN_ROWS = 1 << 16
_SHIFT = 16  # a place is the number of a page and, in the lower 16 bits, that of a row in it
_MASK = (1 << _SHIFT) - 1
_NOWHERE = -1
_FEW = 4  # keys that are found one by one

Places = npt.NDArray[np.int64]


class Lookup:
    """The rows of one directory, by key; safe to use from many threads.

    Parameters
    ----------
    page_of
        Gives the number of the page that a key belongs to, -1 for none.
    read
        Gives a page by its number.
    """

    def __init__(self, page_of: Callable[[str], int], read: Callable[[int], HotPage]) -> None:
        self._page_of = page_of
        self._read = read
        self._lock = threading.Lock()
        self._places: dict[str, int] = {}
        self._pages: dict[int, HotPage] = {}
        self._rows = 0

    def find(self, key: str) -> tuple[int, HotPage, int] | None:
        """Return the number of the page, the page and the row in it, None when there is no such key."""
        place = self._places.get(key, _NOWHERE)
        page = self._pages.get(place >> _SHIFT)
        if page is None:
            place, page = self._read_place(key, {})
            if page is None:
                return None
        return place >> _SHIFT, page, place & _MASK

    def find_many(self, keys: Sequence[str]) -> tuple[Places, dict[int, HotPage]]:
        """Return the place of each key, -1 where there is none, and the pages they refer to by number."""
        places = np.fromiter(map(self._places.get, keys, repeat(_NOWHERE)), dtype=np.int64, count=len(keys))
        numbers = places >> _SHIFT
        pages: dict[int, HotPage] = {}
        for number in np.unique(numbers).tolist():
            page = self._pages.get(number)
            if page is None:
                places[numbers == number] = _NOWHERE
            else:
                pages[number] = page
        for position in np.flatnonzero(places < 0).tolist():
            places[position] = self._place(keys[position], pages)
        return places, pages

    def columns(self, keys: Sequence[str]) -> tuple[Column, npt.NDArray[np.bool_]]:
        """Return what the pages say about keys, a row of `HOT_NUMBERS` for each, and which keys there are."""
        out = np.zeros((len(keys), len(HOT_NUMBERS)), dtype=np.uint64)
        if len(keys) <= _FEW:
            found = [self.find(key) for key in keys]
            for position, one in enumerate(found):
                if one is not None:
                    out[position] = one[1].numbers[one[2]]
            return out, np.array([one is not None for one in found], dtype=np.bool_)
        places, pages = self.find_many(keys)
        numbers = places >> _SHIFT
        order = np.argsort(numbers, kind="stable")
        held, starts = np.unique(numbers[order], return_index=True)
        for number, start, stop in zip(held.tolist(), starts, [*starts[1:], len(keys)], strict=False):
            if number >= 0:
                wanted = order[start:stop]
                out[wanted] = pages[number].numbers[places[wanted] & _MASK]
        return out, places >= 0

    def _place(self, key: str, pages: dict[int, HotPage]) -> int:
        """Find a key, which was not known a moment ago, and keep its page in `pages`."""
        place = self._places.get(key, _NOWHERE)
        page = self._pages.get(place >> _SHIFT)
        if page is None:
            place, page = self._read_place(key, pages)
        if page is not None:
            pages[place >> _SHIFT] = page
        return place

    def _read_place(self, key: str, pages: dict[int, HotPage]) -> tuple[int, HotPage | None]:
        number = self._page_of(key)
        if number < 0:
            return _NOWHERE, None
        with self._lock:
            page = self._pages.get(number)
            if page is None:
                page = pages.get(number) or self._read(number)
                self._know(number, page)
            place = self._places.get(key, _NOWHERE)
        return (place, page) if place >> _SHIFT == number else (_NOWHERE, None)

    def _know(self, number: int, page: HotPage) -> None:
        while self._pages and self._rows + len(page) > KNOWN_ROWS:
            self._forget(next(iter(self._pages)))
        start = number << _SHIFT
        self._places.update(zip(page.keys, range(start, start + len(page)), strict=True))
        self._pages[number] = page
        self._rows += len(page)

    def _forget(self, number: int) -> None:
        page = self._pages.pop(number)
        self._rows -= len(page)
        for key in page.keys:
            if self._places.get(key, _NOWHERE) >> _SHIFT == number:
                del self._places[key]
