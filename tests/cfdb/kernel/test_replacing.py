"""A box of a chunk is replaced: the cells are right, other blocks keep their bytes, and both kernels agree."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cfdb.errors import CorruptChunkError
from cfdb.format.codecs import choose_block_shape
from cfdb.kernel import BlockCodec, numpy_kernel
from cfdb.kernel.blocks import join_blocks, read_payload
from tests.cfdb.kernel.cells import DTYPES, Recipe, codec_for, read_literally, smooth
from tests.cfdb.kernel.kit import RECIPES, SHAPES, chunks, decode

try:
    from cfdb.kernel import native
except ImportError:  # without a compiled kernel
    native = None  # type: ignore[assignment]

patiently = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
Change = tuple[BlockCodec, np.ndarray | None, np.ndarray, tuple[int, ...], np.ndarray]


@pytest.fixture(params=["numpy", "native"])
def kernel(request: pytest.FixtureRequest) -> Any:
    found = numpy_kernel if request.param == "numpy" else native
    return found or pytest.skip("the kernel was not built")


@st.composite
def changes(draw: Any) -> Change:
    """A codec, the cells so far or None, a box of new ones, where it begins, and the fill."""
    codec, old = draw(chunks())
    starts, counts = [], []
    for length in codec.chunk_shape:
        starts.append(draw(st.integers(0, length - 1)))
        counts.append(draw(st.integers(1, length - starts[-1])))
    code = next(name for name in DTYPES if np.dtype(name).newbyteorder("<") == codec.dtype)
    box = draw(RECIPES).cells(code, tuple(counts))
    fill = draw(RECIPES).cells(code, (1,))
    if codec.dtype.kind == "f" and draw(st.booleans()):
        fill[:] = np.nan
    return codec, draw(st.sampled_from([old, None])), box, tuple(starts), fill


def changed(kernel: Any, codec: BlockCodec, payload: Any, box: np.ndarray, start: Any, fill: np.ndarray) -> bytes:
    starts = np.array([start], np.int64).reshape(1, len(codec.chunk_shape))
    (found,) = kernel.replace_boxes(codec, [payload], [box], starts, fill)
    return bytes(found)


def expected(codec: BlockCodec, old: np.ndarray | None, box: np.ndarray, start: Any, fill: np.ndarray) -> np.ndarray:
    cells = np.empty(codec.chunk_shape, codec.dtype)
    cells[...] = fill[0] if old is None else old
    cells[(*[slice(s, s + n) for s, n in zip(start, box.shape, strict=True)], ...)] = box
    return cells


@patiently
@given(change=changes())
def test_cells_are_those_of_an_assignment(kernel: Any, change: Change) -> None:
    codec, old, box, start, fill = change
    payload = None if old is None else numpy_kernel.encode_chunks(codec, [old])[0]
    found = changed(kernel, codec, payload, box, start, fill)
    wanted = expected(codec, old, box, start, fill)
    assert decode(kernel, codec, found).tobytes() == wanted.tobytes()
    assert read_literally(codec, found).tobytes() == wanted.tobytes()
    assert found == changed(numpy_kernel, codec, payload, box, start, fill)


@settings(patiently, max_examples=60)
@given(shape=SHAPES, recipe=RECIPES, data=st.data())
def test_one_change_after_another(kernel: Any, shape: tuple[int, ...], recipe: Recipe, data: Any) -> None:
    codec = codec_for("f4", shape, tuple(-(-length // 2) for length in shape))
    cells, payload = np.full(shape, np.nan, "f4"), None
    for seed in range(4):
        start = [data.draw(st.integers(0, length - 1)) for length in shape]
        counts = [data.draw(st.integers(1, length - first)) for length, first in zip(shape, start, strict=True)]
        box = Recipe(recipe.kind, recipe.seed + seed, recipe.share, seed).cells("f4", tuple(counts))
        cells = expected(codec, cells, box, start, box)
        payload = changed(kernel, codec, payload, box, start, np.full(1, np.nan, "f4"))
        assert decode(kernel, codec, payload).tobytes() == cells.tobytes()


def test_blocks_beside_the_box_keep_their_bytes(kernel: Any) -> None:
    codec = codec_for("f4", (40, 30, 20), (16, 8, 20))
    cells = Recipe("walk", 4).cells("f4", (40, 30, 20))
    (payload,) = kernel.encode_chunks(codec, [cells])
    before = read_payload(codec, payload)
    marked = bytearray(payload)
    for number in range(before.grid.number):
        if number not in (1 * 4 + 1, 1 * 4 + 2):  # whatever they hold: they are not decoded
            marked[before.offsets[number]] = 77
    box = Recipe("walk", 9).cells("f4", (10, 10, 3))
    after = read_payload(codec, changed(kernel, codec, bytes(marked), box, (17, 9, 4), np.zeros(1, "f4")))
    same = [after.block(number) == read_payload(codec, marked).block(number) for number in range(12)]
    assert [number for number in range(12) if not same[number]] == [5, 6]


@pytest.mark.parametrize("code", ["f2", "S5"])
def test_blocks_of_cells_that_are_no_numbers_are_read(kernel: Any, code: str) -> None:
    """Kernels write such chunks as one block; the format has them in several, too."""
    codec = codec_for(code, (10, 6), (4, 6))
    cells, blocks = Recipe("any bits", 1).cells(code, (10, 6)), []
    for part in (cells[:4], cells[4:8], cells[8:]):
        alone = codec_for(code, part.shape)
        blocks.append(bytes(read_payload(alone, kernel.encode_chunks(alone, [part])[0]).block(0)))
    box, fill = Recipe("any bits", 2).cells(code, (3, 2)), np.zeros(1, codec.dtype)
    found = changed(kernel, codec, join_blocks(blocks, True), box, (3, 1), fill)
    assert decode(kernel, codec, found).tobytes() == expected(codec, cells, box, (3, 1), fill).tobytes()


def test_a_step_of_a_new_chunk_is_small(kernel: Any) -> None:
    shape = (73, 60, 72)
    cells = np.round(smooth(shape, (365, 360, 720)), 2).astype("f4")
    codec = codec_for("f4", shape, choose_block_shape(shape, 4))
    payload, nan = None, np.full(1, np.nan, "f4")
    for step in range(3):
        payload = changed(kernel, codec, payload, cells[step : step + 1], (step, 0, 0), nan)
        assert len(payload) < (step + 1) * cells[0].nbytes / 2 + 2500
    wanted = expected(codec, None, cells[:3], (0, 0, 0), nan)
    assert decode(kernel, codec, payload).tobytes() == wanted.tobytes()


def test_one_cell_does_not_spoil_its_block(kernel: Any) -> None:
    shape = (20, 60, 72)
    cells = np.round(smooth(shape, (365, 360, 720)), 2).astype("f4")
    codec = codec_for("f4", shape, choose_block_shape(shape, 4))
    (payload,) = kernel.encode_chunks(codec, [cells])
    for value in (3.0, 1 / 3, np.nan, 7.25):
        box = np.full((1, 1, 1), value, "f4")
        found = changed(kernel, codec, payload, box, (7, 20, 30), np.zeros(1, "f4"))
        assert len(found) < 1.02 * len(payload)
        assert decode(kernel, codec, found).tobytes() == expected(codec, cells, box, (7, 20, 30), box).tobytes()


def test_boxes_of_any_layout_and_many_at_once(kernel: Any) -> None:
    codec = codec_for("f4", (12, 9, 10), (5, 4, 10))
    source = Recipe("walk", 1).cells("f4", (30, 40, 50))
    boxes = [source[:4, :5, :6], source[::-3, ::7, ::9][:4, :5, :6], source.T[:4, :5, :6], source[3:4, 2:3, 1:2]]
    old = numpy_kernel.encode_chunks(codec, [source[:12, :9, :10]])[0]
    payloads, starts = [None, old, old, None], np.array([[1, 2, 3]] * 4)
    found = kernel.replace_boxes(codec, payloads, boxes, starts, np.full(1, np.nan, "f4"))
    for payload, box, one in zip(payloads, boxes, found, strict=True):
        assert one == changed(kernel, codec, payload, np.ascontiguousarray(box), (1, 2, 3), np.full(1, np.nan, "f4"))


def test_what_does_not_fit_is_refused(kernel: Any) -> None:
    codec, fill = codec_for("i4", (10,), (4,)), np.zeros(1, "i4")
    box, one = np.arange(3, dtype="i4"), np.zeros((1, 1), np.int64)
    for start in (-1, 8, 2**62):
        with pytest.raises(ValueError, match="beyond"):
            kernel.replace_boxes(codec, [None], [box], one + start, fill)
    for wrong in (box.astype("i8"), box[:0], box.reshape(1, 3)):
        with pytest.raises(ValueError, match=r"."):
            kernel.replace_boxes(codec, [None], [wrong], one, fill)
    with pytest.raises(ValueError, match=r"."):
        kernel.replace_boxes(codec, [None], [box], np.zeros((2, 1), np.int64), fill)
    with pytest.raises(ValueError, match=r"."):
        kernel.replace_boxes(codec, [None, None], [box], one, fill)
    with pytest.raises(ValueError, match=r"."):
        kernel.replace_boxes(codec, [None], [box], one, fill.repeat(2))


def test_damage_in_a_block_that_is_changed_is_noticed(kernel: Any) -> None:
    codec = codec_for("f4", (40, 30), (16, 30))
    (payload,) = kernel.encode_chunks(codec, [Recipe("walk", 7, 0.02).cells("f4", (40, 30))])
    box, fill = Recipe("walk", 8).cells("f4", (40, 4)), np.zeros(1, "f4")
    for length in (0, 1, 7, 8, 19, len(payload) - 1):
        with pytest.raises(CorruptChunkError):
            changed(kernel, codec, payload[:length], box, (0, 3), fill)
    noticed = 0
    for bit in range(8 * (8 + 12 + 24)):
        damaged = bytearray(payload)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            found = changed(kernel, codec, bytes(damaged), box, (0, 3), fill)
            assert decode(kernel, codec, found)[:, 3:7].tobytes() == box.tobytes()
        except CorruptChunkError:
            noticed += 1
    assert noticed > 100


@pytest.mark.parametrize("code", DTYPES)
def test_blocks_of_one_value_have_the_same_bytes_as_ever(kernel: Any, code: str) -> None:
    """Equal blocks of several sizes, of several values, and such that differ in their last cell only."""
    shape = (12, 11, 10)
    codec = codec_for(code, shape, (5, 4, 10))
    cells = np.broadcast_to(Recipe("any bits", 3).cells(code, (1, 1, 1)), shape).copy()
    cells[5:] = Recipe("any bits", 4).cells(code, (1, 1, 1))
    other = cells.copy()
    other[4, 3, 9], other[11, 10, 9] = other[5, 0, 0], other[0, 0, 0]
    for made in (cells, other, cells[:, ::-1], cells.copy("F")):
        payloads = kernel.encode_chunks(codec, [made, made])
        assert payloads == [numpy_kernel.encode_chunks(codec, [np.ascontiguousarray(made)])[0]] * 2
        assert decode(kernel, codec, payloads[0]).tobytes() == made.tobytes()
