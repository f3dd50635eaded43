"""Which data are measured?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Field:
    """Data of one kind, cut in one way.

    Attributes
    ----------
    name : str
        What the tables call it.
    shape, chunks : tuple of int
        Time, latitude, longitude.
    kind : str
        A key of `MAKERS`.
    what : str
        For the page.
    """

    name: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    kind: str
    what: str

    @property
    def n_chunks(self) -> int:
        return int(np.prod([-(-size // chunk) for size, chunk in zip(self.shape, self.chunks, strict=True)]))


def smooth(shape: tuple[int, ...], seed: int = 0) -> Array:
    """Eight travelling waves, colder towards the poles, and white noise of 0.03."""
    random = np.random.default_rng(seed)
    t, y, x = (np.linspace(0, 1, size, endpoint=False) for size in shape)
    base = (15 - 40 * np.abs(2 * y - 1) ** 2)[:, None] * np.ones(shape[2])
    waves = []
    for _ in range(8):
        ky, kx, w = random.integers(1, 6, 3)
        size, phase = random.uniform(0.5, 3), random.uniform(0, 2 * np.pi)
        plane = size * np.exp(2j * np.pi * (ky * y[:, None] + kx * x[None, :]) + 1j * phase)
        waves.append((plane.astype(np.complex64), np.exp(-2j * np.pi * w * t).astype(np.complex64)))
    out = np.empty(shape, np.float32)
    for step in range(shape[0]):
        out[step] = base
        for plane, turn in waves:
            out[step] += (plane * turn[step]).real
        out[step] += 0.03 * random.standard_normal(shape[1:], np.float32)
    return out


def decimal(shape: tuple[int, ...]) -> Array:
    """The smooth field rounded to two decimals, as most observations and much model output are."""
    field = smooth(shape)
    rounded: Array = np.round(field.astype(np.float64), 2).astype(np.float32)
    return rounded


def integers(shape: tuple[int, ...]) -> Array:
    """The smooth field in hundredths, as int16."""
    hundredths: Array = np.rint(smooth(shape) * 100).astype(np.int16)
    return hundredths


def strings(shape: tuple[int, ...]) -> Array:
    """Names of stations with a quality note: few different ones, of unequal length."""
    random = np.random.default_rng(1)
    names = np.array([f"station {number:04d}" + " (checked by hand)" * (number % 3 == 0) for number in range(500)])
    return names[random.integers(0, 500, shape)].astype(object)


def _tiled(field: Array, shape: tuple[int, ...]) -> Array:
    """Repeat real data along time and space, every copy shifted a little so that no codec sees it twice."""
    out = np.empty(shape, np.float32)
    steps = field.shape[0]
    for step in range(shape[0]):
        plane = np.roll(field[step % steps], (step // steps) * 5, axis=1)
        tiles = [-(-size // have) for size, have in zip(shape[1:], plane.shape, strict=True)]
        out[step] = np.tile(plane, tiles)[: shape[1], : shape[2]]
    return out


def _sample(file: str, variable: str) -> Array:
    import iris_sample_data
    import netCDF4

    with netCDF4.Dataset(Path(iris_sample_data.path) / file) as dataset:
        values = np.ma.filled(dataset[variable][:].astype(np.float32), np.nan)
    return values.reshape(-1, *values.shape[-2:])


def air(shape: tuple[int, ...]) -> Array:
    """Air temperature of a climate model over North America (A1B scenario): float32 that no decimals explain."""
    return _tiled(_sample("A1B_north_america.nc", "air_temperature"), shape)


def sea(shape: tuple[int, ...]) -> Array:
    """Monthly sea surface temperature (OSTIA); land is missing."""
    return _tiled(_sample("ostia_monthly.nc", "surface_temperature"), shape)


MAKERS: dict[str, Callable[[tuple[int, ...]], Array]] = {
    "decimal": decimal, "float": smooth, "int16": integers, "strings": strings, "air": air, "sea": sea,
}  # fmt: skip

MEDIUM = (98, 250, 250), (14, 125, 125)
LARGE = (365, 360, 720), (73, 60, 72)
SMALL = (400, 320, 320), (16, 16, 16)

FIELDS = {
    field.name: field
    for field in (
        Field("medium", *MEDIUM, "decimal", "float32 rounded to 0.01, 24.5 MB, 28 chunks of 875 kB"),
        Field("medium-float", *MEDIUM, "float", "the same, not rounded"),
        Field("large", *LARGE, "decimal", "float32 rounded to 0.01, 378 MB, 300 chunks of 1.26 MB"),
        Field("large-float", *LARGE, "float", "the same, not rounded"),
        Field("small", *SMALL, "decimal", "float32 rounded to 0.01, 164 MB, 10,000 chunks of 16 kB"),
        Field("int16", (292, 360, 360), (73, 60, 72), "int16", "int16, 76 MB, 120 chunks of 631 kB"),
        Field("strings", (40, 50, 50), (10, 25, 50), "strings", "100,000 strings, 8 chunks"),
        Field("air", (240, 222, 294), (60, 74, 98), "air", "real model output, float32, 63 MB, 36 chunks"),
        Field("sea", (108, 216, 432), (27, 72, 108), "sea", "real analysis, land missing, float32, 40 MB, 48 chunks"),
        Field("packs", (160, 320, 640), (16, 32, 32), "decimal", "float32 rounded to 0.01, 131 MB, 2,000 chunks"),
        Field("tiny", (12, 20, 30), (5, 10, 12), "decimal", "for the test of the harness"),
        Field("tiny-strings", (6, 5, 10), (3, 5, 5), "strings", "for the test of the harness"),
    )
}


def coordinates(shape: tuple[int, ...]) -> dict[str, Array]:
    """Labels of the three dimensions."""
    return {
        "time": np.arange(shape[0], dtype=np.int64),
        "latitude": np.linspace(-89.5, 89.5, shape[1]),
        "longitude": np.linspace(0.25, 359.75, shape[2]),
    }


def prepare(field: Field, folder: Path) -> Path:
    """Make the data once, and give the file they are kept in."""
    path = folder / f"{field.name}.npy"
    if not path.exists():
        partial = path.with_suffix(".partial.npy")
        np.save(partial, MAKERS[field.kind](field.shape), allow_pickle=field.kind == "strings")
        partial.rename(path)
    return path


def load(field: Field, folder: Path) -> Array:
    """Read prepared data into memory."""
    values: Array = np.load(folder / f"{field.name}.npy", allow_pickle=field.kind == "strings")
    return values
