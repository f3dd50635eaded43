"""What do interpolations from grids and from stations share: labels, fields, levels?"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.analysis.interpolating import levels
from cfdb.analysis.interpolating.fields import FieldReader, Layout, alongside, check_numbers, index_of
from cfdb.analysis.interpolating.interpolated import Index, Interpolated, Labels, Outcome, ReadField
from cfdb.analysis.interpolating.targets import Target
from cfdb.compute.rechunk import check_budget

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Change = Callable[[Array], Array]


class SpatialInterp:
    """What both kinds of interpolation share."""

    def __init__(self, layout: Layout, max_mem: int | str) -> None:
        self._layout = layout
        self._max_mem = check_budget(max_mem)

    @property
    def iter_dim(self) -> str | tuple[str, ...] | None:
        """Dimension that is gone through: a tuple when there are several, None when there is none."""
        found = self._layout.iterated
        return found if len(found) > 1 else next(iter(found), None)

    def _require(self, *axes: str) -> None:
        lost = [axis for axis in axes if axis not in self._layout.space]
        if lost:
            part = self._layout.part
            raise ValueError(
                f"{part.name!r} has no {lost[0]} axis among {', '.join(map(repr, part.dims))}: name it with "
                f"interp({lost[0]}=...)"
            )

    def _check_blending(self, blends: bool, way_out: str) -> None:
        """Refuse to average classes."""
        attrs = self._layout.part.attrs
        if blends and ("flag_values" in attrs or "flag_masks" in attrs):
            raise ValueError(
                f"{self._layout.part.name!r} holds classes (it has flag_values): between two classes there is no "
                f"value; take the nearest with {way_out}"
            )

    def _labels(self, dim: str) -> Labels | None:
        """Give the labels along a dimension of the source."""
        layout = self._layout
        if not layout.has_labels(dim):
            return None
        member = index_of(layout.part, dim)
        axis = None if member is None else member.record.axis
        return Labels((dim,), layout.label_values(dim), layout.attributes(dim), axis)

    def _outcome(self, dims: Mapping[str, int], coords: Mapping[str, Labels]) -> Outcome:
        layout = self._layout
        sizes = layout.part.sizes
        found = {dim: self._labels(dim) for dim in (*layout.iterated, *dims) if dim in layout.part.dims}
        present = {dim: labels for dim, labels in found.items() if labels is not None}
        return Outcome(
            layout.part.name,
            check_numbers(layout.part),
            dict(layout.part.attrs),
            {dim: sizes[dim] for dim in layout.iterated},
            tuple(dims),
            tuple(dims.values()),
            {**present, **coords},
        )

    def _result(
        self, target: Target, dims: Mapping[str, int], coords: Mapping[str, Labels], change: Callable[[], Change]
    ) -> Interpolated:
        """Promise fields that `change` makes of those of the source."""
        layout = self._layout
        outcome = self._outcome(dims, coords)

        def start() -> ReadField:
            reader = FieldReader(layout.part, layout.iterated, layout.field_dims, self._max_mem)
            apply = change()
            return lambda index: apply(reader(index)).astype(outcome.dtype, copy=False)

        return Interpolated(outcome, target, start)

    def _leading(self) -> dict[str, int]:
        """Give the dimensions of a field that are not horizontal, with their lengths."""
        flat = [self._layout.space[axis] for axis in ("y", "x", "xy") if axis in self._layout.space]
        sizes = self._layout.part.sizes
        return {dim: sizes[dim] for dim in self._layout.field_dims if dim not in flat}

    def regrid_levels(
        self, target_levels: Any, source_levels: str, axis: int | str = 0, method: str = "linear"
    ) -> Interpolated:
        """Interpolate along the vertical, from levels that differ from column to column to common ones.

        Parameters
        ----------
        target_levels : array-like of float, shape (t,)
            Levels that are wanted, in the units of `source_levels`.
        source_levels : str
            Variable of the same dataset that says where the values lie: pressure or height, along the vertical
            dimension and any others of this variable.
        axis : int or str
            Vertical dimension: its place in a field, or its name.
        method : {'linear', 'log', 'nearest'}
            Linear in the level, linear in its logarithm (for pressure), or the nearest level.

        Returns
        -------
        Interpolated
            NaN outside the levels of a column and beside missing values. When iterating: ValueError if the levels of a
            column turn back.

        Raises
        ------
        TypeError
            If `source_levels` is no str.
        ValueError
            If there is no such variable, or it does not lie along the vertical dimension.
        """
        layout = self._layout
        other = alongside(layout.part, source_levels, "source_levels")
        check_numbers(other)
        vertical = self._vertical(axis)
        if vertical not in other.dims:
            raise ValueError(
                f"source_levels={source_levels!r} does not lie along {vertical!r}; choose the vertical dimension with "
                f"axis=, its place or name among {layout.field_dims}"
            )
        wanted = np.atleast_1d(np.asarray(target_levels))
        if wanted.ndim != 1 or not wanted.size or wanted.dtype.kind not in "iuf" or not np.isfinite(wanted).all():
            raise ValueError(f"target_levels={target_levels!r}: give one or more numbers")
        check_choice("method", method, levels.METHODS)
        self._check_blending(method != "nearest", "method='nearest'")
        place = layout.field_dims.index(vertical)
        sizes = {dim: layout.part.sizes[dim] for dim in layout.field_dims} | {vertical: wanted.size}
        attrs = {key: value for key, value in other.attrs.items() if key in ("units", "standard_name", "positive")}
        outcome = self._outcome(sizes, {vertical: Labels((vertical,), wanted, attrs, "z")})
        floats = wanted.astype(np.float64)

        def start() -> ReadField:
            values = FieldReader(layout.part, layout.iterated, layout.field_dims, self._max_mem)
            heights = FieldReader(other, layout.iterated, layout.field_dims, self._max_mem)

            def read(index: Index) -> Array:
                column, level = (np.moveaxis(each(index), place, 0) for each in (values, heights))
                found = levels.regrid_columns(column, level, floats, method, repr(source_levels))
                return np.moveaxis(found, 0, place).astype(outcome.dtype, copy=False)

            return read

        return Interpolated(outcome, self._own_target(floats), start)

    def _vertical(self, axis: int | str) -> str:
        """Find the vertical dimension of a field."""
        dims = self._layout.field_dims
        flat = [self._layout.space[name] for name in ("y", "x", "xy") if name in self._layout.space]
        if isinstance(axis, str):
            found = axis if axis in dims else None
        else:
            found = dims[axis] if -len(dims) <= axis < len(dims) else None
        if found is None or found in flat:
            raise ValueError(
                f"axis={axis!r} is no vertical dimension: a field of {self._layout.part.name!r} has {dims}; name the "
                "vertical one with interp(z=...)"
            )
        return found

    def _own_target(self, z: Floats | None = None) -> Target:
        """Give the places of the source."""
        raise NotImplementedError


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse a word that is none of those a parameter knows."""
    if value not in choices:
        raise ValueError(f"{name}={value!r}: choose one of {', '.join(map(repr, choices))}")
