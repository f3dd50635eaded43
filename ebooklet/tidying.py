"""How are databases, objects and folders of one bucket copied, moved and deleted?"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ebooklet.connection import Connection, FolderConnection
from ebooklet.copying import copy_remote
from ebooklet.errors import ConflictError, EBookletError, RemoteExistsError
from ebooklet.folders import Folders, Listed
from ebooklet.stores.protocol import CREATE, ObjectStore, name_of
from ebooklet.sync.delete import delete_database
from ebooklet.sync.version import open_version

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is copied."""

    source: Listed
    target: str


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What is copied or moved, or would be; true when all that was to be done is done.

    Attributes
    ----------
    steps : tuple of Step
        The databases and objects.
    history, moved : bool
        Whether older versions come along, and whether the sources are deleted.
    done : tuple of str
        Keys that were copied.
    failures : mapping of str to Exception
        What could not be copied, or not be deleted after that, by key of the source.
    dry_run : bool
        Whether nothing was done.
    """

    steps: tuple[Step, ...]
    history: bool
    moved: bool
    done: tuple[str, ...] = ()
    failures: Mapping[str, Exception] = field(default_factory=dict)
    dry_run: bool = True

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def __bool__(self) -> bool:
        return self.ok and not self.dry_run

    @classmethod
    def of(cls, folders: Folders, begin: Listed, target: str, history: bool, moved: bool) -> "CopyPlan":
        """Find what is to be copied.

        Raises
        ------
        RemoteExistsError
            If there is something at a target.
        """
        steps = tuple(
            Step(one, target + one.key.removeprefix(begin.key) if begin.sort == "folder" else target)
            for one in _leaves(folders, begin)
        )
        for step in steps:
            _check_free(folders.store, step.target)
        return cls(steps, history, moved)

    def __str__(self) -> str:
        verb = ("move" if self.moved else "copy") if self.dry_run else ("moved" if self.moved else "copied")
        keys = {step.source.key: step.target for step in self.steps}
        shown = keys if self.dry_run else {key: keys[key] for key in self.done}
        lines = [f"{'would ' if self.dry_run else ''}{verb} {len(shown)} of {len(keys)}"]
        lines += [f"  {key} -> {goal}" for key, goal in list(shown.items())[:SHOWN]]
        lines += [f"  ... and {len(shown) - SHOWN} more"] if len(shown) > SHOWN else []
        return "\n".join(lines + _failed(self.failures))


@dataclass(frozen=True, slots=True)
class RemovePlan:
    """What is deleted, or would be; true when all of it is gone.

    Attributes
    ----------
    found : tuple of Listed
        The databases and objects.
    done : tuple of str
        Keys that were deleted.
    failures : mapping of str to Exception
        What could not be deleted.
    dry_run : bool
        Whether nothing was deleted.
    """

    found: tuple[Listed, ...]
    done: tuple[str, ...] = ()
    failures: Mapping[str, Exception] = field(default_factory=dict)
    dry_run: bool = True

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def __bool__(self) -> bool:
        return self.ok and not self.dry_run

    @classmethod
    def of(cls, folders: Folders, begin: Listed) -> "RemovePlan":
        """Find what is to be deleted."""
        return cls(tuple(_leaves(folders, begin)))

    def __str__(self) -> str:
        shown: Sequence[str] = [f"{one.key} ({one.sort})" for one in self.found] if self.dry_run else self.done
        how = "; nothing was deleted, dry_run=False does" if self.dry_run else ""
        lines = [f"{'would delete' if self.dry_run else 'deleted'} {len(shown)} of {len(self.found)}{how}"]
        lines += [f"  {key}" for key in shown[:SHOWN]]
        lines += [f"  ... and {len(shown) - SHOWN} more"] if len(shown) > SHOWN else []
        return "\n".join(lines + _failed(self.failures))


def copy_listed(connection: Connection, plan: CopyPlan) -> CopyPlan:
    """Copy what was planned, each as a whole; the source of what is moved goes when its copy is there."""
    done, failures = [], {}
    for step in plan.steps:
        key = step.source.key
        try:
            if step.source.sort == "database":
                _copy_database(connection, step, plan)
            else:
                _copy_object(connection.store(writable=True), key, step.target)
                if plan.moved:
                    _delete(connection, step.source)
            done.append(key)
        except EBookletError as error:
            failures[key] = error
    return replace(plan, done=tuple(done), failures=failures, dry_run=False)


def remove_listed(connection: Connection, plan: RemovePlan) -> RemovePlan:
    """Delete what was planned."""
    done, failures = [], {}
    for one in plan.found:
        try:
            _delete(connection, one)
            done.append(one.key)
        except EBookletError as error:
            failures[one.key] = error
    return replace(plan, done=tuple(done), failures=failures, dry_run=False)


def _leaves(folders: Folders, begin: Listed) -> Iterator[Listed]:
    """Databases and objects at or below something, as they are now."""
    folders.forget()
    if begin.sort != "folder":
        return iter([begin])
    return (one for one in folders.walk(begin.key) if one.sort != "folder")


def _check_free(store: ObjectStore, target: str) -> None:
    above = target[: target.rfind("/") + 1]
    taken = {target, f"{target}/", f"{target}.objects/"}
    for one in store.list_folder(above):
        if name_of(one) in taken:
            raise RemoteExistsError(f"there is something at {store.uri}/{target}; choose another path, or delete it")


def _copy_database(connection: Connection, step: Step, plan: CopyPlan) -> None:
    source, target = connection.at(step.source.key), connection.at(step.target)
    store = source.store(writable=True)
    before = open_version(store, source.db_key) if plan.moved else None
    if isinstance(target, FolderConnection):
        os.makedirs(target.folder, exist_ok=True)
    copy_remote(source, target, history=plan.history)
    if before is None:
        return
    try:
        delete_database(store, source.db_key, before, unchanged=True)
    except ConflictError as error:
        raise ConflictError(
            f"{source.uri} was pushed to while it was copied: it was not deleted, its copy is at {step.target}"
        ) from error


def _copy_object(store: ObjectStore, source: str, target: str) -> None:
    if not store.copy(source, target):
        store.put(target, store.get(source).body, CREATE)


def _delete(connection: Connection, one: Listed) -> None:
    place = connection.at(one.key)
    if one.sort == "database":
        delete_database(place.store(writable=True), place.db_key)
    else:
        place.store(writable=True).delete(place.db_key)


def _failed(failures: Mapping[str, Exception]) -> list[str]:
    return [f"  failed: {key}: {error}" for key, error in failures.items()]
