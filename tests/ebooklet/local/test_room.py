"""How large a file would be if it were compacted is known before."""

from pathlib import Path

import pytest

from ebooklet.local.working_copy import WorkingCopy


@pytest.mark.parametrize("tail", [b"", b"behind" * 50])
@pytest.mark.parametrize("keys", [3, 900])
def test_the_room_that_compacting_gives_back_is_told(keys: int, tail: bytes, tmp_path: Path) -> None:
    with WorkingCopy.open(tmp_path / "x.bk", "n") as copy:
        for turn in range(3):
            for number in range(keys):
                copy.set(f"key/{number}", bytes([turn]) * (100 + number), tail, note=b"n" * 20)
            copy.commit()
        copy.delete_many([f"key/{number}" for number in range(0, keys, 4)])
        copy.set_metadata({"a": 1})
        copy.commit()
        size, live = copy.room()
        assert size == (tmp_path / "x.bk").stat().st_size
        won = copy.compact()
        assert size - live == pytest.approx(won, rel=0.03, abs=2500)
        assert copy.room()[0] == (tmp_path / "x.bk").stat().st_size


def test_what_waits_for_a_commit_counts() -> None:
    with WorkingCopy.open(None, "n") as copy:
        before = copy.room()[1]
        copy.set("a", b"x" * 5000, b"y" * 3000)
        assert copy.room()[1] - before == pytest.approx(8000, abs=100)
        copy.delete_many(["a"], tombstone=True)
        assert copy.room()[1] - before < 300
