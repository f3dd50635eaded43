"""Forms are chosen as written in docs/design/008-automatic-codec.md, cell by cell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfdb.kernel import BlockCodec, choice
from cfdb.kernel.decimals import INTEGERS, to_integers
from tests.cfdb.kernel.cells import FLOATS, Recipe, codec_for
from tests.cfdb.kernel.cells import INTEGERS as INTEGER_TYPES
from tests.cfdb.kernel.kit import chunks, patiently


def sampled(n: int) -> list[int]:
    starts = [(2 * i + 1) * n // 32 for i in range(16)]
    return [t for start in starts for t in range(start, min(start + 128, n))]


def cost(number: int) -> int:
    return (number % 2**64).bit_length()


def zigzag(difference: int) -> int:
    signed = (difference + 2**63) % 2**64 - 2**63
    return (signed << 1) ^ (signed >> 63)


def costs_cell_by_cell(codec: BlockCodec, cells: np.ndarray, decimals: int) -> tuple[list[int], int]:
    shape = codec.chunk_shape or (1,)
    length, rows = shape[-1], shape[-2] if len(shape) > 1 else 1
    words, marks = to_integers(cells, decimals)
    numbers = (words.view("i8") if codec.dtype.kind not in "bu" else words).tolist()
    good = np.ones(cells.size, bool) if marks is None else marks
    sums, counted = [0, 0, 0], []
    for t in sampled(cells.size):
        row, column = divmod(t, length)
        left, over = column > 0, row > 0 and (column == 0 or row % rows > 0)
        neighbours = [t - 1] * left + [t - length] * over + [t - length - 1] * (left and over)
        if not all(good[place] for place in [t, *neighbours]):
            continue
        counted.append(numbers[t])
        step = numbers[t] - (numbers[t - 1] if left else numbers[t - length] if over else 0)
        plane = step - (numbers[t - length] - numbers[t - length - 1]) if left and over else step
        sums[1] += cost(zigzag(step))
        sums[2] += cost(zigzag(plane))
    sums[0] = sum(cost(number - min(counted)) for number in counted)
    return sums, len(counted)


@patiently
@given(made=chunks([*FLOATS, *INTEGER_TYPES]), decimals=st.integers(0, 6))
def test_the_cost_of_a_sample_is_that_of_its_cells(made: tuple[BlockCodec, np.ndarray], decimals: int) -> None:
    codec, chunk = made
    cells = chunk.reshape(-1)
    decimals = decimals if codec.dtype.kind == "f" else INTEGERS
    found = choice._costs(cells, choice._sampled(cells.size), codec.chunk_shape, decimals)
    assert found == costs_cell_by_cell(codec, cells, decimals)


@pytest.mark.parametrize("seed", range(8))
def test_cells_beside_a_gap_do_not_count(seed: int) -> None:
    cells = Recipe("walk", seed, 0.1).cells("f4", (12, 30, 40))
    found = choice._costs(cells.reshape(-1), choice._sampled(cells.size), cells.shape, 2)
    assert found == costs_cell_by_cell(codec_for("f4", cells.shape), cells.reshape(-1), 2)


@pytest.mark.parametrize(("wild", "decimals"), [(62, 2), (63, None)])
def test_one_cell_in_32_may_have_more_decimals(wild: int, decimals: int | None) -> None:
    cells = np.arange(2000) / 4 + 0.25
    cells[:wild] = 0.1 + 0.2
    assert choice._choose_decimals(cells) == decimals


def test_odd_cells_say_nothing_about_decimals() -> None:
    cells = np.full(2000, np.nan)
    assert choice._choose_decimals(cells) == 0
    cells[:4] = [0.125, 7, -0.0, np.inf]
    assert choice._choose_decimals(cells) == 3


@pytest.mark.parametrize(("kind", "predictor"), [("noise", 0), ("walks", 1), ("sum", 2)])
def test_the_predictor_that_foretells_best_is_taken(kind: str, predictor: int) -> None:
    shape, rng = (6, 40, 50), np.random.default_rng(0)
    cells = {
        "noise": rng.integers(0, 50, shape),
        "walks": np.cumsum(rng.integers(-3, 4, shape), axis=-1),
        "sum": rng.integers(0, 5000, (6, 40, 1)) + rng.integers(0, 5000, 50),
    }[kind].astype("i4")
    form = choice.choose_form(codec_for("i4", shape), cells.reshape(-1))
    assert form == choice.IntegerForm(INTEGERS, predictor)


def test_integers_that_are_noise_stay_bytes() -> None:
    cells = np.random.default_rng(0).integers(0, 2**32, 5000, "u4")
    assert choice.choose_form(codec_for("u4", (5000,)), cells) is None
    assert choice.choose_form(codec_for("u4", (5000,)), cells % 2**20) is not None
