"""Requests cover what is wanted, with few of them and little besides."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ebooklet.format.ranges import Piece, Request, coalesce, cuts, shares

pieces = st.lists(
    st.builds(
        Piece, st.integers(0, 2), st.integers(0, 3000), st.one_of(st.integers(0, 50), st.integers(0, 2000)), st.just(0)
    ),
    max_size=20,
)


def cover(requests: list[Request], piece: Piece) -> bool:
    mine = sorted((r.offset, r.offset + r.length) for r in requests if piece in r.pieces)
    if not mine or mine[0][0] > piece.offset or mine[-1][1] < piece.end:
        return False
    return all(before[1] == after[0] for before, after in pairwise(mine))


@settings(max_examples=300, deadline=None)
@given(pieces, st.integers(0, 200), st.integers(50, 2000))
def test_every_piece_is_covered_once(wanted: list[Piece], gap: int, split: int) -> None:
    wanted = [Piece(p.object, p.offset, p.length, n) for n, p in enumerate(wanted)]
    requests = coalesce(wanted, gap, split)
    for piece in wanted:
        assert cover(requests, piece), piece
        assert all(r.object == piece.object for r in requests if piece in r.pieces)
    for request in requests:
        read = set(range(request.offset, request.offset + request.length))
        asked = {at for p in wanted if p.object == request.object for at in range(p.offset, p.end)}
        assert len(read - asked) <= gap * len(request.pieces)


def test_gaps_are_joined_up_to_the_limit() -> None:
    near = [Piece(0, 0, 10, 0), Piece(0, 110, 10, 1)]
    assert len(coalesce(near, gap=100)) == 1
    assert len(coalesce(near, gap=99)) == 2


def test_a_long_run_takes_bytes_divided_by_the_split() -> None:
    run = [Piece(0, 1000 * n, 1000, n) for n in range(1000)]
    assert len(coalesce(run, split=100_000)) == 10
    assert [r.length for r in coalesce([Piece(0, 0, 1_000_000, 0)], split=100_000)] == [100_000] * 10


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=30), st.integers(100, 10_000))
def test_runs_share_as_many_requests_as_their_bytes_need_and_none_is_long(spans: list[int], split: int) -> None:
    parts = shares(spans, split)
    assert min(parts) >= 1
    assert sum(parts) == max(-(-sum(spans) // split), sum(max(1, span // split) for span in spans))
    assert all(span < 2 * split * part for span, part in zip(spans, parts, strict=True))


def test_two_packs_that_are_read_in_full_take_no_request_more_than_one_of_the_same_bytes() -> None:
    run = [Piece(n // 60, 1000 * n, 1000, n) for n in range(120)]
    assert len(coalesce(run, split=40_000)) == 3


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=50), st.integers(1, 10))
def test_cuts_are_about_equal(sizes: list[int], parts: int) -> None:
    starts = cuts(sizes, parts)
    assert starts[0] == 0
    assert len(starts) <= parts
    assert starts == sorted(set(starts))
    for start, stop in zip(starts, [*starts[1:], len(sizes)], strict=True):
        assert sum(sizes[start:stop]) <= 2 * sum(sizes) / parts + 2 * max(sizes)
