"""What should a catalogue know of a dataset without opening it?

Attributes, dimensions, variables and the extents of the coordinates, as plain values. It is pushed with every version,
so that one request for the root object is enough for a catalogue.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.conventions.cf import is_latitude, is_longitude
from cfdb.conventions.geometries import coordinates
from cfdb.format.names import dimension_key, variable_key
from cfdb.model.crs import crs_of
from cfdb.model.labels import Labels
from cfdb.model.records import Member
from cfdb.storage.ebooklet_store import EBookletStore

#: Bytes of the whole, and of the text of one attribute; what is beyond is left out.
MAX_BYTES, MAX_TEXT = 24_000, 1_000
MAX_ITEMS = 20
#: Attributes of variables that are searched for.
SHOWN = ("units", "standard_name", "long_name", "cell_methods")
_EMPTY: dict[str, Any] = {}


def describe_for_catalogues(labels: Labels, store: EBookletStore) -> bytes:
    """Describe a dataset as JSON, with no request where the values of coordinates are here or did not change.

    Parameters
    ----------
    labels : Labels
        The dataset.
    store : EBookletStore
        Where it is kept; tells what is here, what is pending, and what was said of the version before.
    """
    structure = labels.structure
    found: dict[str, Any] = {
        "dataset_type": structure.dataset.dataset_type,
        "attrs": _plain_attributes(structure.attributes(None)),
        "dims": {name: dim.size for name, dim in structure.dims.items()},
        "extents": _extents(labels, store),
        "vars": {name: _variable(labels, member) for name, member in structure.members.items()},
    }
    return _fitting(found)


def _fitting(found: dict[str, Any]) -> bytes:
    """Written, without what is too much: attributes of variables first, then variables, then long attributes."""
    for shorten in (_keep_all, _without_long_names, _without_variables, _without_texts, _without_attributes):
        found = shorten(found)
        text = json.dumps(found, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        if len(text) <= MAX_BYTES:
            return text
    return b""


def _keep_all(found: dict[str, Any]) -> dict[str, Any]:
    return found


def _without_long_names(found: dict[str, Any]) -> dict[str, Any]:
    few = {name: {key: one[key] for key in one if key not in SHOWN[2:]} for name, one in found["vars"].items()}
    return found | {"vars": few, "shortened": True}


def _without_variables(found: dict[str, Any]) -> dict[str, Any]:
    return found | {"vars": {}}


def _without_texts(found: dict[str, Any]) -> dict[str, Any]:
    short = {name: one for name, one in found["attrs"].items() if not isinstance(one, str) or len(one) <= 100}
    return found | {"attrs": dict(list(short.items())[:100])}


def _without_attributes(found: dict[str, Any]) -> dict[str, Any]:
    return found | {"attrs": {}}


def _variable(labels: Labels, member: Member) -> dict[str, Any]:
    attrs = {**labels.structure.attributes(member.id)}
    if member.record.units is not None:
        attrs.setdefault("units", member.record.units)
    shown = {name: attrs[name][:MAX_TEXT] for name in SHOWN if isinstance(attrs.get(name), str)}
    kind = "coordinate" if member.is_index else member.record.role
    dims = [dim.path for dim in member.dims]
    return {"dims": dims, "dtype": str(member.record.dtype), "role": kind, **shown}


def _plain_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in attrs.items():
        plain = _plain(value)
        if plain is not None:
            found[name] = plain
    return found


def _plain(value: Any) -> Any:
    """A value as JSON has it; None for what it has not, or what is too long to be searched."""
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    if isinstance(value, np.ndarray):
        return [_plain(one) for one in value.ravel()] if value.size <= MAX_ITEMS else None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value] if len(value) <= MAX_ITEMS else None
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if isinstance(value, bool | int) and -(1 << 63) <= value < 1 << 64 else None


# ---- extents ---------------------------------------------------------------------------------------------------------


def _extents(labels: Labels, store: EBookletStore) -> dict[str, Any]:
    """Lowest and highest labels of every coordinate, under its name, and under `time`, `lat`, `lon` where it is one."""
    before = store.description().get("extents", {})
    touched = {row.key for row in store.db.pending()}
    touched |= {key.partition("/")[0] for key in touched}
    found: dict[str, Any] = {}
    for name, member in labels.structure.members.items():
        if not member.is_index or not member.dims[0].size:
            continue
        parts = _known(labels, store, member, before, touched)
        for part, extent in parts.items():
            found[f"{name}.{part}" if part else name] = extent
            alias = _alias(labels, member, part)
            if alias is not None and alias not in labels.structure.members:
                found.setdefault(alias, extent)
    return found


def _known(
    labels: Labels, store: EBookletStore, member: Member, before: Mapping[str, Any], touched: set[str]
) -> dict[str, Any]:
    """Extents of one coordinate: as they were while it is unchanged, else from its values."""
    name = member.path
    if touched.isdisjoint({variable_key(name), dimension_key(name), member.id}):
        if name in before:
            return {"": before[name]}
        if all(f"{name}.{part}" in before for part in "xy"):
            return {part: before[f"{name}.{part}"] for part in "xy"}
    return _measured(labels.values_of(member), member.record.dtype.kind)


def _measured(values: npt.NDArray[Any], kind: str) -> dict[str, Any]:
    if kind == "G":
        try:
            points = coordinates(values)
        except ImportError:
            return _EMPTY
        there = points[np.isfinite(points[:, :2]).all(axis=1)]
        return {part: _range(column) for part, column in zip("xy", there.T, strict=False)} if len(there) else _EMPTY
    if values.dtype.kind in "iufM":
        return {"": _range(values)}
    if kind == "t":  # of a calendar of its own
        return {"": {"min": min(values).isoformat(), "max": max(values).isoformat()}}
    return _EMPTY


def _range(values: npt.NDArray[Any]) -> dict[str, Any]:
    if values.dtype.kind == "M":
        unit = np.datetime_data(values.dtype)[0]
        moments = values.astype("datetime64[s]") if unit in ("Y", "M", "W", "D", "h", "m") else values
        return {"min": str(moments.min()), "max": str(moments.max())}
    return {"min": _plain(values.min()), "max": _plain(values.max())}


def _alias(labels: Labels, member: Member, part: str) -> str | None:
    """Under which name a coordinate is found whatever it is called."""
    attrs = labels.structure.attributes(member.id)
    if part:
        return {"x": "lon", "y": "lat"}[part] if _is_geographic(labels) else None
    if is_latitude(attrs) or is_longitude(attrs):
        return "lat" if is_latitude(attrs) else "lon"
    return {"t": "time", "z": "z"}.get(member.record.axis or "")


def _is_geographic(labels: Labels) -> bool:
    try:
        crs = crs_of(labels.structure)
    except ImportError:
        return False
    return crs is not None and bool(crs.is_geographic)
