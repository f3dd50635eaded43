"""How are the variables and groups of a dataset listed, so that they can be iterated and asked by name?"""

from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping
from typing import Any, Generic, TypeVar

from cfdb.errors import VariableNotFoundError
from cfdb.model.structure import unknown_name

V = TypeVar("V")


class Variables(Generic[V]):
    """Variables by name: iterating gives the objects, indexing takes a name or a position.

    Examples
    --------
    >>> listed = Variables({"lat": 1, "lon": 2})
    >>> list(listed), listed["lat"], "lon" in listed, list(listed.keys()), listed[0]
    ([1, 2], 1, True, ['lat', 'lon'], 1)
    """

    def __init__(self, members: Mapping[str, V], kind: str = "variable") -> None:
        self._members = dict(members)
        self._kind = kind

    def __iter__(self) -> Iterator[V]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, name: str | int) -> V:
        if isinstance(name, int):
            return list(self._members.values())[name]
        if name not in self._members:
            raise VariableNotFoundError(unknown_name(self._kind, name, self._members))
        return self._members[name]

    def __contains__(self, item: Any) -> bool:
        return item in self._members if isinstance(item, str) else any(item is member for member in self)

    def get(self, name: str, default: Any = None) -> Any:
        """Give a variable, or `default`."""
        return self._members.get(name, default)

    def keys(self) -> KeysView[str]:
        """Give the names."""
        return self._members.keys()

    def values(self) -> list[V]:
        """Give the variables."""
        return list(self._members.values())

    def items(self) -> list[tuple[str, V]]:
        """Give names and variables."""
        return list(self._members.items())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Variables):
            return self._members == other._members
        return tuple(self._members.values()) == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} {self._kind}s: {', '.join(self._members)}>" if self._members else f"<no {self._kind}s>"


class Groups(Mapping[str, Any]):
    """Groups by name: a mapping like `netCDF4.Dataset.groups`; a path (``'ocean/deep'``) finds what lies deeper.

    Examples
    --------
    >>> listed = Groups(["ocean", "ocean/deep", "air"], str.upper)
    >>> list(listed), listed["ocean/deep"], "deep" in listed, len(listed)
    (['ocean', 'air'], 'OCEAN/DEEP', False, 2)
    """

    def __init__(self, paths: Iterable[str], find: Callable[[str], Any]) -> None:
        self._paths = tuple(paths)
        self._find = find

    def __getitem__(self, name: str) -> Any:
        if name not in self._paths:
            raise VariableNotFoundError(unknown_name("group", name, dict.fromkeys(self._paths)))
        return self._find(name)

    def __iter__(self) -> Iterator[str]:
        return (path for path in self._paths if "/" not in path)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<{len(self)} groups: {', '.join(self)}>" if self._paths else "<no groups>"
