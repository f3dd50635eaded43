"""How do several datasets get into one that exists?"""

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from cfdb.analysis.moving.agreeing import agree, bundles_of, check_overlap, opened
from cfdb.analysis.moving.assembling import Assembly
from cfdb.analysis.moving.combine import Source, add_attributes
from cfdb.analysis.moving.growing import Grown
from cfdb.analysis.moving.incoming import Bundle
from cfdb.compute.rechunk import check_budget
from cfdb.errors import CoordinateError
from cfdb.model.changing import Changing
from cfdb.model.dataset import Dataset
from cfdb.model.doors import door
from cfdb.model.undo import all_or_nothing


def merge_into(
    datasets: Source | Iterable[Source],
    target_path: str | os.PathLike[str] | Dataset,
    allow_expansion: bool | Collection[str] = True,
    overlap: str = "last",
    *,
    max_mem: int | str = 2**29,
    progress: Any = None,
) -> Dataset:
    """Merge datasets into an existing one, by label.

    Labels that the target does not have are added where they belong, also between others; chunks that get no value are
    not rewritten. Variables that it does not have are created. After an error the target is as it was.

    Parameters
    ----------
    datasets : sequence
        Paths, patterns of paths (``'rain/*.cfdb'``: the files sorted by name), open datasets or parts of them. What is
        opened here is closed again.
    target_path : str, path or Dataset
        The file to change, or an open dataset.
    allow_expansion : bool or collection of str
        Whether labels, dimensions and variables may be added; names: the dimensions that may get labels.
    overlap : {'last', 'first', 'error'}
        Which value a cell gets that has one already: missing ones never count. ``'error'`` refuses such cells;
        variables that lie along the same labels everywhere may be equal.
    max_mem : int or str
        Bytes to use, or a text as ``'500MB'``; a chunk is held in any case.
    progress : bool or callable, optional
        True for a bar, or a function that is called with the blocks done and their number.

    Returns
    -------
    Dataset
        The target, open for writing and synced.

    Raises
    ------
    FileNotFoundError
        If there is no target, or a path or pattern leads to no file.
    ValueError
        If something does not fit (as of `combine`), or would have to be added and may not.

    Examples
    --------
    >>> import cfdb
    >>> import numpy as np
    >>> target, part = cfdb.open_dataset(None, "n"), cfdb.open_dataset(None, "n")
    >>> for ds, years in ((target, [2000, 2002]), (part, [2001])):
    ...     ds["rain"] = ("year", np.ones(len(years)) * years[0])
    ...     ds["year"] = ("year", years)
    >>> with cfdb.merge_into([part], target) as ds:
    ...     print(ds["year"].values, ds["rain"].values)
    [2000 2001 2002] [2000. 2001. 2000.]
    >>> part.close()
    """
    check_overlap(overlap)
    budget = check_budget(max_mem)
    if isinstance(target_path, Dataset):
        _merge(datasets, target_path, allow_expansion, overlap, budget, progress)
        return target_path
    target: Dataset = door("open_dataset")(target_path, "w")
    try:
        _merge(datasets, target, allow_expansion, overlap, budget, progress)
    except BaseException:
        target._structure.close()
        raise
    return target


def _merge(
    datasets: Source | Iterable[Source],
    target: Dataset,
    allow_expansion: bool | Collection[str],
    overlap: str,
    max_mem: int,
    progress: Any,
) -> None:
    structure = target._structure
    structure.check_writable()
    with opened(datasets) as found, door("reporting")(progress, "merge", unit=" blocks") as bar:
        if any(each._labels.structure.store is structure.store for each in found):
            raise ValueError("a dataset cannot be merged into itself: copy it first")
        bundles = bundles_of(found)
        common = agree([target, *found], [*bundles_of([target]), *bundles])
        if allow_expansion is False:
            _refuse_new(target, bundles)
        assembly = Assembly(overlap, lambda grown, changed: _check_growth(grown, changed, allow_expansion))
        with all_or_nothing(structure):
            if structure.dataset.crs is None and common.crs is not None:
                structure.set_dataset(replace(structure.dataset, crs=common.crs))
            assembly.run(target, bundles, max_mem, bar)
            for bundle in reversed(bundles) if overlap == "first" else bundles:
                add_attributes(target, bundle)
        target.sync()


def _refuse_new(target: Dataset, bundles: Sequence[Bundle]) -> None:
    new = [name for bundle in bundles for name in bundle.variables if name not in target]
    if new:
        raise CoordinateError(f"allow_expansion=False: the target has no variable {new[0]!r}")


def _check_growth(grown: Sequence[Grown], target: Changing, allowed: bool | Collection[str]) -> None:
    names = [allowed] if isinstance(allowed, str) else allowed
    for each in grown:
        if each.added and (names is False or (not isinstance(names, bool) and each.dim not in names)):
            assert each.union is not None
            label = each.union.labels[each.union.new[0]]
            raise CoordinateError(
                f"allow_expansion={allowed!r}: {each.dim}={label} is not in the target ({each.added} labels are not)"
            )
