"""Which bytes below the committed length are to change at the next commit?

A map of small pages, each with its few disjoint changes: adding one costs the same however many there are.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

_PAGE = 512


class PatchMap:
    r"""Changes held back, by place.

    Examples
    --------
    >>> patches = PatchMap()
    >>> patches.write(10, b"abc")
    >>> patches.write(12, b"XY")
    >>> list(patches.ranges())
    [(10, b'abXY')]
    >>> view = bytearray(6)
    >>> patches.overlay(9, view)
    >>> bytes(view)
    b'\x00abXY\x00'
    """

    def __init__(self) -> None:
        self._pages: dict[int, tuple[list[int], list[bytes]]] = {}

    def __bool__(self) -> bool:
        return bool(self._pages)

    def clear(self) -> None:
        """Forget every change."""
        self._pages.clear()

    def write(self, offset: int, data: bytes) -> None:
        """Change the bytes from `offset` on."""
        while data:
            number, inside = divmod(offset, _PAGE)
            head, data = data[: _PAGE - inside], data[_PAGE - inside :]
            self._write_page(number, inside, head)
            offset += len(head)

    def _write_page(self, number: int, start: int, data: bytes) -> None:
        page = self._pages.get(number)
        if page is None:
            self._pages[number] = ([start], [data])
            return
        starts, pieces = page
        end = start + len(data)
        first = bisect_left(starts, start)
        if first and starts[first - 1] + len(pieces[first - 1]) >= start:
            first -= 1
        last = bisect_right(starts, end)
        if first < last:
            low = min(start, starts[first])
            merged = bytearray(max(end, starts[last - 1] + len(pieces[last - 1])) - low)
            for position, piece in zip(starts[first:last], pieces[first:last], strict=True):
                merged[position - low : position - low + len(piece)] = piece
            merged[start - low : end - low] = data
            start, data = low, bytes(merged)
        starts[first:last] = [start]
        pieces[first:last] = [data]

    def overlay(self, offset: int, view: bytearray) -> None:
        """Apply the changes to `view`, which was read at `offset`."""
        end = offset + len(view)
        for number in range(offset // _PAGE, (end - 1) // _PAGE + 1):
            page = self._pages.get(number)
            if page is None:
                continue
            for inside, piece in zip(*page, strict=True):
                position = number * _PAGE + inside
                low, high = max(position, offset), min(position + len(piece), end)
                if low < high:
                    view[low - offset : high - offset] = piece[low - position : high - position]

    def ranges(self, border: int = 0) -> Iterator[tuple[int, bytes]]:
        """Yield the changes in order, neighbours joined except across `border`."""
        start, joined = 0, bytearray()
        for number in sorted(self._pages):
            for inside, piece in zip(*self._pages[number], strict=True):
                position = number * _PAGE + inside
                for part_start, part in _split(position, piece, border):
                    if joined and part_start == start + len(joined) != border:
                        joined += part
                        continue
                    if joined:
                        yield start, bytes(joined)
                    start, joined = part_start, bytearray(part)
        if joined:
            yield start, bytes(joined)


def _split(start: int, data: bytes, border: int) -> list[tuple[int, bytes]]:
    if start < border < start + len(data):
        return [(start, data[: border - start]), (border, data[border - start :])]
    return [(start, data)]
