"""How do the records of an open dataset change, and how do they get into the store?

They are changed in memory and go to the store together, so that structure, attributes, table and data become visible as
one.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from cfdb.format.attributes import encode_attributes
from cfdb.format.framing import Features
from cfdb.format.metadata import DatasetRecord, DimensionRecord, VariableRecord
from cfdb.format.names import (
    DATASET_KEY,
    VARIABLE_PREFIX,
    attributes_key,
    dimension_key,
    group_of,
    group_owner,
    variable_key,
)
from cfdb.model.records import Dimension, Member, Records, unknown_name

__all__ = ["Dimension", "Member", "Structure", "unknown_name"]


class Structure(Records):
    """The records of an open dataset, and how they change.

    Parameters
    ----------
    store : ChunkStore
        Where they are kept.
    dataset : DatasetRecord
        The record of the dataset.
    """

    def touch_attributes(self, owner: str | None) -> None:
        """Remember that attributes were changed; those of a group declare it."""
        attributes, features = self.attributes(owner), self._attribute_features.get(owner, Features())
        member = None if owner is None else self.member_of(owner)
        if member is not None:
            self.guard(member)
        if group_of(owner) is not None:
            self._declared.add(str(owner))
            self._groups = None
        self._mark(attributes_key(owner), lambda: encode_attributes(attributes, features))

    def set_dataset(self, record: DatasetRecord) -> None:
        """Replace the record of the dataset."""
        self._dataset = record
        self._mark(DATASET_KEY, record.encode)

    # names

    @property
    def root(self) -> "Structure":
        """The records of the whole dataset; other than these where a group is looked at."""
        return self

    def path_of(self, name: str) -> str:
        """Give the path of what has this name here."""
        return name

    # dimensions

    def add_dimension(self, record: DimensionRecord) -> Dimension:
        """Add a dimension."""
        dim = Dimension(replace(record, order=_next_order(self._dims)))
        self._dims[dim.path] = self._known_dims[dim.id] = dim
        self._reach(dim.path)
        self._mark_dimension(dim)
        return dim

    def set_dimension(self, dim: Dimension, record: DimensionRecord) -> None:
        """Replace the record of a dimension, under the same name."""
        dim.record = record
        self._mark_dimension(dim)

    def remove_dimension(self, dim: Dimension) -> None:
        """Remove a dimension that no variable uses."""
        del self._dims[dim.path]
        self._groups = None
        self._forget(dimension_key(dim.path))
        # a variable made elsewhere may lie along it
        self.store.guard(dimension_key(dim.path), [dimension_key(dim.path), VARIABLE_PREFIX])

    # variables

    def add_member(self, record: VariableRecord) -> Member:
        """Add a variable whose dimensions exist."""
        dims = tuple(self.dim_of(identity) for identity in record.dims)
        member = Member(replace(record, order=_next_order(self._members)), dims)
        self._members[member.path] = self._known_members[member.id] = member
        self._reach(member.path)
        self._mark_member(member)
        return member

    def set_member(self, member: Member, record: VariableRecord) -> None:
        """Replace the record of a variable, under the same name."""
        member.record = record
        self._guarded.discard(member.id)
        self._mark_member(member)

    def remove_member(self, member: Member) -> None:
        """Remove a variable with its attributes and chunks, and what links to it."""
        self.remove_members([member])

    def remove_members(self, members: Collection[Member]) -> None:
        """Remove variables as `remove_member` does."""
        gone = {member.id for member in members}
        self._groups = None
        for member in members:
            del self._members[member.path]
            member.exists = False
            self._attributes.pop(member.id, None)
            self._attribute_features.pop(member.id, None)
            self._forget(variable_key(member.path))
            self._forget(attributes_key(member.id))
            # it stands against whatever was done to the variable elsewhere
            everything = [variable_key(member.path), f"{member.id}/", attributes_key(member.id)]
            self.store.guard(variable_key(member.path), everything)
            self.store.delete(list(self.store.keys(f"{member.id}/")))
        for other in self._members.values():
            if any(not gone.isdisjoint(ids) for ids in other.record.links.values()):
                kept = {name: tuple(i for i in ids if i not in gone) for name, ids in other.record.links.items()}
                self.set_member(other, replace(other.record, links={name: ids for name, ids in kept.items() if ids}))

    # groups

    def add_group(self, path: str) -> None:
        """Declare a group, so that it exists without variables."""
        self.touch_attributes(group_owner(path))

    def remove_group(self, path: str) -> None:
        """Forget that a group was declared, with its attributes."""
        owner = group_owner(path)
        self._attributes.pop(owner, None)
        self._attribute_features.pop(owner, None)
        self._declared.discard(owner)
        self._groups = None
        self._forget(attributes_key(owner))

    def rename(
        self, members: Mapping[Member, str], dims: Mapping[Dimension, str], groups: Mapping[str, str] | None = None
    ) -> None:
        """Give variables, dimensions and declared groups new names, as one: names may be swapped.

        Parameters
        ----------
        members, dims : mapping
            New names, with their groups.
        groups : mapping, optional
            New paths of declared groups by their present ones.
        """
        old_keys = [*map(_key_of_member, members), *map(_key_of_dimension, dims)]
        for key in old_keys:
            self._forget(key)
            self.store.guard(key, [key])
        self._rename_groups(groups or {})
        self._groups = None
        for member, path in members.items():
            member.record = replace(member.record, path=path)
        for dim, path in dims.items():
            dim.record = replace(dim.record, path=path)
        self._members = {member.path: member for member in self._members.values()}
        self._dims = {dim.path: dim for dim in self._dims.values()}
        if dims:
            self._guarded.clear()  # what guards the variables along them is called otherwise now
        for dim in dims:
            self._mark_dimension(dim)
        for member in members:
            self._guarded.discard(member.id)
            self._mark_member(member)

    def _rename_groups(self, groups: Mapping[str, str]) -> None:
        owners = {group_owner(old): group_owner(new) for old, new in groups.items()}
        moved = {owner: (self._attributes.get(owner, {}), self._attribute_features.get(owner)) for owner in owners}
        for old in groups:
            self.remove_group(old)
        for owner, (attributes, features) in moved.items():
            self._attributes[owners[owner]] = attributes
            if features is not None:
                self._attribute_features[owners[owner]] = features
            self.touch_attributes(owners[owner])

    def guard(self, member: Member) -> None:
        """Tell the store which records the chunks and attributes of a variable rely on."""
        if member.id in self._guarded:
            return
        records = [variable_key(member.path), *(dimension_key(dim.path) for dim in member.dims)]
        self.store.guard(f"{member.id}/", records)
        self.store.guard(attributes_key(member.id), records[:1])
        self._guarded.add(member.id)

    # writing down

    def flush(self) -> None:
        """Hand every changed record to the store."""
        with self.lock:
            self._ledger.flush(self.store)

    def add_job(self, job: Any) -> None:
        """Let work in the background end with the structure: by its `end`."""
        with self.lock:
            self._jobs = [known for known in self._jobs if not known.done] + [job]

    def close(self) -> None:
        """Close the store; what was not committed is dropped."""
        for job in self._jobs:
            job.end()
        self._closed = True
        self._finalizer.detach()
        self.store.close()

    def _reach(self, path: str) -> None:
        """Forget which groups there are when something is made in a new one."""
        group = path.rpartition("/")[0]
        if group and self._groups is not None and group not in self._groups:
            self._groups = None

    def _mark(self, key: str, encode: Callable[[], bytes]) -> None:
        self._revision += 1
        self._ledger.mark(key, encode)

    def _forget(self, key: str) -> None:
        self._revision += 1
        self._ledger.forget(key)

    def _mark_dimension(self, dim: Dimension) -> None:
        self._mark(dimension_key(dim.path), lambda: dim.record.encode())

    def _mark_member(self, member: Member) -> None:
        self._mark(variable_key(member.path), lambda: member.record.encode())
        self.store.guard(variable_key(member.path), [dimension_key(dim.path) for dim in member.dims])
        self.guard(member)


def _key_of_member(member: Member) -> str:
    return variable_key(member.path)


def _key_of_dimension(dim: Dimension) -> str:
    return dimension_key(dim.path)


def _next_order(present: dict[str, Any]) -> int:
    """Give the place behind those that there are, which stand in order."""
    last = next(reversed(present.values()), None)
    return 0 if last is None else int(last.record.order) + 1
