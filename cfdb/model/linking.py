"""How do variables refer to others: bounds, grid mappings, coordinates?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cfdb.errors import InvalidNameError
from cfdb.format.names import check_name
from cfdb.model.structure import Member, Structure

Links = Mapping[str, tuple[str, ...]]

#: What a variable of no other role is for, once another refers to it.
ROLE_OF = {
    "bounds": "bounds",
    "climatology": "bounds",
    "grid_mapping": "grid_mapping",
    "coordinates": "auxiliary",
    "cell_measures": "cell_measure",
    "formula_terms": "formula_term",
}


def resolve_links(structure: Structure, links: Mapping[str, str | Sequence[str]] | None, what: str) -> Links:
    """Find the variables that links name.

    Parameters
    ----------
    structure : Structure
        The records.
    links : mapping of str to str or sequence of str
        Names of variables by what they are, as in ``{'bounds': 'time_bnds'}``.
    what : str
        Whose links they are, for messages.

    Returns
    -------
    mapping of str to tuple of str
        Their identities.

    Raises
    ------
    VariableNotFoundError
        If there is no variable of a name.
    TypeError
        If links are no mapping of names.
    """
    if links is None:
        return {}
    if not isinstance(links, Mapping):
        raise TypeError(f"links={links!r} of {what!r}: give a dict, as in {{'bounds': 'time_bnds'}}")
    found = {}
    for relation, names in links.items():
        if not isinstance(relation, str) or isinstance(names, Mapping) or not isinstance(names, str | Sequence):
            raise TypeError(f"links={links!r} of {what!r}: give names of variables by what they are")
        check_name(relation)
        listed = (names,) if isinstance(names, str) else tuple(names)
        found[relation] = tuple(structure.find(name).id for name in listed)
    return found


def give_roles(structure: Structure, links: Links) -> None:
    """Make the variables that links name what they are for, where nothing else was said of them."""
    for relation, ids in links.items():
        role = ROLE_OF.get(relation)
        members = [structure.member_of(identity) for identity in ids]
        for member in members:
            if role is not None and member is not None and member.record.role == "data":
                structure.set_member(member, replace(member.record, role=role))


def related(structure: Structure, member: Member, *relations: str) -> Member | None:
    """Find the first variable that a variable refers to: by its links, or by its attributes."""
    for relation in relations:
        for identity in member.record.links.get(relation, ()):
            found = structure.member_of(identity)
            if found is not None:
                return found
        text: Any = structure.attributes(member.id).get(relation)
        named = structure.visible(text.split(":")[0].strip()) if isinstance(text, str) else None
        if named is not None:
            return named
    return None


def check_linkable(member: Member, links: Links) -> None:
    """Refuse a variable that refers to itself."""
    for relation, ids in links.items():
        if member.id in ids:
            raise InvalidNameError(f"{member.path!r} cannot be its own {relation}")
