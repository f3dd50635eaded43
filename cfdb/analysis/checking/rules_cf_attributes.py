"""What does CF ask of names and of the attributes that describe a variable by itself?"""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import numpy as np

from cfdb.analysis.checking.facts import (
    by_name,
    coordinates,
    described,
    is_flag,
    is_number,
    is_root,
    resolve,
    text,
    variables,
)
from cfdb.analysis.checking.rules import check_rule
from cfdb.conventions.calendars import is_time_units
from cfdb.conventions.cf import ENCODING_ATTRIBUTES
from cfdb.conventions.templates import find_template, template_names
from cfdb.conventions.units import dimensions_of

Found = Iterator[Any]
rule = partial(check_rule, group="cf")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_STANDARD_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MODIFIERS = ("detection_minimum", "number_of_observations", "observation", "standard_error", "status_flag")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_TEXTS = _words(
    "units standard_name long_name axis positive calendar coordinates bounds climatology grid_mapping "
    "cell_methods cell_measures ancillary_variables formula_terms flag_meanings cf_role comment"
)
_GLOBAL_TEXTS = _words("Conventions title history institution source references comment featureType")
_DEPRECATED = ("level", "layer", "sigma_level")
_METHODS = _words(
    "point sum maximum maximum_absolute_value median mid_range minimum minimum_absolute_value mean "
    "mean_absolute_value mean_of_upper_decile mode range root_mean_square standard_deviation sum_of_squares "
    "variance"
)


@rule("cf-conventions", severity="error", section="CF 2.6.1")
def conventions(dataset: Any) -> Found:
    """The dataset says which version of CF it follows."""
    if is_root(dataset) and not re.search(r"\bCF-1\.\d+", text(dataset, "Conventions")):
        yield None, "the attribute Conventions names no version of CF", "ds.attrs['Conventions'] = 'CF-1.11'"


@rule("cf-names", section="CF 2.3")
def names(dataset: Any) -> Found:
    """Names of variables, dimensions and attributes are letters, digits and underscores, a letter first."""
    for name, variable in variables(dataset):
        if not _NAME.fullmatch(name.rpartition("/")[2]):
            yield name, f"the name {name!r} is not made of letters, digits and underscores", "ds.rename(...)"
        for attribute in variable.attrs:
            if not _NAME.fullmatch(attribute) and attribute not in ENCODING_ATTRIBUTES:
                yield name, f"the name of the attribute {attribute!r} is not made of letters, digits and underscores"
    for dim in dataset.dims:
        if dim not in by_name(dataset) and not _NAME.fullmatch(dim.rpartition("/")[2]):
            yield None, f"the name of the dimension {dim!r} is not made of letters, digits and underscores"
    for attribute in dataset.attrs:
        if not _NAME.fullmatch(attribute):
            yield None, f"the name of the attribute {attribute!r} is not made of letters, digits and underscores"


@rule("cf-names-case", section="CF 2.3")
def names_differ(dataset: Any) -> Found:
    """Names of variables differ by more than upper and lower case."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, _ in variables(dataset):
        found[name.lower()].append(name)
    for same in found.values():
        if len(same) > 1:
            yield same[0], f"{' and '.join(map(repr, same))} differ in upper and lower case only", "ds.rename(...)"


@rule("cf-attribute-types", severity="error", section="CF A")
def attribute_types(dataset: Any) -> Found:
    """Attributes that are text are text."""
    owners: list[tuple[str | None, Any, tuple[str, ...]]] = [(None, dataset, _GLOBAL_TEXTS)]
    owners += [(name, variable, _TEXTS) for name, variable in variables(dataset)]
    for name, owner, known in owners:
        for attribute in known:
            value = owner.attrs.get(attribute, "")
            if not isinstance(value, str):
                yield name, f"the attribute {attribute} is {value!r} of type {type(value).__name__}, not a text"


@rule("cf-description", section="CF 3")
def description(dataset: Any) -> Found:
    """Data and coordinates have a standard_name or a long_name."""
    for name, variable in described(dataset):
        if "standard_name" not in variable.attrs and "long_name" not in variable.attrs:
            yield name, "it has no standard_name and no long_name", f"ds[{name!r}].attrs['long_name'] = ..."


@rule("cf-standard-name", severity="error", section="CF 3.3")
def standard_name(dataset: Any) -> Found:
    """A standard_name is lower case, with one of CF's modifiers at most (the table of names is not looked up)."""
    for name, variable in variables(dataset):
        value = text(variable, "standard_name")
        if not value:
            continue
        base, _, modifier = value.partition(" ")
        if not _STANDARD_NAME.fullmatch(base) or (modifier and modifier not in _MODIFIERS):
            yield name, f"{value!r} cannot be a standard_name", "take one of the CF standard name table"


@lru_cache(maxsize=1)
def _canonical() -> dict[str, str]:
    """Give the units of the standard names that templates know, where these agree."""
    found: dict[str, set[str]] = defaultdict(set)
    for kind in ("coord", "data_var"):
        for method in template_names(kind):
            attrs = getattr(find_template(method, kind), "attrs", {})
            if "standard_name" in attrs and dimensions_of(attrs.get("units", "?")) is not None:
                found[attrs["standard_name"]].add(attrs["units"])
    return {
        name: next(iter(units)) for name, units in found.items() if len({dimensions_of(each) for each in units}) == 1
    }


@rule("cf-standard-name-units", severity="error", section="CF 3.3")
def standard_name_units(dataset: Any) -> Found:
    """Units measure what the standard_name says (for the names that templates know)."""
    for name, variable in described(dataset):
        canonical = _canonical().get(text(variable, "standard_name"))
        units = variable.units
        if canonical is None or not units or is_time_units(units) or "cell_methods" in variable.attrs:
            continue
        measured = dimensions_of(units)
        if measured is not None and measured != dimensions_of(canonical):
            wanted = f"units of {text(variable, 'standard_name')} measure the same as {canonical!r}"
            yield name, f"units {units!r}: {wanted}", "convert the values, or choose another standard_name"


@rule("cf-units", section="CF 3.1")
def units_present(dataset: Any) -> Found:
    """Numbers have units; those without dimension have '1'."""
    for name, variable in described(dataset):
        free = is_flag(variable) or "cf_role" in variable.attrs or text(variable, "standard_name").endswith("_flag")
        free = free or "T" in text(variable, "axis").upper() or text(variable, "standard_name") == "time"
        if is_number(variable) and not free and variable.units is None:
            yield name, "it has no units", f"ds[{name!r}].attrs['units'] = ..., '1' where there is no dimension"


@rule("cf-units-known", section="CF 3.1")
def units_valid(dataset: Any) -> Found:
    """Units can be read as UDUNITS does (the usual units are known)."""
    for name, variable in variables(dataset):
        units = variable.units
        if units and not is_time_units(units) and dimensions_of(units) is None:
            yield name, f"the units {units!r} are not known", "write them as in 'kg m-2 s-1'"


@rule("cf-units-deprecated", section="CF 3.1")
def units_deprecated(dataset: Any) -> Found:
    """Units are not level, layer or sigma_level."""
    for name, variable in variables(dataset):
        if variable.units in _DEPRECATED:
            yield name, f"the units {variable.units!r} are deprecated", "use '1'"


@rule("cf-flag-meanings", severity="error", section="CF 3.5")
def flag_meanings(dataset: Any) -> Found:
    """Every flag has a value or a mask, and a meaning."""
    for name, variable in variables(dataset):
        lengths = {
            attribute: np.size(variable.attrs[attribute])
            for attribute in ("flag_values", "flag_masks")
            if attribute in variable.attrs
        }
        meanings = variable.attrs.get("flag_meanings")
        if meanings is not None and not lengths and variable.dtype.kind != "e":
            yield name, "flag_meanings stand without flag_values or flag_masks"
        words = meanings.split() if isinstance(meanings, str) else []
        for attribute, length in lengths.items():
            if length != len(words):
                yield name, f"{attribute} has {length} items, flag_meanings has {len(words)} words"


@rule("cf-flag-types", severity="error", section="CF 3.5")
def flag_types(dataset: Any) -> Found:
    """Flag values and masks are of the type of the variable."""
    for name, variable in variables(dataset):
        own = np.dtype(variable.dtype)
        for attribute in ("flag_values", "flag_masks"):
            if attribute in variable.attrs:
                given = np.asarray(variable.attrs[attribute]).dtype
                if given != own:
                    mend = f"ds[{name!r}].attrs[{attribute!r}] = np.array([...], {own.name!r})"
                    yield name, f"{attribute} is {given}, the variable {own}", mend


@rule("cf-flag-masks", severity="error", section="CF 3.5")
def flag_masks(dataset: Any) -> Found:
    """Flag masks are not zero, flag values lie within them, and no flag stands twice."""
    for name, variable in variables(dataset):
        masks, values = (
            np.atleast_1d(variable.attrs[attribute]).tolist() if attribute in variable.attrs else None
            for attribute in ("flag_masks", "flag_values")
        )
        if masks is not None and not all(isinstance(mask, int) and mask for mask in masks):
            yield name, f"flag_masks {masks} are not all integers other than zero"
            continue
        if masks is not None and values is not None and len(masks) == len(values):
            outside = [value for value, mask in zip(values, masks, strict=True) if value & mask != value]
            if outside:
                yield name, f"the flag value {outside[0]} has bits that its mask lacks"
        flags = list(zip(masks or [None] * len(values or ()), values or masks or (), strict=False))
        if len(set(flags)) < len(flags):
            yield name, "a flag stands twice"


@rule("cf-cell-methods", severity="error", section="CF 7.3")
def cell_methods(dataset: Any) -> Found:
    """cell_methods are written as in 'time: mean area: maximum where land'."""
    for name, variable in variables(dataset):
        try:
            _methods(text(variable, "cell_methods"))
        except ValueError as error:
            yield name, f"cell_methods {text(variable, 'cell_methods')!r}: {error}"


@rule("cf-cell-methods-names", section="CF 7.3")
def cell_methods_names(dataset: Any) -> Found:
    """cell_methods name dimensions, scalar coordinates, standard names, or 'area'."""
    known = {text(coordinate, "standard_name") for _, coordinate in coordinates(dataset)} | {"area"}
    for name, variable in variables(dataset):
        try:
            named = _methods(text(variable, "cell_methods"))
        except ValueError:
            continue
        for each in named:
            dims = (*variable.dims, *(dim.rpartition("/")[2] for dim in variable.dims))
            if each not in dims and each not in known and resolve(dataset, variable, each) is None:
                yield name, f"cell_methods name {each!r}, which is no dimension, coordinate or standard name"


def _methods(said: str) -> list[str]:
    """Give the names that cell_methods speak of."""
    words = re.sub(r"\([^()]*\)", " ", said).split()
    names: list[str] = []
    place = 0
    while place < len(words):
        first = place
        while place < len(words) and words[place].endswith(":"):
            names.append(words[place][:-1])
            place += 1
        if place == first:
            raise ValueError(f"{words[place]!r} stands where a name with ':' belongs")
        if place == len(words) or words[place] not in _METHODS:
            raise ValueError(f"{' '.join(words[place : place + 1]) or 'nothing'!r} is no method")
        place += 1
        while place < len(words) and words[place] in ("where", "over", "within"):
            place += 2
        if place > len(words):
            raise ValueError(f"nothing follows {words[-1]!r}")
    return names


@rule("cf-packing-attributes", severity="error", section="CF 8.1")
def packing_attributes(dataset: Any) -> Found:
    """No attribute says how values are packed: cfdb gives them unpacked, and writes these attributes itself."""
    for name, variable in variables(dataset):
        for attribute in ("scale_factor", "add_offset", "_FillValue", "_Unsigned"):
            if attribute in variable.attrs:
                mend = f"del ds[{name!r}].attrs[{attribute!r}]"
                yield name, f"the attribute {attribute} would be applied a second time by who reads an export", mend
