"""Which chunk shapes suit the ways in which a dataset is read?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cfdb.analysis.advising.chunk_costs import Cost, cost_of
from cfdb.analysis.advising.chunk_search import Way, find_chunk_shape, slowdown
from cfdb.analysis.advising.explain import layout_of
from cfdb.errors import SelectionError
from cfdb.model.doors import door
from cfdb.model.reading import Reading
from cfdb.model.structure import unknown_name
from cfdb.model.view import View


@dataclass(frozen=True, slots=True)
class WayCost:
    """What one way of reading costs, now and with the recommended chunks; means over the places where it can begin.

    Attributes
    ----------
    way : str
        What is read at once.
    weight : float
        How often, or how important.
    used : int
        Bytes of what is read at once.
    now, then : Cost
        Chunks touched and bytes decoded, with the present and with the recommended chunks.
    """

    way: str
    weight: float
    used: int
    now: Cost
    then: Cost


@dataclass(frozen=True, slots=True)
class ChunkAdvice:
    """Which chunks suit one variable.

    Attributes
    ----------
    name : str
        The variable.
    dims : tuple of str
        Its dimensions.
    shape : tuple of int
        Its shape.
    present, recommended : tuple of int
        Chunk shapes; the same when nothing is to be gained.
    slowdown_now, slowdown_then : float
        Weighted mean of how many times more is to be done than with chunks made for each way alone.
    costs : tuple of WayCost
        The numbers, way by way.
    """

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    present: tuple[int, ...]
    recommended: tuple[int, ...]
    slowdown_now: float
    slowdown_then: float
    costs: tuple[WayCost, ...]

    @property
    def is_better(self) -> bool:
        """Whether other chunks than the present ones are recommended."""
        return self.recommended != self.present


@dataclass(frozen=True, slots=True)
class Advice:
    """Which chunks suit the variables of a dataset.

    Attributes
    ----------
    variables : tuple of ChunkAdvice
        Those that the ways of reading concern.
    """

    variables: tuple[ChunkAdvice, ...]

    @property
    def chunk_shapes(self) -> dict[str, tuple[int, ...]]:
        """Recommended shapes by variable."""
        return {each.name: each.recommended for each in self.variables}

    def __getitem__(self, name: str) -> ChunkAdvice:
        found = {each.name: each for each in self.variables}
        if name not in found:
            raise KeyError(unknown_name("variable", name, found))
        return found[name]

    def __str__(self) -> str:
        text: str = door("print_advice")(self)
        return text

    __repr__ = __str__


def advise(dataset: Reading, access: Any, weights: Sequence[float] | None = None) -> Advice:
    """Find chunk shapes that suit how the data will be read.

    Parameters
    ----------
    dataset : Dataset or DatasetView
        What will be read.
    access : sequence
        Ways of reading.
    weights : sequence of float, optional
        One for each way.

    Returns
    -------
    Advice

    Raises
    ------
    SelectionError
        If a way names a dimension that does not exist.
    ValueError
        If a way or a weight means nothing.
    """
    # a dimension that an integer dropped has one position
    sizes = {**dict.fromkeys(dataset._labels.structure.dims, 1), **dataset.sizes}
    ways = [_lengths(way, sizes) for way in _listed(access)]
    amounts = _weights(weights, len(ways))
    found = []
    for variable in dataset.data_vars:
        named = list(_concerning(variable, ways, amounts))
        if named and variable.ndim:
            found.append(_advise(variable, named))
    return Advice(tuple(found))


def _advise(view: View, ways: Sequence[Way]) -> ChunkAdvice:
    present = view.chunk_shape
    # dimensions that an integer dropped have one position
    layout = layout_of(view, view._selected().full_shape)
    best = find_chunk_shape(layout, ways, present)
    costs = tuple(
        WayCost(way.name, way.weight, then.used, cost_of(layout, present, way.lengths), then)
        for way, then in ((way, cost_of(layout, best, way.lengths)) for way in ways)
    )
    dims = tuple(dim.path for dim in view._member.dims)
    now, then = (slowdown(layout, shape, ways) for shape in (present, best))
    return ChunkAdvice(view.name, dims, layout.shape, present, best, now, then, costs)


def _concerning(view: View, ways: Sequence[tuple[str, Mapping[str, int]]], weights: Sequence[float]) -> Iterator[Way]:
    """Give the ways that name a dimension of a variable, in its own dimensions."""
    shape = view._selected().full_shape
    dims = [dim.path for dim in view._member.dims]
    for (name, lengths), weight in zip(ways, weights, strict=True):
        if weight and any(dim in lengths for dim in dims):
            own = tuple(min(size, lengths.get(dim, 1)) for dim, size in zip(dims, shape, strict=True))
            yield Way(name, own, weight)


def _listed(access: Any) -> list[Any]:
    if isinstance(access, str | Mapping):
        return [access]
    found = list(access)
    if not found:
        raise ValueError(
            "access=[] names no way of reading: give dimensions, as in ['time', ('latitude', 'longitude')]"
        )
    return found


def _lengths(way: Any, sizes: Mapping[str, int]) -> tuple[str, dict[str, int]]:
    """Give name and lengths of a way of reading; dimensions that it does not name have one position."""
    if isinstance(way, Mapping):
        named = dict(way)
    else:
        named = dict.fromkeys((way,) if isinstance(way, str) else tuple(way), -1)
    found = {}
    for dim, length in named.items():
        if dim not in sizes:
            raise SelectionError(f"access={way!r}: {unknown_name('dimension', dim, sizes)}")
        if isinstance(length, bool) or not isinstance(length, int) or (length < 1 and length != -1):
            raise ValueError(f"access={way!r}: {length!r} is no length of {dim!r}; give 1 or more, or -1 for all")
        found[dim] = sizes[dim] if length == -1 else min(length, sizes[dim])
    text = " x ".join(f"{dim} {length:,}" for dim, length in found.items())
    return text or "one cell", found


def _weights(weights: Sequence[float] | None, count: int) -> list[float]:
    found = [1.0] * count if weights is None else [float(weight) for weight in weights]
    if len(found) != count:
        raise ValueError(f"weights={weights!r}: give one for each of the {count} ways of reading")
    if any(not weight >= 0 for weight in found) or not any(found):
        raise ValueError(f"weights={weights!r}: give numbers that are not negative, one of them positive")
    return found
