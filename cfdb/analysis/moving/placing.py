"""How do the values of one variable come to their places in another, and which of two values stays?

Everything happens in stored cells: those that stay keep every bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.analysis.moving.blocks import COPIES, Slices, breaks_along, cut
from cfdb.analysis.moving.incoming import Incoming
from cfdb.errors import CoordinateError, EncodingError
from cfdb.format.casting import blank_cell
from cfdb.format.codecs import CodecPipeline
from cfdb.model.view import View
from cfdb.plan.indexing import Axis, Range, Selection, select_axes

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

#: What happens where there is a value already.
RULES = ("replace", "last", "first", "error", "equal")


@dataclass(slots=True)
class Coverage:
    """Which cells of a variable hold data, for types that have no missing value: boxes of positions."""

    boxes: list[tuple[Mask, ...]] = field(default_factory=list)

    def add(self, positions: Sequence[Axis], shape: Sequence[int]) -> None:
        """Add the cells at all combinations of positions."""
        box = []
        for found, size in zip(positions, shape, strict=True):
            axis = np.zeros(size, bool)
            axis[found.to_slice() if isinstance(found, Range) else found.values] = True
            box.append(axis)
        self.boxes.append(tuple(box))

    def mask(self, positions: Sequence[Axis]) -> Mask:
        """Tell for all combinations of positions whether they hold data."""
        found = np.zeros([len(axis) for axis in positions], bool)
        for box in self.boxes:
            inside = np.array(True)
            for number, (axis, wanted) in enumerate(zip(box, positions, strict=True)):
                shape = [-1 if place == number else 1 for place in range(len(positions))]
                inside = inside & axis[wanted.positions()].reshape(shape)
            found |= inside
        return found


@dataclass(frozen=True, slots=True)
class Placing:
    """A variable that is written into another one.

    Attributes
    ----------
    item : Incoming
        What is written.
    target : View
        Where to.
    positions : tuple of (Range or Positions)
        Where each position lies along every dimension of the target.
    rule : str
        One of `RULES`: replace everything; the later or the earlier value stays; two values are an error, always or
        when they differ.
    covered : Coverage
        Cells that hold data; those that are written are added.
    """

    item: Incoming
    target: View
    positions: tuple[Axis, ...]
    rule: str
    covered: Coverage

    def blocks(self, max_mem: int) -> list[Slices]:
        """Cut what is to be written along the chunks of the target; one chunk each where the source has holes."""
        grid = self.target._array.grid
        axes = zip(self.positions, grid.axes, grid.chunk_shape, strict=True)
        breaks = [breaks_along(found, slots, length) for found, slots, length in axes]
        shape = [len(found) for found in self.positions]
        part = self.item.part
        sparse = part is not None and part.stored().chunks < len(part._array.grid)
        most = 0 if sparse else max_mem // (2 * COPIES)
        return list(cut(shape, breaks, self.target._array.dtype.itemsize, most))

    def run(self, blocks: Sequence[Slices], report: Callable[[int], None]) -> int:
        """Write the values; give the number of cells that got one."""
        self.target._labels.guard(self.target._member)
        written = 0
        try:
            for block in blocks:
                written += self._write(block)
                report(1)
        finally:
            self.target._member.version += 1
        self.covered.add(self.positions, self.target.shape)
        return written

    def _write(self, block: Slices) -> int:
        places = tuple(
            found.take(Range(part.start, part.stop - part.start))
            for found, part in zip(self.positions, block, strict=True)
        )
        goal = select_axes(places)
        array = self.target._array
        there = self._sources_written(block)
        if not there and (self.rule != "replace" or not any(array.store.has(array.grid.plan(goal).keys()))):
            return 0
        cells, missing = self._cells(block)
        if self.rule == "replace":
            array.write(goal, cells, encoded=True)
            return int(cells.size)
        valid = ~(missing | missing_cells(array.pipeline, cells))
        if not valid.any():
            return 0
        old = array.read_cells(goal)
        take = self._taken(goal, places, valid, cells, old)
        if take.all():
            array.write(goal, cells, encoded=True)
        elif take.any():
            old[take] = cells[take]
            array.write(goal, old, encoded=True)
        return int(np.count_nonzero(take))

    def _taken(self, goal: Selection, places: Sequence[Axis], valid: Mask, cells: Array, old: Array) -> Mask:
        """Choose the cells that are written."""
        if self.rule == "last":
            return valid
        occupied = self._occupied(goal, places, old)
        if self.rule == "first":
            return valid & ~occupied
        clash = valid & occupied
        if self.rule == "equal":
            clash &= cells != old
        if clash.any():
            raise self._clash(np.unravel_index(int(np.argmax(clash)), clash.shape), places)
        return valid

    def _occupied(self, goal: Selection, places: Sequence[Axis], old: Array) -> Mask:
        """Tell which cells of the target hold a value."""
        array = self.target._array
        if has_missing(array.pipeline):
            return ~missing_cells(array.pipeline, old)
        written = np.zeros(goal.full_shape, bool)
        for slices, key in array.pieces(goal):
            written[slices] = array.is_written(key)
        return written & self.covered.mask(places)

    def _clash(self, number: Any, places: Sequence[Axis]) -> Exception:
        labels = []
        for dim, place, found in zip(self.target.dims, number, places, strict=True):
            label = self.target._label_values(dim)[found.positions()[place]]
            labels.append(f"{dim}={label}")
        where = f" at {', '.join(labels)}" if labels else ""
        return CoordinateError(f"{self.target.name!r} holds a value{where} already, and another is to be written there")

    # reading

    def _order(self) -> list[int]:
        """Give the axes of the item in the order of the target's."""
        return [self.item.dims.index(dim) for dim in self.target.dims]

    def _own(self, block: Slices) -> Slices:
        """Give a block of the target's order in the item's."""
        order = self._order()
        return tuple(block[order.index(axis)] for axis in range(len(order)))

    def _sources_written(self, block: Slices) -> bool:
        part = self.item.part
        if part is None:
            return True
        keys = part._array.grid.plan(part._selected().take(self._own(block))).keys()
        return any(part._array.store.has(keys))

    def _cells(self, block: Slices) -> tuple[Array, Mask]:
        """Read a block as cells of the target, and say which of them are missing whatever their value."""
        own, pipeline = self._own(block), self.target._array.pipeline
        part = self.item.part
        cells: Array
        missing: Mask
        if part is not None and part._array.pipeline.dtype == pipeline.dtype and _same_fill(part, self.target):
            origin = part._selected().take(own)
            cells = origin.to_result(part._array.read_cells(origin))
            missing = np.zeros(cells.shape, bool)
            for slices, key in () if has_missing(pipeline) else part._array.pieces(origin):
                missing[slices] = not part._array.is_written(key)
        else:
            cells, masked = self._encoded(self.item.read(own))
            missing = np.full(cells.shape, masked, bool)
        return cells.transpose(self._order()), missing.transpose(self._order())

    def _encoded(self, values: Array) -> tuple[Array, Any]:
        """Turn values into cells of the target; where the mask says missing, any will do that fits."""
        codec, pipeline = self.target._codec, self.target._array.pipeline
        if pipeline.fill_value is not None and pipeline.dtype.kind in "iue" and values.dtype.kind == "f":
            values = np.ma.MaskedArray(values, np.isnan(np.ma.getdata(values)) | np.ma.getmaskarray(values))
        masked: Any = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else False
        if masked is not False and not has_missing(pipeline) and self.rule != "replace":
            values = np.ma.getdata(values)
        try:
            return np.asarray(pipeline.to_cells(codec.encode(values))), masked
        except EncodingError as error:
            raise EncodingError(f"{self.item.name!r} cannot be written: {error}") from error


def _same_fill(part: Any, target: View) -> bool:
    one, other = part.fill_value, target.fill_value
    return bool((one is None and other is None) or one == other or (one != one and other != other))


def has_missing(pipeline: CodecPipeline) -> bool:
    """Tell whether cells can say that they are missing."""
    dtype = pipeline.dtype
    packing = dtype.packing
    if pipeline.fill_value is not None or (packing is not None and packing.fill is not None):
        return True
    return dtype.kind in "fcmMtG" or (dtype.kind == "T" and dtype.nullable)


def missing_cells(pipeline: CodecPipeline, cells: Array) -> Mask:
    """Tell which cells hold no value: NaN, NaT, None, or the declared fill value."""
    dtype = pipeline.dtype
    if not has_missing(pipeline):
        return np.zeros(cells.shape, bool)
    if dtype.kind == "t":
        return np.asarray(np.isnan(cells) if cells.dtype.kind == "f" else cells == blank_cell(dtype), bool)
    values = pipeline.from_cells(cells)
    kind, fill = values.dtype.kind, pipeline.fill_value
    found: Mask = np.zeros(cells.shape, bool)
    if kind in "fc":
        found = np.isnan(values)
    elif kind in "mM":
        found = np.isnat(values)
    elif kind in "TO":
        found = np.array([value is None for value in values.ravel().tolist()], bool).reshape(values.shape)
    if fill is not None and fill == fill:
        found = found | np.asarray(values == fill, bool)
    return found
