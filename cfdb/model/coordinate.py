"""What is special about a variable that labels a dimension?"""

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from cfdb.conventions.calendars import parse_units
from cfdb.errors import CoordinateError, SelectionError
from cfdb.format.dimension import Slots
from cfdb.format.dtypes import DataType
from cfdb.model.axes import check_axis, check_free_axis
from cfdb.model.growth import as_numbers, check_labels, continued, find_step, misfit
from cfdb.model.structure import Dimension
from cfdb.model.undo import all_or_nothing
from cfdb.model.variable import Variable
from cfdb.plan.dates import read_duration
from cfdb.plan.indexing import Positions, Range, Selection, select, select_axes

Array = npt.NDArray[Any]


class Coordinate(Variable):
    """The labels of a dimension, in the order they were given; unique, and never missing.

    Everything along the dimension grows and shrinks with it: new places read as missing until they are written.

    Examples
    --------
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     x = ds.create.coord.generic("x", data=[30, 20, 10])
    ...     ds["t"] = ("x", np.array([3.0, 2.0, 1.0]))
    ...     x.append([5])
    ...     x.prepend([40])
    ...     print(x.values, ds["t"].values)
    [40 30 20 10  5] [nan  3.  2.  1. nan]
    """

    __slots__ = ()
    _kind: ClassVar[str] = "coordinate"

    @property
    def _dim(self) -> Dimension:
        return self._member.dims[0]

    @property
    def values(self) -> Array:
        """The labels; read once and kept, so the array is read-only."""
        self._labels.check(self._member)
        return self._labels.values_of(self._member)

    data = values

    def _load_implicitly(self) -> Array:
        return self.values

    @property
    def axis(self) -> str | None:
        """Axis of the coordinate system: x, y, z, t, xy or xyz."""
        return self._member.record.axis

    @property
    def step(self) -> int | float | None:
        """Enforced distance of neighbouring labels; None when there is none."""
        return self._member.record.step

    def update_axis(self, axis: str | None) -> None:
        """Set the axis; None removes it. An attribute `axis` follows.

        Raises
        ------
        CoordinateError
            If there is no such axis, another coordinate has it, or the dataset's type excludes it.
        """
        structure = self._labels.structure
        with structure.lock:
            chosen = check_axis(axis)
            check_free_axis(structure, self._member, chosen)
            self._replace(axis=chosen)
            if "axis" in self.attrs.data and chosen is None:
                del self.attrs["axis"]
            elif "axis" in self.attrs.data:
                self.attrs["axis"] = str(chosen).upper()

    def update_step(self, step: bool | float | None) -> None:
        """Enforce a step from now on (True: the one the labels have); False or None ends it."""
        labels = np.asarray(self._codec.encode(self.values))
        self._replace(step=chosen_step(self.name, labels, step, self.dtype))

    # growing and shrinking

    def append(self, data: Any) -> None:
        """Add labels behind the last one; with an enforced step a gap is filled.

        Parameters
        ----------
        data : array-like
            New labels, in the order they will have.

        Raises
        ------
        CoordinateError
            If a label is missing, occurs already, or does not fit the step; nothing changes then.
        """
        with self._labels.structure.lock:
            new, present = self._prepared(data)
            self._grow(present.size, self._continued(new, present, before=False))

    def prepend(self, data: Any) -> None:
        """Add labels before the first one; with an enforced step a gap is filled. Errors as of `append`."""
        with self._labels.structure.lock:
            new, present = self._prepared(data)
            self._grow(0, self._continued(new, present, before=True))

    def insert(self, at: int | None = None, data: Any = (), *, before: Any = None, after: Any = None) -> None:
        """Add labels anywhere; nothing that is stored moves.

        Parameters
        ----------
        at : int, optional
            Position that the first of them gets.
        data : array-like
            New labels, in the order they will have.
        before, after : optional
            A label next to which they go, instead of `at`.

        Raises
        ------
        CoordinateError
            If a label is missing or occurs already, or a step is enforced; nothing changes then.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     x = ds.create.coord.generic("x", data=[10, 20, 40])
        ...     x.insert(0, [5])
        ...     x.insert(data=[30, 35], before=40)
        ...     print(x.values)
        [ 5 10 20 30 35 40]
        """
        with self._labels.structure.lock:
            place = self._spot(at, before, after)
            new, present = self._prepared(data)
            if not -present.size <= place <= present.size:
                raise SelectionError(f"cannot insert at {at}: coordinate {self.name!r} has {present.size} labels")
            if self.step is not None:
                raise CoordinateError(f"coordinate {self.name!r} has step {self.step}: labels cannot be inserted")
            self._grow(place + present.size if place < 0 else place, new)

    def _spot(self, at: int | None, before: Any, after: Any) -> int:
        """Give the position that is meant."""
        if [at is None, before is None, after is None].count(False) != 1:
            raise SelectionError(f"inserting into coordinate {self.name!r} takes one of at=, before= and after=")
        if at is not None:
            if not isinstance(at, int | np.integer):
                raise SelectionError(
                    f"at={at!r} is no position in coordinate {self.name!r}: insert(2, labels), or "
                    "insert(data=labels, before=label)"
                )
            return int(at)
        found = self._labels.locate(self.name, after if before is None else before, None, None)
        if not isinstance(found, int):
            raise SelectionError(f"{after if before is None else before!r} stands for several labels of {self.name!r}")
        return found if after is None else found + 1

    def drop(self, labels: Any) -> None:
        """Remove labels, and everything stored at them."""
        with self._labels.structure.lock:
            wanted = labels if isinstance(labels, list | slice) or np.ndim(labels) else [labels]
            key = self._labels.locate(self.name, wanted, None, None)
            positions = select((key,), self.shape).axes[0].positions()
            kept = np.delete(np.arange(self.size), positions)
            if self.step is not None and kept.size and kept[-1] - kept[0] >= kept.size:
                raise CoordinateError(
                    f"coordinate {self.name!r} has step {self.step}: only labels at its ends can be dropped; end the "
                    "step first (update_step(None))"
                )
            self._shrink(self._dim.slots.drop_positions(positions.tolist()))

    def truncate(self, start: Any = None, stop: Any = None) -> None:
        """Keep the labels from `start` to `stop`, both inclusive."""
        with self._labels.structure.lock:
            key = self._labels.locate(self.name, slice(start, stop), None, None)
            axis = select((key,), self.shape).axes[0]
            if not len(axis):
                raise CoordinateError(f"coordinate {self.name!r} has no label from {start!r} to {stop!r}")
            kept = axis.positions()
            gone = np.setdiff1d(np.arange(self.size), kept, assume_unique=True)
            if gone.size:
                self._shrink(self._dim.slots.drop_positions(gone.tolist()))

    def _prepared(self, data: Any) -> tuple[Array, Array]:
        """Give new labels as they will be stored, and the present ones; both as the engine knows them."""
        self._labels.check_writable(self._member)
        new = stored_labels(self, data)
        # what is dear to decode is taken as it is stored
        present = np.asarray(self.values) if self._codec.is_plain(False) else self._array.read()
        check_labels(self.name, *map(self._codec.identities, (new, present)))
        return new, present

    def _continued(self, new: Array, present: Array, *, before: bool) -> Array:
        """Give new labels with those that close the gap which an enforced step leaves."""
        edge = present[0 if before else -1] if present.size else None
        labels = continued(self.name, edge, new, self.step, before=before, dtype=self.dtype)
        if labels is new:
            return new
        labels = stored_labels(self, labels)
        check_labels(self.name, labels, present)
        return labels

    def _grow(self, at: int, labels: Array) -> None:
        if not labels.size:
            return
        values = self._labels.known(self._member)
        structure = self._labels.structure
        with structure.lock:
            before = self._dim.record
            structure.set_dimension(self._dim, replace(before, slots=before.slots.insert(at, labels.size)))
            try:
                self._labels.guard(self._member)
                self._array.write(select_axes((Range(at, labels.size),)), labels)
            except BaseException:
                structure.set_dimension(self._dim, before)
                raise
            self._member.version += 1
            if values is not None:
                added = self._codec.present(labels, False)
                self._labels.remember(self._member, np.concatenate([values[:at], added, values[at:]]))

    def _shrink(self, slots: Slots) -> None:
        self._labels.check_writable(self._member)
        structure = self._labels.structure
        with all_or_nothing(structure):
            before = self._dim.record
            structure.set_dimension(self._dim, replace(before, slots=slots))
            self._labels.forget_dropped(self._dim, before.slots)

    def _write(self, selection: Selection, value: Any, *, encoded: bool = False) -> None:
        """Replace labels; the result must be as unique as before."""
        with self._labels.structure.lock:
            labels = np.array(self._codec.encode(self.values))
            axis = selection.axes[0]
            places = axis.values if isinstance(axis, Positions) else axis.to_slice()
            cells = self._codec.codes(value) if encoded else stored_labels(self, value)
            labels[places] = self._array.pipeline.from_cells(cells) if encoded else np.broadcast_to(cells, len(axis))
            check_labels(self.name, self._codec.identities(labels))
            place = misfit(labels, self.step, self.dtype)
            if place is not None:
                raise CoordinateError(f"coordinate {self.name!r} has step {self.step}: {labels[place]} does not fit it")
            self._labels.guard(self._member)
            try:
                self._array.write(selection, labels[places])
            finally:
                self._member.version += 1  # also when a part was written


def stored_labels(coordinate: Coordinate, data: Any) -> Array:
    """Give labels as they will be read back, in the type the engine knows; none of them becomes another one."""
    pipeline = coordinate._array.pipeline
    given = np.atleast_1d(coordinate._codec.encode(data))
    if np.ma.is_masked(given):
        raise CoordinateError(f"coordinate {coordinate.name!r} cannot have missing labels")
    labels = np.asarray(pipeline.from_cells(pipeline.to_cells(given)))
    if given.dtype.kind in "UT" and labels.dtype.kind in "mM" and np.isnat(labels).any():
        raise CoordinateError(f"coordinate {coordinate.name!r} cannot hold NaT: a missing value is no label")
    lost = _lost(given, labels)
    if lost.any():
        raise CoordinateError(
            f"coordinate {coordinate.name!r} holds {coordinate.dtype}: {given[lost].flat[0]} would become "
            f"{labels[lost].flat[0]}"
        )
    return labels


def _lost(given: Array, labels: Array) -> npt.NDArray[np.bool_]:
    """Tell which labels a cast would change: parts of integers, and of dates in texts; noise of floats is none."""
    if given.dtype.kind == "f" and labels.dtype.kind in "iu":
        return np.asarray(given != labels)
    if given.dtype.kind in "UT" and labels.dtype.kind == "M":
        return np.asarray(given.astype("U").astype(np.datetime64) != labels)
    return np.zeros(labels.shape, bool)


def chosen_step(name: str, labels: Array, step: Any, dtype: DataType) -> int | float | None:
    """Give the step to enforce: found in the labels (True), given, or none (False, None).

    Parameters
    ----------
    name : str
        Name of the coordinate.
    labels : ndarray
        Its labels, as the engine knows them.
    step : bool, number, timedelta or str
        What is wanted; times take ``np.timedelta64(6, 'h')`` and ``'6h'`` as well as a number of their own unit.
    dtype : DataType
        Type of the labels.
    """
    if step is None or step is False:
        return None
    if step is True:
        return find_step(labels, dtype)
    if as_numbers(labels) is None:
        raise CoordinateError(f"step={step!r} of coordinate {name!r}: only numbers and times have a step")
    number = _step_number(name, labels, step, dtype)
    place = misfit(labels, number, dtype)
    if place is not None:
        raise CoordinateError(
            f"coordinate {name!r}: {labels[place]} does not follow {labels[place - 1]} by the step {number}"
        )
    return number


def _step_number(name: str, labels: Array, step: Any, dtype: DataType) -> int | float:
    """Give a step as a number: for times a whole one of their own unit."""
    if isinstance(step, str | timedelta | np.timedelta64):
        try:
            wanted, unit = read_duration(step), _time_unit(dtype)
            step = (wanted / unit).item() if wanted % unit else int(wanted // unit)
        except (TypeError, ValueError) as error:
            raise CoordinateError(f"step={step!r} of coordinate {name!r}: {error}") from error
    number = step.item() if isinstance(step, np.generic) else step
    if isinstance(number, bool) or not isinstance(number, int | float) or not number or not math.isfinite(number):
        raise CoordinateError(
            f"step={step!r} of coordinate {name!r}: give a number that is not 0, True or False; for times also a "
            "timedelta, or text as in '6h'"
        )
    if labels.dtype.kind == "f":
        return number
    if not float(number).is_integer():
        raise CoordinateError(f"step={number} of coordinate {name!r}, whose labels are whole numbers of {_unit(dtype)}")
    return int(number)


def _time_unit(dtype: DataType) -> Any:
    """Give the length of time that labels count."""
    if dtype.kind == "t":
        return np.timedelta64(parse_units(str(dtype.units)).microseconds, "us")
    if dtype.kind not in "Mm":
        raise ValueError("its labels are no times")
    unit, count = np.datetime_data(dtype.dtype_decoded)
    return np.array(count, f"timedelta64[{unit}]")[()]


def _unit(dtype: DataType) -> str:
    if dtype.kind not in "tMm":
        return "one"
    return str(dtype.units or np.datetime_data(dtype.dtype_decoded)[0])
