"""Which texts in attributes name variables, and what do they say after a rename or a deletion?

CF names related variables in attributes (``coordinates = "lat lon"``). The links of a variable go by identity and need
no care; these texts do.
"""

from collections.abc import Callable, Collection, Mapping

from cfdb.model.structure import Structure

#: Attributes whose words are names of variables.
_PLAIN = ("coordinates", "ancillary_variables", "bounds", "climatology")
#: Attributes of the form ``key: name key: name``, where names follow a key.
_VALUES = ("cell_measures", "formula_terms")
#: Attributes where what stands before a colon is a name.
_KEYS = ("grid_mapping", "cell_methods")

Renamed = Callable[[str], str | None]


def update_references(structure: Structure, paths: Mapping[str, str | None]) -> None:
    """Write new names into the attributes that name others; to be called while the names are still the old ones.

    Parameters
    ----------
    structure : Structure
        The records.
    paths : mapping of str to str or None
        New paths of variables and dimensions by their present ones; None for those that are deleted.
    """
    known = {*structure.members, *structure.dims}
    for member in structure.members.values():
        if paths.get(member.path, member.path) is None:
            continue
        attributes = structure.attributes(member.id)
        here = paths.get(member.path) or member.path

        def renamed(name: str, old: str = member.path, new: str = here) -> str | None:
            found = _resolve(name, old, known)
            if found is None or found not in paths:
                return name if found is None else _called(found, old, new, name)
            target = paths[found]
            return None if target is None else _called(target, old, new, name)

        changed = {}
        for attribute in (*_PLAIN, *_VALUES, *_KEYS):
            text = attributes.get(attribute)
            if isinstance(text, str):
                changed[attribute] = (text, rewritten(attribute, text, renamed))
        for attribute, (before, after) in changed.items():
            if after != before.split():
                if after:
                    attributes[attribute] = " ".join(after)
                else:
                    del attributes[attribute]
                structure.touch_attributes(member.id)


def rewritten(attribute: str, text: str, renamed: Renamed) -> list[str]:
    """Give the words of an attribute with the names that `renamed` gives; None takes a name out.

    Examples
    --------
    >>> names = {"lat": "latitude", "lon": None}
    >>> rewritten("coordinates", "lat lon height", lambda name: names.get(name, name))
    ['latitude', 'height']
    >>> rewritten("cell_methods", "lat: mean (interval: 1 m)", lambda name: names.get(name, name))
    ['latitude:', 'mean', '(interval:', '1', 'm)']
    >>> rewritten("cell_measures", "area: lon", lambda name: names.get(name, name))
    []
    """
    words = text.split()
    keyed = any(word.endswith(":") for word in words)
    done: list[str] = []
    for word in words:
        is_key = word.endswith(":")
        if (attribute in _VALUES and is_key) or (attribute == "cell_methods" and not is_key):
            done.append(word)
            continue
        name = renamed(word[:-1] if is_key else word)
        if name is not None:
            done.append(f"{name}:" if is_key else name)
        elif attribute == "cell_methods":
            done.append(word)  # what was done stays true when the dimension is gone
        elif keyed and attribute in _VALUES and done and done[-1].endswith(":"):
            done.pop()
    return done


def _resolve(name: str, path: str, known: Collection[str]) -> str | None:
    """Find what a name means in the group of a variable, or in those around it."""
    if name.startswith("/"):
        return name[1:] if name[1:] in known else None
    group = path.rpartition("/")[0]
    while group:
        if f"{group}/{name}" in known:
            return f"{group}/{name}"
        group = group.rpartition("/")[0]
    return name if name in known else None


def _called(target: str, old: str, new: str, name: str) -> str:
    """Give the name of a variable in the group of another; what is said already is kept where it still holds."""
    if name.startswith("/"):
        return f"/{target}"
    group = f"{new.rpartition('/')[0]}/" if "/" in new else ""
    if target.startswith(group):
        return target[len(group) :]
    base = target.rpartition("/")[2]
    around = target.rpartition("/")[0]
    visible = not around or new.startswith(f"{around}/")
    return base if visible else f"/{target}"
