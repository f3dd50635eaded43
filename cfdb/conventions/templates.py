"""Which variables have a ready description: name, type, packing and CF attributes?

The table lies beside this module in ``templates.txt`` and is read when first asked for.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from cfdb.format.dtypes import DataType, dtype

_GEOMETRIES = ("point", "line", "polygon")
_CENSOR_CODES = "greater_than less_than not_censored non_detect present_but_not_quantified unknown"
_MODIS_CLASSES = (
    "evergreen_needleleaf_forests evergreen_broadleaf_forests deciduous_needleleaf_forests deciduous_broadleaf_forests "
    "mixed_forests closed_shrublands open_shrublands woody_savannas savannas grasslands permanent_wetlands croplands "
    "urban_and_built_up cropland_natural_vegetation_mosaic snow_and_ice barren_or_sparsely_vegetated water "
    "wooded_tundra mixed_tundra barren_tundra"
)
_FLAGS = {"censor_code": (0, _CENSOR_CODES), "land_use_modis": (1, _MODIS_CLASSES)}


@dataclass(frozen=True, slots=True)
class Template:
    """A ready description of a variable.

    Attributes
    ----------
    method : str
        Name of the method that creates it, as in ``ds.create.coord.lat``.
    kind : str
        ``'coord'`` or ``'data_var'``.
    name : str
        Name of the variable.
    dtype : DataType
        Type and packing.
    axis : str or None
        ``'x'``, ``'y'``, ``'z'``, ``'t'`` or ``'xy'``.
    attrs : dict
        CF attributes, `units` included.
    """

    method: str
    kind: str
    name: str
    dtype: DataType
    axis: str | None
    attrs: dict[str, Any]


def find_template(method: str, kind: str) -> Template | None:
    """Give a template by the name of its method, or by the name of the variable it creates.

    Parameters
    ----------
    method : str
        As in ``'lat'`` or ``'air_temp'``.
    kind : str
        ``'coord'`` or ``'data_var'``.

    Examples
    --------
    >>> find_template("lat", "coord").name, find_template("air_temp", "data_var").attrs["units"]
    ('latitude', 'K')
    """
    templates = _templates(kind)
    if method in templates:
        return templates[method]
    return next((template for template in templates.values() if template.name == method), None)


def template_names(kind: str) -> tuple[str, ...]:
    """Give the method names of all templates of a kind.

    Examples
    --------
    >>> template_names("coord")[:5]
    ('lon', 'lat', 'height', 'altitude', 'time')
    """
    return tuple(_templates(kind))


@lru_cache(maxsize=2)
def _templates(kind: str) -> dict[str, Template]:
    text = files(__package__).joinpath("templates.txt").read_text(encoding="utf-8")
    section = text.partition(f"[{kind}]\n")[2].partition("\n[")[0]
    found = (_parse(line, kind) for line in section.splitlines() if line.strip())
    return {template.method: template for template in found}


def _parse(line: str, kind: str) -> Template:
    cells = [cell.strip() for cell in line.split("|")]
    method, name, spec, units, standard_name, long_name, extra = cells + [""] * (7 - len(cells))
    name = name or method
    attrs: dict[str, Any] = {
        "units": units,
        "standard_name": name if standard_name == "=" else standard_name,
        "long_name": long_name or name.replace("_", " "),
    }
    further = dict(pair.split("=") for pair in extra.split())
    if "odm2" in further:
        further["odm2_variable_name"] = further.pop("odm2")
    attrs |= further
    if method in _FLAGS:
        first, meanings = _FLAGS[method]
        attrs["flag_values"] = np.arange(first, first + len(meanings.split()), dtype=np.uint8)
        attrs["flag_meanings"] = meanings
    axis = attrs.get("axis")
    kept = {key: value for key, value in attrs.items() if not isinstance(value, str) or value}
    return Template(method, kind, name, _type(spec), None if axis is None else str(axis).lower(), kept)


def _type(spec: str) -> DataType:
    code, *packing = spec.split()
    name, _, decimals = code.partition(".")
    precision = int(decimals) if decimals else None
    base = name if name in _GEOMETRIES else np.dtype(name)
    if not packing:
        return dtype(base, precision)
    offset = float(packing[1])
    return dtype(
        base,
        precision,
        dtype_encoded=np.dtype(packing[0]),
        offset=int(offset) if offset.is_integer() else offset,
        fillvalue=0,
    )
