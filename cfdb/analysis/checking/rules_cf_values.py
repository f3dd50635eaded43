"""What does CF ask of values, as far as the statistics of chunks know them?"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from cfdb.analysis.checking.facts import described, extremes, is_number, statistics, variables
from cfdb.analysis.checking.rules import check_rule
from cfdb.model.view import View

Found = Iterator[Any]
rule = partial(check_rule, group="cf")
data_rule = partial(check_rule, group="data")

#: A smaller share of cells with a value than this is worth a word.
_SPARSE = 0.1


@rule("cf-missing-value", section="CF 2.5.1")
def missing_value(dataset: Any) -> Found:
    """missing_value is of the type of the variable."""
    for name, variable in variables(dataset):
        given = variable._member.record.missing_value
        if given is None:
            given = variable.attrs.get("missing_value")
        own = {np.dtype(variable.dtype), variable.dtype.dtype_encoded}
        if given is not None and variable.dtype.kind in "iufe" and np.asarray(given).dtype not in own:
            yield name, f"missing_value is {np.asarray(given).dtype}, the variable {np.dtype(variable.dtype)}"


def _range(variable: View) -> tuple[Any, Any]:
    """Give the declared smallest and largest valid value; None where there is none."""
    given = variable.attrs.get("valid_range")
    if given is not None and np.size(given) == 2:
        low, high = np.ravel(given).tolist()
        return low, high
    return variable.attrs.get("valid_min"), variable.attrs.get("valid_max")


@rule("cf-valid-range", severity="error", section="CF 2.5.1")
def valid_range(dataset: Any) -> Found:
    """A valid range is two numbers that rise, or valid_min and valid_max, not both."""
    for name, variable in variables(dataset):
        given = variable.attrs.get("valid_range")
        if given is not None and np.size(given) != 2:
            yield name, f"valid_range has {np.size(given)} items, not 2"
            continue
        if given is not None and ("valid_min" in variable.attrs or "valid_max" in variable.attrs):
            yield name, "valid_range stands beside valid_min or valid_max", "leave one of them out"
        low, high = _range(variable)
        if any(isinstance(each, str) for each in (low, high)):
            yield name, f"the valid range is text: {low!r} to {high!r}", "give numbers"
        elif low is not None and high is not None and low > high:
            yield name, f"the valid range goes from {low} to {high}"


@rule("cf-valid-values", section="CF 2.5.1")
def valid_values(dataset: Any) -> Found:
    """No value lies outside the valid range."""
    for name, variable in variables(dataset):
        low, high = _range(variable)
        found = extremes(variable) if is_number(variable) and (low is not None or high is not None) else None
        if found is None or isinstance(low, str) or isinstance(high, str):
            continue
        if low is not None and high is not None and low > high:
            continue
        if low is not None and found[0] < low:
            yield name, f"its smallest value is {found[0]:g}, below the valid {low}"
        if high is not None and found[1] > high:
            yield name, f"its largest value is {found[1]:g}, above the valid {high}"


@rule("cf-actual-range", severity="error", section="CF 2.5.1")
def actual_range(dataset: Any) -> Found:
    """actual_range is the smallest and the largest value."""
    for name, variable in variables(dataset):
        given = variable.attrs.get("actual_range")
        if given is None:
            continue
        found = extremes(variable) if is_number(variable) else None
        if np.size(given) != 2:
            yield name, f"actual_range has {np.size(given)} items, not 2"
        elif found is not None and not np.allclose(np.ravel(given).astype(float), found, rtol=1e-6, atol=1e-12):
            mend = f"ds[{name!r}].attrs['actual_range'] = [{found[0]:g}, {found[1]:g}]"
            yield (
                name,
                f"actual_range is {np.ravel(given).tolist()}, the values go from {found[0]:g} to {found[1]:g}",
                mend,
            )


@rule("cf-flag-values", section="CF 3.5")
def flag_values_used(dataset: Any) -> Found:
    """Values of a flag variable lie within its flag_values."""
    for name, variable in variables(dataset):
        given = variable.attrs.get("flag_values")
        if given is None or "flag_masks" in variable.attrs or not is_number(variable) or not np.size(given):
            continue
        found = extremes(variable)
        low, high = np.min(given), np.max(given)
        if found is not None and (found[0] < low or found[1] > high):
            yield name, f"its values go from {found[0]} to {found[1]}, flag_values from {low} to {high}"


@data_rule("data-finite")
def finite(dataset: Any) -> Found:
    """No value is infinite."""
    for name, variable in described(dataset):
        found = extremes(variable) if variable.dtype.kind == "f" else None
        if found is not None and not all(map(math.isfinite, found)):
            yield name, "it has infinite values", "missing values are NaN"


@data_rule("data-empty")
def empty(dataset: Any) -> Found:
    """Every variable has a value."""
    for name, variable in described(dataset):
        if variable._selection is not None or not variable.size or variable.dtype.kind == "G":
            continue
        found = statistics(variable)
        if found is None or not found.valid:
            yield name, "it has no value" + (": nothing was written" if found is None else ", all are missing")


@data_rule("data-sparse", severity="info")
def sparse(dataset: Any) -> Found:
    """A tenth of the values of a variable is there at least."""
    for name, variable in described(dataset):
        found = statistics(variable) if variable._selection is None and variable.size else None
        if found is not None and 0 < found.valid < _SPARSE * variable.size:
            yield name, f"{100 * (1 - found.valid / variable.size):.1f} % of its values are missing"
