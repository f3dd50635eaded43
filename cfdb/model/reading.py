"""What do a dataset and a part of one have in common?"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cfdb.errors import SelectionError, VariableNotFoundError
from cfdb.format.names import composed
from cfdb.model.attributes import Attributes
from cfdb.model.containers import Variables
from cfdb.model.doors import door
from cfdb.model.labels import Labels, pick, refuse_pointwise
from cfdb.model.loading import LoadResult
from cfdb.model.structure import Member, unknown_name
from cfdb.model.view import View
from cfdb.plan.indexing import Selection, select_all

COORDINATES = ("coordinate", "auxiliary")
#: Roles of variables that describe others.
HELPERS = ("bounds", "grid_mapping", "cell_measure", "formula_term")

#: What is selected of dimensions, by their identity: a rename changes nothing.
Chosen = Mapping[str, Selection]
Report = Callable[[int, int], None]


class Reading(ABC):
    """Variables by name, with their coordinates and attributes."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels

    @abstractmethod
    def _selected(self) -> Chosen:
        """Give what is selected of each dimension; those not named are whole."""

    @abstractmethod
    def _object(self, member: Member) -> View:
        """Give the object a user works with."""

    def _members(self) -> dict[str, Member]:
        self._labels.structure.check_open()
        return self._labels.structure.members

    # names

    @property
    def var_names(self) -> tuple[str, ...]:
        """Names of all variables, in the order of creation."""
        return tuple(self._members())

    @property
    def coord_names(self) -> tuple[str, ...]:
        """Names of the coordinates."""
        return tuple(name for name, member in self._members().items() if member.record.role in COORDINATES)

    @property
    def data_var_names(self) -> tuple[str, ...]:
        """Names of the variables that hold data."""
        others = (*COORDINATES, *HELPERS)
        return tuple(name for name, member in self._members().items() if member.record.role not in others)

    @property
    def variables(self) -> Variables[Any]:
        """All variables."""
        return self._listed(self.var_names, "variable")

    @property
    def coords(self) -> Variables[Any]:
        """The coordinates."""
        return self._listed(self.coord_names, "coordinate")

    @property
    def data_vars(self) -> Variables[Any]:
        """The variables that hold data."""
        return self._listed(self.data_var_names, "data variable")

    def _listed(self, names: tuple[str, ...], kind: str) -> Variables[Any]:
        members = self._members()
        return Variables({name: self._object(members[name]) for name in names}, kind)

    # dimensions

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions."""
        return tuple(self.sizes)

    @property
    def sizes(self) -> dict[str, int]:
        """Lengths of the dimensions."""
        self._labels.structure.check_open()
        chosen = self._selected()
        sizes = {}
        for name, dim in self._labels.structure.dims.items():
            selection = chosen.get(dim.id)
            if selection is None:
                sizes[name] = dim.size
            elif selection.shape:
                sizes[name] = selection.shape[0]
        return sizes

    @property
    def attrs(self) -> Attributes:
        """Attributes of the dataset."""
        return Attributes(self._labels.structure, None)

    @property
    def is_open(self) -> bool:
        """Whether the dataset is open."""
        return self._labels.is_open

    # variables

    def __getitem__(self, name: str) -> Any:
        members = self._members()
        if not isinstance(name, str) or composed(name) not in members:
            raise VariableNotFoundError(unknown_name("variable", name, members))
        return self._object(members[composed(name)])

    def get(self, name: str, default: Any = None) -> Any:
        """Give a variable, or `default` when there is none of this name."""
        members = self._members()
        found = members.get(composed(name)) if isinstance(name, str) else None
        return default if found is None else self._object(found)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and composed(name) in self._members()

    def __iter__(self) -> Iterator[str]:
        return iter(self.var_names)

    def __len__(self) -> int:
        return len(self._members())

    def keys(self) -> tuple[str, ...]:
        """Give the names of all variables."""
        return self.var_names

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

    def __repr__(self) -> str:
        text: str = door("summarize_dataset")(self)
        return text


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
