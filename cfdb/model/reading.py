"""What do a dataset and a part of one have in common?"""

from collections.abc import Callable, Mapping
from typing import Any

from cfdb.errors import SelectionError
from cfdb.model.doors import door
from cfdb.model.labels import Labels, pick, refuse_pointwise
from cfdb.model.listing import Chosen
from cfdb.model.loading import LoadResult
from cfdb.model.lockstep import Lockstep
from cfdb.model.structure import Member, unknown_name
from cfdb.model.surveying import Surveying
from cfdb.model.view import View
from cfdb.plan.indexing import Selection, select_all

Report = Callable[[int, int], None]


class Reading(Lockstep, Surveying):
    """Variables by name, with their coordinates and attributes, and parts of them."""

    # selecting

    def isel(self, positions: Mapping[str, Any] | None = None, **named: Any) -> "DatasetView":
        """Select by position along named dimensions, in every variable that has them."""
        chosen = {**(positions or {}), **named}
        refuse_pointwise(chosen)
        return self._taken(chosen)

    def _taken(self, positions: Mapping[str, Any]) -> "DatasetView":
        selected = dict(self._selected())
        for name, key in positions.items():
            along = self._along(name)
            selected[self._labels.structure.dims[name].id] = along.take(key)
        return DatasetView(self._labels, selected)

    def sel(
        self, labels: Mapping[str, Any] | None = None, *, method: str | None = None, tolerance: Any = None, **named: Any
    ) -> "DatasetView":
        """Select by label along named dimensions; both ends of a slice are inclusive.

        Parameters
        ----------
        labels : dict, optional
            Labels, lists or slices of labels by dimension; also as keywords.
        method : {None, 'nearest', 'pad', 'backfill'}
            What to take when a label is not there.
        tolerance : optional
            Largest distance accepted with a method.
        """
        chosen = {**(labels or {}), **named}
        refuse_pointwise(chosen)
        positions = {}
        for name, label in chosen.items():
            axis = self._along(name).axes[0]
            values = pick(self._labels.values(name), axis)
            positions[name] = self._labels.positions(name, values, label, method, tolerance)
        return self._taken(positions)

    select = isel
    select_loc = sel

    def _along(self, name: str) -> Selection:
        """Give what is selected of one dimension."""
        dims = self._labels.structure.dims
        self._labels.structure.check_open()
        if name not in dims:
            raise SelectionError(unknown_name("dimension", name, dims))
        found = self._selected().get(dims[name].id, select_all((dims[name].size,)))
        if not found.shape:
            raise SelectionError(f"the dimension {name!r} was dropped by an integer")
        return found

    def load(self, progress: Any = None) -> LoadResult:
        """Bring the chunks of all variables near.

        Parameters
        ----------
        progress : bool or callable, optional
            As of a variable's `load`: one bar for all of them.
        """
        variables = self.variables.values()
        counts = [variable.n_chunks for variable in variables]
        result, done = LoadResult(0, 0), 0
        with door("reporting")(progress, "load", unit=" chunks") as report:
            for variable, count in zip(variables, counts, strict=True):
                inner = None if report is None else _shifted(report, done, count, sum(counts))
                result, done = result + variable.load(inner), done + count
        return result


class DatasetView(Reading):
    """A part of a dataset, selected along its dimensions and not read yet."""

    def __init__(self, labels: Labels, chosen: Chosen) -> None:
        super().__init__(labels)
        self._chosen = chosen

    writable = False

    def _selected(self) -> Chosen:
        return self._chosen

    def _object(self, member: Member) -> View:
        variable: View = self._labels.variable(member)
        keys = [self._chosen.get(dim.id) for dim in member.dims]
        if all(key is None for key in keys):
            return variable
        return variable[tuple(slice(None) if key is None else _as_key(key) for key in keys)]

    def __reduce__(self) -> Any:
        reopen, arguments = self._labels.reopening()
        return _reopened, (reopen, arguments, dict(self._chosen))


def _reopened(reopen: Any, arguments: tuple[Any, ...], chosen: Chosen) -> DatasetView:
    """Open the dataset of an unpickled part, and select the same part."""
    return DatasetView(reopen(*arguments)._labels, chosen)


def _shifted(report: Report, before: int, count: int, total: int) -> Report:
    """Report the chunks of one variable as a part of all; those that are here already count as done."""
    return lambda done, wanted: report(before + count - wanted + done, total)


def _as_key(selection: Selection) -> Any:
    axis = selection.axes[0]
    return axis if selection.shape else int(axis.positions()[0])
