"""What every kernel must do; derive from `KernelKit` and give a `kernel` fixture."""

from math import prod
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cfdb.errors import CorruptChunkError
from cfdb.format.codecs import choose_block_shape
from cfdb.kernel import BlockCodec, numpy_kernel
from tests.cfdb.kernel.calls import a_payload_of_each_mode, decode, decode_box
from tests.cfdb.kernel.cells import DTYPES, Recipe, codec_for, read_literally, smooth

KINDS = ["any bits", "walk", "mixed", "constant", "extremes", "noise"]
RECIPES = st.builds(
    Recipe,
    st.sampled_from(KINDS),
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.0, 0.005, 0.05, 0.3, 1.0]),
    st.integers(0, 6),
)
SHAPES = st.one_of(
    st.just(()),
    st.tuples(st.integers(1, 400)),
    st.tuples(st.integers(1, 30), st.integers(1, 40)),
    st.tuples(st.integers(1, 9), st.integers(1, 12), st.integers(1, 15)),
    st.tuples(*[st.integers(1, 6)] * 4),
)
patiently = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def chunks(draw: Any, dtypes: list[str] = DTYPES) -> tuple[BlockCodec, np.ndarray]:
    """A codec and a chunk of its cells."""
    code, shape = draw(st.sampled_from(dtypes)), draw(SHAPES)
    block = tuple(draw(st.integers(1, max(length + 2, 1))) for length in shape)
    codec = codec_for(code, shape, block, draw(st.sampled_from([1, 1, -3, 5])))
    return codec, draw(RECIPES).cells(code, shape)


class KernelKit:
    """The conformance tests; `kernel` is a module with the functions of `cfdb.kernel`."""

    @pytest.fixture
    def kernel(self) -> Any:
        raise NotImplementedError

    # what goes in comes out

    @patiently
    @given(made=chunks())
    def test_every_bit_comes_back(self, kernel: Any, made: tuple[BlockCodec, np.ndarray]) -> None:
        codec, cells = made
        (payload,) = kernel.encode_chunks(codec, [cells])
        assert decode(kernel, codec, payload).tobytes() == cells.tobytes()

    @settings(patiently, max_examples=60)
    @given(made=chunks())
    def test_the_bytes_say_what_the_format_says(self, kernel: Any, made: tuple[BlockCodec, np.ndarray]) -> None:
        codec, cells = made
        (payload,) = kernel.encode_chunks(codec, [cells])
        assert read_literally(codec, payload).tobytes() == cells.tobytes()

    @patiently
    @given(made=chunks())
    def test_all_kernels_give_the_same_bytes(self, kernel: Any, made: tuple[BlockCodec, np.ndarray]) -> None:
        codec, cells = made
        assert kernel.encode_chunks(codec, [cells]) == numpy_kernel.encode_chunks(codec, [cells])

    @pytest.mark.parametrize("code", DTYPES)
    @pytest.mark.parametrize("kind", KINDS)
    def test_large_chunks_come_back_and_have_the_same_bytes(self, kernel: Any, code: str, kind: str) -> None:
        shape = (21, 30, 37)
        codec = codec_for(code, shape, (5, 16, 37))
        cells = Recipe(kind, 5, 0.01, 3).cells(code, shape)
        (payload,) = kernel.encode_chunks(codec, [cells])
        assert decode(kernel, codec, payload).tobytes() == cells.tobytes()
        assert payload == numpy_kernel.encode_chunks(codec, [cells])[0]

    @settings(patiently, max_examples=60)
    @given(made=chunks(), order=st.sampled_from(["F", "reversed", "spread", "unaligned"]))
    def test_cells_of_any_layout_give_the_same_bytes(
        self, kernel: Any, made: tuple[BlockCodec, np.ndarray], order: str
    ) -> None:
        codec, cells = made
        laid = {
            "F": lambda: cells.copy("F"),
            "reversed": lambda: cells[::-1].copy()[::-1] if cells.ndim else cells,
            "spread": lambda: np.repeat(cells, 2, axis=-1)[..., ::2] if cells.ndim else cells,
            "unaligned": lambda: _unaligned(cells),
        }[order]()
        assert laid.tobytes() == cells.tobytes()
        assert kernel.encode_chunks(codec, [laid]) == kernel.encode_chunks(codec, [cells])

    def test_many_chunks_are_as_good_as_one(self, kernel: Any) -> None:
        codec = codec_for("f4", (30, 20), (8, 20))
        many = [Recipe("walk", seed, 0.01).cells("f4", (30, 20)) for seed in range(9)]
        payloads = kernel.encode_chunks(codec, many)
        assert payloads == [kernel.encode_chunks(codec, [one])[0] for one in many]
        starts = np.array([[seed, seed % 3] for seed in range(9)])
        counts = np.array([[20 - seed, 10] for seed in range(9)])
        out, expected = np.zeros((200, 12), "f4"), np.zeros((200, 12), "f4")
        targets = np.array([[20 * seed, 1] for seed in range(9)])
        for one, (s, t), (h, w), (y, x) in zip(many, starts, counts, targets, strict=True):
            expected[y : y + h, x : x + w] = one[s : s + h, t : t + w]
        kernel.decode_boxes(codec, payloads, starts, counts, out, targets)
        assert out.tobytes() == expected.tobytes()

    # boxes

    @patiently
    @given(made=chunks(), data=st.data())
    def test_boxes_are_slices(self, kernel: Any, made: tuple[BlockCodec, np.ndarray], data: Any) -> None:
        codec, cells = made
        (payload,) = numpy_kernel.encode_chunks(codec, [cells])
        box = []
        for length in cells.shape:
            first = data.draw(st.integers(0, length))
            box.append(slice(first, data.draw(st.integers(first, length))))
        found = decode_box(kernel, codec, payload, tuple(box))
        assert found.tobytes() == cells[(*box, ...)].tobytes()

    @pytest.mark.parametrize("code", ["f4", "f8", "i2", "u8", "c8", "S5", "?"])
    def test_boxes_go_to_any_layout(self, kernel: Any, code: str) -> None:
        shape = (17, 12, 9)
        codec = codec_for(code, shape, (5, 12, 4))
        cells = Recipe("walk", 2, 0.02).cells(code, shape)
        (payload,) = numpy_kernel.encode_chunks(codec, [cells])
        box = (slice(2, 13), slice(1, 12), slice(3, 8))
        part = cells[box]
        for out in (
            np.zeros(part.shape, codec.dtype, "F"),
            np.zeros(part.shape, codec.dtype)[::-1],
            np.zeros((*part.shape, 2), codec.dtype)[..., 1],
            np.zeros(part.shape[::-1], codec.dtype).transpose(2, 1, 0),
            _unaligned(np.zeros(part.shape, codec.dtype)),
        ):
            start = np.array([[2, 1, 3]])
            kernel.decode_boxes(codec, [payload], start, np.array([part.shape]), out, np.zeros_like(start))
            assert out.tobytes() == part.tobytes()

    def test_only_blocks_that_a_box_reaches_are_decompressed(self, kernel: Any) -> None:
        codec = codec_for("f4", (40, 30, 20), (16, 8, 20))
        cells = Recipe("walk", 4).cells("f4", (40, 30, 20))
        (payload,) = kernel.encode_chunks(codec, [cells])
        number = int.from_bytes(payload[4:8], "little")
        assert number == 3 * 4
        lengths = np.frombuffer(payload, "<u4", number, 8)
        places = 8 + 4 * number + np.cumsum([0, *lengths[:-1]])
        box = (slice(17, 31), slice(9, 20), slice(4, 5))
        touched = {1 * 4 + 1, 1 * 4 + 2}
        others = bytearray(payload)
        for block in set(range(number)) - touched:
            others[places[block]] = 77
        assert decode_box(kernel, codec, bytes(others), box).tobytes() == cells[box].tobytes()
        for block in touched:
            damaged = bytearray(payload)
            damaged[places[block]] = 77
            with pytest.raises(CorruptChunkError):
                decode_box(kernel, codec, bytes(damaged), box)

    @pytest.mark.parametrize(
        "place", [(-1, 2, 0), (9, 2, 0), (0, 11, 0), (8, 3, 0), (0, 2, -1), (0, 2, 4), (2**62, 2, 0)]
    )
    def test_a_box_that_reaches_beyond_is_refused(self, kernel: Any, place: tuple[int, int, int]) -> None:
        codec = codec_for("i4", (10,))
        (payload,) = kernel.encode_chunks(codec, [np.arange(10, dtype="i4")])
        start, count, target = (np.array([[number]], np.int64) for number in place)
        with pytest.raises(ValueError, match=r"."):
            kernel.decode_boxes(codec, [payload], start, count, np.zeros(5, "i4"), target)

    def test_arrays_that_cannot_take_the_cells_are_refused(self, kernel: Any) -> None:
        codec = codec_for("i4", (4,))
        (payload,) = kernel.encode_chunks(codec, [np.arange(4, dtype="i4")])
        zero, four = np.zeros((1, 1), np.int64), np.full((1, 1), 4)
        fixed = np.zeros(4, "i4")
        fixed.flags.writeable = False
        for out in (fixed, np.zeros(4, "i8"), np.zeros(4, "f4"), np.zeros((4, 1), "i4")):
            with pytest.raises(ValueError, match=r"."):
                kernel.decode_boxes(codec, [payload], zero, four, out, zero)
        for wrong in (np.zeros((2, 1), np.int64), np.zeros((1, 2), np.int64)):
            with pytest.raises(ValueError, match=r"."):
                kernel.decode_boxes(codec, [payload], wrong, wrong, np.zeros(4, "i4"), wrong)

    def test_chunks_of_another_shape_or_type_are_refused(self, kernel: Any) -> None:
        codec = codec_for("i4", (4,))
        for wrong in (np.zeros(3, "i4"), np.zeros((4, 1), "i4"), np.zeros(4, "i8"), np.zeros(4, ">i4")):
            with pytest.raises(ValueError, match=r"."):
                kernel.encode_chunks(codec, [wrong])

    # what is chosen

    def test_what_suits_a_chunk_is_found(self, kernel: Any) -> None:
        modes = {name: payload[8 + 4 * payload[4]] for name, (_, payload) in a_payload_of_each_mode().items()}
        assert modes == {"plain": 0, "shuffled": 1, "integers": 2, "decimals": 2}

    def test_smooth_decimals_shrink_sixfold(self, kernel: Any) -> None:
        shape = (73, 60, 72)
        cells = np.round(smooth(shape, (365, 360, 720)), 2).astype("f4")
        codec = codec_for("f4", shape, choose_block_shape(shape, 4))
        assert cells.nbytes / len(kernel.encode_chunks(codec, [cells])[0]) >= 6

    @pytest.mark.parametrize("code", ["f4", "f8"])
    def test_what_is_no_decimal_takes_hardly_more_than_plain_zstd(self, kernel: Any, code: str) -> None:
        shape = (40, 50, 60)
        for cells in (
            np.random.default_rng(0).standard_normal(shape).astype(code),
            np.random.default_rng(0).integers(0, 256, prod(shape) * np.dtype(code).itemsize, np.uint8).view(code),
            smooth(shape, (365, 360, 720)).astype(code),
        ):
            codec = codec_for(code, shape, choose_block_shape(shape, cells.itemsize))
            payload = kernel.encode_chunks(codec, [cells.reshape(shape)])[0]
            plain = zstandard.ZstdCompressor(level=1).compress(cells.tobytes())
            assert len(payload) <= 1.01 * len(plain)

    def test_fills_and_gaps_cost_little(self, kernel: Any) -> None:
        shape = (20, 60, 72)
        cells = np.round(smooth(shape, (365, 360, 720)), 2).astype("f4")
        codec = codec_for("f4", shape, choose_block_shape(shape, 4))
        whole = len(kernel.encode_chunks(codec, [cells])[0])
        for special in (np.nan, 9.96921e36, -0.0, np.inf):
            gaps = cells.copy()
            gaps[:, 10:40, 20:50] = special
            (payload,) = kernel.encode_chunks(codec, [gaps])
            assert len(payload) < whole
            assert decode(kernel, codec, payload).tobytes() == gaps.tobytes()

    def test_all_nan_takes_next_to_nothing(self, kernel: Any) -> None:
        codec = codec_for("f8", (50, 50))
        (payload,) = kernel.encode_chunks(codec, [np.full((50, 50), np.nan)])
        assert len(payload) < 80


def _unaligned(cells: np.ndarray) -> np.ndarray:
    """The same cells one byte beside where they belong."""
    room = np.zeros(cells.nbytes + 1, np.uint8)
    found = room[1:].view(cells.dtype).reshape(cells.shape)
    found[...] = cells
    return found
