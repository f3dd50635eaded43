"""Versions as a user of a synced file meets them: listed, named, opened, compared, brought back, forgotten."""

import pickle
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import ebooklet
from ebooklet import EBooklet
from ebooklet.errors import (
    ConflictError,
    EBookletError,
    PushError,
    ReadOnlyError,
    RemoteMissingError,
    VersionExpiredError,
    VersionNotFoundError,
)
from ebooklet.local.working_copy import WorkingCopy
from ebooklet.stores.wrappers import CountingStore

Open = Callable[..., EBooklet]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Open the same remote, each time with a local file of that name, or without one."""
    made: list[EBooklet] = []

    def open_it(name: str | None = "mine", flag: str = "r", **options: Any) -> EBooklet:
        path = None if name is None else tmp_path / f"{name}.blt"
        if path is None:
            options.setdefault("cache", None)
        db = ebooklet.open(f"file://{tmp_path}/store/db.blt", path, flag, **options)  # type: ignore[arg-type]
        made.append(db)
        return db

    yield open_it
    for db in made:
        db.close()


def three(opened: Open, name: str = "mine") -> EBooklet:
    """A database with three versions: a = '0', '1', '2', and another key in each."""
    db = opened(name, "c", value_serializer="str")
    for number in range(3):
        db["a"] = str(number)
        db[f"only {number}"] = "x" * number
        db.push(message=f"push {number}", tag="first" if number == 0 else None)
    return db


def used(folder: Path) -> int:
    """Bytes in the bucket."""
    return sum(path.stat().st_size for path in (folder / "store").rglob("*") if path.is_file())


def test_the_log_lists_every_push_newest_first(opened: Open) -> None:
    db = three(opened)
    log = db.log()
    assert [version.message for version in log] == ["push 2", "push 1", "push 0"]
    assert [version.tags for version in log] == [(), (), ("first",)]
    assert [version.n_keys for version in log] == [2, 2, 2]
    assert [version.parent for version in log] == [log[1].id, log[2].id, None]
    assert log[0].time > log[1].time > log[2].time
    assert log[0].time.tzinfo is UTC
    assert (len(log), log[-1], log[1:]) == (3, log[2], [log[1], log[2]])
    assert log[0].id == db.version
    assert all(version.nbytes > 0 for version in log)
    with pytest.raises(IndexError, match="there are 3"):
        log[3]


def test_the_log_prints_as_a_table(opened: Open) -> None:
    text = str(three(opened).log())
    head, first, *_ = text.splitlines()
    assert head.split() == ["id", "time", "(UTC)", "keys", "size", "tags", "message"]
    assert first.endswith("push 2")
    assert "first  push 0" in text


def test_the_log_shows_what_others_pushed_meanwhile_and_stops_at_the_limit(opened: Open) -> None:
    db = three(opened)
    reader = opened("reader")
    db["a"] = "3"
    db.push(message="late")
    assert [version.message for version in reader.log(limit=2)] == ["late", "push 2"]
    assert reader.log(limit=2)[1].parent == db.log()[2].id
    assert len(reader.log(limit=2)) == 2
    assert reader["a"] == "2", "the handle stays where it is"


def test_a_log_of_64_versions_is_one_request(opened: Open) -> None:
    db = opened("mine", "c", value_serializer="str")
    for number in range(130):
        db["a"] = str(number)
        db.push()
    reader = opened(None)
    before = reader.stats.total
    assert len(list(reader.log(limit=64))) == 64
    assert reader.stats.total - before == 1
    log = reader.log()
    assert [len(log), reader.stats.total - before] == [130, 3]


def test_an_empty_remote_has_no_log(opened: Open) -> None:
    with pytest.raises(RemoteMissingError):
        opened("mine", "c").log()


@pytest.mark.parametrize("name", ["mine", "fresh", None])
def test_an_old_version_is_read_with_and_without_a_local_file(opened: Open, name: str | None) -> None:
    three(opened).close()
    for wanted, value in [("first", "0"), (1, "1"), (0, "2")]:
        with opened(name, version=wanted) as old:
            assert old["a"] == value
            assert sorted(old) == ["a", *(f"only {number}" for number in range(int(value) + 1))]
            assert dict(old.items())["a"] == value
            assert len(old) == int(value) + 2


def test_an_old_version_is_opened_with_two_requests(opened: Open) -> None:
    three(opened).close()
    wanted: Any
    for wanted in ("first", 2, datetime(2999, 1, 1, tzinfo=UTC)):
        assert opened(None, version=wanted).stats.total <= 2
    log = opened(None).log()
    for wanted in (log[1], log[1].id, log[1].id[:10], log[1].time):
        with opened(None, version=wanted) as old:
            assert old.stats.total == 2
            assert old.version == log[1].id


def test_a_handle_at_an_old_version_and_one_at_the_newest_do_not_exchange_values(opened: Open) -> None:
    three(opened, "writer").close()
    newest, old = opened("shared"), opened("shared", version="first")
    assert (newest["a"], old["a"]) == ("2", "0")
    again, old_again = opened("shared"), opened("shared", version="first")
    assert (old_again["a"], again["a"], old["a"], newest["a"]) == ("0", "2", "0", "2")
    newest.close()
    old.close()
    with opened("shared", offline=True) as offline:
        assert offline["a"] == "2", "what was read of the old version is not in the file"


def test_an_old_version_takes_the_copies_it_shares_with_the_newest(opened: Open) -> None:
    three(opened, "writer").close()
    with opened("shared") as newest:
        newest.load()
    with opened("shared", version=1) as old:
        before = old.stats.total
        assert (old["only 1"], old["only 0"]) == ("x", "")
        assert old.stats.total == before, "both are in the local file"
        assert old["a"] == "1"
        assert old.stats.total == before + 1


def test_an_old_version_does_not_show_what_is_pending_in_the_local_file(opened: Open) -> None:
    with three(opened) as db:
        db["a"] = "pending"
        db["new"] = "pending"
        del db["only 0"]
    with opened("mine", version=0) as newest:
        assert (newest["a"], "new" in newest, newest["only 0"]) == ("2", False, "")
    with opened("mine", "w") as db:
        assert (db["a"], db["new"], "only 0" in db) == ("pending", "pending", False)
        assert len(db.changes()) == 3


def test_an_old_version_leaves_the_local_file_as_it_is(opened: Open, tmp_path: Path) -> None:
    three(opened).close()
    body = (tmp_path / "mine.blt").read_bytes()
    with opened("mine", version="first") as old:
        assert old["a"] == "0"
        old.load()
    assert (tmp_path / "mine.blt").read_bytes() == body


def test_an_old_version_cannot_be_written_and_stays_where_it_is(opened: Open) -> None:
    db = three(opened)
    with pytest.raises(ValueError, match="old versions are read"):
        opened("mine2", "w", version="first")
    old = opened("reader", version="first")
    with pytest.raises(ReadOnlyError):
        old["a"] = "x"
    with pytest.raises(ReadOnlyError):
        old.tag("x")
    db["a"] = "3"
    db.push()
    assert not old.pull()
    assert old["a"] == "0"
    assert [version.message for version in old.log()][1:] == ["push 2", "push 1", "push 0"]


def test_a_version_that_does_not_exist_is_named_with_the_tags_there_are(opened: Open) -> None:
    three(opened).close()
    with pytest.raises(VersionNotFoundError, match=r"db\.blt.*no tag has this name \(there are 'first'\)"):
        opened(None, version="frist")


def test_many_values_of_an_old_version_are_not_kept_in_memory(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from ebooklet import loading

    monkeypatch.setattr(loading, "KEPT_BYTES", 10_000)
    monkeypatch.setattr(loading, "BATCH_BYTES", 5_000)
    db = opened("mine", "c")
    db.update({f"k{number}": bytes([number]) * 1000 for number in range(100)})
    db.push()
    old = opened(None, version=0)
    assert dict(old.items()) == {f"k{number}": bytes([number]) * 1000 for number in range(100)}
    assert old._loader._kept_bytes <= 20_000
    assert len(old._local) == 0


def test_tags_are_set_moved_and_deleted(opened: Open) -> None:
    db = three(opened)
    db.tag("best", 1)
    db.tag("newest")
    log = db.log()
    assert db.tags() == {"best": log[1], "first": log[2], "newest": log[0]}
    db.tag("best", log[2])
    assert log[2].id == db.tags()["best"].id
    assert db.tags()["best"].tags == ("best", "first")
    db.delete_tag("best")
    assert set(db.tags()) == {"first", "newest"}
    with pytest.raises(VersionNotFoundError, match="'first', 'newest'"):
        db.delete_tag("best")
    with pytest.raises(ValueError, match="control character"):
        db.tag("a\nb")
    with pytest.raises(VersionNotFoundError):
        db.tag("x", "nothing")


def test_a_tag_conflicts_with_nothing_and_needs_no_second_attempt_of_the_next_push(opened: Open) -> None:
    db, other = three(opened), opened("other", "w")
    other["theirs"] = "1"
    db["mine"] = "1"
    db.tag("v")
    assert other.push()
    before = db.stats.requests["conditional_put"]
    db.tag("w", "first")
    db.pull()
    assert db.push()
    assert db.stats.requests["conditional_put"] == before + 2
    assert set(db.tags()) == {"first", "v", "w"}
    assert opened(None)["theirs"] == opened(None)["mine"] == "1"


def test_pending_changes_are_neither_named_nor_lost_by_a_tag(opened: Open) -> None:
    db = three(opened)
    db["a"] = "pending"
    db.tag("v")
    assert opened(None, version="v")["a"] == "2"
    assert db["a"] == "pending"
    assert len(db.changes()) == 1


def test_a_difference_tells_keys_and_sizes(opened: Open) -> None:
    db = three(opened)
    del db["only 1"]
    db["only 2"] = "xx"
    db.push()
    found = db.diff(2, 0)
    assert (found.added, found.changed, found.deleted) == (("only 2",), ("a",), ("only 1",))
    assert [(one.old_nbytes, one.nbytes) for one in found] == [(1, 1), (1, 0), (0, 2)]
    assert "1 added, 1 changed, 1 deleted" in str(found)
    back = db.diff(0, 2)
    assert (back.added, back.deleted) == (found.deleted, found.added)
    assert not db.diff("first", "first")
    assert str(db.diff(0, 0)).startswith("no key differs")


def test_without_a_second_version_the_pending_changes_are_compared(opened: Open) -> None:
    db = three(opened)
    assert not db.diff(0)
    db["a"] = "0"
    db["new"] = "x"
    del db["only 2"]
    found = db.diff(0)
    assert (found.added, found.changed, found.deleted) == (("new",), ("a",), ("only 2",))
    assert found.new == "pending changes"
    since_first = db.diff("first")
    assert (since_first.added, since_first.changed) == (("new", "only 1"), ()), "a is as it was then"
    db.set_metadata({"said": 1})
    assert db.diff(0).metadata


def test_a_replacement_is_compared_as_a_whole(opened: Open) -> None:
    three(opened).close()
    new = opened("new", "n", value_serializer="str")
    new["a"], new["b"] = "2", "1"
    found = new.diff(0)
    assert (found.added, found.changed, found.deleted) == (("b",), (), ("only 0", "only 1", "only 2"))


def test_a_difference_of_large_tables_reads_only_the_pages_that_differ(opened: Open) -> None:
    db = opened("mine", "c")
    db.update({f"k{number:06}": b"" for number in range(30_000)})
    db.push()
    db["k000000"] = b"1"
    db.push()
    reader = opened(None, version=1)
    before = reader.stats.total
    assert reader.diff(1, 0).changed == ("k000000",)
    pages = len(db.base.table.pages)  # type: ignore[union-attr]
    assert pages > 5
    assert reader.stats.total - before <= 4, "the root, the newest version's snapshot, and a page of either"


def test_rolling_back_is_a_version_of_its_own(opened: Open) -> None:
    db = three(opened)
    result = db.rollback(to="first")
    assert result
    assert result.n_requests <= 6
    assert (dict(db.items()), db.version) == ({"a": "0", "only 0": ""}, result.version)
    assert dict(opened(None).items()) == {"a": "0", "only 0": ""}
    assert [version.message[:11] for version in db.log()] == ["rolled back", "push 2", "push 1", "push 0"]
    assert not db.rollback(to=0)
    assert db.rollback(to=1, message="no, keep it")
    assert db["a"] == "2"
    assert db.log()[0].message == "no, keep it"
    db["a"] = "3"
    assert db.push()
    assert opened(None)["a"] == "3"


def test_rolling_back_to_what_is_there_makes_no_version(opened: Open) -> None:
    db = three(opened)
    assert str(db.rollback(to="first")).startswith("rolled back to 'first' (")
    versions = len(db.log())
    again = db.rollback(to="first")
    assert not again
    assert str(again).startswith("nothing to roll back: the newest version has the content of 'first'")
    assert (len(db.log()), again.version) == (versions, db.version)
    db.set_metadata({"who": "me"})
    db.push()
    assert db.rollback(to=1), "metadata are content"


@pytest.mark.parametrize("name", ["2024-01", "2019", "2024-01-31", "2024-01-31T12:00", "beef", "0" * 32])
def test_a_tag_that_hides_dates_or_ids_is_refused(opened: Open, name: str) -> None:
    db = three(opened)
    for call in (lambda: db.tag(name), lambda: db.push(tag=name)):
        with pytest.raises(ValueError, match="cannot be a tag: it reads as"):
            call()
    assert set(db.tags()) == {"first"}


def test_a_year_is_a_date(opened: Open) -> None:
    db = three(opened)
    year = db.log()[0].time.year
    with opened(None, version=str(year)) as at_its_end:
        assert at_its_end.version == db.version
    with pytest.raises(VersionNotFoundError, match="'1999': no version is that old"):
        opened(None, version="1999")


def test_one_of_a_thing_is_written_so(opened: Open) -> None:
    db = opened("mine", "c")
    db["a"] = b"1"
    assert str(db.push()).startswith("pushed 1 key: ")
    assert "1 version in 1 object, " in str(ebooklet.fsck(db.connection))


def test_tags_print_as_a_table(opened: Open) -> None:
    db = three(opened)
    lines = str(db.tags()).splitlines()
    assert lines[0].split() == ["tag", "id", "time", "(UTC)", "message"]
    assert lines[1].split()[:2] == ["first", db.log()[2].id[:8]]
    db.delete_tag("first")
    assert str(db.tags()) == "no version has a tag"
    assert re.match(r"\d+ requests \(.*\d+ get.*\), .* sent, .* received$", str(db.stats))


def test_rolling_back_is_refused_while_changes_are_pending(opened: Open) -> None:
    db = three(opened)
    db["a"] = "pending"
    with pytest.raises(ValueError, match="pending changes"):
        db.rollback(to="first")
    assert db["a"] == "pending"
    assert opened(None)["a"] == "2"


def test_without_a_version_rolling_back_drops_what_was_not_synced(opened: Open) -> None:
    db = three(opened)
    db["a"] = "unsynced"
    assert db.rollback() == 1
    assert db["a"] == "2"


def test_rolling_back_to_another_kind_of_values_is_refused(opened: Open) -> None:
    three(opened).close()
    new = opened("new", "n", value_serializer="json")
    new["a"] = [1]
    new.push()
    with opened(None, version="first") as old:
        assert old["a"] == "0", "values are read as they were written"
    with pytest.raises(EBookletError, match="was replaced since"):
        new.rollback(to="first")
    assert opened(None)["a"] == [1]


def test_expiring_and_collecting_free_the_bucket(opened: Open, tmp_path: Path) -> None:
    db = opened("mine", "c")
    for number in range(10):
        db["a"] = bytes([number]) * 100_000
        db.push()
    assert used(tmp_path) > 1_000_000
    told = db.expire(keep=2, dry_run=True)
    assert (len(told.expired), len(db.log())) == (8, 10)
    done = db.expire(keep=2)
    assert done.expired == told.expired
    assert [version.id for version in db.log()] == [version.id for version in db.log()][:2]
    assert not db.collect(), "everything is younger than a day"
    assert db.collect(dry_run=True, grace=0).n_objects == 8
    result = db.collect(grace="0s", alone=True)
    assert (result.n_objects, result.ok) == (8, True)
    assert used(tmp_path) < 250_000
    assert db["a"] == opened(None)["a"] == bytes([9]) * 100_000
    assert opened(None, version=1)["a"] == bytes([8]) * 100_000


def test_expiring_needs_a_rule_that_says_something(opened: Open) -> None:
    db = three(opened)
    for wrong in ({}, {"keep": 0}, {"keep": True}, {"older_than": "soon"}, {"older_than": timedelta(days=-1)}):
        with pytest.raises(ValueError, match=r"older_than|keep|duration"):
            db.expire(**wrong)
    assert not db.expire("30d")
    assert not db.expire(timedelta(days=1))
    assert not db.expire("2001-01-01")
    assert len(db.expire(0).expired) == 1, "the newest one stays, and the one with a tag"
    assert len(db.log()) == 2


@pytest.mark.parametrize("number", [30, 0.5, 86_400])
def test_a_number_without_a_unit_deletes_nothing(opened: Open, number: Any) -> None:
    db = three(opened)
    with pytest.raises(ValueError, match=rf"older_than={number}.*'{number}d'.*datetime.*keep={number}"):
        db.expire(number)
    with pytest.raises(ValueError, match=f"grace={number}.*'{number}d'"):
        db.collect(grace=number, alone=True)
    with pytest.raises(ValueError, match=f"min_age={number}.*'{number}d'"):
        ebooklet.fsck(db.connection, delete_orphans=True, min_age=number, alone=True)
    assert len(db.log()) == 3


def test_changes_that_waited_until_their_version_had_expired_can_still_be_pushed(opened: Open) -> None:
    with opened("owner", "c", value_serializer="str") as owner:
        owner.update({f"{number:06}": "old" for number in range(30_000)})
        owner.push()
        waiting = opened("waiting", "w")
        waiting["000005"] = "mine"
        owner.update({f"{number:06}": "new" for number in range(10, 30_000)})
        owner.push()
        owner.compact()
        owner.expire(keep=1)
        assert owner.collect(grace=0, alone=True)
    with pytest.raises((VersionExpiredError, PushError), match=r"pull\(on_conflict='ours'\)"):
        waiting.push()
    assert waiting.pull(on_conflict="ours")
    assert waiting.push()
    reader = opened("reader")
    assert [reader["000005"], reader["000010"]] == ["mine", "new"]


def test_a_reader_of_an_expired_version_is_told_so_and_moves_on(opened: Open) -> None:
    db = opened("mine", "c")
    for number in range(3):
        db["a"] = bytes([number]) * 100_000
        db.push()
        if number == 0:
            reader = opened(None)
    db.expire(keep=1)
    db.collect(grace=0, alone=True)
    with pytest.raises(VersionExpiredError, match="refresh"):
        reader["a"]
    assert reader.pull()
    assert reader["a"] == bytes([2]) * 100_000


def test_two_who_roll_back_and_push_at_once_do_not_undo_each_other(opened: Open) -> None:
    db, other = three(opened), opened("other", "w")
    other["a"] = "theirs"
    db.rollback(to="first")
    with pytest.raises(ConflictError):
        other.push()
    other.changes().discard()
    other.pull()
    assert other["a"] == "0"


def test_a_database_that_came_before_lists_of_versions_can_be_named(opened: Open, tmp_path: Path) -> None:
    three(opened).close()
    target = f"file://{tmp_path}/store/copy.blt"
    with opened(None) as db:
        db.copy_remote(target)
    with ebooklet.open(target, tmp_path / "copy.blt", "w") as copy:
        assert len(copy.log()) == 1
        copy.tag("v")
        copy["a"] = "3"
        copy.push()
        assert len(copy.log()) == 2
        assert copy.log()[1].tags == ("v",)
    with ebooklet.open(target, cache=None, version="v") as old:
        assert old["a"] == "2"


def test_a_record_of_a_version_can_be_pickled(opened: Open) -> None:
    version = three(opened).log()[0]
    assert pickle.loads(pickle.dumps(version)) == version
    assert str(version).endswith("push 2")


def test_an_old_version_of_another_database_shares_no_copies(opened: Open, tmp_path: Path) -> None:
    three(opened).close()
    with ebooklet.open(f"file://{tmp_path}/other/db.blt", tmp_path / "other.blt", "c", "str") as other:
        other["a"] = "another"
        other.push()
    with opened("other", version="first") as old:
        assert old["a"] == "0"
    with WorkingCopy.open(tmp_path / "other.blt", "r") as local:
        assert local.uuid != old.uuid


def test_offline_the_log_shows_what_was_seen_last(opened: Open) -> None:
    three(opened).close()
    with opened("mine", offline=True) as db:
        assert isinstance(db._publisher.place.store, CountingStore)
        assert [version.message for version in db.log()] == ["push 2", "push 1", "push 0"]


def test_a_cache_file_that_an_old_version_reads_is_free_when_it_is_closed(tmp_path: Path) -> None:
    remote, folder = f"file://{tmp_path}/store/db.blt", tmp_path / "cache"
    with ebooklet.open(remote, None, "c", "str", cache=folder) as db:
        db["a"] = "1"
        db.push(tag="v1")
        db["a"] = "2"
        db.push()
    manager = ebooklet.CacheManager(folder)
    with ebooklet.open(remote, cache=folder, version="v1") as old:
        assert old["a"] == "1"
        assert not manager.clean(max_size=0, dry_run=True), "it is in use"
    assert manager.clean(max_size=0)


def test_an_old_version_needs_the_network(opened: Open) -> None:
    three(opened).close()
    with pytest.raises(ebooklet.OfflineError):
        opened("mine", version="first", offline=True)
    assert opened("mine", version=0, offline=True)["a"] == "2"
