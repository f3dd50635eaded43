"""How do several datasets become a new one?"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from cfdb.analysis.moving.agreeing import agree, bundles_of, check_overlap, opened
from cfdb.analysis.moving.assembling import Assembly
from cfdb.analysis.moving.copying import new_file
from cfdb.analysis.moving.incoming import Bundle
from cfdb.analysis.moving.replica import Names
from cfdb.compute.rechunk import check_budget
from cfdb.format.names import group_owner
from cfdb.model.dataset import Dataset
from cfdb.model.doors import door
from cfdb.model.reading import Reading

Source = str | os.PathLike[str] | Reading


def combine(
    datasets: Source | Iterable[Source],
    output_path: str | os.PathLike[str] | None,
    sel: Mapping[str, Any] | None = None,
    overlap: str = "last",
    compression: str | None = None,
    compression_level: int | None = None,
    include_data_vars: Names = None,
    exclude_data_vars: Names = None,
    *,
    overwrite: bool = False,
    max_mem: int | str = 2**29,
    progress: Any = None,
) -> Dataset:
    """Combine datasets into a new file, by label.

    The coordinates of the result hold the labels of all inputs, sorted: descending where all inputs descend; strings,
    geometries and what is not sorted in the order in which they come. Floats that differ by noise are one label. A step
    is kept where all inputs have it and the labels still do. Chunk shapes, types and attributes are those of the first
    dataset that has a variable; attributes of the dataset too are taken from the first that has them.

    Parameters
    ----------
    datasets : sequence
        Paths, patterns of paths (``'rain/*.cfdb'``: the files sorted by name), open datasets or parts of them. What is
        opened here is closed again.
    output_path : str, path or None
        The new file; None keeps it in memory. It appears when it is complete: after an error there is none.
    sel : mapping, optional
        Labels to take of every dataset, as of `Dataset.sel`.
    overlap : {'last', 'first', 'error'}
        Which value a cell gets that several datasets have one for: missing ones never count. ``'error'`` refuses such
        cells; variables that lie along the same labels in all datasets may be equal.
    compression, compression_level : optional
        Of the result; by default those of the first dataset.
    include_data_vars, exclude_data_vars : sequence of str, optional
        Data variables to take, or to leave out.
    overwrite : bool
        Whether a file that exists is replaced.
    max_mem : int or str
        Bytes to use, or a text as ``'500MB'``; a chunk is held in any case.
    progress : bool or callable, optional
        True for a bar, or a function that is called with the blocks done and their number.

    Returns
    -------
    Dataset
        The result, open for writing.

    Raises
    ------
    ValueError
        If datasets are of different types or reference systems, or variables of different types, axes, units or
        dimensions.
    FileNotFoundError
        If a path or pattern leads to no file.
    FileExistsError
        If there is such a file, and `overwrite` is not given.

    Examples
    --------
    >>> import cfdb
    >>> import numpy as np
    >>> parts = [cfdb.open_dataset(None, "n") for _ in range(2)]
    >>> for number, part in enumerate(parts):
    ...     part["rain"] = ("year", np.array([1.0, 2.0]) + number)
    ...     part["year"] = ("year", np.array([2000, 2001]) + number)
    >>> with cfdb.combine(parts, None) as ds:
    ...     print(ds["year"].values, ds["rain"].values)
    [2000 2001 2002] [1. 2. 3.]
    >>> for part in parts:
    ...     part.close()
    """
    check_overlap(overlap)
    budget = check_budget(max_mem)
    with opened(datasets) as found:
        chosen: list[Reading] = [each.sel(sel) for each in found] if sel else found
        bundles = bundles_of(chosen, include_data_vars, exclude_data_vars)
        common = agree(chosen, bundles)
        record = chosen[0]._labels.structure.dataset
        options = {
            "dataset_type": common.dataset_type,
            "compression": record.compression if compression is None else compression,
            "compression_level": record.compression_level if compression is None else compression_level,
            "overwrite": overwrite,
        }
        if compression_level is not None:
            options["compression_level"] = compression_level
        recode = compression is not None or compression_level is not None
        with (
            new_file(output_path, chosen, options) as made,
            door("reporting")(progress, "combine", unit=" blocks") as bar,
        ):
            structure = made.dataset._structure
            structure.set_dataset(replace(structure.dataset, crs=common.crs))
            Assembly(overlap, recode=recode).run(made.dataset, bundles, budget, bar)
            for bundle in reversed(bundles):
                add_attributes(made.dataset, bundle)
        return made.dataset


def add_attributes(target: Dataset, bundle: Bundle) -> None:
    """Give a dataset the attributes of another one, and of its groups; those of the same name are replaced."""
    structure = target._structure
    structure.attributes(None).update(bundle.attrs)
    structure.touch_attributes(None)
    if bundle.source is None:
        return
    other = bundle.source._labels.structure
    for path in other.groups:
        if path not in structure.groups:
            continue
        structure.attributes(group_owner(path)).update(other.attributes(group_owner(path)))
        structure.touch_attributes(group_owner(path))
