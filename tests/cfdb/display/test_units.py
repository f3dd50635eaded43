import os
import shutil
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfdb.display.units import byte_size, columns, cut, since, terminal_width

SCALE = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15}


@given(st.integers(0, 10**17))
@settings(max_examples=200, deadline=None)
def test_a_size_is_written_to_three_digits(nbytes: int) -> None:
    number, unit = byte_size(nbytes).split()
    assert float(number) * SCALE[unit] == pytest.approx(nbytes, rel=0.005, abs=0.5)
    assert len(number.replace(".", "")) <= 3


@given(st.text(max_size=60), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_cut_text_is_one_line_that_fits(text: str, width: int) -> None:
    short = cut(text, width)
    assert len(short) <= width
    assert "\n" not in short
    if len(" ".join(text.split())) <= width:
        assert short == " ".join(text.split())


def test_columns_line_up() -> None:
    lines = columns([("a", "1", "x"), ("long name", "2000", "y")], right=[1])
    assert lines == ["  a             1  x", "  long name  2000  y"]
    assert columns([]) == []


@pytest.mark.parametrize(("reported", "used"), [(20, 60), (80, 80), (300, 100)])
def test_lines_follow_the_terminal_within_reason(reported: int, used: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "get_terminal_size", lambda fallback: os.terminal_size((reported, 24)))
    assert terminal_width() == used


def test_moments_are_written_to_the_minute() -> None:
    moment = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert since(moment) == f"{moment.astimezone():%Y-%m-%d %H:%M}"
