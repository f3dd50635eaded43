"""How are values written into a dataset by label?"""

from collections.abc import Sequence
from typing import Any

from cfdb.analysis.moving.agreeing import check_units
from cfdb.analysis.moving.assembling import Assembly, WriteResult, check_types
from cfdb.analysis.moving.growing import Grown
from cfdb.analysis.moving.incoming import bundle_of
from cfdb.compute.rechunk import check_budget
from cfdb.errors import CoordinateError
from cfdb.model.changing import Changing
from cfdb.model.doors import door

MODES = ("upsert", "append", "error")


def write_dataset(target: Changing, other: Any, mode: str, max_mem: int | str, progress: Any) -> WriteResult:
    """Write values by label: see `Dataset.write`."""
    target._structure.check_writable()
    if mode not in MODES:
        raise ValueError(f"mode={mode!r}: choose {', '.join(map(repr, MODES))}")
    budget, bundle = check_budget(max_mem), bundle_of(other)
    if bundle.source is not None and bundle.source._labels.structure.store is target._structure.store:
        raise ValueError("a dataset cannot be written into itself: copy it first")
    check_types(target, [bundle])
    check_units(target, bundle)
    assembly = Assembly("error" if mode == "error" else "replace", _only_behind if mode == "append" else _anywhere)
    with door("reporting")(progress, "write", unit=" blocks") as report:
        return assembly.run(target, [bundle], budget, report)


def _anywhere(grown: Sequence[Grown], target: Changing) -> None:
    pass


def _only_behind(grown: Sequence[Grown], target: Changing) -> None:
    """Refuse labels that exist, and new ones that do not come behind the last."""
    for each in grown:
        union, positions = each.union, each.positions[0]
        if union is None or positions is None or not union.added:
            continue
        known = sorted(set(positions.positions().tolist()) & set(union.old.tolist()))
        if known:
            raise CoordinateError(
                f"mode='append': {each.dim}={union.labels[known[0]]} exists already ({len(known)} of {len(positions)} "
                "labels do); mode='upsert' replaces them"
            )
        ahead = [at for at, _ in union.inserts if at < each.before]
        if ahead:
            first = union.labels[union.new[0]]
            raise CoordinateError(
                f"mode='append': {each.dim}={first} belongs before {union.labels[union.old[-1]]}, the last label; "
                "mode='upsert' puts it in its place"
            )
    if grown and not any(each.added for each in grown if each.union is not None):
        raise CoordinateError("mode='append': there is no new label along any dimension; mode='upsert' replaces values")
