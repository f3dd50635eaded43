"""Which variables, dimensions and attributes does a dataset, or a part of one, have?"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from cfdb.errors import VariableNotFoundError
from cfdb.format.names import composed
from cfdb.model.attributes import Attributes, not_replaced
from cfdb.model.containers import Groups, Variables
from cfdb.model.doors import door
from cfdb.model.labels import Labels
from cfdb.model.structure import Member, unknown_name
from cfdb.model.view import View
from cfdb.plan.indexing import Selection

COORDINATES = ("coordinate", "auxiliary")
#: Roles of variables that describe others.
HELPERS = ("bounds", "grid_mapping", "cell_measure", "formula_term")

#: What is selected of dimensions, by their identity: a rename changes nothing.
Chosen = Mapping[str, Selection]


class Listing(ABC):
    """Variables by name, with their coordinates and attributes."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels

    @abstractmethod
    def _selected(self) -> Chosen:
        """Give what is selected of each dimension; those not named are whole."""

    @abstractmethod
    def _object(self, member: Member) -> View:
        """Give the object a user works with."""

    @abstractmethod
    def _group(self, path: str) -> Any:
        """Give the object of a group."""

    def _members(self) -> Mapping[str, Member]:
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

    @property
    def axes(self) -> dict[str, str]:
        """Names of the coordinates by their axis (x, y, z, t, xy, xyz), as far as one is declared.

        Those of groups count where the dataset itself has none.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     lat = ds.create.coord.generic("lat", data=[60.0, 50.0], axis="y")
        ...     ds.axes
        {'y': 'lat'}
        """
        inner = sorted(self._members().items(), key=lambda item: item[0].count("/"), reverse=True)
        found = {member.record.axis: name for name, member in inner if member.record.axis}
        return {axis: name for name in self._members() for axis, own in found.items() if own == name}

    @property
    def groups(self) -> Groups:
        """The groups in this dataset or group, by name; those in them are their ``groups``."""
        self._labels.structure.check_open()
        return Groups(self._labels.structure.groups, self._group)

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
        """Attributes of the dataset, to be changed in place."""
        return Attributes(self._labels.structure, None)

    @attrs.setter
    def attrs(self, value: Any) -> None:
        raise not_replaced("ds")

    @property
    def is_open(self) -> bool:
        """Whether the dataset is open."""
        return self._labels.is_open

    # variables

    def __getitem__(self, name: str) -> Any:
        members = self._members()
        if not isinstance(name, str):
            raise VariableNotFoundError(unknown_name("variable", name, members))
        path = composed(name)
        if path in members:
            return self._object(members[path])
        groups = self._labels.structure.groups
        if path in groups:
            return self._group(path)
        raise VariableNotFoundError(unknown_name("variable", name, {**members, **dict.fromkeys(groups)}))

    def get(self, name: str, default: Any = None) -> Any:
        """Give a variable or group, or `default` when there is none of this name."""
        found = name in self
        return self[name] if found else default

    def __contains__(self, name: object) -> bool:
        path = composed(name) if isinstance(name, str) else None
        return path in self._members() or path in self._labels.structure.groups

    def __iter__(self) -> Iterator[str]:
        return iter(self.var_names)

    def __len__(self) -> int:
        return len(self._members())

    def keys(self) -> tuple[str, ...]:
        """Give the names of all variables."""
        return self.var_names

    def __repr__(self) -> str:
        text: str = door("summarize_dataset")(self)
        return text
