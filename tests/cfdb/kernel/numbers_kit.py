"""What every kernel computes beside chunks; derive from `NumbersKit` and give a `kernel` fixture."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from cfdb.kernel import Conversion, numpy_kernel
from cfdb.kernel import shuffle as shuffle_of
from tests.cfdb.kernel.cells import FLOATS, Recipe, codec_for


class NumbersKit:
    """The tests of packing, statistics and shuffled bytes."""

    @pytest.fixture
    def kernel(self) -> Any:
        raise NotImplementedError

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
