from datetime import UTC, datetime

import pytest

from cfdb.display.changes import VariableChanges, summarize_changes

MOMENT = datetime(2024, 5, 6, 7, 8, tzinfo=UTC)


def test_each_variable_has_a_line_with_its_numbers() -> None:
    text = summarize_changes(
        [VariableChanges("temperature", 2, 1, 0, 1_200_000, MOMENT), VariableChanges("rain", deleted=3)],
        target="s3://bucket/t.cfdb",
        structure=VariableChanges("structure", changed=2, nbytes=300),
        objects=2,
    )
    lines = text.splitlines()
    assert lines[0] == "Changes not yet pushed to s3://bucket/t.cfdb"
    assert lines[1].split() == ["added", "changed", "deleted", "size", "since"]
    assert lines[2].split()[:6] == ["temperature", "2", "1", "0", "1.20", "MB"]
    assert lines[2].endswith(f"{MOMENT.astimezone():%Y-%m-%d %H:%M}")
    assert lines[3].split() == ["rain", "0", "0", "3", "0", "B"]
    assert lines[4].split() == ["structure", "0", "2", "0", "300", "B"]
    assert lines[5] == "push() would write 2 objects, 1.20 MB"


def test_no_change_is_one_line() -> None:
    assert summarize_changes([], target="s3://bucket/t.cfdb") == "Nothing to push to s3://bucket/t.cfdb"


def test_a_replacement_says_what_it_replaces() -> None:
    text = summarize_changes([], target="s3://bucket/t.cfdb", replaced=28)
    assert "replaces all 28 keys of the remote" in text


@pytest.mark.parametrize("width", [60, 80])
def test_many_and_long_names_fit_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    many = [
        VariableChanges(f"variable_{number}_" + "x" * 90, 10**6, 10**6, 10**6, 10**15, MOMENT) for number in range(50)
    ]
    lines = summarize_changes(many, target="s3://" + "bucket" * 40).splitlines()
    assert max(map(len, lines)) <= max(width, 78)
    assert len(lines) < 26
    assert "... and 30 more variables" in lines[-2]
