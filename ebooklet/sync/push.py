"""How do pending changes become the next version of a remote, atomically and resumably?

Journal, upload packs to fresh names, one conditional PUT of the root. Before that PUT nothing is visible, after it only
garbage can be left. A push that was cut short is taken up again: what it committed is settled, its uploads are reused.
"""

import logging
import secrets
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from uuid import UUID

from ebooklet.format.checksum import Buffer, digest
from ebooklet.format.journal import PUSH_STATE, PushJournal, Upload
from ebooklet.format.names import fresh_name, objects_prefix
from ebooklet.format.packing import HEADER_SIZE, Layout
from ebooklet.format.snapshot import MAX_INLINE
from ebooklet.format.table import Row
from ebooklet.plan.history import check_new_tag
from ebooklet.plan.push import PushPlan, plan_push
from ebooklet.plan.summary import join_summaries
from ebooklet.stores.protocol import ObjectStore
from ebooklet.sync.assemble import Carrier, Change, Identity, assemble, choose_inline, encode_root
from ebooklet.sync.commit import Committed, Lost, commit_mode, commit_root, pause_after_race
from ebooklet.sync.contract import PushOptions, PushResult, PushSource
from ebooklet.sync.editing import too_many_races
from ebooklet.sync.moving import Pending, move
from ebooklet.sync.resume import Acks, Reusable, resolve_push, reusable_uploads
from ebooklet.sync.tag import tag_version
from ebooklet.sync.upload import Sent, Uploader
from ebooklet.sync.version import RemoteVersion, find_version

log = logging.getLogger("ebooklet")


def push(
    store: ObjectStore,
    key: str,
    source: PushSource,
    base: RemoteVersion | None,
    options: PushOptions | None = None,
) -> PushResult:
    """Publish all pending changes as one commit.

    Parameters
    ----------
    store, key
        Where the database is.
    source : PushSource
        The local side.
    base : RemoteVersion or None
        The version the changes were made on; None makes a database.
    options : PushOptions, optional
        How.

    Returns
    -------
    PushResult
        What was done; false when there was nothing to push.

    Raises
    ------
    ConflictError
        If another commit changed the same keys, or records the pending changes rely on. Nothing was published.
    PushError
        If the outcome is not known. Whatever is raised, every pending change is kept.
    """
    return Pushing(store, key, source, base, options or PushOptions()).run()


class Pushing:
    """One push, from journal to settlement."""

    def __init__(
        self, store: ObjectStore, key: str, source: PushSource, base: RemoteVersion | None, options: PushOptions
    ) -> None:
        self.store = store
        self.key = key
        self.source = source
        self.base = base
        self.options = options
        self.pending = Pending(())
        self.objects = 0
        self.nbytes = 0
        self.mode = "cas"
        if options.tag is not None:
            check_new_tag(options.tag)

    @property
    def uuid(self) -> UUID:
        """Identity of the database, which may be about to be made."""
        return self.base.uuid if self.base else self.options.uuid

    @property
    def prefix(self) -> str:
        """What the keys of its objects begin with."""
        return objects_prefix(self.key, self.uuid)

    def run(self) -> PushResult:
        """Do it."""
        own, reusable = self._take_up()
        options = self.options
        reusable = reusable.joined(options.uploaded)
        self.pending = Pending(tuple(self.source.pending()), options.guards, options.metadata, options.replace)
        if self.base is not None:
            self.base.check_writable()
            if self.pending.nothing:
                return self._without_change(self.base, own)
        self.mode = self._mode()
        plan = plan_push(
            self.pending.rows,
            group_bytes=options.group_bytes,
            num_groups=options.num_groups,
            order=options.order,
            reused=reusable.rows,
            first=len(reusable.uploads),
        )
        result = self._commit(plan, reusable)
        self.source.settle(result)
        log.info("%s/%s: %s", self.store.uri, self.key, result)
        return result

    def _vouched(self) -> bool:
        """Make sure of the lease, if there is one; tell whether the commit may do without protection by the server."""
        if self.options.verify_lease is not None:
            self.options.verify_lease()
        return self.options.single_writer or self.options.verify_lease is not None

    def _mode(self) -> str:
        return commit_mode(
            self.store,
            self.key,
            self.prefix,
            self.base,
            single_writer=self.options.single_writer,
            leased=self.options.verify_lease is not None,
        )

    def _take_up(self) -> tuple[PushResult | None, Reusable]:
        """Settle or reuse what an earlier push left: its result if it had committed, else its packs."""
        if self.source.state(PUSH_STATE) is None:
            return None, Reusable()
        current = find_version(self.store, self.key, pages=self.base.pages if self.base else None)
        result = resolve_push(self.source, current)
        if result is None:
            grace = self.options.grace
            return None, reusable_uploads(self.source, self.store, self.prefix, self.uuid, current, grace)
        self.source.settle(result)
        if self.base is None or result.commit not in self.base.root.commits:
            self.base = result.version
        return result, Reusable()

    def _without_change(self, base: RemoteVersion, own: PushResult | None) -> PushResult:
        if self.options.tag is None:
            if own is None and self.source.state(PUSH_STATE) is not None:
                self.source.settle(PushResult(base))  # what it had to send was given up
            return own or PushResult(base)
        if base.root.ref is None:  # a copy: its snapshot stands nowhere but in the root
            self.mode = self._mode()
            result = self._commit(PushPlan(()), Reusable())
        else:
            result = tag_version(base, self.options.tag, base.root.ref, single_writer=self._vouched())
        self.source.settle(result)
        return result

    # ---- the commit ----------------------------------------------------------------------------------------------

    def _commit(self, plan: PushPlan, reusable: Reusable) -> PushResult:
        acks = Acks(self.source, reusable.acks)
        until = max((row.timestamp for row in self.pending.rows), default=0)
        change = self._change(plan, reusable)
        names = [upload.name for upload in change.uploads[len(reusable.uploads) :]]
        waiting = list(zip(names, plan.layouts, strict=True))
        uploader = Uploader(self.store, self.prefix, self.uuid, self._read, self.options.threads, self.options.progress)
        try:
            for attempt in range(self.options.attempts):
                outcome = self._attempt(change, waiting, uploader, acks)
                if isinstance(outcome, Committed):
                    return self._result(change, outcome.version, attempt + 1)
                change = self.moved(outcome.version, change)
                if self.pending.nothing and self.options.tag is None:
                    return self._given_up(outcome.version, attempt + 1, until)
                waiting = []
                pause_after_race(attempt)
        except BaseException:
            acks.save()
            raise
        raise too_many_races(self.store, self.key)

    def _attempt(
        self, change: Change, waiting: Sequence[tuple[bytes, Layout]], uploader: Uploader, acks: Acks
    ) -> Committed | Lost:
        """Send what is waiting and the tail of the next version, and put its root in place."""
        carrier = Carrier(fresh_name(), None, HEADER_SIZE)
        if waiting:
            carrier = Carrier(waiting[-1][0], len(change.uploads) - 1, waiting[-1][1].size)
        options = self.options
        identity = Identity(self.uuid, options.kind, options.serializer, options.grace)
        with self.base.damage() if self.base else nullcontext():
            following = assemble(self.base, change, carrier, identity)
        body = encode_root(following.root, self._inline(change))
        self.source.set_state(PUSH_STATE, self._journal(change, body).encode())
        to_remember = {name for name, _ in waiting}

        def arrived(sent: Sent) -> None:
            self.objects += 1
            acks.note(sent.when)
            if sent.name in to_remember:
                acks.add(sent.name, sent.when)

        self.nbytes += uploader.send(waiting, carrier, following, arrived)
        acks.check_young(self._names(change), self._grace(), f"{self.store.uri}/{self.key}")
        alone = self._vouched()
        outcome = commit_root(self.store, self.key, body, change.commit, self.base, single_writer=alone)
        self.objects += 1
        self.nbytes += len(body)
        return outcome

    def _grace(self) -> int:
        return self.base.root.grace if self.base else self.options.grace

    def _names(self, change: Change) -> list[bytes]:
        return [upload.name for upload in change.uploads]

    def _change(self, plan: PushPlan, reusable: Reusable) -> Change:
        uploads = [
            Upload(fresh_name(), layout.size, layout.end, len(layout.cold), digest(layout.cold))
            for layout in plan.layouts
        ]
        return Change(
            commit=secrets.token_bytes(16),
            uploads=(*reusable.uploads, *uploads),
            rows=tuple(plan.rows),
            removed=plan.removed,
            message=self.options.message,
            tag=self.options.tag,
            metadata=self.options.metadata,
            summary=self.options.summary() if self.options.summary else b"",
            replace=self.options.replace,
            mode=self.mode,
        )

    def _journal(self, change: Change, body: bytes) -> PushJournal:
        return PushJournal(
            self.uuid,
            change.commit,
            body,
            self.base.etag if self.base else "",
            change.uploads,
            change.rows,
            change.removed,
            self.pending.dropped,
            change.metadata,
            change.replace,
            self.pending.dropped_metadata,
            self.options.uploaded.ids,
        )

    def _read(self, rows: Sequence[Row]) -> Iterable[Buffer]:
        return self.source.read([self.pending.by_key[row.key] for row in rows])

    def _inline(self, change: Change) -> dict[str, bytes]:
        """The values that stand in the root object."""
        known = self.base.root.inline if self.base and not change.replace else {}
        first = self.options.inline_keys()
        wanted = {*first, *known}
        there = {upload.name for upload in self.options.uploaded.uploads}  # and not here
        rows = [
            row
            for row in change.rows
            if row.key in wanted and row.length + row.tail <= MAX_INLINE and change.uploads[row.pack].name not in there
        ]
        new = {row.key: bytes(value) for row, value in zip(rows, self._read(rows), strict=True)}
        return choose_inline(known, first, new, [*(row.key for row in change.rows), *change.removed])

    def moved(self, current: RemoteVersion, change: Change) -> Change:
        """Build on the version that came first, if the pending changes allow it."""
        self.pending = move(self.pending, self.base, current, self.options.on_conflict)
        before, self.base = self.base, current
        kept = self.pending.by_key
        return replace(
            change,
            rows=tuple(row for row in change.rows if row.key in kept),
            removed=tuple(key for key in change.removed if key in kept),
            metadata=self.pending.metadata,
            mode=self._mode(),
            summary=join_summaries(
                before.snapshot.summary if before else b"",
                change.summary,
                current.snapshot.summary,
                yielding=bool(self.pending.dropped),
            ),
        )

    def _given_up(self, version: RemoteVersion, attempts: int, until: int) -> PushResult:
        """What there is to say when others had changed everything that was to be pushed."""
        return PushResult(
            version,
            dropped=self.pending.dropped,
            objects=self.objects,
            nbytes=self.nbytes,
            attempts=attempts,
            dropped_metadata=self.pending.dropped_metadata,
            merged=self.options.uploaded.ids,
            until=until,
        )

    def _result(self, change: Change, version: RemoteVersion, attempts: int) -> PushResult:
        return PushResult(
            version,
            change.commit,
            change.rows,
            tuple((change.uploads[row.pack].name, row.offset) for row in change.rows),
            change.removed,
            self.pending.dropped,
            change.metadata,
            change.replace,
            self.objects,
            self.nbytes,
            attempts,
            self.pending.dropped_metadata,
            self.options.uploaded.ids,
        )
