"""Which methods of the model do their work upstairs?

The model stands below the bridges and the display. A method whose work lives there is a *door*: one line in this table,
loaded when it is first used. There is no other way up.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

DOORS = {
    "summarize_dataset": "cfdb.display.summary:summarize_dataset",
    "summarize_variable": "cfdb.display.summary:summarize_variable",
    "summarize_pending": "cfdb.display.changes:summarize_pending",
    "reporting": "cfdb.display.progress:reporting",
    "variable_to_xarray": "cfdb.bridges.xarray_lazy:variable_to_xarray",
    "dataset_to_xarray": "cfdb.bridges.xarray_lazy:dataset_to_xarray",
    "dataset_to_datatree": "cfdb.bridges.xarray_lazy:dataset_to_datatree",
    "labelled_to_xarray": "cfdb.bridges.xarray_lazy:labelled_to_xarray",
    "open_fork": "cfdb.opening_remote:open_fork",
    "open_dataset": "cfdb.opening:open_dataset",
    "export_netcdf": "cfdb.bridges.netcdf_export:export_netcdf",
    "copy_dataset": "cfdb.analysis.moving.copying:copy_dataset",
    "defragment": "cfdb.analysis.moving.defragment:defragment",
    "write_dataset": "cfdb.analysis.moving.writing:write_dataset",
    "interpolate": "cfdb.analysis.interpolating.interp:interpolate",
    "explain": "cfdb.analysis.advising.explain:explain",
    "suggest_encoding": "cfdb.analysis.advising.suggest:suggest_encoding",
    "advise": "cfdb.analysis.advising.advise:advise",
    "storage_report": "cfdb.analysis.advising.report:storage_report",
    "check": "cfdb.analysis.checking.check:check",
    "find_gate": "cfdb.analysis.checking.gate:find_gate",
    "refuse_unless": "cfdb.analysis.checking.gate:refuse_unless",
    "to_nested": "cfdb.analysis.moving.nested:to_nested",
    "diff_datasets": "cfdb.analysis.comparing.diff:diff_datasets",
    "plot_difference": "cfdb.analysis.comparing.picture:plot_difference",
    "print_difference": "cfdb.display.differences:print_difference",
    "open_version": "cfdb.opening_remote:open_version",
    "print_explanation": "cfdb.display.advice:print_explanation",
    "print_advice": "cfdb.display.advice:print_advice",
    "print_encodings": "cfdb.display.advice:print_encodings",
    "print_storage": "cfdb.display.reports:print_storage",
    "print_load": "cfdb.display.reports:print_load",
    "print_check": "cfdb.display.reports:print_check",
}


def door(name: str) -> Callable[..., Any]:
    """Load the function behind a door.

    Examples
    --------
    >>> door("summarize_dataset").__module__
    'cfdb.display.summary'
    """
    module, _, function = DOORS[name].partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
