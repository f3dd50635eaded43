"""How does a dataset look from one of its groups?

A `Scope` gives the records of a dataset under the names they have in a group: what lies in it has a name relative to
it, and dimensions of the groups around it are seen by their plain name, as in netCDF-4. Everything that works with
records works with a scope.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from cfdb.errors import InvalidNameError, VariableNotFoundError
from cfdb.format.metadata import DatasetRecord, DimensionRecord, VariableRecord
from cfdb.format.names import group_of, group_owner, groups_around
from cfdb.model.labels import Labels, Reopen
from cfdb.model.structure import Dimension, Member, Structure
from cfdb.storage.engine import ChunkedArray


class ScopedDimension(Dimension):
    """A dimension under the name it has in a group."""

    def __init__(self, real: Dimension, scope: "Scope") -> None:
        self.real = real
        self._scope = scope

    @property
    def record(self) -> DimensionRecord:  # type: ignore[override]
        """The record, with the name in the group."""
        return replace(self.real.record, path=self.path)

    @property
    def id(self) -> str:
        """Identity."""
        return self.real.id

    @property
    def path(self) -> str:
        """Name in the group."""
        return self._scope.name_of_dimension(self.real)

    @property
    def slots(self) -> Any:
        """Positions and where they are stored."""
        return self.real.slots

    @property
    def size(self) -> int:
        """Number of positions."""
        return self.real.size


class ScopedMember(Member):
    """A variable under the name it has in a group."""

    def __init__(self, real: Member, scope: "Scope") -> None:
        self.real = real
        self._scope = scope
        self._seen: tuple[VariableRecord, VariableRecord] | None = None

    @property
    def record(self) -> VariableRecord:  # type: ignore[override]
        """The record, with the name in the group."""
        if self._seen is None or self._seen[0] is not self.real.record:
            self._seen = (self.real.record, replace(self.real.record, path=self.path))
        return self._seen[1]

    @property
    def dims(self) -> tuple[Dimension, ...]:  # type: ignore[override]
        """Dimensions, as seen from the group."""
        return tuple(map(self._scope.seen_dimension, self.real.dims))

    @property
    def exists(self) -> bool:  # type: ignore[override]
        """Whether it was not deleted."""
        return self.real.exists

    @property
    def version(self) -> int:
        """Count of the changes of its values."""
        return self.real.version

    @version.setter
    def version(self, value: int) -> None:
        self.real.version = value

    @property
    def id(self) -> str:
        """Identity."""
        return self.real.id

    @property
    def path(self) -> str:
        """Name in the group."""
        return self._scope.name_of(self.real.path, self._scope.real.members)


class Scope(Structure):
    """The records of a dataset, as seen from a group.

    Parameters
    ----------
    real : Structure
        The records.
    group : str
        Path of the group.
    """

    def __init__(self, real: Structure, group: str) -> None:
        self.real = real
        self.group = group
        self.store = real.store
        self.lock = real.lock
        self._inside = f"{group}/"
        self._around = [f"{path}/" for path in reversed(groups_around(group)[:-1])] + [""]
        self._seen_dims: dict[str, ScopedDimension] = {}
        self._seen_members: dict[str, ScopedMember] = {}
        self._listed: tuple[int, dict[str, Member], dict[str, Dimension]] = (-1, {}, {})

    # names

    def name_of(self, path: str, known: Mapping[str, object]) -> str:
        """Give the name of a path: relative in the group, plain where no nearer one hides it, absolute elsewhere."""
        if path.startswith(self._inside):
            return path[len(self._inside) :]
        around, _, name = path.rpartition("/")
        prefix = f"{around}/" if around else ""
        if prefix in self._around:
            nearer = [self._inside, *self._around[: self._around.index(prefix)]]
            if not any(each + name in known for each in nearer):
                return name
        return f"/{path}"

    def name_of_dimension(self, dim: Dimension) -> str:
        """Give the name of a dimension as seen from the group."""
        return self.name_of(dim.path, self.real.dims)

    @property
    def root(self) -> Structure:
        """The records of the whole dataset."""
        return self.real

    def path_of(self, name: str) -> str:
        """Give the path of something in the group."""
        return name[1:] if name.startswith("/") else self._inside + name

    def seen(self, member: Member) -> ScopedMember:
        """Give a variable as seen from the group; the same object every time."""
        return self._seen_members.setdefault(member.id, ScopedMember(member, self))

    def seen_dimension(self, dim: Dimension) -> ScopedDimension:
        """Give a dimension as seen from the group; the same object every time."""
        return self._seen_dims.setdefault(dim.id, ScopedDimension(dim, self))

    # what there is

    @property
    def dataset(self) -> DatasetRecord:
        """Record of the dataset."""
        return self.real.dataset

    @property
    def closed(self) -> bool:
        """Whether the dataset was closed."""
        return self.real.closed

    @property
    def revision(self) -> int:
        """A number that grows with every change of a record."""
        return self.real.revision

    @property
    def pending(self) -> int:
        """Number of records that are not in the store yet."""
        return self.real.pending

    @property
    def unknown_uses(self) -> tuple[str, ...]:
        """Features this release does not know."""
        return self.real.unknown_uses

    @property
    def members(self) -> Mapping[str, Member]:
        """Variables in the group, after those around it that these refer to (their labels, their grid mapping)."""
        return self._list()[1]

    @property
    def dims(self) -> Mapping[str, Dimension]:
        """Dimensions in the group, after those around it that are in use here."""
        return self._list()[2]

    @property
    def groups(self) -> tuple[str, ...]:
        """Paths of the groups in this one."""
        inside = len(self._inside)
        return tuple(path[inside:] for path in self.real.groups if path.startswith(self._inside))

    @property
    def declared_groups(self) -> tuple[str, ...]:
        """Paths of the groups in this one that exist without variables."""
        inside = len(self._inside)
        return tuple(path[inside:] for path in self.real.declared_groups if path.startswith(self._inside))

    def _list(self) -> tuple[int, dict[str, Member], dict[str, Dimension]]:
        if self._listed[0] != self.real.revision:
            own = [member for path, member in self.real.members.items() if path.startswith(self._inside)]
            members = {each.path: each for each in map(self.seen, [*self._referred(own), *own])}
            used = dict.fromkeys(dim for member in members.values() for dim in member.dims)
            inside = [self.seen_dimension(d) for path, d in self.real.dims.items() if path.startswith(self._inside)]
            dims = {dim.path: dim for dim in dict.fromkeys([*(dim for dim in used if dim not in inside), *inside])}
            self._listed = (self.real.revision, {**members}, {**dims})
        return self._listed

    def _referred(self, own: Collection[Member]) -> list[Member]:
        """Find the variables of the groups around this one that those in it refer to."""
        dims = {dim for member in own for dim in member.dims}
        placed = (m for m in self.real.members.values() if m.record.role == "auxiliary" and dims.issuperset(m.dims))
        found = {m: None for m in placed if not m.path.startswith(self._inside) and self.seen(m).path[0] != "/"}
        todo = [*own, *found]
        while todo:
            member = todo.pop()
            labels = [self.real.index_of(dim) for dim in member.dims]
            linked = [self.real.member_of(identity) for ids in member.record.links.values() for identity in ids]
            for other in [*labels, *linked]:
                if other is None or other in found or other.path.startswith(self._inside):
                    continue
                if not self.seen(other).path.startswith("/"):
                    found[other] = None
                    todo.append(other)
        return sorted(found, key=lambda member: member.record.order)

    def check_open(self) -> None:
        """Raise when the dataset was closed or the group is gone."""
        self.real.check_open()
        if self.group not in self.real.groups:
            raise VariableNotFoundError(f"the group {self.group!r} was deleted or renamed")

    def record_keys(self) -> list[str]:
        """Give the keys of all records of the dataset."""
        return self.real.record_keys()

    def describe(self, key: str) -> str:
        """Say what a key of the store stands for."""
        return self.real.describe(key)

    def dimension(self, name: str, *, own: bool = False) -> Dimension | None:
        """Find a dimension by name, in the group or (not `own`) in those around it."""
        absolute = name.startswith("/")
        places = [""] if absolute else [self._inside, *([] if own else self._around)]
        found = (self.real.dims.get(place + name.strip("/")) for place in places)
        return next((self.seen_dimension(dim) for dim in found if dim is not None), None)

    def visible(self, name: str) -> Member | None:
        """Find a variable by name, in the group or in those around it."""
        places = [""] if name.startswith("/") else [self._inside, *self._around]
        found = (self.real.members.get(place + name.strip("/")) for place in places)
        return next((self.seen(member) for member in found if member is not None), None)

    def dim_of(self, identity: str) -> Dimension:
        """Find a dimension by identity."""
        return self.seen_dimension(self.real.dim_of(identity))

    def member_of(self, identity: str) -> Member | None:
        """Find a variable by identity, anywhere in the dataset."""
        found = self.real.member_of(identity)
        return None if found is None else self.seen(found)

    def member(self, name: str) -> Member | None:
        """Find a variable of the group by name; what is made under a name from around it is another one."""
        own = self.real.members.get(self._inside + name)
        return None if own is None else self.seen(own)

    def index_of(self, dim: Dimension) -> Member | None:
        """Find the variable that labels a dimension."""
        found = self.real.index_of(_real(dim))
        return None if found is None else self.seen(found)

    def users_of(self, dim: Dimension) -> list[Member]:
        """Find the variables along a dimension, also those outside of the group."""
        return [self.seen(member) for member in self.real.users_of(_real(dim))]

    def attributes(self, owner: str | None) -> dict[str, Any]:
        """Give the attributes of a variable, of a group in this one, or (None) of this group."""
        return self.real.attributes(self._owner(owner))

    def _owner(self, owner: str | None) -> str:
        inner = group_of(owner)
        if inner is not None:
            return group_owner(self._inside + inner)
        return group_owner(self.group) if owner is None else owner

    # changing

    def touch_attributes(self, owner: str | None) -> None:
        """Remember that attributes were changed."""
        self.real.touch_attributes(self._owner(owner))

    def set_dataset(self, record: DatasetRecord) -> None:
        """Replace the record of the dataset."""
        self.real.set_dataset(record)

    def add_dimension(self, record: DimensionRecord) -> Dimension:
        """Add a dimension to the group."""
        return self.seen_dimension(self.real.add_dimension(replace(record, path=self.path_of(record.path))))

    def set_dimension(self, dim: Dimension, record: DimensionRecord) -> None:
        """Replace the record of a dimension, under the same name."""
        real = _real(dim)
        self.real.set_dimension(real, replace(record, path=real.path))

    def remove_dimension(self, dim: Dimension) -> None:
        """Remove a dimension that no variable uses; those around the group stay."""
        real = _real(dim)
        if real.path.startswith(self._inside):
            self.real.remove_dimension(real)

    def add_member(self, record: VariableRecord) -> Member:
        """Add a variable to the group."""
        return self.seen(self.real.add_member(replace(record, path=self.path_of(record.path))))

    def set_member(self, member: Member, record: VariableRecord) -> None:
        """Replace the record of a variable, under the same name."""
        real = _real_member(member)
        self.real.set_member(real, replace(record, path=real.path))

    def remove_members(self, members: Collection[Member]) -> None:
        """Remove variables with their attributes and chunks, and what links to them."""
        self.real.remove_members([_real_member(member) for member in members])

    def add_group(self, path: str) -> None:
        """Declare a group in this one."""
        self.real.add_group(self._inside + path)

    def remove_group(self, path: str) -> None:
        """Forget that a group in this one was declared."""
        self.real.remove_group(self._inside + path)

    def guard(self, member: Member) -> None:
        """Tell the store which records the chunks and attributes of a variable rely on."""
        self.real.guard(_real_member(member))

    def add_job(self, job: Any) -> None:
        """Let work in the background end with the dataset."""
        self.real.add_job(job)

    def flush(self) -> None:
        """Hand every changed record to the store."""
        self.real.flush()

    def reload(self) -> None:
        """Read the records again."""
        self.real.reload()

    def close(self) -> None:
        """Refuse: a group is closed with its dataset."""
        raise InvalidNameError(f"the group {self.group!r} is closed with its dataset")


class ScopedLabels(Labels):
    """What the variables of a dataset share, as seen from a group.

    Parameters
    ----------
    base : Labels
        Of the whole dataset.
    group : str
        Path of the group.
    """

    def __init__(self, base: Labels, group: str) -> None:
        self.scope = Scope(base.structure, group)
        super().__init__(self.scope, base._build, base.masked, None)
        self.base = base

    def array(self, member: Member) -> ChunkedArray:
        """Give the array of a variable: the one that the whole dataset uses, so that writers meet."""
        return self.base.array(_real_member(member))

    def has(self, dim: str) -> bool:
        """Tell whether a dimension has a coordinate."""
        found = self.scope.dimension(dim)
        return found is not None and self.scope.index_of(found) is not None

    def reopening(self) -> Reopen:
        """Give what pickle needs to open the group again elsewhere."""
        return _reopened, (*self.base.reopening(), self.scope.group)


def _reopened(reopen: Callable[..., Any], arguments: tuple[Any, ...], group: str) -> Any:
    """Open the dataset of an unpickled group, and give the same group."""
    return reopen(*arguments)[group]


def group_labels(labels: Labels, path: str) -> ScopedLabels:
    """Give what the variables of a group share; `path` is seen from where `labels` belong to."""
    if isinstance(labels, ScopedLabels):
        return ScopedLabels(labels.base, labels.scope.path_of(path))
    return ScopedLabels(labels, path)


def _real(dim: Dimension) -> Dimension:
    return dim.real if isinstance(dim, ScopedDimension) else dim


def _real_member(member: Member) -> Member:
    return member.real if isinstance(member, ScopedMember) else member
