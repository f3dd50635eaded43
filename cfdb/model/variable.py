"""What can be done with a whole variable?"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from cfdb.model.attributes import Attributes
from cfdb.model.labels import Labels
from cfdb.model.linking import check_linkable, give_roles, related, resolve_links
from cfdb.model.structure import Member
from cfdb.model.view import View


class Variable(View):
    """A variable of an open dataset; its shape follows its dimensions."""

    __slots__ = ()
    _kind: ClassVar[str] = "variable"

    def __init__(self, labels: Labels, member: Member) -> None:
        super().__init__(member, labels.array(member), Attributes(labels.structure, member.id), labels)

    def update_units(self, units: str | None) -> None:
        """Set the units that are kept beside the attributes; None removes them."""
        if units is not None and not isinstance(units, str):
            raise TypeError(f"units={units!r}: give a str, or None")
        self._replace(units=units)

    def update_links(self, links: Mapping[str, str | tuple[str, ...] | None]) -> None:
        """Set names of related variables; None removes a relation.

        Variables that were plain data become what they are linked as.

        Parameters
        ----------
        links : mapping
            As in ``{'bounds': 'time_bnds'}``.

        Raises
        ------
        VariableNotFoundError
            If there is no variable of a name; nothing changes then.
        """
        self._labels.check_writable(self._member)
        structure = self._labels.structure
        given = {relation: names for relation, names in links.items() if names is not None}
        with structure.lock:
            found = resolve_links(structure, given, self.name)
            check_linkable(self._member, found)
            kept = {name: ids for name, ids in self._member.record.links.items() if name not in links}
            self._replace(links={**kept, **found})
            give_roles(structure, found)

    @property
    def bounds(self) -> Any:
        """The variable that holds the bounds of the cells, by the links or attributes; None when there is none."""
        return self._related("bounds", "climatology")

    @property
    def grid_mapping(self) -> Any:
        """The variable that describes the grid mapping, by the links or attributes; None when there is none."""
        return self._related("grid_mapping")

    def _related(self, *relations: str) -> Any:
        self._labels.check(self._member)
        found = related(self._labels.structure, self._member, *relations)
        return None if found is None else self._labels.variable(found)

    def _replace(self, **changes: Any) -> None:
        self._labels.check_writable(self._member)
        structure = self._labels.structure
        with structure.lock:
            structure.set_member(self._member, replace(self._member.record, **changes))

    def __bool__(self) -> bool:
        """Whether the variable can be used (`is_open`), whatever its values are; a part of one follows NumPy."""
        return self.is_open
