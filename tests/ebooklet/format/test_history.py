"""The list of versions: what root and pages say comes back, now and in years, and nothing else is believed."""

from dataclasses import replace
from pathlib import Path

import pytest

from ebooklet.errors import CorruptFileError
from ebooklet.format.frame import seal, unseal
from ebooklet.format.history import HistoryPage, in_pages, kept_in_root
from ebooklet.format.snapshot import HISTORY_FEATURE, MAX_ENTRIES, ROOT_MAGIC, Entry, Root, SnapshotRef
from tests.ebooklet.format.test_snapshot import example

DATA = Path(__file__).parents[2] / "data" / "remote-1"
REF = SnapshotRef(b"o" * 16, 700, 80, b"h" * 16)


def entry(number: int) -> Entry:
    ref = SnapshotRef(bytes([number]) * 16, 10 * number, 20, b"d" * 16)
    return Entry(bytes([number]) * 16, 1_700_000_000_000_000 + number, ref, number, 1000 * number, f"push {number} ä")


def with_history() -> Root:
    root, snapshot = example()
    newest = Entry(snapshot.id, snapshot.time, root.ref, 50, 5000, snapshot.message)
    return replace(root, history=(newest, entry(2)), older=REF, uses=(HISTORY_FEATURE,))


PAGE = HistoryPage((entry(1), entry(0)), REF)


def test_the_list_of_versions_of_format_1_stays_readable() -> None:
    assert Root.decode((DATA / "root-with-history").read_bytes()) == with_history()
    assert HistoryPage.decode((DATA / "history-page").read_bytes()) == PAGE


def test_a_list_of_versions_comes_back() -> None:
    assert Root.decode(with_history().encode()) == with_history()
    assert HistoryPage.decode(PAGE.encode()) == PAGE
    root = replace(with_history(), history=(replace(entry(1), ref=None),), older=None)
    assert Root.decode(root.encode()) == root
    assert with_history().unknown_uses == ()


@pytest.mark.parametrize(
    "wrong",
    [
        "text",
        [3],
        [[b"short", 1, None, 0, 0, ""]],
        [[bytes(16), -1, None, 0, 0, ""]],
        [[bytes(16), 1, [b"x", 0, 1, bytes(16)], 0, 0, ""]],
        [[bytes(16), 1, None, 0, 0, "x" * 501]],
        [[bytes(16), 1, None, 0, 1 << 62, ""]],
        [[bytes(16), 1, None, 0, 0, ""]] * (MAX_ENTRIES + 1),
    ],
)
def test_an_impossible_list_of_versions_is_refused(wrong: object) -> None:
    fields = dict(unseal(ROOT_MAGIC, "the root", example()[0].encode())._fields)
    with pytest.raises(CorruptFileError):
        Root.decode(seal(ROOT_MAGIC, {**fields, "history": wrong}))
    with pytest.raises(CorruptFileError):
        HistoryPage.decode(seal(b"EBHI", {"requires": [], "entries": wrong, "older": None}))


def test_pages_hold_every_version_once_in_order() -> None:
    entries = [replace(entry(1), time=number) for number in range(300)]
    assert [one for page in in_pages(entries) for one in page] == entries
    assert max(map(len, in_pages(entries))) <= MAX_ENTRIES
    assert kept_in_root(entries) == 65
    assert kept_in_root([replace(one, message="x" * 500) for one in entries[:70]]) == 35
