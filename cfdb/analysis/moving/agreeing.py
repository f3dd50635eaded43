"""Do several datasets fit together, and which of them are to be read?"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from cfdb.analysis.moving.incoming import Bundle, bundle_of
from cfdb.analysis.moving.replica import Names, chosen_members, chosen_names
from cfdb.conventions import crs as systems
from cfdb.errors import CoordinateError, EncodingError
from cfdb.format.dtypes import DataType
from cfdb.model.doors import door
from cfdb.model.part import Part
from cfdb.model.reading import Reading

OVERLAPS = ("last", "first", "error")


@contextmanager
def opened(datasets: Any) -> Iterator[list[Reading]]:
    """Open the datasets that are given as paths, and close them again whatever happens."""
    if isinstance(datasets, str | os.PathLike | Reading):
        datasets = [datasets]
    given = list(datasets)
    if not given:
        raise ValueError("datasets is empty: give at least one path or open dataset")
    for each in given:
        if not isinstance(each, str | os.PathLike | Reading):
            raise TypeError(
                f"{each!r} of type {type(each).__name__} is no dataset: give paths, datasets or parts of one"
            )
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
    """Check that datasets have one type and reference system, and variables one type and axis.

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
    for bundle in bundles:
        for name, item in bundle.variables.items():
            if item.part is None:
                continue
            known, part = first.setdefault(name, (bundle, item.part))
            _check_variable(name, part, known.name, item.part, bundle.name)
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
