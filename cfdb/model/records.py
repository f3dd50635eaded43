"""Which dimensions and variables does an open dataset have?

The records of a dataset live here as long as it is open. A `Dimension` and a `Member` keep their identity while their
record changes: a variable that a user holds sees its dimensions grow.
"""

import difflib
import threading
import warnings
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, Self

from cfdb.errors import ClosedError, NotACFDBFileError, ReadOnlyError, VariableNotFoundError
from cfdb.format.attributes import decode_attributes
from cfdb.format.dimension import Slots
from cfdb.format.framing import Features
from cfdb.format.metadata import DatasetRecord, DimensionRecord, VariableRecord
from cfdb.format.names import (
    ATTRIBUTES_PREFIX,
    DATASET_KEY,
    DIMENSION_PREFIX,
    FILE_PREFIX,
    VARIABLE_PREFIX,
    attributes_key,
    dimension_key,
    group_of,
    groups_around,
    parse_chunk_key,
    variable_key,
)
from cfdb.model.ledger import Ledger
from cfdb.storage.protocol import ChunkStore


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


class Records:
    """The records of an open dataset, as they are.

    Parameters
    ----------
    store : ChunkStore
        Where they are kept.
    dataset : DatasetRecord
        The record of the dataset.
    """

    def __init__(self, store: ChunkStore, dataset: DatasetRecord) -> None:
        self.store = store
        self.lock = threading.RLock()
        self._dataset = dataset
        self._dims: dict[str, Dimension] = {}
        self._members: dict[str, Member] = {}
        self._closed = False
        self._revision = 0
        self._reloads = 0
        self._attributes: dict[str | None, dict[str, Any]] = {}
        self._attribute_features: dict[str | None, Features] = {}
        self._declared: set[str] = set()
        self._groups: dict[str, None] | None = None
        self._unknown: tuple[str, ...] | None = None
        self._ledger = Ledger()
        self._jobs: list[Any] = []
        self._guarded: set[str] = set()
        # every dimension and variable that somebody holds, deleted ones too: a rollback brings them back
        self._known_dims: weakref.WeakValueDictionary[str, Dimension] = weakref.WeakValueDictionary()
        self._known_members: weakref.WeakValueDictionary[str, Member] = weakref.WeakValueDictionary()
        # the closures in the ledger hold no reference to the structure, or it would never be collected
        self._finalizer = weakref.finalize(self, _abandon, store, self._ledger)

    # what there is

    @property
    def dataset(self) -> DatasetRecord:
        """Record of the dataset."""
        return self._dataset

    @property
    def dims(self) -> Mapping[str, Dimension]:
        """Dimensions by name, in the order of creation."""
        return self._dims

    @property
    def members(self) -> Mapping[str, Member]:
        """Variables by name, in the order of creation."""
        return self._members

    @property
    def groups(self) -> tuple[str, ...]:
        """Paths of the groups, those around others first: of variables, dimensions and attributes."""
        if self._groups is None:
            inner = dict.fromkeys(path.rpartition("/")[0] for path in (*self._members, *self._dims))
            paths = (*inner, *self.declared_groups)
            self._groups = dict.fromkeys(group for path in paths for group in groups_around(path))
        return tuple(self._groups)

    @property
    def declared_groups(self) -> tuple[str, ...]:
        """Paths of the groups that were created or have attributes: they exist without variables."""
        return tuple(sorted(map(str, map(group_of, self._declared))))

    @property
    def reloads(self) -> int:
        """How often the records were read anew; each time the version of every variable grows by one."""
        return self._reloads

    @property
    def touched(self) -> frozenset[str]:
        """Keys of the records that were changed since the last `settle`."""
        return frozenset(self._ledger.touched)

    def settle(self) -> None:
        """Begin to note changed records anew: after a commit."""
        self._ledger.touched.clear()

    @property
    def closed(self) -> bool:
        """Whether the dataset was closed."""
        return self._closed

    @property
    def revision(self) -> int:
        """A number that grows with every change of a record, for caches."""
        return self._revision

    # opening

    @classmethod
    def create(cls, store: ChunkStore, dataset: DatasetRecord) -> Self:
        """Start a new dataset."""
        structure = cls(store, dataset)
        structure._ledger.mark(DATASET_KEY, dataset.encode)
        return structure

    @classmethod
    def load(cls, store: ChunkStore) -> Self:
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
            self._ledger.clear()
            self._reloads += 1
            self._guarded.clear()
            data = self.store.get(DATASET_KEY)
            if data is not None:
                self._dataset = DatasetRecord.decode(data)
            else:
                self._ledger.mark(DATASET_KEY, self._dataset.encode)
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
        self._dims = {dim.path: dim for dim in sorted(dims.values(), key=lambda dim: dim.record.order)}
        self._read_members(found, dims)
        self._read_attributes(found)
        self._revision += 1
        self._groups = None
        self._unknown = None

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
        self._members = {member.path: member for member in sorted(members, key=lambda member: member.record.order)}

    def _read_attributes(self, found: Mapping[str, bytes]) -> None:
        self._attributes = {}
        self._attribute_features = {}
        owners = {key.removeprefix(ATTRIBUTES_PREFIX) for key in found if key.startswith(ATTRIBUTES_PREFIX)}
        self._declared = {owner for owner in owners if group_of(owner) is not None}
        for owner in (None, *(member.id for member in self._members.values()), *self._declared):
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
        if self._unknown is None:  # only records that were read can use what this release does not know
            records: Iterator[DatasetRecord | DimensionRecord | VariableRecord] = iter(
                [self.dataset, *(d.record for d in self.dims.values()), *(m.record for m in self.members.values())]
            )
            features = [*(record.features for record in records), *self._attribute_features.values()]
            self._unknown = tuple(dict.fromkeys(name for feature in features for name in feature.unknown_uses))
        return self._unknown

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
        return len(self._ledger)

    def record_keys(self) -> list[str]:
        """Give the keys of all records, attributes included."""
        members = self.members.values()
        return [
            DATASET_KEY,
            *(dimension_key(path) for path in self.dims),
            *(variable_key(path) for path in self.members),
            *(attributes_key(owner) for owner in (None, *(m.id for m in members)) if self._attributes.get(owner)),
            *map(attributes_key, self._declared),
        ]

    def describe(self, key: str) -> str:
        """Say what a key of the store stands for."""
        if key == DATASET_KEY:
            return "the dataset's record"
        if key == attributes_key(None):
            return "the dataset's attributes"
        group = group_of(key.removeprefix(ATTRIBUTES_PREFIX))
        if group:
            return f"the attributes of the group {group!r}"
        if key.startswith(FILE_PREFIX):
            return f"the file {key.removeprefix(FILE_PREFIX)!r}"
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
        return self._known_dims[identity]

    def member_of(self, identity: str) -> Member | None:
        """Find a variable by identity."""
        found = self._known_members.get(identity)
        return found if found is not None and found.exists else None

    def member(self, name: str) -> Member | None:
        """Find a variable by name."""
        return self._members.get(name)

    def visible(self, name: str) -> Member | None:
        """Find a variable by name; from a group, those around it are found too."""
        return self._members.get(name.removeprefix("/"))

    def index_of(self, dim: Dimension) -> Member | None:
        """Find the variable that labels a dimension."""
        member = self.members.get(dim.path)
        return member if member is not None and member.is_index and member.dims[0] is dim else None

    def users_of(self, dim: Dimension) -> list[Member]:
        """Find the variables along a dimension."""
        return [member for member in self.members.values() if dim in member.dims]

    def dimension(self, name: str, *, own: bool = False) -> Dimension | None:
        """Find a dimension by name; of a group, those around it are found too, unless it is to be its `own`."""
        return self._dims.get(name.strip("/"))

    def attributes(self, owner: str | None) -> dict[str, Any]:
        """Give the attributes of a variable, a group or (None) the dataset; call `touch_attributes` after a change."""
        return self._attributes.setdefault(owner, {})

    def find(self, name: str) -> Member:
        """Find a variable by name; an unknown one is an error that names the nearest."""
        self.check_open()
        member = self.visible(name) if isinstance(name, str) else None
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


def _abandon(store: ChunkStore, ledger: Ledger) -> None:
    """Roll back and close the store of a dataset that nobody holds any more."""
    try:
        dropped = len(ledger) + (store.rollback() if store.writable else 0)
    except ClosedError:
        return  # by an opening that failed
    store.close()
    if dropped:
        warnings.warn(
            f"the dataset {store.name} was never closed: {dropped} changes since the last sync() are dropped; open it "
            "in a `with` block",
            ResourceWarning,
            stacklevel=2,
        )
