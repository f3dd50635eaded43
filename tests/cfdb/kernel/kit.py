"""What every kernel must do; derive from `KernelKit` and give a `kernel` fixture."""

import math
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cfdb.errors import CorruptChunkError
from cfdb.format.codecs import choose_block_shape
from cfdb.kernel import BlockCodec, Conversion, numpy_kernel
from cfdb.kernel import shuffle as shuffle_of
from tests.cfdb.kernel.cells import DTYPES, FLOATS, INTEGERS, OPAQUE, Recipe, codec_for, read_literally, smooth

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


def decode(kernel: Any, codec: BlockCodec, payload: Any) -> np.ndarray:
    shape = codec.chunk_shape
    out = np.empty(shape, codec.dtype)
    start = np.zeros((1, len(shape)), np.int64)
    kernel.decode_boxes(codec, [payload], start, np.array([shape], np.int64).reshape(1, -1), out, start)
    return out


def decode_box(kernel: Any, codec: BlockCodec, payload: Any, box: tuple[slice, ...]) -> np.ndarray:
    counts = [part.stop - part.start for part in box]
    out = np.zeros(counts, codec.dtype)
    start = np.array([[part.start for part in box]], np.int64)
    kernel.decode_boxes(codec, [payload], start, np.array([counts], np.int64), out, np.zeros_like(start))
    return out


def a_payload_of_each_mode() -> dict[str, tuple[BlockCodec, bytes]]:
    """Payloads of plain bytes, shuffled bytes, and integers with all that can stand beside them."""
    ints = codec_for("i4", (40, 30), (16, 30))
    bytes5 = codec_for("S5", (200,))
    noise = codec_for("f8", (300,))
    floats = codec_for("f4", (60, 50), (60, 20))
    gaps = Recipe("walk", 7).cells("f4", (60, 50))
    gaps[10:30] = np.nan
    gaps[::7, 3] = 1e30
    made = {
        "plain": (bytes5, Recipe("any bits", 1).cells("S5", (200,))),
        "shuffled": (noise, Recipe("noise", 1).cells("f8", (300,))),
        "integers": (ints, Recipe("walk", 3).cells("i4", (40, 30))),
        "decimals": (floats, gaps),
    }
    found = {name: (codec, numpy_kernel.encode_chunks(codec, [cells])[0]) for name, (codec, cells) in made.items()}
    modes = [payload[8 + 4 * payload[4]] for _, payload in found.values()]
    assert modes == [0, 1, 2, 2]
    return found


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

    # damage

    @pytest.mark.parametrize("mode", ["plain", "shuffled", "integers", "decimals"])
    def test_flipped_bits_are_an_error_or_other_cells(self, kernel: Any, mode: str) -> None:
        codec, payload = a_payload_of_each_mode()[mode]
        rng = np.random.default_rng(1)
        noticed = 0
        head = range(8 * (8 + 4 * payload[4] + 24))
        for bit in [*head, *rng.integers(0, 8 * len(payload), 600).tolist()]:
            damaged = bytearray(payload)
            damaged[bit // 8] ^= 1 << bit % 8
            try:
                assert decode(kernel, codec, bytes(damaged)).shape == codec.chunk_shape
            except CorruptChunkError:
                noticed += 1
        assert noticed >= 50

    @pytest.mark.parametrize("mode", ["plain", "shuffled", "integers", "decimals"])
    def test_a_payload_cut_short_or_made_longer_is_refused(self, kernel: Any, mode: str) -> None:
        codec, payload = a_payload_of_each_mode()[mode]
        for length in [*range(min(120, len(payload))), *range(120, len(payload), 41), len(payload) - 1]:
            with pytest.raises(CorruptChunkError):
                decode(kernel, codec, payload[:length])
        for tail in (b"\x00", b"x" * 40):
            with pytest.raises(CorruptChunkError):
                decode(kernel, codec, payload + tail)

    def test_heads_that_lie_are_refused(self, kernel: Any) -> None:
        codec = codec_for("f4", (100,))
        (payload,) = kernel.encode_chunks(codec, [np.arange(100, dtype="f4") / 4])
        assert (payload[12], payload[13]) == (2, 2)
        wrong = {
            "version": (0, [0, 2, 255]),
            "flags": (1, [1 << bit for bit in range(1, 8)]),
            "zero": (2, [1]),
            "zero too": (3, [1]),
            "blocks": (4, [0, 2, 255]),
            "blocks too": (7, [1, 255]),
            "length": (8, [0, 255]),
            "mode": (12, [3, 77, 255]),
            "width": (13, [3, 5, 16, 255]),
            "predictor": (14, [3, 4, 127]),
            "decimals": (15, [11, 16, 0xFF]),
            "exceptions": (16, [1, 101, 255]),
            "exceptions too": (19, [1, 255]),
        }
        for name, (place, values) in wrong.items():
            for value in values:
                damaged = bytearray(payload)
                damaged[place] = value
                with pytest.raises(CorruptChunkError):
                    pytest.fail(f"{name} = {value}: {decode(kernel, codec, bytes(damaged))}")

    @pytest.mark.parametrize("size", [2**20, 2**40, 2**62])
    @pytest.mark.parametrize("head", [b"\x00", b"\x01", b"\x02\x08\x00\x00" + bytes(20)])
    def test_a_bomb_is_refused_before_memory_is_taken(self, kernel: Any, head: bytes, size: int) -> None:
        frame = b"\x28\xb5\x2f\xfd\xe0" + size.to_bytes(8, "little") + b"\x01\x00\x00"
        block = head + frame
        payload = b"\x01\x00\x00\x00\x01\x00\x00\x00" + len(block).to_bytes(4, "little") + block
        with pytest.raises(CorruptChunkError):
            decode(kernel, codec_for("f8", (100,)), payload)

    def test_blocks_must_be_single_frames(self, kernel: Any) -> None:
        codec = codec_for("u1", (1000,))
        raw = bytes(range(250)) * 4
        frame = zstandard.ZstdCompressor().compress(raw)
        sizeless = zstandard.ZstdCompressor(write_content_size=False).compress(raw)
        skippable = b"\x50\x2a\x4d\x18\x00\x00\x00\x00"

        def payload(block: bytes) -> bytes:
            return b"\x01\x00\x00\x00\x01\x00\x00\x00" + len(block).to_bytes(4, "little") + block

        assert decode(kernel, codec, payload(b"\x00" + frame)).tobytes() == raw
        for block in (b"", b"\x00", b"\x00" + sizeless, b"\x00" + frame + skippable, b"\x00" + skippable + frame,
                      b"\x00" + frame + frame, b"\x00" + raw):  # fmt: skip
            with pytest.raises(CorruptChunkError):
                decode(kernel, codec, payload(block))

    def test_exceptions_lie_in_order_inside_their_block(self, kernel: Any) -> None:
        codec = codec_for("f4", (10,))

        def payload(*positions: int, tail: bytes = b"") -> bytes:
            body = np.array(positions, "<u4").tobytes() + np.full(len(positions), np.nan, "<f4").tobytes()
            block = b"\x02\x00\x00\x01" + len(positions).to_bytes(4, "little") + (5).to_bytes(8, "little") + bytes(8)
            block += zstandard.ZstdCompressor().compress(body) + tail
            return b"\x01\x00\x00\x00\x01\x00\x00\x00" + len(block).to_bytes(4, "little") + block

        found = decode(kernel, codec, payload(0, 4, 9))
        assert np.flatnonzero(np.isnan(found)).tolist() == [0, 4, 9]
        assert found[1] == np.float32(0.5)
        for positions in ((10,), (0, 0), (3, 2), (1, 2**32 - 1), tuple(range(11))):
            with pytest.raises(CorruptChunkError):
                decode(kernel, codec, payload(*positions))
        for tail in (b"\x00", b"\x50\x2a\x4d\x18\x00\x00\x00\x00", zstandard.ZstdCompressor().compress(b"")):
            with pytest.raises(CorruptChunkError):
                decode(kernel, codec, payload(0, tail=tail))

    def test_truth_is_one_or_zero(self, kernel: Any) -> None:
        frame = b"\x00" + zstandard.ZstdCompressor().compress(bytes([0, 1, 2, 255]))
        payload = b"\x01\x00\x00\x00\x01\x00\x00\x00" + len(frame).to_bytes(4, "little") + frame
        assert decode(kernel, codec_for("?", (4,)), payload).view("u1").tolist() == [0, 1, 1, 1]

    # codes that become floats

    @pytest.mark.parametrize("code", ["u1", "i2", "u2", "i4", "u4", "i8", "u8"])
    @pytest.mark.parametrize("target", FLOATS)
    def test_codes_become_floats_on_their_way(self, kernel: Any, code: str, target: str) -> None:
        shape = (25, 40)
        codec = codec_for(code, shape, (25, 16))
        cells = Recipe("walk", 8).cells(code, shape)
        fill = int(cells[5, 12])
        (payload,) = numpy_kernel.encode_chunks(codec, [cells])
        for conversion in (
            Conversion(-300, 100.0, -3.0, fill),
            Conversion(7, 1.0, 7.0, None),
            Conversion(None, 10.0, 0.123, fill),
        ):
            wide = cells.astype(np.float64)
            if conversion.base is None:
                wide = wide / conversion.factor + conversion.offset
            else:
                wide = (wide + conversion.base) / conversion.factor
            if conversion.fill is not None:
                wide[cells == fill] = np.nan
            out = np.zeros((30, 10), target)
            boxes = (np.array([[2, 9]]), np.array([[23, 10]]), out, np.array([[4, 0]]))
            kernel.decode_boxes(codec, [payload], *boxes, conversion)
            assert out[4:27].tobytes() == wide[2:25, 9:19].astype(target).tobytes()
            assert not out[:4].any()

    @pytest.mark.parametrize("code", ["u1", "i2", "u4", "i8"])
    @pytest.mark.parametrize("source", FLOATS)
    def test_floats_become_codes(self, kernel: Any, code: str, source: str) -> None:
        values = Recipe("walk", 6, 0.05).cells(source, (40, 30))
        for conversion in (
            Conversion(-300, 100.0, -3.0, 5),
            Conversion(0, 1.0, 0.0, None),
            Conversion(None, 10.0, 0.123, 0),
        ):
            found, misfits = kernel.pack_floats(values, np.dtype(code), conversion)
            expected, lost = numpy_kernel.pack_floats(values, np.dtype(code), conversion)
            assert (found.tobytes(), misfits) == (expected.tobytes(), lost)
            limits = np.iinfo(code)
            for value, packed in zip(values.ravel().tolist()[::7], found.ravel().tolist()[::7], strict=True):
                if not math.isfinite(value):
                    assert packed == (conversion.fill or 0)
                    continue
                whole = value if conversion.base is not None else value - conversion.offset
                exact = round(whole * conversion.factor) - (conversion.base or 0)
                if abs(exact) > 2**52:
                    continue
                assert packed == (exact if limits.min <= exact <= limits.max else conversion.fill or 0)

    # statistics and bytes

    @pytest.mark.parametrize("code", FLOATS)
    @pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
    def test_floats_are_summed_up(self, kernel: Any, code: str, share: float) -> None:
        for kind in ("walk", "noise", "constant"):
            cells = Recipe(kind, 11).cells(code, (7, 333)) * np.dtype(code).type(3)
            cells = np.where(np.isfinite(cells), cells, 0).astype(code)
            cells[np.random.default_rng(2).random(cells.shape) < share] = np.nan
            found = kernel.summarise(cells)
            present = [float(cell) for cell in cells.ravel() if not math.isnan(cell)]
            assert (found.valid, found.missing) == (len(present), cells.size - len(present))
            if not present:
                assert (found.minimum, found.maximum, found.total) == (None, None, 0)
                continue
            assert (found.minimum, found.maximum) == (min(present), max(present))
            exact, size = math.fsum(present), math.fsum(map(abs, present))
            assert abs(found.total - exact) <= 1e-12 * size
            if code == "f8":
                assert abs(math.fsum([found.total, found.rest, -exact])) <= 2.0**-53 * abs(exact) + 1e-25 * size

    def test_small_floats_beside_large_ones_are_not_lost(self, kernel: Any) -> None:
        rng = np.random.default_rng(3)
        for count in (3, 63, 5000, 70_000):
            cells = np.full(count, 1.000001)
            cells[rng.integers(count)] = 3.5e13
            found = kernel.summarise(cells)
            exact = sum(map(Fraction, cells.tolist()))
            assert abs(Fraction(found.total) + Fraction(found.rest) - exact) <= exact / 2**95

    @pytest.mark.parametrize("code", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
    def test_integers_are_summed_up_exactly(self, kernel: Any, code: str) -> None:
        for kind in ("walk", "extremes", "any bits"):
            cells = Recipe(kind, 5).cells(code, (901,))
            found = kernel.summarise(cells)
            numbers = cells.tolist()
            assert (found.valid, found.missing, found.minimum, found.maximum) == (901, 0, min(numbers), max(numbers))
            assert found.total == sum(numbers)

    def test_infinities_and_huge_numbers_are_summed_up(self, kernel: Any) -> None:
        assert kernel.summarise(np.array([1.0, np.inf])).total == np.inf
        assert math.isnan(kernel.summarise(np.array([-np.inf, np.inf])).total)
        assert kernel.summarise(np.array([1e308, 1e308, -1e308])).total == 1e308
        assert kernel.summarise(np.array([3e38, 3e38], "f4")).total == pytest.approx(6e38)
        assert kernel.summarise(np.array([], "f4")).valid == 0

    @pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8])
    def test_shuffle_is_undone(self, kernel: Any, width: int) -> None:
        for count in (0, 1, 7, 64, 1001):
            data = np.random.default_rng(count).integers(0, 256, width * count, np.uint8)
            shuffled = kernel.shuffle(data, width)
            assert shuffled.tobytes() == data.reshape(-1, width).T.tobytes() == shuffle_of(data, width).tobytes()
            assert kernel.unshuffle(shuffled, width).tobytes() == data.tobytes()
        with pytest.raises(ValueError, match="whole"):
            numpy_kernel.shuffle(np.zeros(7, np.uint8), 2)


def _unaligned(cells: np.ndarray) -> np.ndarray:
    """The same cells one byte beside where they belong."""
    room = np.zeros(cells.nbytes + 1, np.uint8)
    found = room[1:].view(cells.dtype).reshape(cells.shape)
    found[...] = cells
    return found


assert set(DTYPES) == {*FLOATS, *INTEGERS, *OPAQUE}
