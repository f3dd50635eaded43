"""Both kernels pass one kit, and the right one is chosen."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import cfdb.kernel
from cfdb.kernel import BlockCodec, numpy_kernel
from tests.cfdb.kernel.damage_kit import DamageKit
from tests.cfdb.kernel.kit import KernelKit
from tests.cfdb.kernel.numbers_kit import NumbersKit


class TestNumpyKernel(KernelKit, DamageKit, NumbersKit):
    @pytest.fixture
    def kernel(self) -> Any:
        return numpy_kernel


class TestNativeKernel(KernelKit, DamageKit, NumbersKit):
    @pytest.fixture
    def kernel(self) -> Any:
        return pytest.importorskip("cfdb.kernel.native", exc_type=ImportError)


def _chosen(wanted: str) -> subprocess.CompletedProcess[str]:
    code = "import cfdb.kernel; print(cfdb.kernel.name())"
    environment = {**os.environ, "CFDB_KERNEL": wanted}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)


def test_the_environment_chooses_the_kernel() -> None:
    assert _chosen("numpy").stdout.strip() == "numpy"
    assert "'native' or 'numpy'" in _chosen("fortran").stderr
    assert cfdb.kernel.name() in ("native", "numpy")


@pytest.mark.parametrize(
    ("dtype", "chunk", "block", "width", "level"),
    [
        ("<f4", (3,), (3, 3), 4, 1),
        ("<f4", (3,), (0,), 4, 1),
        ("<f4", (0,), (1,), 4, 1),
        ("<f4", (3,), (3,), 3, 1),
        ("<f4", (3,), (3,), 0, 1),
        ("<f4", (3,), (3,), 4, 23),
        (">f4", (3,), (3,), 4, 1),
        ("O", (3,), (3,), 8, 1),
        ("<U3", (3,), (3,), 1, 1),
        ("<f4", (2**20, 2**20), (1, 1), 4, 1),
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    dtype: str, chunk: tuple[int, ...], block: tuple[int, ...], width: int, level: int
) -> None:
    with pytest.raises(ValueError, match=r"."):
        BlockCodec(np.dtype(dtype), chunk, block, width, level)
