"""Which axis may a coordinate have?"""

from cfdb.errors import CoordinateError
from cfdb.model.dataset_types import check_coordinate
from cfdb.model.structure import Member, Structure

AXES = ("x", "y", "z", "t", "xy", "xyz")


def check_axis(axis: str | None) -> str | None:
    """Give the canonical name of an axis.

    Examples
    --------
    >>> check_axis("X"), check_axis(None)
    ('x', None)
    """
    if axis is None:
        return None
    found = str(axis).lower()
    if found not in AXES:
        raise CoordinateError(f"axis={axis!r}: choose one of {', '.join(AXES)}")
    return found


def owner_of_axis(structure: Structure, axis: str | None) -> Member | None:
    """Find the coordinate that has an axis."""
    if axis is None:
        return None
    return next((member for member in structure.members.values() if member.record.axis == axis), None)


def check_free_axis(structure: Structure, member: Member, axis: str | None) -> None:
    """Refuse an axis that another coordinate has, or that the type of the dataset excludes."""
    refuse_taken_axis(structure, member.path, axis)
    if member.is_index:
        check_coordinate(structure.dataset.dataset_type, member.path, member.record.dtype, axis)


def refuse_taken_axis(structure: Structure, name: str, axis: str | None) -> None:
    """Refuse an axis that another coordinate than `name` has."""
    owner = owner_of_axis(structure, axis)
    if owner is not None and owner.path != name:
        raise CoordinateError(
            f"axis={axis!r} of {name!r}: it is the axis of {owner.path!r} already; take it away there first "
            f"(ds[{owner.path!r}].update_axis(None))"
        )
