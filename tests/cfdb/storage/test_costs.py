"""What reading and writing costs, counted at two sizes: calls to store and codec follow the bytes, not the chunks."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from types import FrameType
from typing import Any

import numpy as np
import pytest

from cfdb import kernel
from cfdb.format.codecs import CodecPipeline, default_chain
from cfdb.format.dtypes import dtype
from cfdb.options import set_options
from cfdb.plan.indexing import select
from cfdb.storage import portions
from cfdb.storage.booklet_store import BookletStore
from cfdb.storage.engine import ChunkedArray
from cfdb.storage.protocol import ChunkWrite
from ebooklet.local.working_copy import WorkingCopy
from tests.cfdb.storage.test_engine import Axis

EDGE = 16
THREADS = 2
SIZES = [4, 8]  # chunks along each axis: 64 and 512 of 16 kB


compiled = pytest.mark.skipif(kernel.name() != "native", reason="NumPy's kernel works chunk by chunk in Python")


class CountingStore(BookletStore):
    """Counts calls, keys and bytes."""

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__(WorkingCopy.open(None, "n"))
        self.counts = counts

    def get(self, key: str) -> bytes | None:
        self.counts["fetches"] += 1
        self.counts["fetched"] += 1
        payload = super().get(key)
        self.counts["bytes"] += len(payload or b"")
        return payload

    def get_many(self, keys: Sequence[str]) -> Sequence[Any]:
        self.counts["fetches"] += 1
        self.counts["fetched"] += len(keys)
        payloads = super().get_many(keys)
        self.counts["bytes"] += sum(len(payload or b"") for payload in payloads)
        return payloads

    def set_many(self, items: Iterable[ChunkWrite]) -> None:
        listed = list(items)
        self.counts["stores"] += 1
        self.counts["stored"] += len(listed)
        super().set_many(listed)

    def keys(self, prefix: str = "") -> Iterator[str]:
        self.counts["listings"] += 1
        return super().keys(prefix)


Setting = tuple[ChunkedArray, Counter[str], np.ndarray[Any, Any]]


@pytest.fixture(params=SIZES)
def setting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    """A written array, its counters at zero, and its values."""
    counts: Counter[str] = Counter()
    _count(monkeypatch, counts)
    shape = (request.param * EDGE,) * 3
    values = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    with set_options(threads=THREADS):
        store = CountingStore(counts)
        try:
            array = _array(store, shape)
            array.write(array.everything(), values)
            yield array, counts, values
        finally:
            store.close()


def _array(store: BookletStore, shape: tuple[int, ...]) -> ChunkedArray:
    described = dtype("float32")
    pipeline = CodecPipeline(described, (EDGE,) * 3, default_chain(described))
    return ChunkedArray(store, "abcdefgh", pipeline, [Axis(size) for size in shape], lambda: "t")


def _count(monkeypatch: pytest.MonkeyPatch, counts: Counter[str]) -> None:
    for method, calls, chunks in (
        ("decode_boxes", "decodes", "decoded"),
        ("encode_cells_many", "encodes", "encoded"),
        ("replace_cells_many", "encodes", "encoded"),
        ("decode_cells", "cell decodes", ""),
        ("decode_into", "single decodes", ""),
        ("decode", "single decodes", ""),
        ("encode_cells", "single encodes", ""),
    ):
        plain = getattr(CodecPipeline, method)

        def counted(
            self: CodecPipeline,
            first: Any,
            *others: Any,
            plain: Callable[..., Any] = plain,
            calls: str = calls,
            chunks: str = chunks,
        ) -> Any:
            counts[calls] += 1
            if chunks:
                counts[chunks] += len(first)
            return plain(self, first, *others)

        monkeypatch.setattr(CodecPipeline, method, counted)


def few(nbytes: int) -> int:
    """Give the most portions that work may be cut into: by bytes, and one for each thread."""
    return nbytes // portions.BATCH_BYTES + THREADS


def test_everything_is_written_in_portions(setting: Setting) -> None:
    array, counts, values = setting
    chunks = len(array.grid)
    assert counts["stored"] == counts["encoded"] == chunks
    assert counts["stores"] == counts["encodes"] <= few(values.nbytes)
    assert counts["fetches"] == counts["listings"] == counts["single encodes"] == counts["cell decodes"] == 0


def test_everything_is_read_in_portions(setting: Setting) -> None:
    array, counts, values = setting
    counts.clear()
    assert np.array_equal(array.read(), values)
    assert counts["fetched"] == counts["decoded"] == len(array.grid)
    assert counts["fetches"] == counts["decodes"] <= few(values.nbytes)
    assert set(counts) == {"fetches", "fetched", "bytes", "decodes", "decoded"}


def test_iterating_reads_in_portions_and_stops_when_closed(setting: Setting) -> None:
    array, counts, values = setting
    counts.clear()
    for slices, part in array.iterate():
        assert np.array_equal(part, values[slices])
    assert counts["fetched"] == counts["decoded"] == len(array.grid)
    assert counts["fetches"] == counts["decodes"] <= values.nbytes // portions.STEP_BYTES + 1
    counts.clear()
    iterator = array.iterate()
    next(iterator)
    iterator.close()  # type: ignore[attr-defined]
    step = portions.STEP_BYTES // array.chunk_nbytes
    assert counts["decoded"] <= (portions.MOST_AHEAD + 1) * step
    before = counts["decoded"]
    array.read(select((0, 0, 0), array.shape))
    assert counts["decoded"] == before + 1


@pytest.mark.parametrize(
    ("key", "axes"),
    [
        pytest.param((5, slice(2, 12), slice(3, 13)), (1, 1, 1), id="window"),
        pytest.param((5, slice(10, 20), slice(10, 20)), (1, 2, 2), id="window across chunks"),
        pytest.param((5,), (1, None, None), id="map"),
        pytest.param((slice(None), 5, 5), (None, 1, 1), id="series"),
        pytest.param((slice(None), slice(3, 4), [1, 40]), (None, 1, 2), id="two series"),
    ],
)
def test_a_part_is_read_with_one_fetch_and_one_decode_for_each_thread(
    setting: Setting, key: Any, axes: tuple[int | None, ...]
) -> None:
    array, counts, values = setting
    along = array.shape[0] // EDGE
    touched = int(np.prod([along if number is None else number for number in axes]))
    sizes = [size or 0 for size in array.store.sizes(array.grid.plan(select(key, array.shape)).keys())]
    counts.clear()
    assert np.array_equal(array.read(select(key, array.shape)).squeeze(), values[key].squeeze())
    assert counts["fetched"] == counts["decoded"] == touched
    assert counts["fetches"] == counts["decodes"] <= min(touched, THREADS)
    assert counts["bytes"] == sum(sizes)
    assert counts["single decodes"] == counts["cell decodes"] == 0


def test_a_step_is_appended_with_the_chunks_it_touches(setting: Setting) -> None:
    array, counts, _ = setting
    axis: Any = array._axes[0]
    along = array.shape[0] // EDGE
    for step in range(2):  # the first step begins chunks, the second one changes them
        axis.slots = axis.slots.append(1)
        counts.clear()
        array.write(select(slice(-1, None), array.shape), np.full((1, *array.shape[1:]), step, "float32"))
        assert counts["stored"] == counts["encoded"] == along**2
        assert counts["stores"] == counts["encodes"] <= THREADS
        assert counts["fetched"] == counts["cell decodes"] == step * along**2
        assert counts["fetches"] <= step * THREADS


def test_one_per_cent_is_overwritten_with_the_chunks_it_touches(setting: Setting) -> None:
    array, counts, values = setting
    counts.clear()
    part = (slice(0, max(1, array.shape[0] // 100)),)
    array.write(select(part, array.shape), values[part] + 1)
    touched = (array.shape[0] // EDGE) ** 2
    assert counts["stored"] == counts["fetched"] == touched
    assert counts["stores"] == counts["encodes"] <= THREADS
    assert counts["fetches"] <= THREADS


def test_missing_chunks_cost_one_fetch(setting: Setting) -> None:
    array, counts, values = setting
    keys = array.grid.keys()
    array.store.delete(keys[1::2])
    counts.clear()
    found = array.read()
    assert counts["fetched"] == len(keys)
    assert counts["decoded"] == len(keys) // 2
    assert counts["fetches"] == counts["decodes"] <= few(values.nbytes)
    assert np.isnan(found).sum() == found.size // 2


# Python calls per chunk: work that returns to Python for every chunk shows here


def calls_of(work: Callable[[], object]) -> int:
    """Count the calls of Python functions that some work makes in this thread."""
    counted = 0

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal counted
        counted += event == "call"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted


@compiled
@pytest.mark.parametrize(
    ("work", "most"),
    [
        pytest.param(lambda array, values: array.read(), 0.2, id="read"),
        pytest.param(lambda array, values: [None for _ in array.iterate()], 1.5, id="iterate"),
        pytest.param(lambda array, values: array.write(array.everything(), values), 45, id="write"),
    ],
)
def test_python_calls_for_every_chunk_are_few(
    work: Callable[[ChunkedArray, Any], object], most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "INLINE_BYTES", 2**40)
    counted = []
    for size in SIZES:
        shape = (size * EDGE,) * 3
        values = np.zeros(shape, "float32")
        with closing(BookletStore(WorkingCopy.open(None, "n"))) as store:
            array = _array(store, shape)
            array.write(array.everything(), values)
            store.commit()
            work(array, values)
            counted.append(calls_of(partial(work, array, values)))
    assert (counted[1] - counted[0]) / (SIZES[1] ** 3 - SIZES[0] ** 3) <= most


@compiled
def test_a_window_takes_few_python_calls() -> None:
    with closing(BookletStore(WorkingCopy.open(None, "n"))) as store:
        array = _array(store, (64, 64, 64))
        array.write(array.everything(), np.zeros((64, 64, 64), "float32"))
        selection = select((5, slice(2, 12), slice(3, 13)), array.shape)
        array.read(selection)
        assert calls_of(lambda: array.read(selection)) <= 130
