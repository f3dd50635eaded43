"""How does a worker send its values without a commit, and how does the owner see them before there is one?"""

from collections import ChainMap
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from secrets import token_bytes

from ebooklet.format.checksum import Buffer, digest
from ebooklet.format.journal import Upload
from ebooklet.format.names import fresh_name, objects_prefix
from ebooklet.format.packing import HEADER_SIZE
from ebooklet.format.table import Row
from ebooklet.format.uploaded import Uploaded
from ebooklet.plan.push import UPLOADS, plan_push
from ebooklet.sync.assemble import Carrier, Change, Identity, assemble, encode_root
from ebooklet.sync.upload import Uploader
from ebooklet.sync.version import UNKNOWN_ETAG, CachedRoot, RemoteVersion
from ebooklet.sync.workers import completed


def send_packs(
    base: RemoteVersion,
    pending: Sequence[Row],
    read: Callable[[Sequence[Row]], Iterable[Buffer]],
    *,
    group_bytes: int | None = None,
    num_groups: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Uploaded:
    """Send values in packs of fresh names that no version refers to.

    Parameters
    ----------
    base : RemoteVersion
        The version the worker began with.
    pending : sequence of Row
        What it set and removed, with times and notes.
    read : callable
        Gives payload and tail of each row.
    group_bytes, num_groups
        Size or number of the packs.
    progress : callable, optional
        Called with the bytes sent and in all.

    Returns
    -------
    Uploaded
        What a commit needs to know, guards excepted.
    """
    plan = plan_push(pending, group_bytes=group_bytes, num_groups=num_groups)
    by_key = {row.key: row for row in pending}
    uploader = Uploader(
        base.store,
        objects_prefix(base.key, base.uuid),
        base.uuid,
        lambda rows: read([by_key[row.key] for row in rows]),
        UPLOADS,
    )
    names = [fresh_name() for _ in plan.layouts]
    jobs = [partial(uploader.put, name, layout) for name, layout in zip(names, plan.layouts, strict=True)]
    acks, done = {}, 0
    for number, found in completed(jobs, UPLOADS):
        if isinstance(found, Exception):
            raise found
        if found.when is not None:
            acks[found.name] = found.when
        done += plan.layouts[number].size
        if progress is not None:
            progress(done, plan.nbytes)
    uploads = tuple(
        Upload(name, layout.size, layout.end, len(layout.cold), digest(layout.cold))
        for name, layout in zip(names, plan.layouts, strict=True)
    )
    return Uploaded((token_bytes(16),), uploads, acks, tuple(plan.rows), plan.removed)


def with_uploaded(base: RemoteVersion, uploaded: Uploaded) -> RemoteVersion:
    """Return the version there would be if what workers sent were committed now; it is nowhere but in memory.

    Parameters
    ----------
    base : RemoteVersion
        The version the workers began with, or a later one.
    uploaded : Uploaded
        What they sent.
    """
    root = base.root
    change = Change(token_bytes(16), uploaded.uploads, uploaded.rows, uploaded.removed, mode=root.mode)
    carrier = Carrier(fresh_name(), None, HEADER_SIZE)
    with base.damage():
        following = assemble(base, change, carrier, Identity(root.uuid, root.kind, root.serializer, root.grace))
    touched = set(uploaded.keys)
    inline = {key: value for key, value in root.inline.items() if key not in touched}
    pages = ChainMap({digest(blob): blob for blob in following.tail}, base.pages)
    body = encode_root(following.root, inline)
    return RemoteVersion(base.store, base.key, CachedRoot(UNKNOWN_ETAG, body), pages=pages)
