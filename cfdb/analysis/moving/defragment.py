"""How does a dimension that was inserted into and dropped from lie in one piece again?"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cfdb.analysis.moving.blocks import Slices, blocks_of_selection
from cfdb.analysis.moving.copying import cell_mover
from cfdb.compute.rechunk import check_budget
from cfdb.errors import VariableNotFoundError
from cfdb.format.dimension import Slots
from cfdb.format.wording import count
from cfdb.model.dataset import Dataset
from cfdb.model.doors import door
from cfdb.model.structure import Dimension, Member, unknown_name
from cfdb.model.undo import all_or_nothing
from cfdb.plan.indexing import Selection, select
from cfdb.storage.engine import ChunkedArray


@dataclass(frozen=True, slots=True)
class Defragmentation:
    """What was rewritten so that a dimension lies in one piece.

    Attributes
    ----------
    dim : str
        The dimension.
    runs : int
        Pieces it lay in before.
    written : dict of str to int
        Chunks written, by variable.
    deleted : int
        Chunks that they replace.
    """

    dim: str
    runs: int
    written: dict[str, int]
    deleted: int

    def __str__(self) -> str:
        if self.runs < 2:
            return f"{self.dim}: lies in one piece, nothing to do"
        parts = ", ".join(f"{name} {number}" for name, number in self.written.items())
        total = sum(self.written.values())
        return (
            f"{self.dim}: {self.runs} pieces are one now; {count(total, 'chunk')} written for {self.deleted} ({parts})"
        )

    __repr__ = __str__


class _Axis:
    """An axis with slots that do not change."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots


def defragment(dataset: Dataset, dim: str, max_mem: int | str, progress: Any) -> Defragmentation:
    """Rewrite the chunks along a dimension: see `Dataset.defragment`."""
    structure, labels = dataset._structure, dataset._labels
    structure.check_writable()
    budget = check_budget(max_mem)
    found = structure.dimension(dim) if isinstance(dim, str) else None
    if found is None:
        raise VariableNotFoundError(unknown_name("dimension", dim, structure.dims))
    before = found.slots
    members = structure.users_of(found)
    lengths = [member.record.chunk_shape[member.dims.index(found)] for member in members]
    after = before.in_one_run(lengths)
    if after is before:
        return Defragmentation(dim, len(before.runs), {}, 0)
    written, deleted = {}, 0
    with all_or_nothing(structure), door("reporting")(progress, f"defragment {dim}", unit=" chunks") as report:
        moved = [(member, _along(labels.array(member), member, found, after)) for member in members]
        total, done = sum(len(new.grid) for _, new in moved), 0

        def advance(chunks: int) -> None:
            nonlocal done
            done += chunks
            if report is not None:
                report(done, total)

        old = {}
        for member, new in moved:
            structure.guard(member)
            array = labels.array(member)
            old[member.id] = array.written_keys()
            written[member.path] = rewrite(array, new, budget, advance)
        structure.set_dimension(found, replace(found.record, slots=after))
        for member, _ in moved:
            deleted += len(old[member.id])
            structure.store.delete(sorted(old[member.id]))
            member.version += 1
    return Defragmentation(dim, len(before.runs), written, deleted)


def _along(array: ChunkedArray, member: Member, dim: Dimension, slots: Slots) -> ChunkedArray:
    """Give the array of a variable as it is when the dimension has other slots."""
    axes = [_Axis(slots if each is dim else each.slots) for each in member.dims]
    return ChunkedArray(array.store, member.id, array.pipeline, axes, lambda: member.path)


def rewrite(old: ChunkedArray, new: ChunkedArray, max_mem: int, report: Callable[[int], None]) -> int:
    """Write the chunks of an array whose positions got other slots; give their number."""
    move = cell_mover(old, new)
    everything, written = new.everything(), 0
    for block in blocks_of_selection(new, everything, max_mem):
        pieces = _pieces(new, everything.take(block), block)
        there = [piece for piece in pieces if any(old.store.has(old.grid.plan(select(piece, old.shape)).keys()))]
        if len(there) == len(pieces):
            there_boxes = [block]
        else:
            there_boxes = there
        for box in there_boxes:
            move(select(box, old.shape), select(box, new.shape))
        written += len(there)
        report(len(pieces))
    return written


def _pieces(new: ChunkedArray, selection: Selection, block: Slices) -> list[Slices]:
    """Cut a block at the new chunks."""
    return [
        tuple(slice(a.start + b.start, a.stop + b.start) for a, b in zip(slices, block, strict=True))
        for slices, _ in new.pieces(selection)
    ]
