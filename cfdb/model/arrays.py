"""How does something that was not read yet behave like a NumPy array, or like a number?"""

from typing import Any, ClassVar

import numpy as np
import numpy.lib.mixins
import numpy.typing as npt

from cfdb.errors import ShapeError
from cfdb.model.values import reduce_masked, unmasked

Array = npt.NDArray[Any]


class ArrayLike(numpy.lib.mixins.NDArrayOperatorsMixin):
    """Gives NumPy's functions and operators what `_load_implicitly` reads; their results are arrays."""

    __slots__ = ()
    _kind: ClassVar[str] = "array"

    @property
    def name(self) -> str:
        """What it is called, for messages."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """Number of cells."""
        raise NotImplementedError

    def _load_implicitly(self) -> Array:
        """Read everything, if that is not too much."""
        raise NotImplementedError

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self == value))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError(f"{self._kind} {self.name!r} must be read, so an array of it is always a copy")
        plain: Array = unmasked(self._load_implicitly(), f"{self._kind} {self.name!r}", dtype)
        return plain if dtype is None else plain.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        loaded = [item._load_implicitly() if isinstance(item, ArrayLike) else item for item in inputs]

        def apply(**target: Any) -> Any:
            if method == "__call__":
                return ufunc(*loaded, **options, **target)
            return reduce_masked(ufunc, method, loaded, {**options, **target}, f"{self._kind} {self.name!r}")

        if out is None:
            return apply()
        if not any(isinstance(target, ArrayLike) for target in out):
            return apply(out=out)
        result = apply()
        results = result if isinstance(result, tuple) else (result,)
        for target, values in zip(out, results, strict=True):
            target[...] = values
        return out[0] if len(out) == 1 else out

    def item(self, *where: Any) -> Any:
        """Give a single value as a Python object.

        Raises
        ------
        ShapeError
            If there are several cells and `where` does not say which; nothing is read then.
        """
        if not where and self.size != 1:
            shape = getattr(self, "shape", (self.size,))
            raise ShapeError(
                f"{self._kind} {self.name!r} of shape {shape} is no single value: select one cell, as in "
                f"[{', '.join('0' * len(shape)) or '0'}] or .sel(...), or reduce it, as with .mean()"
            )
        return unmasked(self._load_implicitly(), f"{self._kind} {self.name!r}").item(*where)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"the truth value of {self._kind} {self.name!r} with {self.size} cells is ambiguous: use .values.any() "
                "or .values.all()"
            )
        return bool(self.item())
