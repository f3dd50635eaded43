"""Plans say what will happen before it does, and conflicts are found without reading what is equal."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebooklet.format.checksum import digest
from ebooklet.format.packing import entry_size
from ebooklet.format.table import NO_PAGE, PageRef, Row, Table, order_key
from ebooklet.plan.fetch import plan_fetch
from ebooklet.plan.push import plan_push, same_value
from ebooklet.plan.rebase import diff, plan_rebase


def edits(count: int, size: int = 1000) -> list[Row]:
    return [Row(f"t/{n // 30}.{n % 30}", 0, size, n, 32, timestamp=n) for n in reversed(range(count))]


def test_values_stand_in_the_order_of_keys_within_and_across_packs() -> None:
    pending = sorted(edits(100), key=lambda row: order_key(row.key))  # as every local side gives them
    plan = plan_push(pending, group_bytes=20_000)
    keys = [row.key for layout in plan.layouts for row in layout.rows]
    assert keys == [row.key for row in pending]
    assert len(plan.layouts) == -(-sum(map(entry_size, edits(100))) // 20_000)
    assert [row.pack for layout in plan.layouts for row in layout.rows] == sorted(row.pack for row in plan.rows)
    backwards = plan_push(edits(100), order=lambda key: tuple(-byte for byte in order_key(key)))
    assert [row.key for row in backwards.rows] == keys[::-1]


@pytest.mark.parametrize("groups", [1, 3, 4, 20, 50])
def test_num_groups_is_met_as_far_as_there_are_values(groups: int) -> None:
    assert len(plan_push(edits(20), num_groups=groups).layouts) == min(groups, 20)


def test_offsets_leave_room_for_every_entry() -> None:
    for layout in plan_push(edits(50), num_groups=3).layouts:
        for before, after in zip(layout.rows, layout.rows[1:], strict=False):
            assert after.offset == before.offset + before.length + before.tail + entry_size(after) - after.length - 32


def test_what_was_uploaded_before_is_used_only_if_nothing_changed() -> None:
    pending = [*edits(4), Row("new", 0, 5, 9), Row("gone", 0, 0, 0, deleted=True)]
    uploaded = [
        *(Row(row.key, 500, row.length, row.crc, row.tail, timestamp=row.timestamp) for row in edits(3)),
        Row("t/0.3", 700, 1000, 3, 32, timestamp=99),  # edited since, to a value of equal length and checksum
        Row("discarded", 900, 5, 5),
    ]
    plan = plan_push(pending, reused=uploaded, first=1)
    assert [row.key for row in plan.reused] == [row.key for row in edits(3)]
    assert {row.key for layout in plan.layouts for row in layout.rows} == {"t/0.3", "new"}
    assert plan.removed == ("gone",)
    assert {row.pack for layout in plan.layouts for row in layout.rows} == {1}
    assert "3 values uploaded before; 1 key removed" in str(plan)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="num_groups=0"):
        plan_push([], num_groups=0)
    with pytest.raises(ValueError, match="group_bytes=0"):
        plan_push([], group_bytes=0)
    assert plan_push([]).layouts == ()
    assert plan_push([]).requests == 2


def test_rows_outside_of_their_pack_are_never_asked_for() -> None:
    rows = [
        Row("fine", 10, 20, 0),
        Row("long", 10, 1 << 62, 0),
        Row("late", 95, 10, 0),
        Row("nowhere", 0, 1, 0, pack=7),
    ]
    plan = plan_fetch([*rows, Row("dead", 0, 1, 0, pack=1)], [100, None])
    assert [row.key for row in plan.rows] == ["fine"]
    assert {row.key for row in plan.impossible} == {"long", "late", "nowhere", "dead"}
    assert plan.transferred == 20


class Pages:
    def __init__(self) -> None:
        self.blobs: dict[bytes, bytes] = {}
        self.reads: list[bytes] = []

    def write(self, blob: bytes) -> PageRef:
        self.blobs[digest(blob)] = blob
        return PageRef(0, 0, len(blob), digest(blob))

    def read(self, ref: PageRef) -> bytes:
        self.reads.append(ref.digest)
        return self.blobs[ref.digest]


def stored(pages: Pages, table: Table) -> Table:
    _, directory = table.flushed(pages.write, lambda blob: NO_PAGE)
    return Table.load(directory, pages.read)


numbers = st.dictionaries(st.integers(0, 60), st.integers(0, 3), max_size=40)


@settings(max_examples=150, deadline=None)
@given(numbers, numbers, st.sets(st.integers(0, 60), max_size=20))
def test_a_diff_is_what_differs(first: dict[int, int], change: dict[int, int], gone: set[int]) -> None:
    pages = Pages()

    def rows(values: dict[int, int]) -> list[Row]:
        return [Row(f"t/{key}", 10 * key, 5, crc) for key, crc in values.items()]

    old = stored(pages, Table.empty(4, read=pages.read).updated(rows(first)))
    new = stored(pages, old.updated(rows(change), [f"t/{key}" for key in gone]))
    before = {row.key: row for row in rows(first)}
    after = {**before, **{row.key: row for row in rows(change)}}
    after = {key: row for key, row in after.items() if int(key[2:]) not in gone}
    expected = {(before.get(key), after.get(key)) for key in before | after if before.get(key) != after.get(key)}
    assert set(diff(old, new)) == expected
    assert set(diff(old, new, skip=False)) == expected


def test_a_diff_reads_only_pages_that_differ() -> None:
    pages = Pages()
    rows = [Row(f"t/{n}", 10 * n, 5, n) for n in range(1000)]
    old = stored(pages, Table.empty(50, read=pages.read).updated(rows))
    new = stored(pages, old.updated([Row("t/500", 1, 5, 0)]))
    pages.reads.clear()
    assert [after.key for _, after in diff(old, new) if after] == ["t/500"]
    assert len(pages.reads) <= 2


def table(pages: Pages, **crcs: int) -> Table:
    return stored(pages, Table.empty(read=pages.read).updated(Row(key, 0, 1, crc) for key, crc in crcs.items()))


def test_a_rebase_names_keys_and_guards() -> None:
    pages = Pages()
    old, new = table(pages, a=1, b=1, c=1, g=1), table(pages, a=2, c=1, g=2, n=1)
    mine = [Row("a", 0, 1, 3), Row("b", 0, 0, 0, deleted=True), Row("c", 0, 1, 9), Row("n", 0, 1, 1)]
    found = plan_rebase(mine, {}, old, new)
    assert (found.keys, found.guards) == (("a",), ())  # b is gone on both sides, n is equal on both
    assert "'a'" in str(found)
    found = plan_rebase([Row("c", 0, 1, 9)], {"c": ("g", "h"), "x": ("a",)}, old, new)
    assert (found.keys, found.guards, found.guarded) == ((), ("g",), ("c",))
    assert not plan_rebase([Row("c", 0, 1, 9)], {"c": ("h",)}, old, new)


def test_a_value_that_only_moved_is_no_change() -> None:
    pages = Pages()
    old = table(pages, a=1)
    moved = stored(pages, Table.empty(read=pages.read).updated([Row("a", 777, 1, 1, pack=3)]))
    assert not plan_rebase([Row("a", 0, 1, 5)], {}, old, moved)
    assert same_value(None, Row("a", 0, 0, 0, deleted=True))
    assert not same_value(Row("a", 0, 1, 1), None)


def test_no_pack_is_larger_than_what_one_request_can_send() -> None:
    pending = [Row(f"t/{n}", 0, 100 << 20, n) for n in range(25)]
    plan = plan_push(pending, num_groups=1)
    assert len(plan.layouts) == 3
    assert all(layout.end <= 1 << 30 for layout in plan.layouts)
