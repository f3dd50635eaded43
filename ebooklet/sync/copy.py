"""How does a remote database get to another place?"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4

from ebooklet.errors import ConflictError, ObjectNotFoundError, RemoteExistsError, RemoteIntegrityError
from ebooklet.format.names import object_text, objects_prefix
from ebooklet.format.snapshot import HISTORY_FEATURE, Entry, Pack
from ebooklet.stores.protocol import ObjectStore
from ebooklet.sync.assemble import encode_root
from ebooklet.sync.commit import Committed, check_conditional_put, commit_root
from ebooklet.sync.delete import delete_objects
from ebooklet.sync.fetch import Progress
from ebooklet.sync.version import RemoteVersion, find_version
from ebooklet.sync.workers import completed

THREADS = 4  # each may hold a packed object in memory


def copy_database(
    source: RemoteVersion,
    store: ObjectStore,
    key: str,
    *,
    overwrite: bool = False,
    single_writer: bool = False,
    threads: int = THREADS,
    progress: Progress | None = None,
) -> RemoteVersion:
    """Copy a version of a database, without its history, to another place.

    The server copies the packs itself where it can; otherwise they pass through this process, a few at a time.

    Parameters
    ----------
    source : RemoteVersion
        What to copy; read access is enough.
    store, key
        Where to.
    overwrite : bool
        Whether a database that is there may be replaced; its objects are deleted after that.
    single_writer : bool
        The caller's word that nobody else writes there, where the server has no conditional writes.
    threads : int
        Copies at the same time.
    progress : callable, optional
        Called with the bytes done and in all.

    Returns
    -------
    RemoteVersion
        The copy, which has an identity of its own.

    Raises
    ------
    RemoteExistsError
        If there is a database and `overwrite` is false, or it is the source itself.
    """
    there = find_version(store, key)
    if there is not None and not overwrite:
        raise RemoteExistsError(f"{there.place} exists already (uuid {there.uuid}); overwrite=True replaces it")
    if there is not None and (there.place, there.uuid) == (source.place, source.uuid):
        raise RemoteExistsError(f"{there.place} cannot be copied onto itself; choose another key")
    uuid = uuid4()
    prefix = objects_prefix(key, uuid)
    check_conditional_put(store, key, prefix, single_writer)
    packs = [pack for pack in source.snapshot.packs if pack is not None]
    try:
        _copy_packs(source, packs, store, prefix, threads, progress)
    except BaseException:
        store.delete_many([prefix + object_text(pack.name) for pack in packs])
        raise
    commit = secrets.token_bytes(16)
    body = _root_of_copy(source, uuid, commit)
    outcome = commit_root(store, key, body, commit, there, single_writer=single_writer)
    if not isinstance(outcome, Committed):
        raise ConflictError(f"{store.uri}/{key} was changed while it was to be overwritten; copy again")
    if there is not None:
        delete_objects(store, key, there.uuid)
    return outcome.version


def _root_of_copy(source: RemoteVersion, uuid: UUID, commit: bytes) -> bytes:
    snapshot = replace(source.snapshot, id=commit, parent=None, parent_id=b"")
    root = replace(
        source.root,
        uuid=uuid,
        snapshot=snapshot.encode(),
        ref=None,
        commits=(commit,),
        tags={},
        copied_from=source.uuid,
        history=(Entry(commit, snapshot.time, None, len(source), sum(pack.size for pack in snapshot.packs if pack)),),
        older=None,
        uses=tuple(dict.fromkeys((*source.root.uses, HISTORY_FEATURE))),
    )
    return encode_root(root, source.root.inline)


def _copy_packs(
    source: RemoteVersion,
    packs: Sequence[Pack],
    store: ObjectStore,
    prefix: str,
    threads: int,
    progress: Progress | None,
) -> None:
    total, done = sum(pack.size for pack in packs), 0
    jobs = [partial(_copy_pack, source, pack, store, prefix + object_text(pack.name)) for pack in packs]
    for number, found in completed(jobs, threads):
        if isinstance(found, Exception):
            raise found
        done += packs[number].size
        if progress is not None:
            progress(done, total)


def _copy_pack(source: RemoteVersion, pack: Pack, store: ObjectStore, target_key: str) -> None:
    source_key = source.object_key(pack.name)
    try:
        if not source.store.copy(source_key, target_key, target=None if store is source.store else store):
            store.put(target_key, source.store.get(source_key).body)
    except ObjectNotFoundError as error:
        raise RemoteIntegrityError(f"{source.store.uri}/{source_key}, which the database refers to, is gone") from error
