"""What did each commit change? Written into the attributes that the conventions have for it.

A dataset opened with ``track_history=True`` keeps ``date_created``, ``date_modified`` (ACDD) and ``history`` (CF: one
line per change, the newest last).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cfdb.format.names import DATASET_KEY, attributes_key, group_owner, variable_key
from cfdb.model.structure import Structure

OPTION = "track_history"
_MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class _Seen:
    """A variable or dimension as of the last commit: its name, and what changes with its values."""

    path: str
    state: object


class History:
    """Tells what changed since the last commit, and writes it down.

    Parameters
    ----------
    structure : Structure
        The records of an open dataset.
    is_new : bool
        Whether the dataset is being created.
    """

    def __init__(self, structure: Structure, *, is_new: bool = False) -> None:
        self._structure = structure
        self._is_new = is_new
        self.settle()

    def settle(self) -> None:
        """Take what is there for what was there at the last commit."""
        structure = self._structure
        self._members = {m.id: _Seen(m.path, m.version) for m in structure.members.values()}
        self._dims = {dim.id: _Seen(dim.path, dim.slots) for dim in structure.dims.values()}
        self._groups = structure.groups
        self._reloads = structure.reloads
        structure.settle()

    def write(self) -> None:
        """Write the line of a commit into the attributes, if something changed."""
        changes = "; ".join(self._changes())
        if self._is_new:
            changes = "; ".join(filter(None, ("created the dataset", changes)))
        if not changes:
            return
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        attributes = self._structure.attributes(None)
        if self._is_new:
            attributes.setdefault("date_created", moment)
            self._is_new = False
        before = attributes.get("history")
        line = f"{moment}: cfdb: {changes}"
        attributes["history"] = f"{before}\n{line}" if before else line
        attributes["date_modified"] = moment
        self._structure.touch_attributes(None)

    def _changes(self) -> Iterator[str]:
        structure, touched = self._structure, self._structure.touched
        members = {member.id: member for member in structure.members.values()}
        dims = {dim.id: dim for dim in structure.dims.values()}
        own = [member for identity, member in members.items() if identity in self._members]
        yield from _named("created", (m.path for i, m in members.items() if i not in self._members))
        yield from _named("deleted", (seen.path for i, seen in self._members.items() if i not in members))
        yield from _renamed(self._members, {member.id: member.path for member in own})
        plain = [dim for i, dim in dims.items() if i not in self._dims and structure.index_of(dim) is None]
        yield from _named("created the dimension", (dim.path for dim in plain))
        labelled = {seen.path for seen in self._members.values()}
        gone = (seen.path for i, seen in self._dims.items() if i not in dims and seen.path not in labelled)
        yield from _named("deleted the dimension", gone)
        resized = [dim for i, dim in dims.items() if i in self._dims and dim.slots != self._dims[i].state]
        yield from _named("resized", (f"{dim.path} to {dim.size}" for dim in resized))
        reloads = structure.reloads - self._reloads
        yield from _named("wrote", (m.path for m in own if m.version - reloads != self._members[m.id].state))
        described = (m.path for m in own if variable_key(m.path) in touched and m.path == self._members[m.id].path)
        yield from _named("described anew", described)
        yield from _named("set attributes of", (m.path for m in own if attributes_key(m.id) in touched))
        if attributes_key(None) in touched:
            yield "set attributes of the dataset"
        new, old = set(structure.declared_groups) - set(self._groups), set(self._groups) - set(structure.groups)
        yield from _named("created the group", sorted(new))
        yield from _named("deleted the group", sorted(old))
        kept = set(structure.declared_groups) - new
        yield from _named(
            "set attributes of the group", sorted(g for g in kept if attributes_key(group_owner(g)) in touched)
        )
        if DATASET_KEY in touched and not self._is_new:
            yield "changed what holds for the dataset"


def _named(what: str, paths: Iterable[str]) -> Iterator[str]:
    """Say what was done to which, if to any."""
    listed = list(paths)
    if listed:
        hidden = len(listed) - _MOST_NAMES
        yield f"{what} {', '.join(listed[:_MOST_NAMES])}{f' and {hidden} more' if hidden > 0 else ''}"


def _renamed(before: Mapping[str, _Seen], now: Mapping[str, str]) -> Iterator[str]:
    pairs = [(before[identity].path, path) for identity, path in now.items() if before[identity].path != path]
    yield from _named("renamed", (f"{old} to {new}" for old, new in pairs))


def check_history(wanted: bool | None) -> None:
    """Refuse what cannot be said about keeping a history."""
    if wanted is not None and not isinstance(wanted, bool):
        raise TypeError(f"track_history={wanted!r}: give True, False or None")


def history_of(structure: Structure, wanted: bool | None, *, is_new: bool = False) -> History | None:
    """Give the history of a dataset that keeps one, or is told to; the choice is kept with the dataset.

    Parameters
    ----------
    structure : Structure
        The records of an open dataset.
    wanted : bool, optional
        Whether to keep a history from now on; None is what was chosen before.
    is_new : bool
        Whether the dataset is being created.
    """
    options = structure.dataset.options
    if not structure.writable:
        return None
    chosen = bool(options.get(OPTION)) if wanted is None else wanted
    if chosen != bool(options.get(OPTION)):
        structure.set_dataset(replace(structure.dataset, options={**options, OPTION: chosen}))
    return History(structure, is_new=is_new) if chosen else None
