"""What is something in a bucket: a database, a variable in it, another object?

Of a database the root object is read, once, when somebody asks what is in it; values are never touched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from ebooklet.connection import Connection
from ebooklet.entries import Opener, versions_of
from ebooklet.errors import AccessDeniedError, EBookletError, RemoteConnectionError
from ebooklet.facts import DatabaseFacts, read_facts
from ebooklet.folders import Folders, Listed
from ebooklet.history import Log
from ebooklet.sizes import byte_size
from ebooklet.sync.workers import completed
from ebooklet.territory import Territory

SHOWN = ("name", "kind", "size", "last_push", "dims")


@dataclass(frozen=True, slots=True)
class Shared:
    """What all nodes of one tree use."""

    place: Territory
    folders: Folders
    openers: Mapping[str, Opener]
    facts: dict[tuple[Any, ...], DatabaseFacts] = field(default_factory=dict)

    def facts_of(self, listed: Listed) -> DatabaseFacts:
        """What the root object of a database tells; read once while the listing says that it is the same."""
        identity = (listed.key, listed.etag, listed.size, listed.time)
        if identity not in self.facts:
            self.facts[identity] = read_facts(self.place.connection.at(listed.key))
        return self.facts[identity]


class Node:
    """Something in a tree.

    Attributes
    ----------
    path : str
        Where it is, below where browsing began; variables follow ``::``.
    """

    def __init__(self, shared: Shared, path: str) -> None:
        self._shared = shared
        self.path = path

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("::")[2].rstrip("/").rpartition("/")[2]

    @property
    def kind(self) -> str:
        """``'folder'``, ``'dataset'``, ``'key-value'``, ``'group'``, ``'variable'`` or ``'object'``."""
        raise NotImplementedError

    @property
    def size(self) -> int | None:
        """Bytes, as far as they are known without another request."""
        return None

    @property
    def last_push(self) -> datetime | None:
        """When it was written last."""
        return None

    @property
    def dims(self) -> dict[str, int]:
        """Dimensions and their lengths; empty for what has none."""
        return {}

    @property
    def error(self) -> Exception | None:
        """Why it cannot be read, if it cannot."""
        return None

    def row(self) -> dict[str, Any]:
        """What a table shows of it."""
        if self.error is not None:
            return dict(zip(SHOWN, (self.name, "unreadable", None, None, str(self.error)), strict=True))
        dims = ", ".join(f"{name}: {size}" for name, size in self.dims.items())
        return dict(zip(SHOWN, (self.name, self.kind, self.size, self.last_push, dims), strict=True))

    def __repr__(self) -> str:
        row = self.row()
        if self.error is not None:
            return f"<unreadable {self.path}: {self.error}>"
        size = "" if self.size is None else f" {byte_size(self.size)}"
        pushed = "" if self.last_push is None else f", pushed {self.last_push:%Y-%m-%d %H:%M}"
        dims = f" ({row['dims']})" if row["dims"] else ""
        return f"<{self.kind} {self.path or '/'}{dims}{size}{pushed}>"

    __str__ = __repr__


class ObjectNode(Node):
    """An object that belongs to no database."""

    def __init__(self, shared: Shared, path: str, listed: Listed) -> None:
        super().__init__(shared, path)
        self._listed = listed

    @property
    def kind(self) -> str:
        """Always ``'object'``."""
        return "object"

    @property
    def size(self) -> int:
        """Bytes of the object."""
        return self._listed.size

    @property
    def last_push(self) -> datetime | None:
        """When it was written."""
        return self._listed.time

    def load(self) -> bytes:
        """Download it."""
        return self._shared.folders.store.get(self._listed.key).body


class DatabaseNode(ObjectNode):
    """A database; one request, when it is first needed, tells what is in it.

    Items are the variables of a dataset.
    """

    @property
    def facts(self) -> DatabaseFacts:
        """What the root object tells."""
        return self._shared.facts_of(self._listed)

    @property
    def error(self) -> Exception | None:
        """Why the root object cannot be read, if it cannot: it is damaged, of a newer format, or just deleted."""
        try:
            _ = self.facts
        except EBookletError as error:
            return None if isinstance(error, RemoteConnectionError | AccessDeniedError) else error
        return None

    @property
    def connection(self) -> Connection:
        """What opens it."""
        return self._shared.place.connection.at(self._listed.key)

    @property
    def kind(self) -> str:
        """``'dataset'``, ``'key-value'``, ``'group'`` (of connections), or the name another package gave it."""
        return {"cfdb": "dataset", "ebooklet": "key-value", "rcg": "group"}.get(self.facts.kind, self.facts.kind)

    @property
    def size(self) -> int:
        """Bytes that the newest version needs."""
        return self.facts.nbytes

    @property
    def last_push(self) -> datetime:
        """When its newest version was made."""
        return self.facts.last_push

    @property
    def attrs(self) -> dict[str, Any]:
        """Attributes of a dataset, long ones shortened."""
        return dict(self.facts.summary.get("attrs", {}))

    @property
    def dims(self) -> dict[str, int]:
        """Dimensions of a dataset."""
        return dict(self.facts.summary.get("dims", {}))

    @property
    def variables(self) -> dict[str, "VariableNode"]:
        """Variables of a dataset by name."""
        found = self.facts.summary.get("vars", {})
        return {name: VariableNode(self._shared, f"{self.path}::{name}", self, said) for name, said in found.items()}

    def __getitem__(self, name: str) -> "VariableNode":
        found = self.variables
        if name not in found:
            raise KeyError(f"{name!r} in {self.path}; there are {', '.join(found) or 'no variables'}")
        return found[name]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.variables)

    def open(self, *args: Any, **options: Any) -> Any:
        """Open it; parameters as of `open_edataset` or `open_ebooklet` after the connection."""
        kind = self.facts.kind
        if kind not in self._shared.openers:
            raise TypeError(f"{self.path} holds {kind!r}, which nobody here opens; datasets are opened by cfdb.browse")
        return self._shared.openers[kind](self.connection, *args, **options)

    def load(self, name: str) -> Any:  # type: ignore[override]
        """Download one variable of a dataset, as an array, or one value of a key-value database."""
        with self.open(cache=None) as opened:
            found = opened[name]
            return found.values if self.facts.kind == "cfdb" else found

    def versions(self) -> Log:
        """List its versions, the newest first."""
        return versions_of(self.connection)


class VariableNode(Node):
    """A variable of a dataset, as the root object tells of it."""

    def __init__(self, shared: Shared, path: str, dataset: DatabaseNode, said: Mapping[str, Any]) -> None:
        super().__init__(shared, path)
        self.dataset = dataset
        self._said = said

    @property
    def name(self) -> str:
        """Name of the variable, with its groups."""
        return self.path.rpartition("::")[2]

    @property
    def kind(self) -> str:
        """Always ``'variable'``."""
        return "variable"

    @property
    def dims(self) -> dict[str, int]:
        """Its dimensions and their lengths."""
        sizes, names = self.dataset.dims, self._said.get("dims")
        listed = names if isinstance(names, list) else []
        return {name: sizes[name] for name in listed if isinstance(name, str) and name in sizes}

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of its dimensions."""
        return tuple(self.dims.values())

    @property
    def dtype(self) -> str:
        """Type of its values."""
        return str(self._said.get("dtype", ""))

    @property
    def attrs(self) -> dict[str, str]:
        """Units and names."""
        return {name: value for name, value in self._said.items() if name not in ("dims", "dtype", "role")}

    @property
    def last_push(self) -> datetime:
        """When the dataset was pushed last."""
        return self.dataset.last_push

    def open(self, *args: Any, **options: Any) -> Any:
        """Open the dataset it is in."""
        return self.dataset.open(*args, **options)

    def load(self) -> Any:
        """Download its values, as an array."""
        return self.dataset.load(self.name)


def look_at(nodes: Sequence[Node], threads: int) -> list["DatabaseNode"]:
    """Read the root objects that nodes need, at the same time; give the databases that can be read."""
    asked = [node for node in nodes if isinstance(node, DatabaseNode)]
    jobs = [partial(_error, node) for node in asked]
    errors: dict[int, Exception | None] = dict(completed(jobs, threads))
    return [node for number, node in enumerate(asked) if errors[number] is None]


def _error(node: DatabaseNode) -> Exception | None:
    return node.error
