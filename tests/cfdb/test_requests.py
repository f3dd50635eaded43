"""How many requests, and how many bytes, does the work on a remote dataset cost? Counted at a store, never timed."""

from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import pytest

import cfdb
from cfdb.model.edataset import EDataset
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore, Counts
from ebooklet.sync.version import open_version

KEY = "big/x.cfdb"
MB4 = 4_000_000
PACK = 16 << 20
ENTRY = 100  # bytes of a value's header and key in a pack, its time and its statistics


@dataclass(frozen=True)
class Case:
    """A dataset of so many chunks, all along the first dimension of a grid."""

    chunks: int
    cells: int  # of a chunk

    def values(self) -> np.ndarray:
        return np.random.default_rng(1).normal(size=(self.chunks, self.cells)).astype("float32")


CASES = {28: Case(28, 60_000), 2000: Case(2000, 4_000)}


@pytest.fixture(scope="module", params=list(CASES), ids=lambda chunks: f"{chunks} chunks")
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture(scope="module")
def published(case: Case) -> tuple[CountingStore, Counts]:
    """The store with the dataset in it, and what writing it cost."""
    store = CountingStore(MemoryStore())
    with cfdb.open_edataset(StoreConnection(KEY, store), flag="n", cache=None, push_on_close=False) as ds:
        ds.create.coord.generic("time", data=np.arange(case.chunks), step=False)
        ds.create.coord.generic("cell", data=np.arange(case.cells), step=False)
        ds.create.data_var.generic("t", ("time", "cell"), dtype="float32", chunk_shape=(1, case.cells))
        ds["t"][...] = case.values()
        store.reset()
        ds.push()
    return store, store.reset()


@pytest.fixture
def store(published: tuple[CountingStore, Counts]) -> CountingStore:
    """The same, to be read and copied only."""
    published[0].reset()
    return published[0]


@pytest.fixture
def own(published: tuple[CountingStore, Counts]) -> CountingStore:
    """A store with the same objects, to be changed."""
    inner = MemoryStore()
    for meta in published[0].inner.list(""):
        published[0].inner.copy(meta.key, meta.key, target=inner)
    return CountingStore(inner)


def stored(store: CountingStore) -> dict[str, int]:
    """What every value takes up on the remote, by key; whatever the codec makes of it."""
    return {row.key: row.length for row in open_version(store.inner, KEY).iter_rows()}


def chunks_of(store: CountingStore, name: str) -> dict[str, int]:
    """What the chunks of a variable take up."""
    with opened(CountingStore(store.inner)) as ds:
        prefix = f"{ds[name]._member.id}/"
    return {key: size for key, size in stored(store).items() if key.startswith(prefix)}


def root_size(store: CountingStore) -> int:
    return store.inner.head(KEY).size


def opened(store: CountingStore, path: Path | None = None, flag: str = "r") -> EDataset:
    connection = StoreConnection(KEY, store)
    if path is None:
        return cfdb.open_edataset(connection, flag=flag, cache=None, push_on_close=False)
    return cfdb.open_edataset(connection, path, flag=flag, push_on_close=False)


def test_writing_everything_costs_its_packs_and_one_commit(case: Case, published: tuple[CountingStore, Counts]) -> None:
    store, counts = published
    sizes = stored(store)
    values = sum(sizes.values()) + ENTRY * len(sizes)
    at_once = 4
    assert counts.total <= ceil(values / PACK / at_once) * at_once + 1
    assert counts.total <= ceil(values / MB4) + 1
    assert set(counts.requests) == {"put", "conditional_put"}
    assert counts.sent < values + 2 * root_size(store)


def test_a_cold_open_with_coordinates_is_one_small_request(store: CountingStore, case: Case) -> None:
    with opened(store) as ds:
        assert ds["time"].values[-1] == case.chunks - 1
        assert ds["cell"].values[-1] == case.cells - 1
        assert "t" in str(ds)
    assert store.counts.total == 1
    coordinates = sum(chunks_of(store, "time").values()) + sum(chunks_of(store, "cell").values())
    assert store.counts.received < 15_000 + coordinates


def test_one_chunk_after_opening_is_one_request_for_just_its_bytes(store: CountingStore, case: Case) -> None:
    with opened(store) as ds:
        store.reset()
        np.testing.assert_array_equal(ds["t"][case.chunks // 2].values, case.values()[case.chunks // 2])
    assert store.counts.total == 1
    assert store.counts.received <= max(chunks_of(store, "t").values())


def test_a_full_read_is_its_bytes_in_pieces_of_four_megabytes(store: CountingStore, case: Case) -> None:
    with opened(store) as ds:
        store.reset()
        np.testing.assert_array_equal(ds["t"].values, case.values())
    sizes = chunks_of(store, "t")
    assert store.counts.received < sum(sizes.values()) + ENTRY * len(sizes)
    assert store.counts.total <= ceil(store.counts.received / MB4)


def test_load_fetches_in_the_same_few_requests(store: CountingStore, case: Case) -> None:
    with opened(store) as ds:
        store.reset()
        ds["t"].load()
        requests, received = store.counts.total, store.counts.received
        assert requests <= ceil(received / MB4)
        np.testing.assert_array_equal(ds["t"].values, case.values())
        assert store.counts.total == requests, "everything is here"


def test_opening_again_with_nothing_new_is_one_request_without_a_body(
    store: CountingStore, case: Case, tmp_path: Path
) -> None:
    opened(store, tmp_path / "x.cfdb").close()
    store.reset()
    with opened(store, tmp_path / "x.cfdb") as ds:
        assert ds["time"].values[0] == 0
    assert store.counts.total == 1
    assert store.counts.received == 0


def test_a_session_that_changes_nothing_sends_nothing(store: CountingStore, case: Case) -> None:
    with cfdb.open_edataset(StoreConnection(KEY, store), flag="w", cache=None) as ds:
        assert ds["time"].values[0] == 0
    assert set(store.counts.requests) == {"get"}


def test_a_change_of_one_percent_is_two_requests_and_its_bytes(own: CountingStore, case: Case) -> None:
    changed = max(1, case.chunks // 100)
    with opened(own, flag="w") as ds:
        before = set(chunks_of(own, "t").items())
        own.reset()
        ds["t"][:changed] = -case.values()[:changed]
        ds.push()
        assert own.counts.requests == {"put": 1, "conditional_put": 1}
    sizes = sorted(chunks_of(own, "t").values())[-changed:]
    manifest = 2 * root_size(own)  # the root, and the same snapshot once more in the pack
    assert own.counts.sent < sum(sizes) + ENTRY * changed + manifest
    assert len(before) == case.chunks


def test_a_change_on_a_version_that_is_old_by_now_is_three_requests(own: CountingStore, case: Case) -> None:
    with opened(own, flag="w") as late:
        with opened(own, flag="w") as other:
            other["t"][0] = -case.values()[0]
            other.push()
        own.reset()
        assert late.pull()
        late["t"][1] = -case.values()[1]
        late.push()
        assert own.counts.requests == {"get": 1, "put": 1, "conditional_put": 1}
    with opened(own) as ds:
        np.testing.assert_array_equal(ds["t"][:2].values, -case.values()[:2])


def test_a_copy_is_its_packs_and_two_requests(store: CountingStore, case: Case) -> None:
    target = CountingStore(MemoryStore("elsewhere"))
    packs = sum(1 for meta in store.inner.list("") if ".objects" in meta.key)
    with opened(store) as ds:
        store.reset()
        ds.copy_remote(StoreConnection(KEY, target))
    assert store.counts.total + target.counts.total <= packs + 2
    assert store.counts.received + target.counts.sent < 2 * root_size(store), "the server copies"
    with opened(target) as ds:
        np.testing.assert_array_equal(ds["t"].values, case.values())


def test_deleting_leaves_nothing_and_costs_what_it_must(own: CountingStore, case: Case) -> None:
    with opened(own, flag="w") as ds:
        objects = sum(1 for _ in own.inner.list(""))
        own.reset()
        ds.delete_remote(load=False)
    assert own.counts.total <= 1 + 2 * ceil(objects / 1000)
    assert list(own.inner.list("")) == []


def test_many_small_pushes_are_read_in_few_requests_after_a_compaction(own: CountingStore, case: Case) -> None:
    """A full read and a part of it, before the edits, after them, and after the compaction."""
    values = case.values()
    part = slice(0, max(4, case.chunks // 20))
    rng = np.random.default_rng(2)

    def reads() -> tuple[int, int, int]:
        with opened(own) as ds:
            own.reset()
            np.testing.assert_array_equal(ds["t"][part].values, values[part])
            some = own.reset().total
        with opened(own) as ds:
            own.reset()
            np.testing.assert_array_equal(ds["t"].values, values)
            return some, own.counts.total, own.counts.received

    before = reads()
    with opened(own, flag="w") as ds:
        for chunk in rng.choice(case.chunks, 20, replace=False):
            values[chunk] += 1
            ds["t"][int(chunk)] = values[chunk]
            ds.push()
        scattered = reads()
        assert scattered[1] > before[1] + 10
        ds["t"][0] = values[0] = 7
        own.reset()
        result = ds.compact()
        assert result
        assert own.counts.total == result.n_requests <= 21 + before[1] + 3
        assert ds.changes(), "what is pending stays pending"
        np.testing.assert_array_equal(ds["t"].values, values)
        ds.push()
    compacted = reads()
    assert compacted[0] <= before[0] + 3
    assert compacted[1] <= before[1] + 6 < scattered[1]
    assert compacted[2] < 1.1 * before[2] + 20 * 64_000


def test_what_is_here_is_not_fetched_again_after_a_compaction(own: CountingStore, case: Case, tmp_path: Path) -> None:
    with opened(own, tmp_path / "mine.cfdb", flag="w") as ds:
        for chunk in range(3):
            ds["t"][chunk] = case.values()[chunk] + 1
            ds.push()
        ds["t"].load()
        assert ds.compact()
        own.reset()
        np.testing.assert_array_equal(ds["t"][:3].values, case.values()[:3] + 1)
        assert own.counts.total == 0
