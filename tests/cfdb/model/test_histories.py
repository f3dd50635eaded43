"""Whatever happens to a dataset in whatever order, it holds what NumPy arrays hold after the same history."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import cfdb
from cfdb.format.statistics import compute
from tests.support.oracle import same

CHUNKS = st.integers(1, 4)


class History(RuleBasedStateMachine):
    """One dataset on disk with a coordinate `x`, a plain dimension `n`, and three variables along them."""

    @initialize(chunks=st.tuples(CHUNKS, CHUNKS), descending=st.booleans())
    def start(self, chunks: tuple[int, int], descending: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cfdb-history-"))
        self.path = self.folder / "a.cfdb"
        self.ds = cfdb.open_dataset(self.path, "n")
        self.next = 100
        labels = [3, 2, 1] if descending else [1, 2, 3]
        x = self.ds.create.coord.generic("x", data=labels, chunk_shape=(chunks[0],))
        self.ds.create.dimension("n", 2)
        self.ds.create.data_var.generic("f", ("x", "n"), "float32", chunks)
        self.ds.create.data_var.generic("i", ("n", "x"), "int16", chunks[::-1], fill_value=-1)
        self.ds.create.data_var.generic("s", ("x",), "str", chunks[:1])
        self.labels = np.array(x.values)
        self.now = {"f": np.full((3, 2), np.nan, "f4"), "i": np.full((2, 3), -1, "i2"), "s": np.array(["", "", ""])}
        self.attrs: dict[str, Any] = {}
        self.save()

    def save(self) -> None:
        self.ds.sync()
        self.saved = (self.labels.copy(), {name: values.copy() for name, values in self.now.items()}, dict(self.attrs))

    def fill(self, name: str) -> Any:
        return {"f": np.nan, "i": -1, "s": ""}[name]

    def axis(self, name: str) -> int:
        return 1 if name == "i" else 0

    @rule(name=st.sampled_from(["f", "i", "s"]), data=st.data(), number=st.integers(0, 1000))
    def write(self, name: str, data: st.DataObject, number: int) -> None:
        shape = self.now[name].shape
        key = tuple(slice(*sorted(data.draw(st.tuples(st.integers(0, size), st.integers(0, size))))) for size in shape)
        value: Any = str(number) if name == "s" else number
        self.ds[name][key] = value
        self.now[name] = self.now[name].astype("U10") if name == "s" else self.now[name]
        self.now[name][key] = value

    def insert_labels(self, at: int, labels: list[int]) -> None:
        self.labels = np.insert(self.labels, at, labels)
        for name, values in self.now.items():
            new = np.full(len(labels), self.fill(name), values.dtype)
            shape = [1] * values.ndim
            shape[self.axis(name)] = len(labels)
            self.now[name] = np.insert(values, [at] * len(labels), new.reshape(shape), self.axis(name))

    def new_labels(self, count: int) -> list[int]:
        self.next += count
        return list(range(self.next - count, self.next))

    @rule(count=st.integers(1, 5))
    def append(self, count: int) -> None:
        labels = self.new_labels(count)
        self.ds["x"].append(labels)
        self.insert_labels(self.labels.size, labels)

    @rule(count=st.integers(1, 5))
    def prepend(self, count: int) -> None:
        labels = self.new_labels(count)
        self.ds["x"].prepend(labels)
        self.insert_labels(0, labels)

    @rule(count=st.integers(1, 3), data=st.data())
    def insert(self, count: int, data: st.DataObject) -> None:
        labels, at = self.new_labels(count), data.draw(st.integers(0, self.labels.size))
        self.ds["x"].insert(at, labels)
        self.insert_labels(at, labels)

    @precondition(lambda self: self.labels.size > 1)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        gone = data.draw(st.sets(st.integers(0, self.labels.size - 1), min_size=1, max_size=self.labels.size - 1))
        self.ds["x"].drop(self.labels[sorted(gone)].tolist())
        self.labels = np.delete(self.labels, list(gone))
        self.now = {name: np.delete(values, list(gone), self.axis(name)) for name, values in self.now.items()}

    @precondition(lambda self: self.labels.size > 1)
    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        ends = data.draw(st.tuples(*[st.integers(0, self.labels.size - 1)] * 2).map(sorted))
        kept = slice(ends[0], ends[1] + 1)
        self.ds["x"].truncate(self.labels[ends[0]].item(), self.labels[ends[1]].item())
        self.labels = self.labels[kept]
        for name, values in self.now.items():
            self.now[name] = np.take(values, range(*kept.indices(values.shape[self.axis(name)])), self.axis(name))

    @precondition(lambda self: self.labels.size > 0)
    @rule(data=st.data(), number=st.integers(0, 1000))
    def write_by_label(self, data: st.DataObject, number: int) -> None:
        """Some labels that exist, in any order, and some new ones."""
        known = data.draw(st.lists(st.sampled_from(self.labels.tolist()), unique=True, max_size=3))
        new = self.new_labels(data.draw(st.integers(0, 2)))
        labels = data.draw(st.permutations([*known, *new]))
        fill = np.arange(len(labels), dtype="f4") + number
        width = self.now["f"].shape[1]
        other = {"f": (("x", "n"), np.repeat(fill[:, None], width, 1)), "s": ("x", [str(value) for value in fill])}
        self.ds.write({**other, "x": np.array(labels, "int64")})
        after = self.ds["x"].values
        assert [label for label in after.tolist() if label not in new] == self.labels.tolist()
        assert sorted(label for label in after.tolist() if label in new) == sorted(new)
        for at in np.flatnonzero(np.isin(after, new)).tolist():
            self.insert_labels(at, [int(after[at])])
        self.now["s"] = self.now["s"].astype("U10")
        for label, value in zip(labels, fill, strict=True):
            at = int(np.flatnonzero(self.labels == label)[0])
            self.now["f"][at] = value
            self.now["s"][at] = str(value)

    @rule()
    def write_that_fails(self) -> None:
        """Labels and values of one variable would fit, those of another do not: nothing changes."""
        wrong = {"x": [self.next + 1], "f": (("x", "n"), np.ones((1, self.now["f"].shape[1]))), "s": ("x", [3.5])}
        try:
            self.ds.write(wrong)
        except TypeError:
            return
        raise AssertionError("a number was taken for a string")

    @rule(dim=st.sampled_from("xn"), max_mem=st.integers(1, 400))
    def defragment(self, dim: str, max_mem: int) -> None:
        self.ds.defragment(dim, max_mem=max_mem)
        assert len(self.ds._structure.dims[dim].slots.runs) < 2

    @rule()
    def copy(self) -> None:
        with self.ds.copy(None) as made:
            self.compare(made)

    @rule(size=st.integers(1, 6))
    def resize(self, size: int) -> None:
        self.ds.resize(n=size)
        for name, axis in (("f", 1), ("i", 0)):
            values = np.take(self.now[name], range(min(size, self.now[name].shape[axis])), axis)
            grown = [(0, 0), (0, 0)]
            grown[axis] = (0, size - values.shape[axis])
            self.now[name] = np.pad(values, grown, constant_values=self.fill(name))

    @rule(name=st.sampled_from("ab"), value=st.one_of(st.integers(), st.text(max_size=3)))
    def annotate(self, name: str, value: Any) -> None:
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return
        self.ds.attrs[name] = value
        self.attrs[name] = value

    @rule()
    def sync(self) -> None:
        self.save()

    @rule()
    def rollback(self) -> None:
        self.ds.rollback()
        self.restore()

    @rule()
    def fail(self) -> None:
        """An exception leaves the block: everything since the last sync is gone."""
        try:
            with self.ds:
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        except UserWarning:
            assert not self.ds.is_open  # the warning about dropped changes, an error in tests
        self.ds = cfdb.open_dataset(self.path, "w")
        self.restore()

    def restore(self) -> None:
        labels, now, attrs = self.saved
        self.labels, self.attrs = labels.copy(), dict(attrs)
        self.now = {name: values.copy() for name, values in now.items()}

    @rule()
    def reopen(self) -> None:
        self.ds.close()
        with cfdb.open_dataset(self.path) as ds:
            self.compare(ds)
        self.ds = cfdb.open_dataset(self.path, "w")
        self.save()

    @invariant()
    def holds_what_numpy_holds(self) -> None:
        self.compare(self.ds)

    def compare(self, ds: Any) -> None:
        assert ds["x"].values.tolist() == self.labels.tolist()
        assert ds["x"][...].read().tolist() == self.labels.tolist()
        assert same(ds["f"].values, self.now["f"])
        assert same(ds["i"].read(masked=False), self.now["i"])
        assert ds["s"].values.tolist() == self.now["s"].tolist()
        assert dict(ds.attrs) == self.attrs
        if self.labels.size:
            middle = int(self.labels.size // 2)
            assert same(ds["f"].sel(x=int(self.labels[middle])).values, self.now["f"][middle])

    @invariant()
    def statistics_hold(self) -> None:
        for name in ("f", "i"):
            array, values = self.ds[name]._array, self.now[name]
            cells: dict[Any, list[Any]] = {}
            for slices, index, _ in array.grid.boxes():
                cells.setdefault(index, []).append(values[slices].ravel())
            for index, found in array.statistics().items():
                oracle = compute(np.concatenate(cells[index]), fill_value=-1 if name == "i" else None)
                assert (found.valid, found.missing, found.minimum, found.maximum, found.sum) == (
                    oracle.valid, oracle.missing, oracle.minimum, oracle.maximum, oracle.sum,
                )  # fmt: skip

    def teardown(self) -> None:
        if hasattr(self, "ds"):
            self.ds.close()
            shutil.rmtree(self.folder)


TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
