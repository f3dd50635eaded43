"""How does a user read and change attributes?"""

import copy
from collections.abc import Iterator, MutableMapping
from typing import Any

from cfdb.errors import InvalidNameError, VariableNotFoundError
from cfdb.format.attributes import check_attribute
from cfdb.format.names import group_of
from cfdb.model.structure import Structure, unknown_name


class Attributes(MutableMapping[str, Any]):
    """Attributes of a dataset or a variable: a dict whose values keep their type.

    Values are copies: change one by assigning it anew. Missing names raise `KeyError`.

    Examples
    --------
    >>> import numpy as np
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     ds.attrs["title"] = "Rain"
    ...     ds.attrs["valid_range"] = np.array([0, 500], "int16")
    ...     dict(ds.attrs)
    {'title': 'Rain', 'valid_range': array([  0, 500], dtype=int16)}
    """

    __slots__ = ("_owner", "_structure")  # an attribute of the object, attrs.units = "m", would be forgotten

    def __init__(self, structure: Structure, owner: str | None) -> None:
        self._structure = structure
        self._owner = owner

    @property
    def data(self) -> dict[str, Any]:
        """All attributes, as a copy."""
        self._check()
        with self._structure.lock:
            return copy.deepcopy(self._structure.attributes(self._owner))

    def __getitem__(self, name: str) -> Any:
        self._check()
        attributes = self._structure.attributes(self._owner)
        if name not in attributes:
            raise KeyError(unknown_name("attribute", name, attributes))
        return copy.deepcopy(attributes[name])

    def get(self, name: str, default: Any = None) -> Any:
        """Give an attribute, or `default` when there is none; no message is made up for what is not there."""
        self._check()
        found = self._structure.attributes(self._owner).get(name, default)
        return found if found is default else copy.deepcopy(found)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"attributes have no {name!r} of their own; names go in brackets: attrs[{name!r}]")

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def __delitem__(self, name: str) -> None:
        self._check_writable()
        with self._structure.lock:
            attributes = self._structure.attributes(self._owner)
            if name not in attributes:
                raise KeyError(unknown_name("attribute", name, attributes))
            del attributes[name]
            self._structure.touch_attributes(self._owner)

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __len__(self) -> int:
        self._check()
        return len(self._structure.attributes(self._owner))

    def __contains__(self, name: object) -> bool:
        self._check()
        return name in self._structure.attributes(self._owner)

    def set(self, name: str, value: Any) -> None:
        """Set one attribute."""
        self[name] = value

    def update(self, other: Any = (), /, **named: Any) -> None:
        """Set several attributes; when one value cannot be stored, none is set."""
        self._check_writable()
        checked = {name: check_attribute(name, value) for name, value in dict(other, **named).items()}
        with self._structure.lock:
            self._structure.attributes(self._owner).update(checked)
            self._structure.touch_attributes(self._owner)

    def rename(self, names: dict[str, str] | None = None, **named: str) -> None:
        """Give attributes other names; values and order stay.

        Parameters
        ----------
        names : dict, optional
            New names by old ones; also as keywords. Names may be swapped.

        Raises
        ------
        KeyError
            If there is no attribute of a name; nothing changes then.
        InvalidNameError
            If a new name is not allowed or taken; nothing changes then.
        """
        self._check_writable()
        wanted = {**(names or {}), **named}
        with self._structure.lock:
            attributes = self._structure.attributes(self._owner)
            for old in wanted:
                if old not in attributes:
                    raise KeyError(unknown_name("attribute", old, attributes))
            changed: dict[str, Any] = {}
            for old, value in attributes.items():
                name = wanted.get(old, old)
                check_attribute(name, value)
                if name in changed:
                    raise InvalidNameError(f"cannot rename to {name!r}: there is an attribute of this name")
                changed[name] = value
            attributes.clear()
            attributes.update(changed)
            self._structure.touch_attributes(self._owner)

    def _check(self) -> None:
        """Raise when the dataset was closed, or the variable deleted."""
        self._structure.check_open()
        if self._is_gone():
            raise VariableNotFoundError("the variable of these attributes was deleted")

    def _is_gone(self) -> bool:
        owner = self._owner
        return owner is not None and group_of(owner) is None and self._structure.member_of(owner) is None

    def _check_writable(self) -> None:
        self._check()
        self._structure.check_writable()

    def clear(self) -> None:
        """Remove all attributes."""
        self._check_writable()
        with self._structure.lock:
            self._structure.attributes(self._owner).clear()
            self._structure.touch_attributes(self._owner)

    def __eq__(self, other: object) -> bool:
        return self.data == (other.data if isinstance(other, Attributes) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self._structure.closed:
            return "<attributes of a closed dataset>"
        if self._is_gone():
            return "<attributes of a variable that was deleted>"
        lines = [f"{name}: {value!r}" for name, value in self.data.items()]
        return "\n".join(lines) if lines else "<no attributes>"


def not_replaced(it: str) -> AttributeError:
    """Make the error for attributes that are assigned as a whole."""
    return AttributeError(
        f"attributes are changed in place: {it}.attrs['units'] = ..., or {it}.attrs.update({{...}}); "
        f"{it}.attrs.clear() before it replaces them all"
    )
