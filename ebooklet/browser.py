"""What is in a bucket, seen as a tree of folders, databases and what is in them?

Folders are listed when they are looked at, one request for each thousand names.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ebooklet.entries import Opener
from ebooklet.folders import Folders, Listed
from ebooklet.found import Found
from ebooklet.nodes import DatabaseNode, Node, ObjectNode, Shared, look_at
from ebooklet.opening import open_ebooklet, open_rcg
from ebooklet.territory import territory_of
from ebooklet.tidying import CopyPlan, RemovePlan, copy_listed, remove_listed
from ebooklet.usage import Usage, usage_of

OPENERS: Mapping[str, Opener] = {"ebooklet": open_ebooklet, "rcg": open_rcg}


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

    def __getitem__(self, path: str) -> Any:
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

    def __getattr__(self, name: str) -> Any:
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
        look_at(nodes, self._shared.folders.threads)
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
        databases = look_at(nodes, self._shared.folders.threads)
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
