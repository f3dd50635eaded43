"""Which objects does a remote database refer to, in all the versions that it keeps, and which ones are there?"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from ebooklet.errors import FileFormatError, RemoteIntegrityError
from ebooklet.format.names import NAME_BYTES, object_text, objects_prefix
from ebooklet.format.snapshot import Entry, Snapshot, SnapshotRef
from ebooklet.plan.reachable import named_by_root, named_by_snapshot
from ebooklet.stores.protocol import ObjectMeta, ObjectStore
from ebooklet.sync.history import listed_versions
from ebooklet.sync.version import THREADS, RemoteVersion, read_snapshot
from ebooklet.sync.workers import completed
from ebooklet.times import moment


@dataclass(frozen=True, slots=True)
class Reachable:
    """What a database refers to.

    Attributes
    ----------
    names : frozenset of bytes
        Names of the objects.
    versions : int
        Versions that are kept.
    """

    names: frozenset[bytes]
    versions: int


def reachable(current: RemoteVersion, threads: int = THREADS) -> Reachable:
    """Find every object that some version refers to; a request for each version and each page of the history.

    Parameters
    ----------
    current : RemoteVersion
        The current version.
    threads : int
        The most requests in flight.

    Raises
    ------
    RemoteIntegrityError
        If a version that is kept cannot be read: then nobody knows what it refers to.
    """
    names = {ref.object for ref in named_by_root(current.root)}
    refs: set[SnapshotRef] = set(current.root.tags.values())
    entries: dict[SnapshotRef, Entry] = {}
    for listed in listed_versions(current):
        if listed.page is not None:
            names.add(listed.page.object)
        if listed.entry.ref is not None:
            refs.add(listed.entry.ref)
            entries[listed.entry.ref] = listed.entry
    refs.discard(current.root.ref)
    names.update(named_by_snapshot(current.snapshot))
    names.update(ref.object for ref in refs)
    todo = list(refs)
    for number, found in completed([partial(_named_at, current, ref) for ref in todo], threads):
        if isinstance(found, RemoteIntegrityError):
            raise _told(current, todo[number], entries.get(todo[number]), found) from found
        if isinstance(found, Exception):
            raise found
        names.update(found)
    return Reachable(frozenset(names), len(refs) + 1)


def _told(
    current: RemoteVersion, ref: SnapshotRef, entry: Entry | None, error: RemoteIntegrityError
) -> RemoteIntegrityError:
    """Say which version it is, and how it is given up."""
    tags = sorted(tag for tag, at in current.root.tags.items() if at == ref)
    name = "" if entry is None else f" {entry.id.hex()[:8]} of {moment(entry.time):%Y-%m-%d %H:%M} UTC"
    called = f", tagged {', '.join(map(repr, tags))}," if tags else ""
    way = "".join(f"delete_tag({tag!r}), then " for tag in tags)
    return RemoteIntegrityError(
        f"the version{name}{called} cannot be read: {error}. Restore the object, or give the version up: {way}"
        "expire(keep=1) forgets all old versions without a tag"
    )


def _named_at(current: RemoteVersion, ref: SnapshotRef) -> frozenset[bytes]:
    data = read_snapshot(current, ref)
    try:
        return frozenset(named_by_snapshot(Snapshot.decode(data)))
    except FileFormatError as error:
        raise RemoteIntegrityError(f"{current.place}: a version that is kept cannot be read: {error}") from error


def stored_objects(store: ObjectStore, key: str, uuid: UUID) -> Iterator[tuple[bytes, ObjectMeta]]:
    """List the objects of a database by name; what is no such object, as a lease, is left out."""
    prefix = objects_prefix(key, uuid)
    for meta in store.list(prefix):
        name = name_of(meta.key[len(prefix) :])
        if name is not None:
            yield name, meta


def name_of(text: str) -> bytes | None:
    """Return the name that stands in the key of an object; None for any other text.

    Examples
    --------
    >>> name_of("a" * 26) == bytes(16), name_of("lease")
    (True, None)
    """
    try:
        name = base64.b32decode(text.upper() + "======")
    except (binascii.Error, ValueError):
        return None
    return name if len(name) == NAME_BYTES and object_text(name) == text else None
