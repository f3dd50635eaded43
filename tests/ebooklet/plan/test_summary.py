"""What catalogues are told of a version that two writers made."""

import json
from typing import Any

from ebooklet.plan.summary import join_summaries


def _joined(before: Any, ours: Any, theirs: Any, **options: bool) -> Any:
    written = [b"" if one is None else json.dumps(one).encode() for one in (before, ours, theirs)]
    found = join_summaries(*written, **options)
    return json.loads(found) if found else None


def test_what_one_writer_changed_is_as_that_one_says() -> None:
    before = {"a": 1, "b": 1, "gone": 1, "also": 1}
    ours = {"a": 2, "b": 1, "also": 1, "new": 1}
    theirs = {"a": 1, "b": 3, "gone": 1, "their": 1}
    assert _joined(before, ours, theirs) == {"a": 2, "b": 3, "new": 1, "their": 1}


def test_extents_that_both_changed_reach_around_both() -> None:
    before = {"time": {"min": "2020", "max": "2021"}}
    ours = {"time": {"min": "2019", "max": "2021"}}
    theirs = {"time": {"min": "2020", "max": "2023"}}
    assert _joined(before, ours, theirs) == {"time": {"min": "2019", "max": "2023"}}


def test_what_was_given_up_is_not_claimed() -> None:
    before = {"title": "old", "x": {"min": 0, "max": 1}}
    ours = {"title": "ours", "x": {"min": 0, "max": 9}, "vars": {"t": 1}}
    theirs = {"title": "theirs", "x": {"min": 0, "max": 1}}
    assert _joined(before, ours, theirs, yielding=True) == {"title": "theirs", "x": {"min": 0, "max": 9}}


def test_silence_of_one_writer_makes_it_unknown() -> None:
    assert _joined(None, {"a": 1}, None) is None
    assert _joined({"a": 1}, None, {"a": 1}) is None
    assert _joined(None, {"a": 1}, {"b": 2}) == {"a": 1, "b": 2}
