"""Sizes, rates and durations are read as people write them, and anything else is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebooklet.sizes import byte_size, duration_text, parse_duration, parse_rate, parse_size


@pytest.mark.parametrize("text", ["", "MB", "-5MB", "5 XB", "five", "5MB/s", None, True, -1, 2.5, "iB", "3i"])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "5", "h", "-1h", "1 month", True, None, -1, float("nan"), float("inf")])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "/s", "0", "-5MB/s", "5MB/h", True, None, 0, -2.0, float("nan"), float("inf")])
def test_what_is_no_rate_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        parse_rate(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("90s", 90),
        ("10min", 600),
        ("10m", 600),
        ("24h", 86_400),
        ("30d", 2_592_000),
        ("2w", 14 * 86_400),
    ],
)
def test_every_unit_of_time_counts_its_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


def test_a_rate_of_a_fraction_is_kept() -> None:
    assert parse_rate(0.5) == 0.5


@given(st.integers(0, 10**17))
def test_a_size_written_for_people_is_read_back_to_its_digits(nbytes: int) -> None:
    assert parse_size(byte_size(nbytes)) == pytest.approx(nbytes, rel=0.006, abs=1)


@given(st.floats(1, 10**8))
def test_a_time_written_for_people_is_read_back_to_its_digits(seconds: float) -> None:
    assert parse_duration(duration_text(seconds)) == pytest.approx(seconds, rel=0.06)
