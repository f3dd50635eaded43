"""What can be done with a whole variable?"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from cfdb.model.attributes import Attributes
from cfdb.model.labels import Labels
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

        Parameters
        ----------
        links : mapping
            As in ``{'bounds': 'time_bnds'}``.
        """
        structure = self._labels.structure
        changed = dict(self._member.record.links)
        for relation, names in links.items():
            if names is None:
                changed.pop(relation, None)
            else:
                listed = (names,) if isinstance(names, str) else tuple(names)
                changed[relation] = tuple(structure.find(name).id for name in listed)
        self._replace(links=changed)

    def _replace(self, **changes: Any) -> None:
        self._labels.check_writable(self._member)
        structure = self._labels.structure
        with structure.lock:
            structure.set_member(self._member, replace(self._member.record, **changes))

    def __bool__(self) -> bool:
        return self.is_open
