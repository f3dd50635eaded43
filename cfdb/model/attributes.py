"""How does a user read and change attributes?"""

import copy
from collections.abc import Iterator, MutableMapping
from typing import Any

from cfdb.format.attributes import check_attribute
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

    def __init__(self, structure: Structure, owner: str | None) -> None:
        self._structure = structure
        self._owner = owner

    @property
    def data(self) -> dict[str, Any]:
        """All attributes, as a copy."""
        self._structure.check_open()
        with self._structure.lock:
            return copy.deepcopy(self._structure.attributes(self._owner))

    def __getitem__(self, name: str) -> Any:
        self._structure.check_open()
        attributes = self._structure.attributes(self._owner)
        if name not in attributes:
            raise KeyError(unknown_name("attribute", name, attributes))
        return copy.deepcopy(attributes[name])

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def __delitem__(self, name: str) -> None:
        self._structure.check_writable()
        with self._structure.lock:
            attributes = self._structure.attributes(self._owner)
            if name not in attributes:
                raise KeyError(unknown_name("attribute", name, attributes))
            del attributes[name]
            self._structure.touch_attributes(self._owner)

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __len__(self) -> int:
        self._structure.check_open()
        return len(self._structure.attributes(self._owner))

    def __contains__(self, name: object) -> bool:
        self._structure.check_open()
        return name in self._structure.attributes(self._owner)

    def set(self, name: str, value: Any) -> None:
        """Set one attribute."""
        self[name] = value

    def update(self, other: Any = (), /, **named: Any) -> None:
        """Set several attributes; when one value cannot be stored, none is set."""
        self._structure.check_writable()
        checked = {name: check_attribute(name, value) for name, value in dict(other, **named).items()}
        with self._structure.lock:
            self._structure.attributes(self._owner).update(checked)
            self._structure.touch_attributes(self._owner)

    def clear(self) -> None:
        """Remove all attributes."""
        self._structure.check_writable()
        with self._structure.lock:
            self._structure.attributes(self._owner).clear()
            self._structure.touch_attributes(self._owner)

    def __eq__(self, other: object) -> bool:
        return self.data == (other.data if isinstance(other, Attributes) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self._structure.closed:
            return "<attributes of a closed dataset>"
        lines = [f"{name}: {value!r}" for name, value in self.data.items()]
        return "\n".join(lines) if lines else "<no attributes>"
