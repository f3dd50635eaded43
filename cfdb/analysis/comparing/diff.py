"""What differs between two versions of a dataset, variable by variable?

Names and records come from the structure of both, chunks from the keys that differ. No value is read unless it is asked
for; then only chunks that differ are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from cfdb.analysis.comparing.diff_values import compare_values
from cfdb.analysis.comparing.difference import DatasetDifference, FieldDifference, Index, Opened, VariableDifference
from cfdb.format.names import group_owner, parse_chunk_key
from cfdb.model.records import Member
from cfdb.model.structure import Structure

#: What a variable's record says, by the names of the public properties.
_FIELDS = (
    "dtype",
    "chunk_shape",
    "role",
    "fill_value",
    "missing_value",
    "axis",
    "step",
    "units",
    "encoding",
)


def diff_datasets(old: Any, new: Any, keys: Any, *, values: bool, opened: Opened | None = None) -> DatasetDifference:
    """Compare two versions of a dataset.

    Parameters
    ----------
    old, new : Dataset
        Both, open.
    keys : ebooklet.difference.Difference
        The keys that differ.
    values : bool
        Whether to compare the values of changed chunks.
    opened : callable, optional
        Opens both again, for pictures.

    Returns
    -------
    DatasetDifference
    """
    before, after = old._structure.root, new._structure.root
    chunks = _by_variable(keys)
    found: dict[str, VariableDifference] = {}
    ids_before = {member.id: member for member in before.members.values()}
    ids_after = {member.id: member for member in after.members.values()}
    for identity, member in {**ids_before, **ids_after}.items():
        was, now = ids_before.get(identity), ids_after.get(identity)
        one = _with_chunks(_variable(before, after, was, now), chunks.get(identity, ()))
        if values and was is not None and now is not None and one.chunks:
            one = replace(one, values=compare_values(old, new, was, now, one))
        if one.kind != "changed" or one.fields or one.chunks:
            name = member.path
            found[name if name not in found else f"{name} ({one.kind})"] = one
    fields = (*_dataset_fields(before, after), *_dimensions(before, after))
    return DatasetDifference(keys.old, keys.new, MappingProxyType(found), fields, opened)


def _by_variable(keys: Iterable[Any]) -> dict[str, list[tuple[Index, Any]]]:
    found: dict[str, list[tuple[Index, Any]]] = {}
    for one in keys:
        chunk = parse_chunk_key(one.key)
        if chunk is not None:
            found.setdefault(chunk[0], []).append((chunk[1], one))
    return found


def _with_chunks(one: VariableDifference, chunks: Iterable[tuple[Index, Any]]) -> VariableDifference:
    kinds: dict[str, list[Index]] = {"added": [], "changed": [], "deleted": []}
    old_nbytes = nbytes = 0
    for index, key in chunks:
        kinds[key.kind].append(index)
        old_nbytes += key.old_nbytes
        nbytes += key.nbytes
    return replace(
        one,
        added=tuple(sorted(kinds["added"])),
        changed=tuple(sorted(kinds["changed"])),
        deleted=tuple(sorted(kinds["deleted"])),
        old_nbytes=old_nbytes,
        nbytes=nbytes,
    )


def _variable(before: Structure, after: Structure, was: Member | None, now: Member | None) -> VariableDifference:
    """How a variable differs, without its chunks."""
    if was is None or now is None:
        there = now or was
        assert there is not None, "one of them has it"
        return VariableDifference(there.path, "added" if was is None else "deleted")
    fields = []
    if was.path != now.path:
        fields.append(FieldDifference(now.path, "name", was.path, now.path))
    dims = [tuple(dim.path for dim in member.dims) for member in (was, now)]
    if dims[0] != dims[1]:
        fields.append(FieldDifference(now.path, "dims", *dims))
    for name in _FIELDS:
        pair = getattr(was.record, name), getattr(now.record, name)
        if not same(*pair):
            fields.append(FieldDifference(now.path, name, *pair))
    links = [_links(structure, member) for structure, member in ((before, was), (after, now))]
    fields += _mappings(now.path, "links", *links)
    fields += _mappings(now.path, "attrs", before.attributes(was.id), after.attributes(now.id))
    return VariableDifference(now.path, "changed", fields=tuple(fields))


def _links(structure: Structure, member: Member) -> dict[str, tuple[str, ...]]:
    names = {one.id: one.path for one in structure.members.values()}
    return {name: tuple(names.get(one, one) for one in ids) for name, ids in member.record.links.items()}


def _dataset_fields(before: Structure, after: Structure) -> list[FieldDifference]:
    found = []
    for name in ("dataset_type", "compression", "compression_level", "crs"):
        pair = getattr(before.dataset, name), getattr(after.dataset, name)
        if not same(*pair):
            found.append(FieldDifference(None, name, *pair))
    found += _mappings(None, "attrs", before.attributes(None), after.attributes(None))
    groups = dict.fromkeys((*before.groups, *after.groups))
    for group in groups:
        there = group in before.groups, group in after.groups
        if there[0] != there[1]:
            found.append(FieldDifference(group, "group", *(group if one else None for one in there)))
        owner = group_owner(group)
        found += _mappings(group, "attrs", before.attributes(owner), after.attributes(owner))
    return found


def _dimensions(before: Structure, after: Structure) -> list[FieldDifference]:
    was = {dim.id: dim for dim in before.dims.values()}
    now = {dim.id: dim for dim in after.dims.values()}
    found = []
    for identity, dim in {**was, **now}.items():
        old, new = was.get(identity), now.get(identity)
        name = f"dimension {dim.path}"
        if old is None or new is None or old.slots.runs != new.slots.runs or old.path != new.path:
            found.append(FieldDifference(None, name, _said(old, dim.path), _said(new, dim.path)))
    return found


def _said(dim: Any, name: str) -> Any:
    if dim is None:
        return None
    return dim.size if dim.path == name else f"{dim.path}: {dim.size}"


def _mappings(owner: str | None, what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[FieldDifference]:
    return [
        FieldDifference(owner, f"{what}[{name!r}]", old.get(name), new.get(name))
        for name in dict.fromkeys((*old, *new))
        if name not in old or name not in new or not same(old[name], new[name])
    ]


def same(one: Any, other: Any) -> bool:
    """Tell whether two values of attributes or records are the same, type included; NaN is itself.

    Examples
    --------
    >>> same(float("nan"), float("nan")), same(1, 1.0), same([1, 2], [1, 2])
    (True, False, True)
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray | np.generic):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    return bool(one == other or (one != one and other != other))
