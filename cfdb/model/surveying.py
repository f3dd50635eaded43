"""What can be asked of a dataset whose answer is worked out upstairs?

Every method here is a door (see `doors`): xarray, copies, reports, checks.
"""

from collections.abc import Sequence
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
            With all variables, coordinates and attributes; nothing but the labels is read yet.
        """
        return door("dataset_to_xarray")(self)

    def copy(
        self,
        file_path: Any,
        include_data_vars: Sequence[str] | None = None,
        exclude_data_vars: Sequence[str] | None = None,
        *,
        progress: Any = None,
        **options: Any,
    ) -> Any:
        """Copy the dataset, or this part of it, into a new file.

        Parameters
        ----------
        file_path : str or path
            Of the new file; None keeps the copy in memory.
        include_data_vars, exclude_data_vars : sequence of str, optional
            Data variables to copy, or to leave out; not both. Coordinates and what the variables refer to come along.
        progress : bool or callable, optional
            True for a bar, or a function that is called with the chunks done and their number.
        **options
            Further parameters of `cfdb.open_dataset`.

        Returns
        -------
        Dataset
            The copy, open for writing.
        """
        return door("copy_dataset")(self, file_path, include_data_vars, exclude_data_vars, progress, options)

    def storage_report(self) -> Any:
        """Tell where the bytes are: by variable, stored and decoded, how well they are compressed, what can be saved.

        Returns
        -------
        StorageReport
            Prints as a table.
        """
        return door("storage_report")(self)

    def advise(self, access: Sequence[Any], max_error: float | None = None) -> Any:
        """Find chunk shapes that suit how the data will be read.

        Parameters
        ----------
        access : sequence
            Ways of reading: names of dimensions read whole (``'time'``: series; ``('latitude', 'longitude')``: maps),
            or dicts of dimensions and lengths; a tuple ``(way, weight)`` says how often.
        max_error : float, optional
            As of a variable's `suggest_encoding`.

        Returns
        -------
        Advice
            Prints as text.
        """
        return door("advise")(self, access, max_error)

    def check(self, rules: Any = None) -> Any:
        """Check the dataset against CF and ACDD conventions, and rules of your own.

        Parameters
        ----------
        rules : sequence, optional
            Names of rules or of groups of them (``'cf'``, ``'acdd'``), or rules; None is all.

        Returns
        -------
        CheckReport
            Findings; prints as text, and is true when there is no error.
        """
        return door("check")(self, rules)
