"""What can be asked of a dataset whose answer is worked out upstairs?

Every method here is a door (see `doors`): xarray, copies, reports, checks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cfdb.model.doors import door
from cfdb.model.listing import Listing


class Surveying(Listing):
    """A dataset, or a part of one, that other rooms answer for."""

    def to_xarray(self) -> Any:
        """Give an `xarray.Dataset` that reads from here when its values are needed.

        Returns
        -------
        xarray.Dataset
            With the variables, coordinates and attributes; nothing but the labels is read yet. Groups come with
            `to_datatree`, or by ``ds.groups[name].to_xarray()``.
        """
        return door("dataset_to_xarray")(self)

    def to_datatree(self) -> Any:
        """Give an `xarray.DataTree` of the dataset and its groups that reads from here when values are needed.

        Returns
        -------
        xarray.DataTree
            One node per group; nothing but the labels is read yet.
        """
        return door("dataset_to_datatree")(self)

    def to_dict(self, full: bool = False) -> dict[str, Any]:
        """Give all values as arrays by name; groups are dicts in it.

        Parameters
        ----------
        full : bool
            Whether dimensions and attributes come along: each variable is ``(dims, array, attrs)``, and the attributes
            of the dataset and of groups lie under ``'@attrs'``. `cfdb.from_dict` makes the same dataset of that.

        Returns
        -------
        dict

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["t"] = ("x", [1.5, 2.5])
        ...     ds["model/t"] = ("x", [1, 2])
        ...     ds.to_dict()
        {'model': {'t': array([1, 2])}, 't': array([1.5, 2.5])}
        """
        found: dict[str, Any] = door("to_nested")(self, full)
        return found

    def copy(
        self,
        file_path: Any,
        include_data_vars: Sequence[str] | None = None,
        exclude_data_vars: Sequence[str] | None = None,
        *,
        overwrite: bool = False,
        chunk_shape: Mapping[str, int] | None = None,
        max_mem: int | str = 2**29,
        progress: Any = None,
        **options: Any,
    ) -> Any:
        """Copy the dataset, or this part of it, into a new file.

        What is copied whole is copied as it is stored: nothing is decoded, and chunks that were never written stay so.
        The file appears when it is complete; after an error there is none.

        Parameters
        ----------
        file_path : str or path
            Of the new file; None keeps the copy in memory.
        include_data_vars, exclude_data_vars : sequence of str, optional
            Data variables to copy, or to leave out; not both. Coordinates and what the variables refer to come along.
        overwrite : bool
            Whether a file that exists is replaced.
        chunk_shape : mapping, optional
            Other chunk lengths of the data variables, by dimension; -1 is the whole dimension.
        max_mem : int or str
            Bytes to use, or a text as ``'500MB'``; a chunk is held in any case.
        progress : bool or callable, optional
            True for a bar, or a function that is called with the chunks done and their number.
        **options
            Further parameters of `cfdb.open_dataset`; with another ``compression`` chunks are encoded anew.

        Returns
        -------
        Dataset
            The copy, open for writing.
        """
        for word in ("include", "exclude"):
            if word in options:
                raise TypeError(f"copy() takes {word}_data_vars={options[word]!r}, not {word}=")
        said = {**options, "overwrite": overwrite, "chunk_shape": chunk_shape, "max_mem": max_mem}
        return door("copy_dataset")(self, file_path, include_data_vars, exclude_data_vars, progress, said)

    def to_netcdf4(
        self,
        file_path: Any,
        compression: str | None = "gzip",
        include_data_vars: Sequence[str] | None = None,
        exclude_data_vars: Sequence[str] | None = None,
        *,
        progress: Any = None,
        **file_kwargs: Any,
    ) -> None:
        """Write the dataset, or this part of it, as a netCDF-4 file.

        Packed values stay packed (``scale_factor``, ``add_offset``, ``_FillValue``), times become CF numbers,
        geometries well-known text, groups groups. What netCDF's attributes cannot hold (dicts, None) becomes JSON text.

        Parameters
        ----------
        file_path : str or path
            A file of this name is replaced, as the last step.
        compression : {'gzip', 'lzf', None}
            Of HDF5.
        include_data_vars, exclude_data_vars : sequence of str, optional
            Data variables to write, or to leave out; not both. Coordinates and what they refer to come along.
        progress : bool or callable, optional
            True for a bar, or a function that is called with the bytes done and in all.
        **file_kwargs
            Passed on to ``h5netcdf.File``.

        Raises
        ------
        ImportError
            If h5netcdf is not installed.
        DataTypeError
            If netCDF has no type for a variable (complex numbers); nothing is written.
        """
        door("export_netcdf")(self, file_path, compression, include_data_vars, exclude_data_vars, progress, file_kwargs)

    def storage_report(self) -> Any:
        """Tell where the bytes are: by variable, stored and decoded, how well they are compressed, what can be saved.

        Records and the table of the file answer; no chunk is read. Of a part, the chunks that it touches count.

        Returns
        -------
        StorageReport
            Prints as a table.
        """
        return door("storage_report")(self)

    def advise(self, access: Any, weights: Sequence[float] | None = None) -> Any:
        """Find chunk shapes that suit how the data will be read.

        The numbers come from a model of what is touched and decoded: the mean over all places where a way of reading
        can begin. Nothing is read.

        Parameters
        ----------
        access : sequence
            Ways of reading: a dimension that is read whole (``'time'``: series), several of them
            (``('latitude', 'longitude')``: maps), or a dict of dimensions and lengths (-1: whole). Dimensions that a
            way does not name have one position.
        weights : sequence of float, optional
            How often each way is used; equally often by default.

        Returns
        -------
        Advice
            Prints as text; ``.chunk_shapes`` are the recommended shapes by variable.

        Examples
        --------
        >>> import numpy as np
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["t"] = (("time", "place"), np.zeros((3000, 2000), "float32"))
        ...     ds.advise(access=["time", "place"], weights=[10, 1]).chunk_shapes
        {'t': (..., ...)}
        """
        return door("advise")(self, access, weights)

    def check(self, rules: Any = None) -> Any:
        """Check the dataset against CF and ACDD conventions, and rules of your own.

        Attributes, links, coordinates and the statistics of chunks are looked at; data are not read.

        Parameters
        ----------
        rules : sequence, optional
            Names of rules or of groups of them (``'cf'``, ``'acdd'``, ``'data'``), or functions registered by
            `cfdb.check_rule`; None is all.

        Returns
        -------
        CheckReport
            Findings; prints as text, and is true when there is no error.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds.attrs["Conventions"] = "CF-1.11"
        ...     [finding.rule for finding in ds.check(rules="acdd").warnings]
        ['acdd-title', 'acdd-summary', 'acdd-keywords']
        """
        return door("check")(self, rules)
