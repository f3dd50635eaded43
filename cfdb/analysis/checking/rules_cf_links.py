"""What does CF ask of the variables that others refer to?"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from cfdb.analysis.checking.facts import is_number, is_time, links, resolve, text, values_of, variables
from cfdb.analysis.checking.rules import check_rule
from cfdb.model.view import View

Found = Iterator[Any]
rule = partial(check_rule, group="cf")

_GRID_MAPPINGS = (
    "albers_conical_equal_area azimuthal_equidistant geostationary healpix lambert_azimuthal_equal_area "
    "lambert_conformal_conic lambert_cylindrical_equal_area latitude_longitude mercator oblique_mercator "
    "orthographic polar_stereographic rotated_latitude_longitude sinusoidal stereographic transverse_mercator "
    "vertical_perspective"
)
#: Terms of the parametric vertical coordinates (CF, appendix D).
_TERMS = {
    "atmosphere_ln_pressure_coordinate": "p0 lev",
    "atmosphere_sigma_coordinate": "sigma ps ptop",
    "atmosphere_hybrid_sigma_pressure_coordinate": "a ap b ps p0",
    "atmosphere_hybrid_height_coordinate": "a b orog",
    "atmosphere_sleve_coordinate": "a b1 b2 ztop zsurf1 zsurf2",
    "ocean_sigma_coordinate": "sigma eta depth",
    "ocean_s_coordinate": "s eta depth a b depth_c",
    "ocean_s_coordinate_g1": "s C eta depth depth_c",
    "ocean_s_coordinate_g2": "s C eta depth depth_c",
    "ocean_sigma_z_coordinate": "sigma eta depth depth_c nsigma zlev",
    "ocean_double_sigma_coordinate": "sigma depth z1 z2 a href k_c",
}


def _linked(dataset: Any, relation: str) -> Iterator[tuple[str, View, str, View | None]]:
    """Give variables, the names that they refer to by a relation, and what these are."""
    for name, variable in variables(dataset):
        for other in links(dataset, variable).get(relation, ()):
            yield name, variable, other, resolve(dataset, variable, other)


def _lost(dataset: Any, relation: str) -> Found:
    external = text(dataset, "external_variables").split()
    for name, _, other, found in _linked(dataset, relation):
        if found is None and other not in external:
            yield name, f"{relation} names {other!r}, which does not exist", f"mend ds[{name!r}].attrs[{relation!r}]"


@rule("cf-coordinates", severity="error", section="CF 5")
def coordinates_exist(dataset: Any) -> Found:
    """Variables that the attribute coordinates names exist."""
    yield from _lost(dataset, "coordinates")


@rule("cf-coordinates-dimensions", severity="error", section="CF 5")
def coordinates_dimensions(dataset: Any) -> Found:
    """Auxiliary coordinates lie along dimensions of the variable that names them."""
    for name, variable, other, found in _linked(dataset, "coordinates"):
        foreign = [] if found is None else [dim for dim in found.dims if dim not in variable.dims]
        if foreign and variable._selection is None:
            yield name, f"the coordinate {other!r} lies along {foreign[0]!r}, which {name!r} does not have"


@rule("cf-ancillary-variables", severity="error", section="CF 3.4")
def ancillary_exist(dataset: Any) -> Found:
    """Variables that the attribute ancillary_variables names exist."""
    yield from _lost(dataset, "ancillary_variables")


@rule("cf-grid-mapping", severity="error", section="CF 5.6")
def grid_mapping_exists(dataset: Any) -> Found:
    """The variable that the attribute grid_mapping names exists."""
    yield from _lost(dataset, "grid_mapping")


@rule("cf-grid-mapping-name", severity="error", section="CF 5.6, F")
def grid_mapping_name(dataset: Any) -> Found:
    """A grid mapping says which one of CF's it is."""
    mappings = {other: found for _, _, other, found in _linked(dataset, "grid_mapping") if found is not None}
    mappings |= {name: variable for name, variable in variables(dataset) if variable.role == "grid_mapping"}
    for name, found in mappings.items():
        is_coordinate = "grid_mapping_name" not in found.attrs and found.role != "grid_mapping"
        given = text(found, "grid_mapping_name")
        if not is_coordinate and given not in _GRID_MAPPINGS.split():
            wrong = f"grid_mapping_name {given!r} is none of CF's" if given else "it has no grid_mapping_name"
            yield name, wrong, f"ds[{name!r}].attrs['grid_mapping_name'] = 'latitude_longitude' ..."


@rule("cf-bounds", severity="error", section="CF 7.1")
def bounds_exist(dataset: Any) -> Found:
    """The variable that the attribute bounds names exists."""
    for relation in ("bounds", "climatology"):
        yield from _lost(dataset, relation)


def _bounds(dataset: Any) -> Iterator[tuple[str, View, str, View]]:
    for relation in ("bounds", "climatology"):
        for name, variable, other, found in _linked(dataset, relation):
            if found is not None:
                yield name, variable, other, found


@rule("cf-bounds-shape", severity="error", section="CF 7.1")
def bounds_shape(dataset: Any) -> Found:
    """Bounds have the dimensions of their coordinate, and one for the corners: two, or more for cells of an area."""
    for _, variable, other, found in _bounds(dataset):
        corners = found.shape[-1] if found.ndim else 0
        if found.dims[:-1] != variable.dims:
            yield other, f"bounds of {variable.name!r} lie along {found.dims}, not along {(*variable.dims, 'bounds')}"
        elif corners != 2 if variable.ndim < 2 else corners < 3:
            yield other, f"bounds of {variable.name!r} have {corners} corners"


def _edges(variable: View, bounds: View) -> tuple[Any, Any, Any] | None:
    """Give values, lower and upper bounds of cells along one dimension, where they are numbers or times."""
    if bounds.ndim != 2 or bounds.shape != (variable.size, 2) or not (is_number(variable) or is_time(variable)):
        return None
    values, edges = values_of(variable), values_of(bounds)
    if values is None or edges is None or np.ma.is_masked(edges) or not values.size:
        return None
    if values.dtype.kind != edges.dtype.kind and "O" in (values.dtype.kind, edges.dtype.kind):
        return None
    return values, np.minimum(edges[:, 0], edges[:, 1]), np.maximum(edges[:, 0], edges[:, 1])


@rule("cf-bounds-values", section="CF 7.1")
def bounds_values(dataset: Any) -> Found:
    """Every value of a coordinate lies within its bounds."""
    for _, variable, other, found in _bounds(dataset):
        edges = _edges(variable, found)
        if edges is None or "climatology" in variable.attrs:
            continue
        values, low, high = edges
        outside = np.flatnonzero(~((values >= low) & (values <= high)).astype(bool))
        if outside.size:
            first = outside[0]
            yield other, f"{values[first]} of {variable.name!r} does not lie between {low[first]} and {high[first]}"


@rule("cf-bounds-contiguous", severity="info", section="CF 7.1")
def bounds_contiguous(dataset: Any) -> Found:
    """Cells follow each other without a gap, and do not overlap."""
    for _, variable, other, found in _bounds(dataset):
        edges = _edges(variable, found)
        if edges is None or variable.size < 2 or "climatology" in variable.attrs:
            continue
        _, low, high = edges
        rising = bool(low[1] > low[0])
        before, after = (high[:-1], low[1:]) if rising else (low[:-1], high[1:])
        if low.dtype.kind == "f":
            apart = ~np.isclose(before, after, rtol=1e-6, atol=1e-9 * float(np.max(np.abs(high)) or 1))
        else:
            apart = before != after
        if np.any(apart):
            yield (
                other,
                f"cell {int(np.flatnonzero(apart)[0]) + 1} of {variable.name!r} does not begin where the last ends",
            )


@rule("cf-bounds-attributes", section="CF 7.1")
def bounds_attributes(dataset: Any) -> Found:
    """Bounds have the units and standard_name of their coordinate, or none."""
    for _, variable, other, found in _bounds(dataset):
        for attribute in ("units", "standard_name", "axis", "positive", "calendar"):
            given = found.attrs.get(attribute)
            if given is not None and given != variable.attrs.get(attribute, variable.units):
                mend = f"del ds[{other!r}].attrs[{attribute!r}]"
                yield other, f"{attribute} is {given!r}, that of {variable.name!r} is another", mend


@rule("cf-cell-measures", severity="error", section="CF 7.2")
def cell_measures(dataset: Any) -> Found:
    """cell_measures are written as in 'area: cell_area', and what they name exists."""
    wrong = []
    for name, variable in variables(dataset):
        words = text(variable, "cell_measures").split()
        if any(word not in ("area:", "volume:") for word in words[::2]) or len(words) % 2:
            wrong.append((name, f"cell_measures {' '.join(words)!r} are not written as 'area: name'"))
    yield from wrong or _lost(dataset, "cell_measures")


@rule("cf-formula-terms", severity="error", section="CF 4.3.3, D")
def formula_terms(dataset: Any) -> Found:
    """formula_terms are those of the standard_name, and what they name exists."""
    for name, variable in variables(dataset):
        words = text(variable, "formula_terms").split()
        if not words:
            continue
        known = _TERMS.get(text(variable, "standard_name"))
        terms = [word.removesuffix(":") for word in words[::2]]
        if known is None:
            yield name, f"formula_terms stand at {text(variable, 'standard_name') or 'no standard_name'!r}"
        elif any(not word.endswith(":") for word in words[::2]) or len(words) % 2:
            yield name, f"formula_terms {' '.join(words)!r} are not written as 'term: name'"
        elif any(term not in known.split() for term in terms):
            yield name, f"formula_terms {terms}: the coordinate has {', '.join(known.split())}"
    yield from _lost(dataset, "formula_terms")
