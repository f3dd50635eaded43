"""The compiled kernel: what only it can get wrong. What every kernel must do is in `kit`."""

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from cfdb.errors import CorruptChunkError, EncodingError
from cfdb.format.packing import Packing
from cfdb.kernel import BlockCodec, Conversion, numpy_kernel, zstd_library

native = pytest.importorskip("cfdb.kernel.native", exc_type=ImportError)
raw = native._native

SHAPE, BLOCK = (12, 20, 33), (5, 7, 33)


def smooth(seed: int = 0, dtype: str = "<f4") -> np.ndarray:
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(size=SHAPE), axis=2)
    return np.round(walk, 2).astype(dtype) if dtype[1] == "f" else (walk * 100).astype(dtype)


def odd(seed: int = 0) -> np.ndarray:
    cells = smooth(seed)
    cells[:, 3:9] = np.nan
    cells[2, ::3, ::4] = np.pi
    return cells


def codec_of(cells: np.ndarray, block: tuple[int, ...] = BLOCK) -> BlockCodec:
    return BlockCodec(cells.dtype, cells.shape, block, cells.dtype.itemsize)


def decode(codec: BlockCodec, payload: Any, kernel: Any = native) -> np.ndarray:
    out = np.zeros(codec.chunk_shape, codec.dtype)
    zeros = np.zeros((1, len(codec.chunk_shape)), np.int64)
    kernel.decode_boxes(codec, [payload], zeros, np.array([codec.chunk_shape]), out, zeros)
    return out


@pytest.fixture(params=[0, 1, 2], ids=["plain", "AVX2", "AVX-512"])
def instructions(request: pytest.FixtureRequest) -> Iterator[int]:
    raw.use_instructions(request.param)
    yield request.param
    raw.use_instructions(2)


# ---- one result, whatever the machine offers


@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<u8"])
@pytest.mark.parametrize("block", [SHAPE, BLOCK, (1, 20, 4)])
def test_every_instruction_set_gives_the_bytes_of_numpy(instructions: int, dtype: str, block: tuple[int, ...]) -> None:
    for cells in (smooth(3, dtype), np.ascontiguousarray(smooth(4, dtype).T), smooth(5, dtype)[:1, :1]):
        codec = codec_of(cells, tuple(min(b, n) for b, n in zip(block, cells.shape, strict=True)))
        (payload,) = native.encode_chunks(codec, [cells])
        assert payload == numpy_kernel.encode_chunks(codec, [cells])[0]
        assert decode(codec, payload).tobytes() == cells.tobytes()


def test_every_instruction_set_keeps_odd_cells(instructions: int) -> None:
    for cells in (odd(), odd().astype("<f8"), np.full(SHAPE, np.nan, "<f4")):
        codec = codec_of(cells)
        (payload,) = native.encode_chunks(codec, [cells])
        assert payload == numpy_kernel.encode_chunks(codec, [cells])[0]
        assert decode(codec, payload).tobytes() == cells.tobytes()


@pytest.mark.parametrize("decimals", range(11))
def test_every_instruction_set_divides_alike(instructions: int, decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    for start in (-(2**24), -30000, 2**24 - 60000, *rng.integers(-(2**24), 2**24 - 60000, 4).tolist()):
        whole = np.arange(start, start + 60000, dtype="<i4").reshape(60, 1000)
        cells = whole.astype("<f4") / np.float32(10.0**decimals)
        codec = codec_of(cells, (60, 1000))
        (payload,) = native.encode_chunks(codec, [cells])
        assert decode(codec, payload).tobytes() == cells.tobytes()
        assert payload == numpy_kernel.encode_chunks(codec, [cells])[0]


# ---- bad input


@pytest.mark.parametrize(
    "spec",
    [
        (0, 2, 2, 1, (4,), (4,)),
        (0, 4, 2, 1, (4,), (4,)),
        (1, 3, 3, 1, (4,), (4,)),
        (9, 4, 4, 1, (4,), (4,)),
        (-1, 4, 4, 1, (4,), (4,)),
        (3, 6, 4, 1, (4,), (4,)),
        (3, 0, 1, 1, (4,), (4,)),
        (1, 4, 4, 1, (0,), (4,)),
        (1, 4, 4, 1, (-4,), (4,)),
        (1, 4, 4, 1, (4,), (0,)),
        (1, 4, 4, 1, (4,), (4, 4)),
        (1, 4, 4, 1, (2**62,), (4,)),
        (1, 4, 4, 1, (2**20, 2**20, 2**30), (1, 1, 1)),
        (1, 4, 4, 1, (1,) * 65, (1,) * 65),
    ],
)
def test_parameters_that_make_no_sense_are_refused(spec: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"."):
        raw.encode_chunks(spec, (np.zeros(4, "<i4"),))


def test_a_level_zstd_clamps_is_no_crash() -> None:
    assert raw.encode_chunks((1, 4, 4, 10**6, (4,), (4,)), (np.arange(4, dtype="<i4"),))


@pytest.mark.parametrize("arguments", [(), (1, 2), ((), ()), ((1, 4, 4, 1, (4,), (4,)), [b""])])
def test_arguments_of_another_form_are_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        raw.encode_chunks(*arguments)


def test_members_without_bytes_are_refused() -> None:
    cells = smooth()
    codec = codec_of(cells)
    zeros = np.zeros((2, 3), np.int64)
    (payload,) = native.encode_chunks(codec, [cells])
    for wrong in (None, 3, "text"):
        with pytest.raises(TypeError):
            native.decode_boxes(codec, [payload, wrong], zeros, zeros, cells.copy(), zeros)
    with pytest.raises(TypeError):
        raw.encode_chunks(native._spec(codec), (cells, None))


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("number", [-1, -(2**63), 2**62, 2**63 - 1, 34])
def test_indices_out_of_bounds_are_refused(which: int, number: int) -> None:
    cells = smooth()
    codec = codec_of(cells)
    (payload,) = native.encode_chunks(codec, [cells])
    boxes = [np.zeros((1, 3), np.int64), np.ones((1, 3), np.int64), np.zeros((1, 3), np.int64)]
    boxes[which][0, 2] = number
    out = np.zeros(SHAPE, "<f4")
    with pytest.raises(ValueError, match="reaches beyond"):
        native.decode_boxes(codec, [payload], boxes[0], boxes[1], out, boxes[2])
    assert not out.any()


def test_only_integers_are_converted() -> None:
    cells = smooth()
    zeros = np.zeros((1, 3), np.int64)
    for codec, out in ((codec_of(cells), cells), (codec_of(smooth(0, "<i2")), np.zeros(SHAPE, "<i4"))):
        with pytest.raises(ValueError, match="cannot be converted"):
            native.decode_boxes(codec, [b""], zeros, zeros, out, zeros, Conversion(0, 1.0, 0.0, None))


# ---- hostile bytes


def forged(payload: bytes, rng: np.random.Generator) -> bytes:
    """Change what is inside of the frames, so that zstd has nothing to say against it."""
    number = int.from_bytes(payload[4:8], "little")
    place, blocks = 8 + 4 * number, []
    for length in np.frombuffer(payload, "<u4", number, 8).tolist():
        block = bytearray(payload[place : place + length])
        place += length
        head = 24 if block[0] == 2 else 1
        body = bytearray(zstandard.ZstdDecompressor().decompress(bytes(block[head:])) if length > head else b"")
        for _ in range(3 * bool(body)):
            body[-1 - int(rng.integers(0, min(len(body), 300)))] = int(rng.integers(0, 256))
        if head > 1:
            block[int(rng.integers(2, 24))] = int(rng.integers(0, 256))
        blocks.append(bytes(block[:head]) + (zstandard.ZstdCompressor().compress(bytes(body)) if body else b""))
    lengths = np.array([len(block) for block in blocks], "<u4").tobytes()
    return payload[:8] + lengths + b"".join(blocks)


def mutated(payload: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(payload)
    for _ in range(int(rng.integers(1, 4))):
        changed[int(rng.integers(0, min(len(changed), 400)))] = int(rng.integers(0, 256))
    return bytes(changed)


@pytest.mark.parametrize("change", [forged, mutated])
@pytest.mark.parametrize("dtype", ["odd", "<f8", "<i2", "<u8"])
def test_hostile_payloads_do_in_both_kernels_the_same(change: Any, dtype: str) -> None:
    rng = np.random.default_rng(5)
    cells = odd() if dtype == "odd" else smooth(1, dtype)
    codec = codec_of(cells)
    (payload,) = native.encode_chunks(codec, [cells])
    refused = 0
    for _ in range(60):
        hostile = change(payload, rng)
        try:
            with np.errstate(all="ignore"):
                expected = decode(codec, hostile, numpy_kernel)
        except CorruptChunkError:
            refused += 1
            with pytest.raises(CorruptChunkError):
                decode(codec, hostile)
        else:
            assert decode(codec, hostile).tobytes() == expected.tobytes()
    assert refused > 0


def test_bools_are_never_anything_else() -> None:
    codec = BlockCodec(np.dtype("?"), (100,), (100,), 1)
    frame = zstandard.ZstdCompressor().compress(bytes(range(100)))
    block = b"\x00" + frame
    payload = b"\x01\x00\x00\x00\x01\x00\x00\x00" + len(block).to_bytes(4, "little") + block
    out = decode(codec, payload)
    assert out.view(np.uint8).tolist() == [0] + [1] * 99


HOSTILE = """
import resource, sys
import numpy as np
from cfdb import kernel
from cfdb.errors import CorruptChunkError
codec = kernel.BlockCodec(np.dtype("<f8"), (64, 1024), (16, 1024), 8)
cells = np.round(np.linspace(0, 9, 65536), 3).reshape(64, 1024)
(payload,) = kernel.encode_chunks(codec, [cells])
zeros, counts, out = np.zeros((1, 2), np.int64), np.array([[64, 1024]]), np.zeros_like(cells)
rng = np.random.default_rng(0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(400):
    changed = bytearray(payload)
    place = int(rng.integers(0, 60))
    changed[place : place + 4] = rng.choice([b"\\xff" * 4, b"\\x00\\x00\\x00\\x7f", b"\\x00" * 4])
    try:
        kernel.decode_boxes(codec, [bytes(changed)], zeros, counts, out, zeros)
    except CorruptChunkError:
        pass
print(kernel.name(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_hostile_payloads_take_no_more_memory_than_good_ones() -> None:
    environment = {**os.environ, "CFDB_KERNEL": "native"}
    done = subprocess.run([sys.executable, "-c", HOSTILE], capture_output=True, text=True, check=True, env=environment)
    name, kilobytes = done.stdout.split()
    assert name == "native"
    assert int(kilobytes) < 8 * 1024  # chunks take 512 kB


def test_memory_of_large_chunks_is_given_back() -> None:
    cells = np.arange(3 * 2**20, dtype="<i4").reshape(3, 2**20)
    cells[1] = np.random.default_rng(0).integers(-(2**31), 2**31, 2**20)
    codec = codec_of(cells, cells.shape)
    (payload,) = native.encode_chunks(codec, [cells])
    assert decode(codec, payload).tobytes() == cells.tobytes()
    resident = _resident()
    for _ in range(20):
        decode(codec, payload)
        native.encode_chunks(codec, [cells])
    assert _resident() - resident < 16 * 2**20


def _resident() -> int:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("needs /proc")
    return int(statm.read_text().split()[1]) * resource.getpagesize()


# ---- threads


def test_eight_threads_at_once_give_what_one_gives() -> None:
    chunks = [odd(seed) if seed % 2 else smooth(seed) for seed in range(24)]
    codec = codec_of(chunks[0])
    expected = native.encode_chunks(codec, chunks)

    def work(number: int) -> bool:
        turned = [(number + i) % 24 for i in range(24)]
        same = native.encode_chunks(codec, [chunks[i] for i in turned]) == [expected[i] for i in turned]
        with pytest.raises(CorruptChunkError):
            decode(codec, expected[number][:-1])
        return same and all(decode(codec, expected[i]).tobytes() == chunks[i].tobytes() for i in turned)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(24)))


def test_other_threads_run_during_the_work() -> None:
    cells = np.round(np.cumsum(np.random.default_rng(0).normal(size=(60, 100, 100)), axis=2), 2).astype("<f4")
    codec = codec_of(cells, (10, 100, 100))
    steps, stop = [0], threading.Event()

    def count() -> None:
        while not stop.is_set():
            steps[0] += 1
            time.sleep(0)  # hands over by itself

    interval = sys.getswitchinterval()
    counter = threading.Thread(target=count)
    counter.start()
    try:
        while not steps[0]:
            stop.wait(0.001)
        payloads = native.encode_chunks(codec, [cells] * 3)
        zeros, counts, out = np.zeros((3, 3), np.int64), np.array([cells.shape] * 3), np.empty_like(cells)
        spec, arguments = native._spec(codec), (tuple(payloads), zeros, counts, out, zeros, None)
        sys.setswitchinterval(5)  # nobody is made to hand over
        before = steps[0]
        raw.decode_boxes(spec, *arguments)
        between = steps[0]
        raw.encode_chunks(spec, (cells,))
        after = steps[0]
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        counter.join()
    assert before < between < after


# ---- packing


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.floats(width=32) | st.floats(-700, 700, width=32) | st.sampled_from([0.5, 1.5, 2.5, -0.0]), max_size=40
    ),
    st.sampled_from(["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]),
    st.integers(0, 4),
    st.sampled_from([0, -60, 0.123, 1e6, 4e12, 4e15]),
    st.sampled_from(["<f4", "<f8"]),
)
def test_floats_are_packed_as_numpy_packs_them(
    numbers: list[float], code: str, precision: int, offset: float, dtype: str
) -> None:
    codes = np.dtype(code).newbyteorder("<")
    values = np.array(numbers, dtype)
    packing = Packing(codes, precision, offset, 0)
    found, misfits = native.pack_floats(values, codes, Conversion(packing.base, packing.factor, offset, packing.fill))
    assert found.tobytes() == packing.pack_floats(values).tobytes()
    try:
        Packing(codes, precision, offset, None).pack_floats(values)
    except EncodingError:
        assert misfits > 0
    else:
        assert misfits == 0


def test_only_floats_are_packed() -> None:
    for values, codes in ((np.arange(3), "u1"), (np.arange(3.0), "f4"), (np.arange(3, dtype="f2"), "u1")):
        with pytest.raises(ValueError, match="cannot be packed"):
            native.pack_floats(values, np.dtype(codes), Conversion(0, 1.0, 0.0, None))


# ---- libzstd


def test_the_library_of_the_wheel_is_taken_first(monkeypatch: pytest.MonkeyPatch) -> None:
    first = next(zstd_library._candidates())
    assert Path(first).parent == Path(zstandard.__file__).parent
    found = zstd_library.addresses()
    assert len(found) == len(set(found)) == len(zstd_library.FUNCTIONS)
    monkeypatch.setattr(zstd_library, "_candidates", lambda: iter(["/nowhere/libzstd.so", first]))
    assert zstd_library.addresses() == found
    monkeypatch.setattr(zstd_library, "_candidates", lambda: iter(["/nowhere/libzstd.so"]))
    with pytest.raises(ImportError, match="no libzstd"):
        zstd_library.addresses()


def test_unknown_functions_are_refused() -> None:
    for wrong in ((), (0,) * len(zstd_library.FUNCTIONS), ("x",) * len(zstd_library.FUNCTIONS)):
        with pytest.raises((ValueError, TypeError)):
            raw.connect(wrong, CorruptChunkError)
    assert decode(codec_of(smooth()), native.encode_chunks(codec_of(smooth()), [smooth()])[0]).any()
