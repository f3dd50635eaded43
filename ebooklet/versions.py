"""What can be done with the versions of a remote: list, name, compare, bring back, forget, and clean up after them?"""

import logging
import time
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from ebooklet.difference import Difference, differing_rows, key_differences, with_pending
from ebooklet.edits import Edits
from ebooklet.errors import OfflineError, RemoteMissingError
from ebooklet.format.table import Row
from ebooklet.history import Log, Tags, Version
from ebooklet.plan.history import Spec
from ebooklet.publishing import Publisher
from ebooklet.results import PushResult
from ebooklet.sizes import counted, parse_age
from ebooklet.sync.collect import CollectResult, collect_garbage
from ebooklet.sync.contract import PushResult as Pushed
from ebooklet.sync.expire import Expiry, expire_versions, plan_expiry
from ebooklet.sync.history import find_ref, listed_versions, version_at
from ebooklet.sync.listing import Listed
from ebooklet.sync.restore import restore_version
from ebooklet.sync.tag import delete_tag, tag_found
from ebooklet.sync.version import CachedRoot, RemoteVersion, open_version
from ebooklet.times import microseconds

log = logging.getLogger("ebooklet")

Wanted = Spec | Version
Age = str | int | timedelta | datetime | date
PENDING = "pending changes"


@dataclass(frozen=True, slots=True)
class ExpireResult:
    """Which versions were given up, or would be; true when there are any.

    Attributes
    ----------
    dry_run : bool
        Whether nothing was changed.
    expired : tuple of Version
        Versions given up, the newest first.
    kept : int
        Versions that stay.
    n_requests : int
        Requests sent.
    """

    dry_run: bool
    expired: tuple[Version, ...] = ()
    kept: int = 0
    n_requests: int = 0

    def __bool__(self) -> bool:
        return bool(self.expired)

    def __str__(self) -> str:
        if not self:
            return f"no version expires; {self.kept} are kept"
        verb = "would give up" if self.dry_run else "gave up"
        until = self.expired[0].time
        text = f"{verb} {counted(len(self.expired), 'version')} up to {until:%Y-%m-%d %H:%M} UTC; {self.kept} are kept"
        return text if self.dry_run else f"{text}. collect() deletes what they alone referred to"


class Versions:
    """The versions of the remote of one handle.

    Parameters
    ----------
    publisher : Publisher
        Moves local file and remote.
    edits : Edits
        What waits in the local file.
    known : CachedRoot, optional
        The newest root object this handle has seen, where it is pinned to an older version.
    """

    def __init__(self, publisher: Publisher, edits: Edits, known: CachedRoot | None = None) -> None:
        self._publisher = publisher
        self._edits = edits
        self._known = known

    def newest(self) -> RemoteVersion:
        """Return the newest version, with one request; offline the newest one that was seen."""
        place, base = self._publisher.place, self._publisher.base
        known = self._known or (None if base is None else base.cached)
        try:
            found = open_version(place.store, place.key, known, pages=None if base is None else base.pages)
        except OfflineError:
            if known is None:
                raise
            found = RemoteVersion(place.store, place.key, known)
        if self._known is not None:
            self._known = found.cached
        return found

    def at(self, wanted: Wanted, current: RemoteVersion) -> RemoteVersion:
        """Return the version somebody means."""
        if isinstance(wanted, Version):
            wanted = wanted.id
        base = self._publisher.base
        if base is not None and isinstance(wanted, str) and wanted == base.snapshot.id.hex():
            return base
        return version_at(current, find_ref(current, wanted))

    def log(self, limit: int | None = None) -> Log:
        """List the versions."""
        current = self.newest()
        return Log(current.place, listed_versions(current), current.root.tags, limit)

    def tags(self) -> Tags:
        """Return the versions that have names."""
        current = self.newest()
        found: dict[str, Version] = {}
        for version in () if not current.root.tags else Log(current.place, listed_versions(current), current.root.tags):
            found.update(dict.fromkeys(version.tags, version))
            if len(found) == len(current.root.tags):
                break
        return Tags((name, found[name]) for name in sorted(found))

    def tag(self, name: str, wanted: Wanted | None) -> None:
        """Name a version."""
        base = self._publisher.base
        if wanted is None:
            if base is None:
                raise RemoteMissingError(f"there is nothing at {self._publisher.place.uri} to be named; push() first")
            wanted = base.snapshot.id.hex()
        spec = wanted.id if isinstance(wanted, Version) else wanted
        self._edited(tag_found(self.newest(), name, spec, single_writer=self._alone))

    def delete_tag(self, name: str) -> None:
        """Take a name from its version."""
        self._edited(delete_tag(self.newest(), name, single_writer=self._alone))

    def diff(self, old: Wanted, new: Wanted | None) -> Difference:
        """Compare two versions, or one with what this handle sees."""
        current = self.newest()
        before = self.at(old, current)
        if new is not None:
            after = self.at(new, current)
            pairs, name = list(differing_rows(before, after)), after.snapshot.id.hex()
            metadata = after.snapshot.metadata
        else:
            pairs, name, metadata = self._seen_here(before, current)
        changed = metadata != before.snapshot.metadata
        return Difference(before.snapshot.id.hex(), name, key_differences(pairs), changed)

    def _seen_here(
        self, before: RemoteVersion, current: RemoteVersion
    ) -> tuple[list[tuple[Row | None, Row | None]], str, bytes]:
        edits, base = self._edits, self._publisher.base
        after = base or current
        metadata = after.snapshot.metadata if edits.metadata is None else edits.metadata
        if edits.replaces:
            rows = list(before.iter_rows())
            return with_pending(before, [(row, None) for row in rows], list(edits.pending())), PENDING, metadata
        pairs = differing_rows(before, after)
        if not edits:
            return list(pairs), after.snapshot.id.hex(), metadata
        return with_pending(before, pairs, list(edits.pending())), PENDING, metadata

    def rollback(self, wanted: Wanted, message: str) -> PushResult:
        """Make the content of an old version the newest one."""
        started = time.monotonic()
        store = self._publisher.place.store
        before = store.counts.total
        if self._edits:
            raise ValueError(
                f"there are pending changes to {self._publisher.place.uri}, based on what is there now: push() them, "
                "or give them up by changes().discard(), before the remote is rolled back"
            )
        current = self.newest()
        spec = wanted.id if isinstance(wanted, Version) else wanted
        old = self.at(spec, current)
        done = f"rolled back to {_said(old, spec)}"
        if _equal(old, current):
            return PushResult(
                updated=False,
                n_requests=store.counts.total - before,
                seconds=time.monotonic() - started,
                version=current.snapshot.id.hex(),
                said=f"nothing to roll back: the newest version has the content of {_said(old, spec)}",
            )
        now = time.time_ns() // 1000
        pinned = spec if spec in current.root.tags else old.snapshot.id.hex()
        result = restore_version(current, pinned, now, message=message or done, single_writer=self._alone)
        self._publisher.rest_on(result.version)
        return PushResult(
            updated=bool(result),
            n_objects=result.objects,
            nbytes=result.nbytes,
            n_requests=store.counts.total - before,
            seconds=time.monotonic() - started,
            version=result.version.snapshot.id.hex(),
            said=done,
        )

    def expire(self, older_than: Age | None, keep: int | None, dry_run: bool) -> ExpireResult:
        """Give up old versions."""
        if older_than is None and keep is None:
            raise ValueError("say which versions go: older_than='30d', or keep=10 of the newest")
        if keep is not None and (isinstance(keep, bool) or not isinstance(keep, int) or keep < 1):
            raise ValueError(f"keep={keep!r}: give how many of the newest versions stay, at least 1")
        age = None if older_than is None else _age(older_than)
        store = self._publisher.place.store
        before = store.counts.total
        current = self.newest()
        if dry_run:
            plan = plan_expiry(current, older_than=age, keep=keep)
        else:
            plan, result = expire_versions(current, older_than=age, keep=keep, single_writer=self._alone)
            self._edited(result)
        return ExpireResult(dry_run, _versions(plan), len(plan.stay), store.counts.total - before)

    def collect(self, grace: str | int | timedelta | None, dry_run: bool, alone: bool) -> CollectResult:
        """Delete what no version refers to."""
        place = self._publisher.place
        before = place.store.counts.total
        span = None if grace is None else parse_age(grace, "grace")
        result = collect_garbage(place.store, place.key, grace=span, dry_run=dry_run, alone=alone)
        log.info("%s: %s", place.uri, result)
        return replace(result, n_requests=place.store.counts.total - before)

    @property
    def _alone(self) -> bool:
        return self._publisher.vouch()

    def _edited(self, result: Pushed) -> None:
        """Go on from a root that says something else about versions, if it is the same version this handle sees."""
        base = self._publisher.base
        if result and base is not None and base.snapshot.id == result.version.snapshot.id:
            self._publisher.rest_on(result.version)


def _versions(plan: Expiry) -> tuple[Version, ...]:
    everything = sorted((*plan.gone, *plan.stay), key=lambda entry: entry.time, reverse=True)
    gone = {entry.id.hex() for entry in plan.gone}
    return tuple(version for version in Log("", map(Listed, everything), {}) if version.id in gone)


def _equal(old: RemoteVersion, new: RemoteVersion) -> bool:
    """Whether two versions have the same content; values that only moved are the same."""
    sides = [(one.snapshot.metadata, one.root.kind, one.root.serializer) for one in (old, new)]
    return sides[0] == sides[1] and next(differing_rows(old, new), None) is None


def _said(version: RemoteVersion, spec: Spec) -> str:
    name = version.snapshot.id.hex()[:8]
    return f"{spec!r} ({name})" if isinstance(spec, str) and not name.startswith(spec[:8]) else name


def _age(older_than: Age) -> timedelta | datetime:
    if isinstance(older_than, str):
        try:
            found = datetime.fromisoformat(older_than)
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        except ValueError:
            return parse_age(older_than, "older_than")
    if isinstance(older_than, datetime):
        microseconds(older_than)  # refuses one without a time zone
        return older_than
    if isinstance(older_than, date):
        return datetime(older_than.year, older_than.month, older_than.day, tzinfo=UTC)
    instead = f", or a datetime; keep={older_than} keeps so many of the newest versions"
    return parse_age(older_than, "older_than", instead)
