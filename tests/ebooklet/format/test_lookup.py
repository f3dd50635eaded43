"""Rows are found by key, whatever was forgotten in between, and a page is read only when it must be."""

import random
import threading

import numpy as np
import pytest

from ebooklet.format import lookup
from ebooklet.format.lookup import Lookup
from ebooklet.format.pages import OFFSET, HotPage, Row

PAGES, ROWS = 12, 40


def found_by(reads: list[int]) -> Lookup:
    """A lookup over pages that hold the keys '0' ... by their number."""

    def read(number: int) -> HotPage:
        reads.append(number)
        return HotPage.of([Row(str(key), key, 1, 0) for key in range(number * ROWS, (number + 1) * ROWS)])

    return Lookup(lambda key: min(int(float(key)) // ROWS, PAGES - 1) if float(key) >= 0 else -1, read)


def offsets(rows: Lookup, keys: list[str]) -> list[int | None]:
    numbers, there = rows.columns(keys)
    return [offset if has else None for offset, has in zip(numbers[:, OFFSET].tolist(), there.tolist(), strict=True)]


@pytest.mark.parametrize("known", [1, 3 * ROWS, PAGES * ROWS])
def test_rows_are_found_whatever_was_forgotten(known: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "KNOWN_ROWS", known)
    rng = random.Random(known)
    reads: list[int] = []
    rows = found_by(reads)
    for size in (1, 3, 7, 200, 1000):
        keys = [
            rng.choice(["-1", "3.5", "471.5", "9999"]) if rng.random() < 0.1 else str(rng.randrange(480))
            for _ in range(size)
        ]
        expected = [int(key) if key.isdigit() and int(key) < PAGES * ROWS else None for key in keys]
        assert offsets(rows, keys) == expected
        for key, offset in zip(keys[:20], expected, strict=False):
            found = rows.find(key)
            assert (None if found is None else int(found[1].numbers[found[2], OFFSET])) == offset
        assert rows._rows <= max(known, ROWS)
        assert len(rows._places) == rows._rows
    if known == PAGES * ROWS:
        assert sorted(reads) == sorted(set(reads))


def test_a_page_is_read_once_for_all_keys_in_it_even_when_little_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "KNOWN_ROWS", ROWS)
    reads: list[int] = []
    rows = found_by(reads)
    keys = [str(key) for column in range(ROWS) for key in range(column, PAGES * ROWS, ROWS)]  # a page after the other
    assert offsets(rows, keys) == [int(key) for key in keys]
    assert sorted(reads) == list(range(PAGES))


def test_no_keys_are_found_without_a_page() -> None:
    reads: list[int] = []
    numbers, there = found_by(reads).columns([])
    assert (numbers.shape, there.dtype, reads) == ((0, 7), np.bool_, [])


def test_threads_find_the_same_while_others_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "KNOWN_ROWS", 2 * ROWS)
    rows = found_by([])
    failures: list[object] = []

    def look(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(150):
            keys = [str(rng.randrange(480)) for _ in range(rng.choice([1, 2, 30]))]
            if offsets(rows, keys) != [int(key) for key in keys]:
                failures.append(keys)

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
