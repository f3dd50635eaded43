"""Do several datasets fit together, and which of them are to be read?"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from glob import glob, has_magic
from typing import Any

from cfdb.analysis.moving.incoming import Bundle, Incoming, bundle_of
from cfdb.analysis.moving.replica import Names, chosen_members, chosen_names
from cfdb.conventions import crs as systems
from cfdb.conventions.units import are_written_alike
from cfdb.errors import CoordinateError, EncodingError, UnitsError
from cfdb.format.dtypes import DataType
from cfdb.model.changing import Changing
from cfdb.model.doors import door
from cfdb.model.part import Part
from cfdb.model.reading import Reading

OVERLAPS = ("last", "first", "error")
#: Kinds of moments and durations.
_TIMES = "mMt"


@contextmanager
def opened(datasets: Any) -> Iterator[list[Reading]]:
    """Open the datasets that are given as paths or as a pattern, and close them again whatever happens."""
    if isinstance(datasets, str | os.PathLike | Reading):
        datasets = [datasets]
    given = [each for item in datasets for each in _paths_of(item)]
    if not given:
        raise ValueError("datasets is empty: give at least one path or open dataset")
    found: list[Reading] = []
    mine: list[Any] = []
    try:
        for each in given:
            if isinstance(each, Reading):
                found.append(each)
            else:
                mine.append(door("open_dataset")(each))
                found.append(mine[-1])
        yield found
    finally:
        for dataset in mine:
            dataset.close()


def _paths_of(item: Any) -> list[Any]:
    """Give the files of a pattern, sorted; anything else that can be a dataset stands for itself."""
    if isinstance(item, Reading):
        return [item]
    if not isinstance(item, str | os.PathLike):
        raise TypeError(f"{item!r} of type {type(item).__name__} is no dataset: give paths, datasets or parts of one")
    path = os.fspath(item)
    if os.path.exists(path):
        return [item]
    found: list[Any] = sorted(glob(path, recursive=True)) if has_magic(path) else []
    if not found:
        raise FileNotFoundError(
            f"no file is called as the pattern {path!r} says" if has_magic(path) else f"there is no dataset {path!r}"
        )
    return found


def check_overlap(overlap: str) -> None:
    """Refuse what is no rule."""
    if overlap not in OVERLAPS:
        raise ValueError(f"overlap={overlap!r}: choose {', '.join(map(repr, OVERLAPS))}")


def bundles_of(datasets: Sequence[Reading], include: Names = None, exclude: Names = None) -> list[Bundle]:
    """Give what is chosen of every dataset; a name has to be in one of them."""
    everything = dict.fromkeys(name for dataset in datasets for name in dataset.data_var_names)
    wanted = set(chosen_names(list(everything), include, exclude))
    bundles = []
    for dataset in datasets:
        here = [name for name in dataset.data_var_names if name in wanted]
        names = {member.path for member in chosen_members(dataset, here, None)}
        bundle = bundle_of(dataset)
        kept = {name: item for name, item in bundle.variables.items() if name in names}
        bundles.append(replace(bundle, variables=kept))
    return bundles


@dataclass(frozen=True, slots=True)
class Agreement:
    """What datasets have in common.

    Attributes
    ----------
    dataset_type : str
        Kind of dataset.
    crs : str or None
        Coordinate reference system, as it is stored.
    """

    dataset_type: str
    crs: str | None


def agree(datasets: Sequence[Reading], bundles: Sequence[Bundle]) -> Agreement:
    """Check that datasets have one type and reference system, and variables one type, axis and units.

    Raises
    ------
    ValueError
        If they do not; the message names what differs.
    """
    records = [dataset._labels.structure.dataset for dataset in datasets]
    kinds = list(dict.fromkeys(record.dataset_type for record in records))
    if len(kinds) > 1:
        raise ValueError(f"the datasets are of different types, {' and '.join(map(repr, kinds))}")
    texts = list(dict.fromkeys(record.crs for record in records if record.crs is not None))
    for other in texts[1:]:
        if systems.from_user_input(other) != systems.from_user_input(texts[0]):
            raise ValueError(f"the datasets have different reference systems: {texts[0]!r} and {other!r}")
    first: dict[str, tuple[Bundle, Part]] = {}
    said: dict[str, tuple[str, str]] = {}
    for bundle in bundles:
        for name, item in bundle.variables.items():
            if item.part is None:
                continue
            known, part = first.setdefault(name, (bundle, item.part))
            _check_variable(name, part, known.name, item.part, bundle.name)
            units = _units_of(item)
            if units is not None:
                _check_units(name, *said.setdefault(name, (units, bundle.name)), units, bundle.name)
    return Agreement(kinds[0], texts[0] if texts else None)


def _check_variable(name: str, one: Part, where: str, other: Part, there: str) -> None:
    if not _same_type(one.dtype, other.dtype):
        raise EncodingError(
            f"{name!r} is stored as {_described(one.dtype)} in {where} and as {_described(other.dtype)} in {there}: "
            "copy one of them into a variable of the other's type first"
        )
    axes = [one._member.record.axis, other._member.record.axis]
    if None not in axes and axes[0] != axes[1]:
        raise CoordinateError(f"{name!r} has axis={axes[0]!r} in {where} and axis={axes[1]!r} in {there}")


def check_units(target: Changing, bundle: Bundle) -> None:
    """Refuse values in other units than those of the variable that is to take them."""
    for name, item in bundle.variables.items():
        view = target.get(name)
        ours = view.units if isinstance(view, Part) and view.dtype.kind not in _TIMES else None
        theirs = _units_of(item)
        if ours and theirs:
            _check_units(name, ours, target.name, theirs, bundle.name)


def _units_of(item: Incoming) -> str | None:
    """Give the units of numbers; times have none of their own: theirs are the calendar's."""
    if (item.dtype.kind if item.part is None else item.part.dtype.kind) in _TIMES:
        return None
    found = item.attrs.get("units") if item.part is None else item.part.units
    return str(found) if found is not None and str(found).strip() else None


def _check_units(name: str, ours: str, where: str, theirs: str, there: str) -> None:
    if not are_written_alike(ours, theirs):
        raise UnitsError(
            f"{name!r} has the units {ours!r} in {where} and {theirs!r} in {there}: convert the values of one of them "
            "first, and its attrs['units']; if only the spelling differs, give both the same text"
        )


def _same_type(one: DataType, other: DataType) -> bool:
    if one == other:
        return True
    if one.kind == other.kind == "t":
        return one.calendar == other.calendar
    return one.kind == other.kind and one.kind in "mMT" and not (one.is_packed or other.is_packed)


def _described(dtype: DataType) -> str:
    if not dtype.is_packed:
        return f"{dtype} ({dtype.units}, {dtype.calendar})" if dtype.kind == "t" else str(dtype)
    return f"{dtype.name} packed into {dtype.encoded} ({dtype.packing})"
