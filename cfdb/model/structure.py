"""Which dimensions and variables does an open dataset have, and what is not written down yet?

The records of a dataset live here as long as it is open. They are changed in memory and go to the store together, so
that structure, attributes, table and data become visible as one. A `Dimension` and a `Member` keep their identity while
their record changes: a variable that a user holds sees its dimensions grow.
"""

import difflib
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from cfdb.errors import ClosedError, NotACFDBFileError, ReadOnlyError, VariableNotFoundError
from cfdb.format.attributes import decode_attributes, encode_attributes
from cfdb.format.dimension import Slots
from cfdb.format.framing import Features
from cfdb.format.metadata import DatasetRecord, DimensionRecord, VariableRecord
from cfdb.format.names import (
    ATTRIBUTES_PREFIX,
    DATASET_KEY,
    DIMENSION_PREFIX,
    VARIABLE_PREFIX,
    attributes_key,
    dimension_key,
    parse_chunk_key,
    variable_key,
)
from cfdb.storage.protocol import ChunkStore, ChunkWrite


class Dimension:
    """A dimension of an open dataset."""

    def __init__(self, record: DimensionRecord) -> None:
        self.record = record

    @property
    def id(self) -> str:
        """Identity."""
        return self.record.id

    @property
    def path(self) -> str:
        """Name."""
        return self.record.path

    @property
    def slots(self) -> Slots:
        """Positions and where they are stored."""
        return self.record.slots

    @property
    def size(self) -> int:
        """Number of positions."""
        return self.record.slots.size


class Member:
    """A variable of an open dataset: its record, its dimensions, and whether it still exists."""

    def __init__(self, record: VariableRecord, dims: tuple[Dimension, ...]) -> None:
        self.record = record
        self.dims = dims
        self.exists = True
        self.version = 0  # counts changes of its values, for caches

    @property
    def id(self) -> str:
        """Identity."""
        return self.record.id

    @property
    def path(self) -> str:
        """Name."""
        return self.record.path

    @property
    def is_index(self) -> bool:
        """Whether its values are the labels of the dimension of the same name."""
        return self.record.role == "coordinate" and len(self.dims) == 1 and self.dims[0].path == self.path


class Structure:
    """The records of an open dataset.

    Parameters
    ----------
    store : ChunkStore
        Where they are kept.
    dataset : DatasetRecord
        The record of the dataset.
    """

    def __init__(self, store: ChunkStore, dataset: DatasetRecord) -> None:
        self.store = store
        self.dataset = dataset
        self.lock = threading.RLock()
        self.dims: dict[str, Dimension] = {}
        self.members: dict[str, Member] = {}
        self.closed = False
        self._attributes: dict[str | None, dict[str, Any]] = {}
        self._attribute_features: dict[str | None, Features] = {}
        self._dirty: dict[str, Callable[[], bytes]] = {}
        self._removed: set[str] = set()
        self._guarded: set[str] = set()
        # every dimension and variable that somebody holds, deleted ones too: a rollback brings them back
        self._known_dims: weakref.WeakValueDictionary[str, Dimension] = weakref.WeakValueDictionary()
        self._known_members: weakref.WeakValueDictionary[str, Member] = weakref.WeakValueDictionary()
        # the closures in `_dirty` hold no reference to the structure, or it would never be collected
        self._finalizer = weakref.finalize(self, _abandon, store, self._dirty, self._removed)

    # opening

    @classmethod
    def create(cls, store: ChunkStore, dataset: DatasetRecord) -> "Structure":
        """Start a new dataset."""
        structure = cls(store, dataset)
        structure._dirty[DATASET_KEY] = dataset.encode
        return structure

    @classmethod
    def load(cls, store: ChunkStore) -> "Structure":
        """Read the records of an existing dataset.

        Raises
        ------
        NotACFDBFileError
            If the store holds no dataset.
        """
        data = store.get(DATASET_KEY)
        if data is None:
            raise NotACFDBFileError(f"{store.name} holds no cfdb dataset (it has no dataset record)")
        structure = cls(store, DatasetRecord.decode(data))
        structure._read()
        return structure

    def reload(self) -> None:
        """Read the records again, after a rollback or a refresh; forget what was not written."""
        with self.lock:
            self._dirty.clear()
            self._removed.clear()
            self._guarded.clear()
            data = self.store.get(DATASET_KEY)
            if data is not None:
                self.dataset = DatasetRecord.decode(data)
            else:
                self._dirty[DATASET_KEY] = self.dataset.encode
            self._read()

    def _read(self) -> None:
        keys = [k for prefix in (DIMENSION_PREFIX, VARIABLE_PREFIX, ATTRIBUTES_PREFIX) for k in self.store.keys(prefix)]
        self.store.prefetch(keys)
        payloads = self.store.get_many(keys)
        found = {key: bytes(data) for key, data in zip(keys, payloads, strict=True) if data is not None}
        dims = {}
        for key, data in found.items():
            if key.startswith(DIMENSION_PREFIX):
                record = DimensionRecord.decode(data, f"the record {key!r} of {self.store.name}")
                dims[record.id] = self._known_dims.setdefault(record.id, Dimension(record))
                dims[record.id].record = record
        self.dims = {dim.path: dim for dim in sorted(dims.values(), key=lambda dim: dim.record.order)}
        self._read_members(found, dims)
        self._read_attributes(found)

    def _read_members(self, found: Mapping[str, bytes], dims: Mapping[str, Dimension]) -> None:
        before = {member.id: member for member in self.members.values()}
        members = []
        for key, data in found.items():
            if not key.startswith(VARIABLE_PREFIX):
                continue
            what = f"the record {key!r} of {self.store.name}"
            record = VariableRecord.decode(data, what)
            lost = [name for name in record.dims if name not in dims]
            if lost:
                raise NotACFDBFileError(f"{what} names a dimension that does not exist ({lost[0]})")
            axes = tuple(dims[name] for name in record.dims)
            before.pop(record.id, None)
            member = self._known_members.setdefault(record.id, Member(record, axes))
            member.record, member.dims, member.exists = record, axes, True
            member.version += 1
            members.append(member)
        for gone in before.values():
            gone.exists = False
        self.members = {member.path: member for member in sorted(members, key=lambda member: member.record.order)}

    def _read_attributes(self, found: Mapping[str, bytes]) -> None:
        self._attributes = {}
        self._attribute_features = {}
        for owner in (None, *(member.id for member in self.members.values())):
            data = found.get(attributes_key(owner))
            if data is not None:
                self._attributes[owner], self._attribute_features[owner] = decode_attributes(data)

    # asking

    def check_open(self) -> None:
        """Raise `ClosedError` when the dataset was closed."""
        if self.closed:
            raise ClosedError(f"the dataset {self.store.name} is closed; open it again")

    @property
    def writable(self) -> bool:
        """Whether changes are accepted."""
        return not self.closed and self.store.writable and not self.unknown_uses

    @property
    def unknown_uses(self) -> tuple[str, ...]:
        """Features some record uses and this release does not know: the dataset is read-only."""
        records: Iterator[DatasetRecord | DimensionRecord | VariableRecord] = iter(
            [self.dataset, *(d.record for d in self.dims.values()), *(m.record for m in self.members.values())]
        )
        features = [*(record.features for record in records), *self._attribute_features.values()]
        return tuple(dict.fromkeys(name for feature in features for name in feature.unknown_uses))

    def check_writable(self) -> None:
        """Raise `ReadOnlyError` when changes are not accepted."""
        self.check_open()
        if not self.store.writable:
            raise ReadOnlyError(f"the dataset {self.store.name} is open for reading only; open it with flag='w'")
        unknown = self.unknown_uses
        if unknown:
            raise ReadOnlyError(
                f"the dataset {self.store.name} uses the feature {', '.join(map(repr, unknown))}, which this release "
                "does not know: it can be read, not changed; upgrade cfdb"
            )

    @property
    def pending(self) -> int:
        """Number of records that are not in the store yet."""
        return len(self._dirty) + len(self._removed)

    def record_keys(self) -> list[str]:
        """Give the keys of all records, attributes included."""
        members = self.members.values()
        return [
            DATASET_KEY,
            *(dimension_key(path) for path in self.dims),
            *(variable_key(path) for path in self.members),
            *(attributes_key(owner) for owner in (None, *(m.id for m in members)) if self._attributes.get(owner)),
        ]

    def describe(self, key: str) -> str:
        """Say what a key of the store stands for."""
        if key == DATASET_KEY:
            return "the dataset's record"
        if key == attributes_key(None):
            return "the dataset's attributes"
        chunk = parse_chunk_key(key)
        owner = chunk[0] if chunk is not None else key.removeprefix(ATTRIBUTES_PREFIX)
        member = self.member_of(owner)
        name = repr(member.path) if member is not None else f"a variable that was deleted ({owner})"
        if chunk is not None:
            return f"chunk {chunk[1]} of {name}"
        for prefix, kind in ((VARIABLE_PREFIX, "variable"), (DIMENSION_PREFIX, "dimension")):
            if key.startswith(prefix):
                return f"the {kind} {key.removeprefix(prefix)!r}"
        return f"the attributes of {name}" if key.startswith(ATTRIBUTES_PREFIX) else repr(key)

    def dim_of(self, identity: str) -> Dimension:
        """Find a dimension by identity."""
        return next(dim for dim in self.dims.values() if dim.id == identity)

    def member_of(self, identity: str) -> Member | None:
        """Find a variable by identity."""
        return next((member for member in self.members.values() if member.id == identity), None)

    def index_of(self, dim: Dimension) -> Member | None:
        """Find the variable that labels a dimension."""
        member = self.members.get(dim.path)
        return member if member is not None and member.is_index and member.dims[0] is dim else None

    def users_of(self, dim: Dimension) -> list[Member]:
        """Find the variables along a dimension."""
        return [member for member in self.members.values() if dim in member.dims]

    def attributes(self, owner: str | None) -> dict[str, Any]:
        """Give the attributes of a variable or (None) of the dataset; call `touch_attributes` after a change."""
        return self._attributes.setdefault(owner, {})

    # changing

    def touch_attributes(self, owner: str | None) -> None:
        """Remember that attributes were changed."""
        attributes, features = self.attributes(owner), self._attribute_features.get(owner, Features())
        member = None if owner is None else self.member_of(owner)
        if member is not None:
            self.guard(member)
        self._mark(attributes_key(owner), lambda: encode_attributes(attributes, features))

    def set_dataset(self, record: DatasetRecord) -> None:
        """Replace the record of the dataset."""
        self.dataset = record
        self._mark(DATASET_KEY, lambda: self.dataset.encode())

    def add_dimension(self, record: DimensionRecord) -> Dimension:
        """Add a dimension."""
        dim = Dimension(replace(record, order=self._next_order(d.record.order for d in self.dims.values())))
        self.dims[dim.path] = self._known_dims[dim.id] = dim
        self._mark_dimension(dim)
        return dim

    def set_dimension(self, dim: Dimension, record: DimensionRecord) -> None:
        """Replace the record of a dimension; a new path renames it."""
        if record.path != dim.path:
            self._forget(dimension_key(dim.path))
            self._guarded.clear()  # what guards the variables along it is called otherwise now
            self.store.guard(dimension_key(dim.path), [dimension_key(dim.path)])
            order = list(self.dims.values())
            dim.record = record
            self.dims = {each.path: each for each in order}
        dim.record = record
        self._mark_dimension(dim)

    def remove_dimension(self, dim: Dimension) -> None:
        """Remove a dimension that no variable uses."""
        del self.dims[dim.path]
        self._forget(dimension_key(dim.path))
        # a variable made elsewhere may lie along it
        self.store.guard(dimension_key(dim.path), [dimension_key(dim.path), VARIABLE_PREFIX])

    def add_member(self, record: VariableRecord) -> Member:
        """Add a variable whose dimensions exist."""
        dims = tuple(self.dim_of(identity) for identity in record.dims)
        member = Member(replace(record, order=self._next_order(m.record.order for m in self.members.values())), dims)
        self.members[member.path] = self._known_members[member.id] = member
        self._mark_member(member)
        return member

    def set_member(self, member: Member, record: VariableRecord) -> None:
        """Replace the record of a variable; a new path renames it."""
        if record.path != member.path:
            self._forget(variable_key(member.path))
            self.store.guard(variable_key(member.path), [variable_key(member.path)])
            order = list(self.members.values())
            member.record = record
            self.members = {each.path: each for each in order}
        member.record = record
        self._guarded.discard(member.id)
        self._mark_member(member)

    def remove_member(self, member: Member) -> None:
        """Remove a variable with its attributes and chunks."""
        del self.members[member.path]
        member.exists = False
        self._attributes.pop(member.id, None)
        self._attribute_features.pop(member.id, None)
        self._forget(variable_key(member.path))
        self._forget(attributes_key(member.id))
        # it stands against whatever was done to the variable elsewhere
        everything = [variable_key(member.path), f"{member.id}/", attributes_key(member.id)]
        self.store.guard(variable_key(member.path), everything)
        self.store.delete(list(self.store.keys(f"{member.id}/")))

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
            if self._removed:
                self.store.delete(sorted(self._removed))
                self._removed.clear()
            if self._dirty:
                self.store.set_many([ChunkWrite(key, encode()) for key, encode in self._dirty.items()])
                self._dirty.clear()

    def close(self) -> None:
        """Close the store; what was not committed is dropped."""
        self.closed = True
        self._finalizer.detach()
        self.store.close()

    def _mark(self, key: str, encode: Callable[[], bytes]) -> None:
        self._removed.discard(key)
        self._dirty[key] = encode

    def _forget(self, key: str) -> None:
        self._dirty.pop(key, None)
        self._removed.add(key)

    def _mark_dimension(self, dim: Dimension) -> None:
        self._mark(dimension_key(dim.path), lambda: dim.record.encode())

    def _mark_member(self, member: Member) -> None:
        self._mark(variable_key(member.path), lambda: member.record.encode())
        self.store.guard(variable_key(member.path), [dimension_key(dim.path) for dim in member.dims])
        self.guard(member)

    @staticmethod
    def _next_order(orders: Iterator[int]) -> int:
        return max(orders, default=-1) + 1

    def find(self, name: str) -> Member:
        """Find a variable by name; an unknown one is an error that names the nearest."""
        self.check_open()
        member = self.members.get(name)
        if member is None:
            raise VariableNotFoundError(unknown_name("variable", name, self.members))
        return member


def unknown_name(kind: str, name: object, known: Mapping[str, object]) -> str:
    """Write the message for a name that does not exist."""
    if not isinstance(name, str):
        return f"a {kind} is named by a str, not by {type(name).__name__} ({name!r})"
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    if near:
        hint = f"did you mean {' or '.join(map(repr, near))}?"
    elif known:
        listed = ", ".join(map(repr, list(known)[:10]))
        hint = f"there are {listed}{', ...' if len(known) > 10 else ''}"
    else:
        hint = "there are none"
    return f"there is no {kind} {name!r}; {hint}"


def _abandon(store: ChunkStore, dirty: Mapping[str, object], removed: set[str]) -> None:
    """Roll back and close the store of a dataset that nobody holds any more."""
    dropped = len(dirty) + len(removed) + (store.rollback() if store.writable else 0)
    store.close()
    if dropped:
        warnings.warn(
            f"the dataset {store.name} was never closed: {dropped} changes since the last sync() are dropped; open it "
            "in a `with` block",
            ResourceWarning,
            stacklevel=2,
        )
