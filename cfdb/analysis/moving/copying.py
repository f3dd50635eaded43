"""How does a dataset, or a part of one, get into a new file?

A variable that is copied whole brings its stored chunks as they are, with its slots and statistics: nothing is decoded.
Of a part, the stored cells are copied block by block.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cfdb.analysis.moving.blocks import Slices, blocks_of
from cfdb.analysis.moving.replica import Replica, plan_replica
from cfdb.compute.rechunk import check_budget
from cfdb.errors import ShapeError
from cfdb.model.dataset import Dataset
from cfdb.model.doors import door
from cfdb.model.files import copy_files
from cfdb.model.part import Part
from cfdb.model.reading import Reading
from cfdb.model.view import View
from cfdb.plan.indexing import Selection
from cfdb.storage.engine import ChunkedArray


def copy_dataset(
    source: Reading,
    file_path: str | os.PathLike[str] | None,
    include: Sequence[str] | str | None,
    exclude: Sequence[str] | str | None,
    progress: Any,
    options: dict[str, Any],
) -> Dataset:
    """Copy a dataset, or a part of one: see `Dataset.copy`."""
    said = dict(options)
    max_mem, chunk_shape = check_budget(said.pop("max_mem", 2**29)), said.pop("chunk_shape", None)
    compression, level = said.get("compression"), said.get("compression_level")
    plan = plan_replica(source, include, exclude, chunk_shape, compression, level)
    with new_file(file_path, [source], {**plan.options, **said}) as made:
        fill_replica(source, made.dataset, plan, max_mem, progress)
    return made.dataset


def fill_replica(source: Reading, target: Dataset, plan: Replica, max_mem: int, progress: Any) -> None:
    """Make the records of a copy, and copy the chunks."""
    plan.build(target)
    if isinstance(source, Dataset):
        copy_files(source._structure, target._structure)
    total = sum(item.chunks for item in plan.variables)
    done = 0
    with door("reporting")(progress, "copy", unit=" chunks") as report:

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if report is not None:
                report(min(done, total), total)

        for item in plan.variables:
            array = target._labels.array(target._structure.members[item.record.path])
            if item.whole:
                item.part._array.copy_chunks(array.store, max_mem, advance)
            else:
                copy_values(item.part, target[item.record.path], max_mem, advance)


def copy_values(source: Part, target: View, max_mem: int = 2**29, report: Callable[[int], None] | None = None) -> int:
    """Copy the values of a part of a variable to another one of the same shape, in bounded memory.

    Where both are stored the same way the stored cells are copied, bit for bit. Cells of chunks that were never written
    are passed over, so that what is missing stays missing.

    Parameters
    ----------
    source : Part
        Where the values come from.
    target : View
        Where they go.
    max_mem : int
        Bytes to use; one chunk of either is held in any case.
    report : callable, optional
        Called with the number of the target's chunks done since the last call.

    Returns
    -------
    int
        Number of the target's chunks that were written.
    """
    if source.shape != target.shape:
        raise ShapeError(f"{source.name!r} has shape {source.shape}, {target.name!r} {target.shape}")
    move = mover(source, target)
    target._labels.check_writable(target._member)
    target._labels.guard(target._member)
    written = 0
    try:
        for block in blocks_of(target, max_mem):
            pieces = list(_chunks_of(target, block))
            there = [piece for piece in pieces if _any_written(source, piece)]
            if len(there) == len(pieces):
                move(block)
            else:
                for piece in there:
                    move(piece)
            written += len(there)
            if report is not None:
                report(len(pieces))
    finally:
        target._member.version += 1
    return written


def mover(source: Part, target: View) -> Callable[[Slices], None]:
    """Give the function that copies one block, by the best way that both know."""
    ours, theirs = source._array, target._array
    same = ours.pipeline.dtype == theirs.pipeline.dtype and _alike(ours.fill, theirs.fill)
    move_cells = cell_mover(ours, theirs)

    def move(block: Slices) -> None:
        origin, goal = _taken(source, block), _taken(target, block)
        if same:
            move_cells(origin, goal)
        else:
            values = source._codec.present(origin.to_result(ours.read(origin)), True)
            target._codec.write(goal, values, encoded=False)

    return move


def cell_mover(ours: ChunkedArray, theirs: ChunkedArray) -> Callable[[Selection, Selection], None]:
    """Give the function that copies cells between arrays of the same encoding, bit for bit."""
    dtype = ours.pipeline.dtype
    changed = dtype.is_packed or dtype.precision is not None or dtype.keep_bits is not None

    def move(origin: Selection, goal: Selection) -> None:
        cells = ours.read_cells(origin) if changed else ours.read(origin)
        theirs.write(goal, goal.to_full(origin.to_result(cells)), encoded=changed)

    return move


def _taken(part: Part, block: Slices) -> Selection:
    return part._selected().take(block)


def _alike(one: Any, other: Any) -> bool:
    return bool(one == other or (one != one and other != other))


def _chunks_of(target: View, block: Slices) -> Iterator[Slices]:
    """Cut a block at the chunks of the target."""
    for slices, _ in target._array.pieces(_taken(target, block)):
        yield tuple(
            slice(inner.start + outer.start, inner.stop + outer.start)
            for inner, outer in zip(slices, block, strict=True)
        )


def _any_written(source: Part, block: Slices) -> bool:
    keys = source._array.grid.plan(_taken(source, block)).keys()
    return any(source._array.store.has(keys))


class Made:
    """A dataset in the making; `dataset` is set when it is done."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset


@contextmanager
def new_file(
    file_path: str | os.PathLike[str] | None, sources: Sequence[Reading], options: dict[str, Any]
) -> Iterator[Made]:
    """Make a dataset in a new file, which takes its name only when it is complete; after an error there is none.

    Parameters
    ----------
    file_path : str, path or None
        Where it is to be; None is memory.
    sources : sequence of Reading
        What it is made of: their files are not replaced.
    options : dict
        Of `cfdb.open_dataset`, and ``overwrite``.
    """
    said = dict(options)
    flag, overwrite = said.pop("flag", None), said.pop("overwrite", False)
    if flag not in (None, "n"):
        raise ValueError(f"flag={flag!r}: a copy is a new file; flag='n' or overwrite=True replaces one that exists")
    opening = door("open_dataset")
    path = None if file_path is None else Path(file_path)
    scratch = None
    if path is not None:
        _check_target(path, [source._labels.structure.store.name for source in sources], overwrite or flag == "n")
        scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        made = Made(opening(scratch, "n", **said))
    except BaseException:
        if scratch is not None:
            scratch.unlink(missing_ok=True)
        raise
    try:
        yield made
        if path is None or scratch is None:
            return
        made.dataset.close()
        os.replace(scratch, path)
    except BaseException:
        made.dataset._structure.close()
        if scratch is not None:
            scratch.unlink(missing_ok=True)
        raise
    kept = {name: said[name] for name in ("lock_timeout", "locking", "on_error", "masked") if name in said}
    made.dataset = opening(path, "w", **kept)


def _check_target(path: Path, sources: Sequence[str], replace: bool) -> None:
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot create {path}: there is no folder {path.parent}")
    if not path.exists():
        return
    if any(os.path.exists(name) and os.path.samefile(path, name) for name in sources):
        raise ValueError(f"{path} is the dataset that is to be copied: choose another file")
    if not replace or path.is_dir():
        raise FileExistsError(f"{path} exists already: choose another name, or replace it with overwrite=True")
