"""How do the dimensions of a dataset take in the labels of what is to be written?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.analysis.moving.alignment import NOISE, Union, unite
from cfdb.analysis.moving.incoming import Bundle, Incoming
from cfdb.errors import CoordinateError, ShapeError
from cfdb.format.dimension import Slots
from cfdb.format.metadata import DimensionRecord
from cfdb.format.names import new_id
from cfdb.model.changing import Changing
from cfdb.model.coordinate import Coordinate, stored_labels
from cfdb.model.growth import check_labels
from cfdb.model.making import Request, create_variable, typed
from cfdb.model.structure import Dimension
from cfdb.plan.axis import as_slice
from cfdb.plan.indexing import Axis, Positions, Range, select_axes

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Grown:
    """A dimension that takes in the labels of several bundles.

    Attributes
    ----------
    dim : str
        Its name.
    before : int
        Its length before.
    union : Union or None
        Its labels; None when positions count because it has none.
    positions : tuple of (Range or Positions or None)
        Where the positions of every bundle lie; None for a bundle that does not have the dimension.
    """

    dim: str
    before: int
    union: Union | None
    positions: tuple[Axis | None, ...]

    @property
    def added(self) -> int:
        """Number of labels that are added."""
        return 0 if self.union is None else self.union.added

    @property
    def old(self) -> Axis:
        """Where the positions lie that were there before."""
        return Range(0, self.before) if self.union is None else as_axis(self.union.old)

    def positions_of(self, number: int) -> Axis:
        """Give where the positions of one bundle lie, which has the dimension."""
        found = self.positions[number]
        assert found is not None
        return found

    @property
    def is_same(self) -> bool:
        """Whether all bundles that have the dimension have the same labels, and all of them."""
        size = self.before + self.added
        return all(found is None or len(found) == size for found in self.positions)


def plan_growth(target: Changing, bundles: Sequence[Bundle], dim: str) -> Grown:
    """Find where the positions of bundles lie along a dimension of a dataset, and which labels it lacks."""
    size = dimension_of(target, dim).size
    coordinate = coordinate_of(target, dim)
    if coordinate is None:
        return Grown(dim, size, None, tuple(_by_position(dim, size, bundle) for bundle in bundles))
    labelled = [bundle.labels(dim) for bundle in bundles]
    arrays = [None if item is None else stored_labels(coordinate, item.all()) for item in labelled]
    for array in arrays:
        if array is not None:
            check_labels(dim, coordinate._codec.identities(array))
    present = np.asarray(coordinate._codec.encode(coordinate.values))
    union = unite(
        dim,
        present,
        [array for array in arrays if array is not None],
        step=coordinate.step,
        noise=_noise(coordinate, [item for item in labelled if item is not None]),
        identify=coordinate._codec.identities,
    )
    found = iter(union.positions)
    positions: list[Axis | None] = []
    for bundle, array in zip(bundles, arrays, strict=True):
        if array is not None:
            positions.append(as_axis(next(found)))
        else:
            plain = _by_position(dim, size, bundle)
            positions.append(None if plain is None else as_axis(union.old))
    return Grown(dim, size, union, tuple(positions))


def _by_position(dim: str, size: int, bundle: Bundle) -> Range | None:
    """Take what has no labels position by position."""
    length = bundle.sizes.get(dim)
    if length is None:
        return None
    if length != size:
        why = "has no labels to go by" if bundle.labels(dim) is None else "has no labels in the target"
        raise ShapeError(
            f"dimension {dim!r} {why}, so both sides must be of one length: it has {size} positions, {bundle.name} has "
            f"{length} (ds.resize gives another length)"
        )
    return Range(0, size)


def as_axis(positions: Integers) -> Axis:
    """Give positions in the shortest form."""
    if not positions.size:
        return Range(0, 0)
    found = as_slice(positions)
    if isinstance(found, slice):
        return Range(int(positions[0]), positions.size, found.step)
    return Positions(positions)


def _noise(coordinate: Coordinate, items: Sequence[Incoming]) -> float:
    """Give the relative distance of floats that are the same label, by the coarsest type among them."""
    types = [np.dtype(coordinate.dtype.dtype_decoded), *(item.dtype for item in items)]
    return max([NOISE, *(4 * float(np.finfo(each).eps) for each in types if each.kind == "f")])


def grow(target: Changing, grown: Grown) -> None:
    """Add the labels that a dimension lacks; nothing that is stored moves."""
    union = grown.union
    if union is None or not union.added:
        return
    structure, dim, coordinate = target._structure, dimension_of(target, grown.dim), coordinate_of(target, grown.dim)
    assert coordinate is not None
    member = coordinate._member
    structure.set_dimension(dim, replace(dim.record, slots=dim.slots.insert_many(union.inserts)))
    structure.guard(member)
    try:
        coordinate._array.write(select_axes((Positions(union.new),)), union.labels[union.new])
    finally:
        member.version += 1
    if coordinate.step is None:
        check_labels(grown.dim, coordinate._codec.identities(union.labels[union.new]))


def add_missing_dimensions(target: Changing, bundles: Sequence[Bundle]) -> list[str]:
    """Create the dimensions that a dataset lacks, those with labels empty; give the names of their coordinates.

    A dimension that has no labels gets the first that come, if they are as many as it has positions.
    """
    created = []
    for bundle in bundles:
        for dim, size in bundle.sizes.items():
            known = target._structure.dimension(dim)
            item = next((found for other in bundles if (found := other.labels(dim)) is not None), None)
            if known is not None:
                if item is not None and coordinate_of(target, dim) is None and item.shape == (known.size,):
                    create_coordinate(target, item, item.all())
                continue
            target._structure.add_dimension(_dimension(bundle, dim, size if item is None else 0))
            if item is not None:
                create_coordinate(target, item)
                created.append(dim)
    return created


def dimension_of(target: Changing, name: str) -> Dimension:
    """Find a dimension that exists, in a group or around it."""
    found = target._structure.dimension(name)
    if found is None:
        raise ShapeError(f"there is no dimension {name!r}")
    return found


def coordinate_of(target: Changing, name: str) -> Coordinate | None:
    """Find what labels a dimension, in a group or around it."""
    found = target._structure.dimension(name)
    member = None if found is None else target._structure.index_of(found)
    return None if member is None else target._labels.variable(member)


def _dimension(bundle: Bundle, dim: str, size: int) -> DimensionRecord:
    known = None if bundle.source is None else bundle.source._labels.structure.dims.get(dim)
    return DimensionRecord(new_id(), dim, slots=Slots.of_size(size), unlimited=bool(known and known.record.unlimited))


def create_coordinate(target: Changing, item: Incoming, labels: Array | None = None) -> None:
    """Create the coordinate of a dimension that has no positions yet, or as many as there are labels."""
    if item.part is not None:
        record = item.part._member.record
        chunks: Any = tuple(record.chunk_shape[axis] for axis in item.part._selected().dims)
        request = Request(
            item.name, (item.name,), record.dtype, role="coordinate", attrs=item.attrs, axis=record.axis,
            units=record.units, chunk_shape=chunks or None,
        )  # fmt: skip
    else:
        request = Request(item.name, (item.name,), type_of(item), role="coordinate", attrs=item.attrs)
    create_variable(target._labels, replace(request, data=labels))


def type_of(item: Incoming) -> Any:
    """Give the type of a new variable; objects and strings have to be looked at."""
    if item.dtype.kind not in "OUT":
        return item.dtype
    return typed(item.name, Request(item.name, item.dims, None, item.all()))[0]


def settle_steps(target: Changing, bundles: Sequence[Bundle], created: Sequence[str]) -> None:
    """Enforce the step of new coordinates where all inputs have the same and the labels keep it."""
    for dim in created:
        found = [bundle.labels(dim) for bundle in bundles]
        steps = {item.part._member.record.step if item.part is not None else None for item in found if item is not None}
        if len(steps) == 1 and None not in steps:
            try:
                target[dim].update_step(steps.pop())
            except CoordinateError:
                continue
