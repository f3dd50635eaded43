"""How does a remote forget old versions?

Only the list of versions in the root changes. What the forgotten ones alone referred to is garbage from then on, and
is collected by the same rules as all other garbage.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ebooklet.format.history import HistoryPage, in_pages, kept_in_root
from ebooklet.format.snapshot import HISTORY_FEATURE, Entry, Root, SnapshotRef
from ebooklet.plan.history import kept
from ebooklet.sync.contract import PushResult
from ebooklet.sync.editing import Records, edit_root
from ebooklet.sync.history import entries_of
from ebooklet.sync.version import RemoteVersion
from ebooklet.times import microseconds


@dataclass(frozen=True, slots=True)
class Expiry:
    """Which versions go and which stay; the newest first.

    Attributes
    ----------
    gone, stay : tuple of Entry
        The versions.
    """

    gone: tuple[Entry, ...]
    stay: tuple[Entry, ...]


def plan_expiry(
    current: RemoteVersion, *, older_than: timedelta | datetime | None = None, keep: int | None = None
) -> Expiry:
    """Tell which versions a rule gives up; the newest one and those with a tag stay in any case.

    Parameters
    ----------
    current : RemoteVersion
        The current version.
    older_than : timedelta or datetime, optional
        Versions that had a successor by then go, so that every later moment keeps its version.
    keep : int, optional
        So many of the newest stay; without `older_than`, all others go.
    """
    entries = list(entries_of(current))
    tagged = set(current.root.tags.values())
    before = None if older_than is None else _moment(current, older_than)
    stay = tuple(kept(entries, lambda entry: entry.ref in tagged, before=before, keep=keep))
    ids = {entry.id for entry in stay}
    return Expiry(tuple(entry for entry in entries if entry.id not in ids), stay)


def _moment(current: RemoteVersion, older_than: timedelta | datetime) -> int:
    if isinstance(older_than, timedelta):
        older_than = (current.server_date or datetime.now(UTC)) - older_than
    return microseconds(max(older_than, datetime(1970, 1, 1, tzinfo=UTC))) or 0


def expire_versions(
    base: RemoteVersion,
    *,
    older_than: timedelta | datetime | None = None,
    keep: int | None = None,
    single_writer: bool = False,
) -> tuple[Expiry, PushResult]:
    """Forget the versions that a rule gives up.

    Parameters
    ----------
    base : RemoteVersion
        The version known as the current one.
    older_than, keep
        As for `plan_expiry`.
    single_writer : bool
        As for a push.
    """
    plans: list[Expiry] = []

    def shortened(current: RemoteVersion) -> Root | None:
        plan = plan_expiry(current, older_than=older_than, keep=keep)
        plans.append(plan)
        return with_history(current, plan.stay) if plan.gone else None

    result = edit_root(base, shortened, single_writer=single_writer)
    return plans[-1], result


def with_history(current: RemoteVersion, entries: tuple[Entry, ...]) -> Root:
    """Return the root with another list of versions; pages are written where it is long."""
    records = Records(current)
    number = kept_in_root(entries)
    older: SnapshotRef | None = None
    for page in reversed(in_pages(entries[number:])):
        older = records.add(HistoryPage(page, older).encode())
    records.send()
    uses = tuple(dict.fromkeys((*current.root.uses, HISTORY_FEATURE)))
    return replace(current.root, history=entries[:number], older=older, uses=uses)
