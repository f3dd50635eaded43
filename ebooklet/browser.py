"""What is in a bucket, seen as a tree of folders, databases and what is in them?

Folders are listed when they are looked at, one request for each thousand names; of a database the root object is read
when somebody asks what is in it; values are never touched.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from ebooklet.connection import Connection
from ebooklet.entries import Opener, versions_of
from ebooklet.facts import DatabaseFacts, read_facts
from ebooklet.folders import Folders, Listed
from ebooklet.found import Found
from ebooklet.history import Log
from ebooklet.opening import open_ebooklet, open_rcg
from ebooklet.sizes import byte_size
from ebooklet.sync.workers import completed
from ebooklet.territory import Territory, territory_of
from ebooklet.tidying import CopyPlan, RemovePlan, copy_listed, remove_listed
from ebooklet.usage import Usage, usage_of

OPENERS: Mapping[str, Opener] = {"ebooklet": open_ebooklet, "rcg": open_rcg}
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

    def row(self) -> dict[str, Any]:
        """What a table shows of it."""
        dims = ", ".join(f"{name}: {size}" for name, size in self.dims.items())
        return dict(zip(SHOWN, (self.name, self.kind, self.size, self.last_push, dims), strict=True))

    def __repr__(self) -> str:
        row = self.row()
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
        sizes = self.dataset.dims
        return {name: sizes[name] for name in self._said.get("dims", ()) if name in sizes}

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


class Browser(Node):
    """A folder of a bucket and all below it.

    What lies in it are its items, by path (``there['rain/2024.cfdb']``), and its attributes (``there.rain``; of a name
    with an ending what stands before the dot). Listings are kept for some seconds; `refresh` forgets them.
    """

    @property
    def kind(self) -> str:
        """Always ``'folder'``."""
        return "folder"

    @property
    def _prefix(self) -> str:
        return self._shared.place.prefix + self.path

    def _node(self, listed: Listed) -> Node:
        path = listed.key.removeprefix(self._shared.place.prefix)
        if listed.sort == "folder":
            return Browser(self._shared, path)
        kind = DatabaseNode if listed.sort == "database" else ObjectNode
        return kind(self._shared, path, listed)

    def __iter__(self) -> Iterator[Node]:
        return iter([self._node(listed) for listed in self._shared.folders.level(self._prefix)])

    def __getitem__(self, path: str) -> Node:
        way, _, variable = path.partition("::")
        prefix, found = self._prefix, None
        for number, name in enumerate(parts := way.strip("/").split("/")):
            level = {listed.name: listed for listed in self._listed_at(prefix, number == len(parts) - 1)}
            found = level.get(name)
            if found is None:
                raise KeyError(f"{way!r}: there is no {name!r} among {', '.join(list(level)[:20]) or 'nothing'}")
            prefix = found.key
        node = self if found is None else self._node(found)
        if not variable:
            return node
        if not isinstance(node, DatabaseNode):
            raise KeyError(f"{path!r}: {way!r} is no dataset")
        return node[variable]

    def _listed_at(self, prefix: str, last: bool) -> list[Listed]:
        """What a part of a path may mean: on the way folders, at its end databases rather than folders of one name."""
        level = self._shared.folders.level(prefix)
        if not last:
            return [listed for listed in level if listed.sort == "folder"]
        return sorted(level, key=lambda listed: listed.sort != "folder")

    def __getattr__(self, name: str) -> Node:
        if name.startswith("_"):
            raise AttributeError(name)
        found = self._names().get(name)
        if found is None:
            raise AttributeError(f"{self.path or 'the bucket'} has no {name!r}; it has {', '.join(self._names())}")
        return self._node(found)

    def _names(self) -> dict[str, Listed]:
        """What can be reached as an attribute: whole names, and those without their ending where only one fits."""
        level = self._shared.folders.level(self._prefix)
        stems: dict[str, list[Listed]] = {}
        for listed in level:
            stems.setdefault(listed.name.partition(".")[0], []).append(listed)
        short = {stem: found[0] for stem, found in stems.items() if len(found) == 1}
        whole = {listed.name: listed for listed in level}
        return {name: listed for name, listed in (short | whole).items() if name.isidentifier()}

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._names()})

    def _ipython_key_completions_(self) -> list[str]:
        return [node.path.removeprefix(self.path) for node in self]

    def refresh(self) -> None:
        """List anew from now on."""
        self._shared.folders.forget()

    # ---- looking around --------------------------------------------------------------------------------------------

    def ls(self, path: str = "") -> Found[Node]:
        """List a folder: a request for each thousand names, and one for each database, several at the same time."""
        folder = self._folder(path)
        return self._found(list(folder))

    def _folder(self, path: str) -> "Browser":
        node = self[path] if path.strip("/") else self
        if not isinstance(node, Browser):
            raise NotADirectoryError(f"{path!r} is a {node.kind}, no folder")
        return node

    def _found(self, nodes: Sequence[Node]) -> Found[Node]:
        _look_at(nodes, self._shared.folders.threads)
        return Found(tuple(nodes), tuple(node.row() | {"name": _shown(node, self.path)} for node in nodes), len(nodes))

    def tree(self, depth: int | None = None) -> "Tree":
        """Everything below, as a tree that prints; a request for each folder, none for databases.

        Parameters
        ----------
        depth : int, optional
            How many levels.
        """
        found = self._shared.folders.walk(self._prefix, depth)
        return Tree(self.path or self._shared.place.uri, tuple(one.key.removeprefix(self._prefix) for one in found))

    def du(self, path: str = "") -> Usage:
        """Count bytes and objects of what lies in a folder, older versions of databases included.

        Everything is listed: a request for each thousand objects.
        """
        folder = self._folder(path)
        return usage_of(self._shared.folders.store, folder._prefix)

    def glob(self, pattern: str) -> list[Node]:
        """Find nodes by a pattern: ``'*/x*.cfdb'``, ``'**/*.cfdb::temp*'``; see `cfdb.glob`."""
        way, variables, wanted = pattern.partition("::")
        nodes = [self._node(listed) for listed in self._shared.folders.glob(self._prefix, way)]
        if not variables:
            return nodes
        databases = [node for node in nodes if isinstance(node, DatabaseNode)]
        _look_at(databases, self._shared.folders.threads)
        return [v for node in databases for name, v in node.variables.items() if fnmatchcase(name, wanted)]

    def search(self, pattern: str) -> Found[Node]:
        """Find nodes below, at any depth, whose name has a text in it or fits a pattern; prints as a table.

        Parameters
        ----------
        pattern : str
            A part of the name, whatever its case, or a pattern with ``*``, ``?`` or ``[...]``.
        """
        wanted = pattern.lower() if re.search(r"[*?\[]", pattern) else f"*{pattern.lower()}*"
        listed = self._shared.folders.walk(self._prefix)
        return self._found([self._node(one) for one in listed if fnmatchcase(one.name.lower(), wanted)])

    # ---- changing --------------------------------------------------------------------------------------------------

    def cp(self, source: str, target: str, *, history: bool = True, dry_run: bool = False) -> CopyPlan:
        """Copy a database, an object, or a folder with all in it; nothing that is there is replaced.

        Parameters
        ----------
        source, target : str
            Paths below this folder; `target` is the new path itself.
        history : bool
            Whether older versions of databases come along.
        dry_run : bool
            Whether only to tell what would be copied.

        Returns
        -------
        CopyPlan
            What was copied; copies of databases have an identity of their own.
        """
        return self._copied(source, target, history, dry_run, moved=False)

    def mv(self, source: str, target: str, *, history: bool = True, dry_run: bool = False) -> CopyPlan:
        """Move: copy, and delete the source when all of it is there; see `cp`. A moved database has a new identity."""
        return self._copied(source, target, history, dry_run, moved=True)

    def _copied(self, source: str, target: str, history: bool, dry_run: bool, *, moved: bool) -> CopyPlan:
        begin = self._at(source)
        goal = self._prefix + target.strip("/") + ("/" if begin.sort == "folder" else "")
        if begin.sort == "folder" and goal.startswith(begin.key):
            raise ValueError(f"{target!r} lies in {source!r}: a folder cannot be copied into itself")
        plan = CopyPlan.of(self._shared.folders, begin, goal, history, moved)
        if not dry_run:
            plan = copy_listed(self._shared.place.connection, plan)
            self.refresh()
        return plan

    def rm(self, path: str, *, recursive: bool = False, dry_run: bool = True) -> RemovePlan:
        """Delete a database with all its versions, an object, or with `recursive` a folder with all in it.

        Parameters
        ----------
        path : str
            Below this folder.
        recursive : bool
            Needed for folders.
        dry_run : bool
            Only tell what would go, unless it is False.

        Returns
        -------
        RemovePlan
            What was deleted, or would be.
        """
        begin = self._at(path)
        if begin.sort == "folder" and not recursive:
            raise IsADirectoryError(f"{path!r} is a folder: recursive=True deletes it with all that lies in it")
        plan = RemovePlan.of(self._shared.folders, begin)
        if not dry_run:
            plan = remove_listed(self._shared.place.connection, plan)
            self.refresh()
        return plan

    def _at(self, path: str) -> Listed:
        node = self[path]
        if isinstance(node, ObjectNode):
            return node._listed
        if not isinstance(node, Browser) or not node.path:
            raise ValueError(f"{path!r} is a {node.kind}: give a database, an object, or a folder below this one")
        return Listed(node._prefix, "folder")


@dataclass(frozen=True, slots=True)
class Tree:
    """Paths below a folder; prints as a tree."""

    root: str
    paths: tuple[str, ...]

    def __str__(self) -> str:
        lines = [self.root]
        for path in sorted(self.paths, key=lambda one: one.rstrip("/").split("/")):
            parts = path.rstrip("/").split("/")
            lines.append("  " * len(parts) + parts[-1] + ("/" if path.endswith("/") else ""))
        return "\n".join(lines)

    __repr__ = __str__


def _look_at(nodes: Sequence[Node], threads: int) -> None:
    """Read the root objects that nodes need, at the same time."""
    asked = [node for node in nodes if isinstance(node, DatabaseNode)]
    jobs: list[Callable[[], DatabaseFacts]] = [partial(_facts, node) for node in asked]
    for _, found in completed(jobs, threads):
        if isinstance(found, Exception):
            raise found


def _facts(node: DatabaseNode) -> DatabaseFacts:
    return node.facts


def _shown(node: Node, path: str) -> str:
    return node.path.removeprefix(path)


def browse(
    remote_conn: Any,
    prefix: str | None = None,
    *,
    cache_ttl: float = 60.0,
    openers: Mapping[str, Opener] = OPENERS,
) -> Browser:
    """Look into a bucket or folder as into a tree; see `cfdb.browse`, which also opens datasets."""
    place = territory_of(remote_conn, prefix)
    folders = Folders(place.connection.store(), cache_ttl, place.connection.threads)
    return Browser(Shared(place, folders, openers), "")
