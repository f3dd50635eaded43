"""Two writers and readers of one remote against dicts: pushes, pulls, conflicts, rollbacks, reopening, pinned reads."""

import shutil
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import ebooklet
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore

Data = dict[str, str]
KEYS = st.sampled_from(["a", "v/0.0", "v/0.1"])
VALUES = st.sampled_from(["", "x", "y", "longer " * 50])
WRITERS = st.integers(0, 1)


@dataclass
class Writer:
    """What one writer should see: the version it is based on, what it changed, and what of that was synced."""

    base: Data
    pending: dict[str, str | None] = field(default_factory=dict)
    synced: dict[str, str | None] = field(default_factory=dict)

    @property
    def view(self) -> Data:
        return {k: v for k, v in (self.base | self.pending).items() if v is not None}

    def conflicts(self, head: Data) -> set[str]:
        changed = {k for k in self.base.keys() | head.keys() if self.base.get(k) != head.get(k)}
        return {k for k, v in self.pending.items() if k in changed and v != head.get(k)}

    def settle(self, head: Data) -> None:
        self.base = dict(head)
        self.pending, self.synced = {}, {}


class Machine(RuleBasedStateMachine):
    @initialize(first=st.dictionaries(KEYS, VALUES, max_size=3))
    def publish(self, first: Data) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.conn = StoreConnection("db.blt", MemoryStore())
        with self.open(0, "c") as db:
            db.update(first)
            db.push()
        self.head = dict(first)
        self.models = [Writer(dict(first)), Writer(dict(first))]
        self.handles = [self.open(0, "w"), self.open(1, "w")]
        self.reader = ebooklet.open(self.conn, self.folder / "reader")
        self.seen = dict(first)

    def open(self, who: int, flag: str) -> ebooklet.EBooklet:
        return ebooklet.open(self.conn, self.folder / f"writer{who}", flag, value_serializer="str")

    @rule(who=WRITERS, key=KEYS, value=VALUES)
    def set(self, who: int, key: str, value: str) -> None:
        self.handles[who][key] = value
        self.models[who].pending[key] = value

    @rule(who=WRITERS, key=KEYS)
    def delete(self, who: int, key: str) -> None:
        model = self.models[who]
        if key not in model.view:
            with pytest.raises(KeyError):
                del self.handles[who][key]
            return
        del self.handles[who][key]
        if key in model.base:
            model.pending[key] = None
        else:
            del model.pending[key]

    @rule(who=WRITERS)
    def sync(self, who: int) -> None:
        self.handles[who].sync()
        self.models[who].synced = dict(self.models[who].pending)

    @rule(who=WRITERS, on_conflict=st.sampled_from(["raise", "ours", "theirs"]))
    def push(self, who: int, on_conflict: str) -> None:
        model, db = self.models[who], self.handles[who]
        self.sync(who)
        against = model.conflicts(self.head)
        if against and on_conflict == "raise":
            with pytest.raises(ebooklet.ConflictError) as caught:
                db.push()
            assert set(caught.value.keys) == against
            return
        if not model.pending:
            assert not db.push(on_conflict=on_conflict)
            return
        assert db.changes().push(on_conflict=on_conflict)
        if on_conflict == "theirs":
            model.pending = {k: v for k, v in model.pending.items() if k not in against}
        self.head = {k: v for k, v in (self.head | model.pending).items() if v is not None}
        model.settle(self.head)

    @rule(who=WRITERS, on_conflict=st.sampled_from(["raise", "theirs"]))
    def pull(self, who: int, on_conflict: str) -> None:
        model, db = self.models[who], self.handles[who]
        self.sync(who)
        against = model.conflicts(self.head)
        if against and on_conflict == "raise":
            with pytest.raises(ebooklet.ConflictError):
                db.pull()
            return
        db.pull(on_conflict)
        model.base = dict(self.head)
        model.pending = {k: v for k, v in model.pending.items() if k not in against}
        model.synced = dict(model.pending)

    @rule(who=WRITERS, keys=st.none() | st.lists(KEYS, max_size=2))
    def discard(self, who: int, keys: list[str] | None) -> None:
        model = self.models[who]
        self.handles[who].changes().discard(keys)
        gone = list(model.pending) if keys is None else keys
        model.pending = {k: v for k, v in model.pending.items() if k not in gone}
        model.synced = dict(model.pending)

    @rule(who=WRITERS, prune=st.booleans())
    def reopen(self, who: int, prune: bool) -> None:
        if prune:
            self.handles[who].prune(timestamp="2100-01-01T00:00:00+00:00")
        self.handles[who].close()
        self.handles[who] = self.open(who, "w")
        self._after_reopening(who)

    @rule(who=WRITERS)
    def fail(self, who: int) -> None:
        """An exception leaves the with block: back to the last sync."""
        model, db = self.models[who], self.handles[who]
        with warnings.catch_warnings(), pytest.raises(ZeroDivisionError):
            warnings.simplefilter("ignore")
            with db:
                raise ZeroDivisionError
        model.pending = dict(model.synced)
        self.handles[who] = self.open(who, "w")
        self._after_reopening(who)

    def _after_reopening(self, who: int) -> None:
        model = self.models[who]
        model.synced = dict(model.pending)
        if not model.pending:
            model.base = dict(self.head)

    @rule(key=KEYS)
    def look(self, key: str) -> None:
        assert self.reader.get(key) == self.seen.get(key)

    @rule()
    def load(self) -> None:
        assert self.reader.load_items() == {}

    @rule()
    def move_reader(self) -> None:
        self.reader.pull()
        self.seen = dict(self.head)

    @rule()
    def reopen_reader(self) -> None:
        self.reader.close()
        self.reader = ebooklet.open(self.conn, self.folder / "reader")
        self.seen = dict(self.head)

    @rule(who=WRITERS)
    def read_the_file_of_a_writer(self, who: int) -> None:
        """What a second process sees: everything synced, on the version it is based on."""
        model = self.models[who]
        with ebooklet.open(self.conn, self.folder / f"writer{who}") as db:
            pushed = {k: v for k, v in (model.base | model.synced).items() if v is not None}
            assert dict(db.items()) == (pushed if model.synced else self.head)

    @precondition(lambda self: hasattr(self, "models"))
    @invariant()
    def writers_see_their_changes(self) -> None:
        for model, db in zip(self.models, self.handles, strict=True):
            assert dict(db.items()) == model.view
            assert len(db) == len(model.view)
            assert {c.key: c.kind for c in db.changes().iter_changes()} == {
                k: "deleted" if v is None else "changed" if k in model.base else "added"
                for k, v in model.pending.items()
            }

    @precondition(lambda self: hasattr(self, "models"))
    @invariant()
    def the_reader_stays_at_its_version(self) -> None:
        assert sorted(self.reader) == sorted(self.seen)

    def teardown(self) -> None:
        if hasattr(self, "models"):
            for db in (*self.handles, self.reader):
                db.close()
            with ebooklet.open(self.conn, cache=None) as fresh:
                assert dict(fresh.items()) == self.head
            shutil.rmtree(self.folder)


TestModel = Machine.TestCase
TestModel.settings = settings(
    max_examples=25,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
