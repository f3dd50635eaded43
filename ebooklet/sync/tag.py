"""How does a version get a name, and how does it lose it?"""

from dataclasses import replace

from ebooklet.errors import VersionExpiredError, VersionNotFoundError
from ebooklet.format.snapshot import Root, SnapshotRef
from ebooklet.plan.history import Spec, check_new_tag
from ebooklet.sync.contract import PushResult
from ebooklet.sync.editing import Records, edit_root
from ebooklet.sync.history import entries_of, find_ref
from ebooklet.sync.version import RemoteVersion


def tag_version(base: RemoteVersion, tag: str, ref: SnapshotRef, *, single_writer: bool = False) -> PushResult:
    """Name the version that stands at a place.

    Only the root object changes, and it never conflicts with other commits.

    Parameters
    ----------
    base : RemoteVersion
        The version known as the current one.
    tag : str
        The name; one that is in use moves.
    ref : SnapshotRef
        The version to name.
    """
    check_new_tag(tag)

    def named(current: RemoteVersion) -> Root | None:
        if ref not in (current.root.ref, *current.root.tags.values()):
            _check_kept(current, ref)
        return _with_tag(current, tag, ref)

    return edit_root(base, named, single_writer=single_writer)


def tag_found(base: RemoteVersion, tag: str, wanted: Spec, *, single_writer: bool = False) -> PushResult:
    """Name the version that somebody means, as `tag_version` does.

    Raises
    ------
    VersionNotFoundError
        If there is no such version.
    """
    check_new_tag(tag)

    def named(current: RemoteVersion) -> Root | None:
        ref = find_ref(current, wanted)
        if ref is not None:
            return _with_tag(current, tag, ref)
        records = Records(current)  # a copy: its snapshot stands nowhere but in the root
        ref = records.add(current.root.snapshot)
        records.send((ref.offset, ref.length))
        root = replace(current.root, ref=ref)
        if root.history:
            root = replace(root, history=(replace(root.history[0], ref=ref), *root.history[1:]))
        return replace(root, tags={**root.tags, tag: ref})

    return edit_root(base, named, single_writer=single_writer)


def delete_tag(base: RemoteVersion, tag: str, *, single_writer: bool = False) -> PushResult:
    """Take the name from a version, which stays.

    Raises
    ------
    VersionNotFoundError
        If there is no such tag.
    """

    def without(current: RemoteVersion) -> Root:
        tags = dict(current.root.tags)
        if tags.pop(tag, None) is None:
            names = ", ".join(map(repr, sorted(tags))) or "none"
            raise VersionNotFoundError(f"{current.place} has no tag {tag!r}; there are: {names}")
        return replace(current.root, tags=tags)

    return edit_root(base, without, single_writer=single_writer)


def _with_tag(current: RemoteVersion, tag: str, ref: SnapshotRef) -> Root | None:
    if current.root.tags.get(tag) == ref:
        return None
    return replace(current.root, tags={**current.root.tags, tag: ref})


def _check_kept(current: RemoteVersion, ref: SnapshotRef) -> None:
    if all(entry.ref != ref for entry in entries_of(current)):
        raise VersionExpiredError(f"{current.place}: the version to be named is not kept any more")
