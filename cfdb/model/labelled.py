"""What is an array in memory that knows its dimensions and labels?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.lib.mixins
import numpy.typing as npt

from cfdb.errors import ShapeError
from cfdb.model.doors import door

Array = npt.NDArray[Any]

#: Arrays of more values are printed in part.
_SHOWN = 60


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LabelledArray(numpy.lib.mixins.NDArrayOperatorsMixin):
    """An array in memory with names of dimensions, labels and attributes: what a reduction gives.

    It can be assigned to a dataset (``ds['climatology'] = result``); operators, NumPy's functions and indexing give
    plain arrays.

    Attributes
    ----------
    name : str
        What it is called.
    dims : tuple of str
        Names of its dimensions.
    values : ndarray or MaskedArray
        The values; masked where a kind without NaN has none.
    coords : mapping of str to LabelledArray
        Labels along the dimensions, and coordinates that are single values.
    attrs : mapping of str to object
        Attributes.

    Examples
    --------
    >>> x = LabelledArray("x", ("x",), np.array([10.0, 20.0]))
    >>> result = LabelledArray("t", ("x",), np.array([1.5, 2.5]), {"x": x})
    >>> print(result)
    <LabelledArray 't' (x: 2) float64>
    [1.5 2.5]
    Coordinates:
        x (x) [10. 20.]
    >>> result + 1, float(result[-1])
    (array([2.5, 3.5]), 2.5)
    """

    name: str
    dims: tuple[str, ...]
    values: Array
    coords: Mapping[str, "LabelledArray"] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.dims) != self.values.ndim:
            raise ShapeError(f"values of shape {self.values.shape} do not have the dimensions {self.dims}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every dimension."""
        return self.values.shape

    @property
    def sizes(self) -> dict[str, int]:
        """Lengths by dimension."""
        return dict(zip(self.dims, self.values.shape, strict=True))

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self.values.ndim

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.values.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy type of the values."""
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return self.values.nbytes

    @property
    def fill_value(self) -> Any:
        """What stands for masked values where they are stored; None when none is masked."""
        values = self.values
        return values.fill_value if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values) else None

    # as an array

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __getitem__(self, key: Any) -> Any:
        return self.values[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        plain = np.ma.filled(self.values.astype(np.float64), np.nan) if np.ma.is_masked(self.values) else self.values
        return np.array(plain, dtype, copy=True) if copy else np.asarray(plain, dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [item.values if isinstance(item, LabelledArray) else item for item in inputs]
        return getattr(ufunc, method)(*plain, **options)

    def item(self, *where: Any) -> Any:
        """Give a single value as a Python object."""
        return self.values.item(*where)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.values)

    def to_xarray(self) -> Any:
        """Give an `xarray.DataArray` with the same labels and attributes; what is masked becomes NaN.

        Returns
        -------
        xarray.DataArray
        """
        return door("labelled_to_xarray")(self)

    # as text

    def __repr__(self) -> str:
        sizes = ", ".join(f"{dim}: {size}" for dim, size in self.sizes.items())
        with np.printoptions(threshold=_SHOWN):
            lines = [f"<LabelledArray {self.name!r} ({sizes}) {self.dtype}>", str(self.values)]
        if self.coords:
            lines.append("Coordinates:")
            lines += [
                f"    {name} ({', '.join(each.dims)}) {_brief(each.values)}" for name, each in self.coords.items()
            ]
        if self.attrs:
            lines.append("Attributes:")
            lines += [f"    {name}: {value}" for name, value in self.attrs.items()]
        return "\n".join(lines)


def _brief(values: Array) -> str:
    """Give the first and last labels on one line."""
    with np.printoptions(threshold=6, edgeitems=2):
        return " ".join(str(values).split())
