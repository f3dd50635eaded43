"""Strings come out of chunks as they went in, with and without a compiler; damaged ones are refused."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.errors import CorruptChunkError, EncodingError
from cfdb.format.codecs import CodecPipeline, default_chain, vlen
from cfdb.format.dtypes import dtype
from cfdb.format.statistics import compute
from cfdb.kernel import texts

KERNELS: list[ModuleType] = [texts]
try:
    from cfdb.kernel import native_texts
except ImportError:
    pass
else:
    KERNELS.append(native_texts)

NULLABLE, PLAIN = np.dtypes.StringDType(na_object=None), np.dtypes.StringDType()
words = st.text(max_size=20) | st.text("abc\x00é€\U0001f600", max_size=300) | st.just("x" * 300)
columns = st.lists(st.none() | words, max_size=60) | st.lists(st.text("abcd", max_size=9), min_size=1, max_size=60)


def by_hand(cells: list[bytes | None]) -> bytes:
    """Lay out cells as the format says, one after the other."""
    parts = [len(cells).to_bytes(4, "little")]
    parts += [len(cell or b"").to_bytes(4, "little") + (cell or b"") for cell in cells]
    if None in cells:
        bits = sum(1 << number for number, cell in enumerate(cells) if cell is None)
        parts += [b"\x00NA\x00", bits.to_bytes((len(cells) + 7) // 8, "little")]
    return b"".join(parts)


def utf8(column: list[str | None]) -> list[bytes | None]:
    return [None if text is None else text.encode() for text in column]


@pytest.fixture(params=KERNELS, ids=lambda kernel: kernel.__name__.rpartition(".")[2])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("find_places", "decode_texts", "encode_texts"):
        monkeypatch.setattr(vlen, name, getattr(request.param, name))
    return request.param


def found_by(kernel: ModuleType, data: bytes, count: int) -> vlen.CellBytes:
    places = np.empty(count + 1, np.int64)
    kernel.find_places(data, places)
    end = int(places[-1])
    return vlen.CellBytes(data, places, data[end + 4 :] if data[end : end + 4] == texts.MISSING else b"")


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=150, deadline=None)
@given(columns)
@example(["a\x00", "b"])
@example([None, None])
@example(["", ""])
@example(["ab" * 60, "", "c"])
@example(["a" * 127, "b"])
@example(["a" * 128, None, "b"])
@example(["a" * 255] * 3)
@example(["a" * 256] * 3)
@example(["only the last", "reaches the end of the data"])
def test_every_kernel_lays_out_the_same_bytes_and_reads_them_back(kernel: ModuleType, column: list[Any]) -> None:
    values = np.array(column, NULLABLE)
    data = kernel.encode_texts(values)
    assert data == by_hand(utf8(column)) == texts.join_cells(utf8(column))
    found = found_by(kernel, data, len(column))
    for kind, nothing in ((NULLABLE, None), (PLAIN, "")):
        out = np.empty(len(column), kind)
        kernel.decode_texts(found.data, found.places, found.marks, None, out)
        assert out.tolist() == [nothing if text is None else text for text in column]


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=100, deadline=None)
@given(columns.filter(len), st.data())
def test_the_wanted_cells_come_alone_into_any_strides(kernel: ModuleType, column: list[Any], data: Any) -> None:
    found = found_by(kernel, by_hand(utf8(column)), len(column))
    numbers = data.draw(st.lists(st.integers(0, len(column) - 1), min_size=0, max_size=6))
    wanted = np.array(numbers * 2, np.int64)
    whole = np.array([["before"] * 7] * 2 * max(1, len(numbers)), NULLABLE)
    part = whole.T[1:4:2, ::-2][:, : len(numbers)]
    kernel.decode_texts(found.data, found.places, found.marks, wanted, part)
    assert part.ravel().tolist() == [column[number] for number in wanted]
    assert (whole == "before").sum() >= whole.size - part.size


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=100, deadline=None)
@given(columns, st.none() | st.sampled_from(["", "a", "é"]), st.booleans(), st.randoms())
def test_statistics_of_strings_are_those_of_a_list(
    kernel: ModuleType, column: list[Any], fill: str | None, masked: bool, random: Any
) -> None:
    hidden = np.array([random.random() < 0.3 for _ in column], np.bool_) if masked else None
    shown = [text for number, text in enumerate(column) if hidden is None or not hidden[number]]
    present = [text for text in shown if text is not None and text != fill]
    expected = (len(present), min(present), max(present)) if present else (0, None, None)
    values = np.array(column, NULLABLE)
    assert kernel.summarise_texts(values, hidden, fill) == expected
    table = np.array([column, column[::-1]], NULLABLE)
    assert kernel.summarise_texts(table.T, None, fill) == kernel.summarise_texts(table.ravel(), None, fill)
    statistics = compute(values, fill_value=fill, missing=hidden)
    assert (statistics.valid, statistics.missing) == (expected[0], len(column) - expected[0])
    if present and max(len(text.encode()) for text in expected[1:]) <= 64:
        assert (statistics.minimum, statistics.maximum) == expected[1:]


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=6), min_size=1, max_size=5), st.binary(max_size=3))
@example([b"\xc3\xa9"], b"")
@example([b"\xed\xa0\x80"], b"")
@example([b"\xed\x9f\xbf\xee\x80\x80"], b"")
@example([b"\xc0\x80"], b"")
@example([b"\xe0\x9f\xbf"], b"")
@example([b"\xf0\x8f\xbf\xbf"], b"")
@example([b"\xf4\x90\x80\x80"], b"")
@example([b"\xf4\x8f\xbf\xbf"], b"")
@example([b"abcdefgh\xe2\x82"], b"\xac")
@example([b"\xf5\x80\x80\x80"], b"")
@example([b"a" * 20 + b"\xff" + b"a" * 20], b"")
@example([b"a" * 17 + b"\xc3\xa9" * 9 + b"a" * 8 + b"\xe2\x82"], b"")
@example(["a\u20ac\U0001f600".encode() * 9 + b"\x80"], b"")
def test_only_utf8_becomes_strings(kernel: ModuleType, cells: list[bytes], rest: bytes) -> None:
    found = found_by(kernel, by_hand(list(cells)) + rest, len(cells))
    out = np.empty(len(cells), NULLABLE)
    try:
        expected = [cell.decode() for cell in cells]
    except UnicodeDecodeError:
        with pytest.raises(CorruptChunkError, match="UTF-8"):
            kernel.decode_texts(found.data, found.places, found.marks, None, out)
    else:
        kernel.decode_texts(found.data, found.places, found.marks, None, out)
        assert out.tolist() == expected


@settings(max_examples=400, deadline=None)
@given(columns.filter(len), st.data())
def test_mutated_chunks_are_read_alike_or_refused_alike(column: list[Any], data: Any) -> None:
    whole = bytearray(by_hand(utf8(column)))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.sampled_from([0, 1, 4, 127, 128, 200, 255]))
    damaged = bytes(whole[: data.draw(st.integers(0, len(whole)))]) + data.draw(st.binary(max_size=9))
    results = []
    for kernel in KERNELS:
        out = np.empty(len(column), NULLABLE)
        with pytest.MonkeyPatch.context() as patch:
            for name in ("find_places", "decode_texts"):
                patch.setattr(vlen, name, getattr(kernel, name))
            try:
                vlen.find_cells(damaged, len(column)).strings(out)
                results.append(out.tolist())
            except CorruptChunkError as error:
                results.append([str(error)])
    assert all(one == other for one, other in pairwise(results))


def test_places_and_marks_that_do_not_belong_are_refused(kernel: ModuleType) -> None:
    if kernel is texts:
        return
    data, out = by_hand([b"one", b"two"]), np.empty(2, NULLABLE)
    for wrong in ([4, 10**12], [-5, 4], [4, len(data) - 3], [-(2**63), 4]):
        with pytest.raises(CorruptChunkError):
            kernel.decode_texts(data, np.array([*wrong, 0]), b"", None, out)
    places = np.array([4, 11, 18])
    for numbers in ([0, 2], [-1, 0], [2**62, 0]):
        with pytest.raises(CorruptChunkError):
            kernel.decode_texts(data, places, b"", np.array(numbers), out)
    with pytest.raises(ValueError, match="number for every cell"):
        kernel.decode_texts(data, places, b"", np.array([0]), out)
    with pytest.raises(ValueError, match="StringDType"):
        kernel.decode_texts(data, places, b"", None, np.empty(2, object))
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        kernel.decode_texts(data, places, b"", None, out)


def test_marks_that_end_too_early_are_refused(kernel: ModuleType) -> None:
    data = by_hand([None] * 9)
    with pytest.raises(CorruptChunkError, match="marks"):
        vlen.find_cells(data[:-1], 9)
    assert vlen.find_cells(data, 9).cells() == [None] * 9


def test_a_chunk_puts_selected_strings_and_geometries(kernel: ModuleType) -> None:
    for name in ("str", "point"):
        kind = dtype("str", nullable=True) if name == "str" else dtype("point", 3)
        cells = np.empty((4, 5, 6), kind.dtype_encoded)
        for place in np.ndindex(cells.shape):
            text = "-".join(map(str, place)) * (place[2] + 1)
            cells[place] = None if sum(place) % 7 == 3 else text if name == "str" else text.encode()
        pipeline = CodecPipeline(kind, cells.shape, default_chain(kind))
        payload = pipeline.encode_cells(cells)
        picked = (np.array([0, 3, 3]), np.array([4, 0, 1]), np.array([2, 2, 5]))
        for selection in ((), (slice(1, 3), slice(None), slice(0, 6, 2)), (2, slice(4, 1, -1)), picked, (1, 2, 3)):
            expected = cells[(*selection, ...)]
            out = np.empty_like(expected)
            pipeline.decode_into(memoryview(payload), out, selection)
            assert out.tolist() == expected.tolist()


def test_windows_build_the_strings_they_ask_for_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int] = []
    decode = vlen.decode_texts

    def counted(data: bytes, places: Any, marks: bytes, numbers: Any, out: Any) -> None:
        built.append(out.size)
        decode(data, places, marks, numbers, out)

    monkeypatch.setattr(vlen, "decode_texts", counted)
    kind = dtype("str")
    pipeline = CodecPipeline(kind, (50, 50), default_chain(kind))
    payload = pipeline.encode(np.arange(2500).astype("U").reshape(50, 50))
    out = np.empty((2, 3), kind.dtype_decoded)
    pipeline.decode_into(payload, out, (slice(4, 6), slice(7, 10)))
    assert out.tolist() == [["207", "208", "209"], ["257", "258", "259"]]
    assert built == [6]


def test_cells_nobody_asks_for_may_be_damaged(kernel: ModuleType) -> None:
    kind = dtype("str")
    pipeline = CodecPipeline(kind, (3,), default_chain(kind))
    payload = zstandard.compress(by_hand([b"good", b"\xff", b"too"]))
    out = np.empty(1, kind.dtype_decoded)
    pipeline.decode_into(payload, out, (slice(2, 3),))
    assert out.tolist() == ["too"]
    with pytest.raises(CorruptChunkError):
        pipeline.decode_into(payload, out, (slice(1, 2),))


def test_a_chunk_of_strings_keeps_no_memory_of_another(kernel: ModuleType) -> None:
    out = np.array(["a long string that lies outside the array"] * 3, NULLABLE)
    source = found_by(kernel, by_hand([b"x" * 100, None, b"y"]), 3)
    before = sys.getrefcount(out.dtype)
    for _ in range(50):
        kernel.decode_texts(source.data, source.places, source.marks, None, out)
    assert out.tolist() == ["x" * 100, None, "y"]
    assert sys.getrefcount(out.dtype) <= before + 1


def test_a_cell_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "LONGEST", 4)
    with pytest.raises(EncodingError, match="5 bytes is too long"):
        vlen.encode_cells([b"five!"])


def test_several_threads_fill_one_array(kernel: ModuleType) -> None:
    columns = [[f"{worker}-{number}" * (number % 9) for number in range(600)] for worker in range(8)]
    chunks = [found_by(kernel, by_hand(utf8(column)), 600) for column in columns]
    table = np.empty((600, 8), NULLABLE)

    def fill(worker: int) -> None:
        for _ in range(20):
            chunk = chunks[worker]
            kernel.decode_texts(chunk.data, chunk.places, chunk.marks, None, table[:, worker])
            assert kernel.encode_texts(table[:, worker]) == chunk.data

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fill, range(8)))
    assert table.T.tolist() == columns


def test_points_build_the_strings_they_ask_for_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int] = []
    decode = vlen.decode_texts

    def counted(data: bytes, places: Any, marks: bytes, numbers: Any, out: Any) -> None:
        built.append(out.size)
        decode(data, places, marks, numbers, out)

    values = np.arange(400).astype("U").reshape(20, 20)
    with cfdb.open_dataset(None, "n") as dataset:
        for name in "yx":
            dataset.create.coord.generic(name, data=np.arange(20), chunk_shape=(20,))
        variable = dataset.create.data_var.generic("text", ("y", "x"), dtype="str", chunk_shape=(10, 20))
        variable[...] = values
        monkeypatch.setattr(vlen, "decode_texts", counted)
        rows, columns = np.array([0, 9, 19, 0]), np.array([0, 19, 3, 7])
        assert variable.vindex[rows, columns].tolist() == values[rows, columns].tolist()
    assert sorted(built) == [1, 3]


def test_without_a_compiler_short_texts_are_built_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    def alone(*cells: object) -> None:
        raise AssertionError("a string was built by itself")

    monkeypatch.setattr(texts, "_texts", alone)
    column = [None if number % 50 == 3 else str(number) for number in range(12500)]
    found = found_by(texts, by_hand(utf8(column)), len(column))
    out = np.empty(len(column), NULLABLE)
    texts.decode_texts(found.data, found.places, found.marks, None, out)
    assert out.tolist() == column


def test_the_compiled_code_says_when_it_is_not_connected() -> None:
    raw = pytest.importorskip("cfdb.kernel._native")
    code = (
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('_native', sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "for name, args in (('find_places', (b'', bytearray(8))), ('encode_texts', ((1, 2, (), ()),)),"
        " ('connect_texts', (None,))):\n"
        "    try:\n"
        "        getattr(module, name)(*args)\n"
        "    except RuntimeError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, raw.__file__], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["connect_texts() comes first"] * 2 + ["connect() comes first"]
