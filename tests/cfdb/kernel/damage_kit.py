"""What no kernel may believe; derive from `DamageKit` and give a `kernel` fixture."""

from typing import Any

import numpy as np
import pytest
import zstandard

from cfdb.errors import CorruptChunkError
from tests.cfdb.kernel.calls import a_payload_of_each_mode, decode
from tests.cfdb.kernel.cells import codec_for


class DamageKit:
    """The tests of damaged and hostile payloads."""

    @pytest.fixture
    def kernel(self) -> Any:
        raise NotImplementedError

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

    def test_codes_are_no_wider_than_their_cells(self, kernel: Any) -> None:
        codec = codec_for("u1", (100,))
        (payload,) = kernel.encode_chunks(codec, [np.arange(100, dtype="u1") // 9])
        assert (payload[12], payload[13]) == (2, 1)
        body = zstandard.ZstdCompressor().compress(bytes(200))
        block = bytes([2, 2]) + payload[14:36] + body
        with pytest.raises(CorruptChunkError, match="codes"):
            decode(kernel, codec, payload[:8] + len(block).to_bytes(4, "little") + block)

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
