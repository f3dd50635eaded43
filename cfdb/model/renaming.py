"""How do variables, dimensions and groups get other names, or go?

Everything is checked before anything changes: a call that fails changes nothing.
"""

from collections.abc import Container, Iterable, Mapping

from cfdb.errors import CoordinateError, InvalidNameError, VariableNotFoundError
from cfdb.format.names import check_path, composed, groups_around
from cfdb.model.dataset_types import check_coordinate
from cfdb.model.references import update_references
from cfdb.model.structure import Dimension, Member, Structure, unknown_name


def rename(structure: Structure, names: Mapping[str, str]) -> None:
    """Give variables, dimensions and groups new names, all at once.

    Parameters
    ----------
    structure : Structure
        The records.
    names : mapping
        New paths by present ones. What has the same name (a coordinate and its dimension) is renamed together.

    Raises
    ------
    VariableNotFoundError
        If there is nothing of a name.
    InvalidNameError
        If a new name is not allowed, or taken.
    CoordinateTypeError
        If the type of the dataset excludes a dimension of a new name.
    """
    given = {as_path(structure, old): structure.path_of(check_path(new)) for old, new in names.items()}
    structure = structure.root
    groups = structure.groups
    known = {**structure.members, **structure.dims, **dict.fromkeys(groups)}
    unknown = [old for old in given if old not in known]
    if unknown:
        raise VariableNotFoundError(unknown_name("variable, dimension or group", unknown[0], known))
    paths = {path: _renamed(path, given) for path in known}
    _check_free(paths, given, structure.members)
    members = {member: paths[path] for path, member in structure.members.items() if paths[path] != path}
    dims = {dim: paths[path] for path, dim in structure.dims.items() if paths[path] != path}
    declared = {path: paths[path] for path in structure.declared_groups if paths[path] != path}
    for member, path in members.items():
        if member.is_index:
            check_coordinate(structure.dataset.dataset_type, path, member.record.dtype, member.record.axis)
    update_references(structure, {path: new for path, new in paths.items() if path not in groups})
    structure.rename(members, dims, declared)


def _renamed(path: str, given: Mapping[str, str]) -> str:
    """Give the new path of something: its own new name, or that of the innermost group around it that has one."""
    for outer in reversed(groups_around(path)):
        if outer in given:
            return given[outer] + path[len(outer) :]
    return path


def _check_free(paths: Mapping[str, str], given: Mapping[str, str], members: Container[str | None]) -> None:
    taken: dict[str, str] = {}
    for old, new in paths.items():
        other = taken.setdefault(new, old)
        if other != old:
            name, present = (old, other) if old in given or old != new else (other, old)
            raise InvalidNameError(f"cannot rename {name!r}: the name {new!r} is taken (by {present!r})")
    for old, new in paths.items():
        blocked = next((each for each in groups_around(new)[:-1] if taken.get(each) in members), None)
        if blocked is not None and old != new:
            raise InvalidNameError(f"cannot rename {old!r} to {new!r}: {blocked!r} is a variable, no group")


def delete(structure: Structure, name: str) -> None:
    """Remove a variable with the dimensions nothing else uses, a group with everything in it, or an unused dimension.

    Raises
    ------
    VariableNotFoundError
        If there is nothing of this name.
    CoordinateError
        If other variables lie along what would go.
    """
    path = as_path(structure, name)
    structure = structure.root
    if path not in structure.members and path not in structure.groups and path in structure.dims:
        drop_dimension(structure, path)
        return
    if path in structure.members or path not in structure.groups:
        delete_members(structure, [structure.find(path)])
        return
    inside = f"{path}/"
    members = [member for member in structure.members.values() if member.path.startswith(inside)]
    dims = [dim for dim in structure.dims.values() if dim.path.startswith(inside)]
    delete_members(structure, members, dims)
    for group in [*structure.declared_groups]:
        if group == path or group.startswith(inside):
            structure.remove_group(group)


def delete_members(structure: Structure, members: list[Member], dims: Iterable[Dimension] = ()) -> None:
    """Remove variables and dimensions; dimensions that nothing uses any more go as well."""
    gone = set(members)
    for dim in [*(member.dims[0] for member in members if member.is_index), *dims]:
        users = [other.path for other in structure.users_of(dim) if other not in gone]
        if users:
            raise CoordinateError(
                f"{dim.path!r} labels a dimension of {', '.join(map(repr, users[:5]))}; delete these first"
            )
    update_references(structure, {member.path: None for member in members})
    structure.remove_members(members)
    for dim in dict.fromkeys([*dims, *(dim for member in members for dim in member.dims)]):
        if not structure.users_of(dim):
            structure.remove_dimension(dim)


def drop_dimension(structure: Structure, name: str) -> None:
    """Remove a dimension with its coordinate.

    Raises
    ------
    VariableNotFoundError
        If there is none of this name.
    CoordinateError
        If other variables lie along it.
    """
    path = as_path(structure, name)
    structure = structure.root
    dim = structure.dims.get(path)
    if dim is None:
        raise VariableNotFoundError(unknown_name("dimension", path, structure.dims))
    index = structure.index_of(dim)
    users = [other.path for other in structure.users_of(dim) if other is not index]
    if users:
        raise CoordinateError(f"{dim.path!r} is a dimension of {', '.join(map(repr, users[:5]))}; delete these first")
    delete_members(structure, [] if index is None else [index], [dim])


def check_free(structure: Structure, path: str) -> None:
    """Refuse the path of a new variable or group that is taken, or that leads through a variable.

    Raises
    ------
    InvalidNameError
        If there is a variable or group of this path, or a part of the path is a variable.
    """
    path, structure = structure.path_of(path), structure.root
    for group in groups_around(path)[:-1]:
        if group in structure.members:
            raise InvalidNameError(f"{group!r} is a variable, so it cannot be a group: {path!r} needs another name")
    if path in structure.members or path in structure.groups:
        kind = "variable" if path in structure.members else "group"
        raise InvalidNameError(f"there is a {kind} {path!r} already; delete it first, or choose another name")


def as_path(structure: Structure, name: object) -> str:
    """Give the path of what is called so; refuse names that are no str."""
    if not isinstance(name, str):
        raise VariableNotFoundError(unknown_name("variable", name, structure.members))
    return structure.path_of(composed(name))
