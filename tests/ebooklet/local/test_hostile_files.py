"""A damaged or hostile file gives an error, never a wrong value, an execution, an explosion or a hang."""

import pickle
import random
import tracemalloc
from pathlib import Path

import booklet
import pytest

from ebooklet.errors import EBookletError, FileFormatError, UntrustedFileError
from ebooklet.format.booklet_chains import scan_chains
from ebooklet.format.booklet_layout import HEADER_SIZE, POINTER_AT, parse_header
from ebooklet.local.verify import verify
from ebooklet.local.working_copy import WorkingCopy, Write
from tests.support.crash_workload import NAME, State, observe

RNG = random.Random(4)
VALUES = {f"t/{n}.{n % 3}": RNG.randbytes(RNG.randrange(60)) for n in range(25)}


def prepared(folder: Path, *, journal: bool) -> tuple[Path, State]:
    path = folder / "work" / NAME
    with WorkingCopy.open(path, "n", expected_keys=30) as copy:
        copy.set_many(Write(key, value, version=3) for key, value in VALUES.items())
        copy.set_state("blob", b"state" * 5)
        copy.set_metadata({"title": "x"})
        copy.commit()
        if not journal:
            copy.compact()
        return path, observe(copy)


def look(path: Path, state: State, *, writing: bool) -> str:
    """Use a file in every way; return what came of it."""
    known = dict(state.values)
    outcome = "whole"
    for flag in ("r", "w") if writing else ("r",):
        try:
            with WorkingCopy.open(path, flag, lock_timeout=1) as copy:  # type: ignore[arg-type]
                for key in list(copy):
                    try:
                        value = copy.get(key)
                    except FileFormatError:
                        outcome = "damaged"
                    else:
                        assert value == known.get(key), f"a wrong value of {key!r}"
                if set(copy) != set(known):
                    outcome = "less"
                for read in (lambda c=copy: c.state("blob"), copy.get_metadata):
                    try:
                        assert read() in (state.blob, state.metadata, None)
                    except FileFormatError:
                        outcome = "damaged"
                if flag == "w":
                    copy.set("t/0.0", b"new")
                    copy.commit()
                    assert copy.get("t/0.0") == b"new"
        except (EBookletError, FileNotFoundError):
            outcome = "refused"
    return outcome


@pytest.mark.parametrize("journal", [False, True])
def test_no_flipped_bit_of_header_pointer_or_index_gives_a_wrong_value(folder: Path, journal: bool) -> None:
    path, state = prepared(folder, journal=journal)
    whole = path.read_bytes()
    outcomes = []
    for position in range(HEADER_SIZE):
        for bit in (0, 3, 7) if position < POINTER_AT + 64 else (5,):
            raw = bytearray(whole)
            raw[position] ^= 1 << bit
            path.write_bytes(raw)
            outcomes.append(look(path, state, writing=position % 4 == 0))
    assert "whole" in outcomes
    assert "refused" in outcomes
    # a plain Booklet's edit is what a changed header looks like: then the chains are read, nothing is missing
    assert outcomes.count("less") <= 6 * 3


@pytest.mark.parametrize("journal", [False, True])
def test_no_random_damage_gives_a_wrong_value_or_hangs(folder: Path, journal: bool) -> None:
    path, state = prepared(folder, journal=journal)
    whole = path.read_bytes()
    rng = random.Random(8)
    outcomes = set()
    for trial in range(400):
        raw = bytearray(whole)
        for _ in range(rng.choice([1, 1, 2, 5])):
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        if trial % 7 == 0:
            start = rng.randrange(len(raw))
            raw[start : start + 512] = bytes(len(raw[start : start + 512]))
        if trial % 11 == 0:
            del raw[rng.randrange(HEADER_SIZE, len(raw)) :]
        path.write_bytes(raw)
        outcomes.add(look(path, state, writing=True))
        verify(path)
    assert outcomes == {"whole", "damaged", "refused"}, "keys are missing without an error"


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("/tmp/executed-by-a-pickle"),))


def plain(path: Path, serializer: str, values: dict[str, object]) -> None:
    book = booklet.open(path, "n", key_serializer="str", value_serializer=serializer, n_buckets=11)
    book.update(values)
    book.close()


@pytest.mark.parametrize("serializer", ["pickle", "pickle_zstd"])
def test_a_pickle_header_executes_nothing_unless_the_caller_trusts_it(folder: Path, serializer: str) -> None:
    path = folder / "work" / NAME
    plain(path, serializer, {"data": {"a": [1, 2.5, "x", None]}, "bomb": Bomb()})
    for flag in ("r", "w"):
        with WorkingCopy.open(path, flag) as copy:  # type: ignore[arg-type]
            assert copy.value_serializer == serializer
            assert copy.serializer.loads(copy.get("data") or b"") == {"a": [1, 2.5, "x", None]}
            with pytest.raises(UntrustedFileError, match=r"pathlib.*value_serializer='pickle'"):
                copy.serializer.loads(copy.get("bomb") or b"")
    assert not Path("/tmp/executed-by-a-pickle").exists()
    plain(path, serializer, {"data": Path("x")})
    with WorkingCopy.open(path, "r", trust_pickle=True) as copy:
        assert copy.serializer.loads(copy.get("data") or b"") == Path("x")


def test_a_custom_serializer_class_is_refused(folder: Path) -> None:
    path = folder / "work" / NAME
    book = booklet.open(path, "n", key_serializer="str", value_serializer=_Pickle, n_buckets=11)
    book["a"] = 1
    book.close()
    for flag in ("r", "w"):
        with pytest.raises(UntrustedFileError, match="custom class"):
            WorkingCopy.open(path, flag)  # type: ignore[arg-type]


class _Pickle:
    @staticmethod
    def dumps(value: object) -> bytes:
        return pickle.dumps(value)

    @staticmethod
    def loads(data: bytes) -> object:
        raise AssertionError("code of the file ran")


HEADERS = {
    "no buckets": (21, bytes(4)),
    "huge number of buckets": (21, b"\xff" * 4),
    "index beyond the file": (65, b"\xff" * 6),
    "index inside the header": (65, (77).to_bytes(6, "little")),
    "data beyond the file": (71, b"\xff" * 6),
    "data inside the index": (71, (230).to_bytes(6, "little")),
    "wide offsets": (18, b"\x08"),
    "version 99": (16, b"\x63\0"),
    "unknown serializer": (29, b"\xff\xff"),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_impossible_headers_are_refused_before_anything_is_allocated(folder: Path, kind: str) -> None:
    path = folder / "work" / NAME
    plain(path, "bytes", {f"k{n}": b"1" for n in range(9)})
    raw = bytearray(path.read_bytes())
    position, data = HEADERS[kind]
    raw[position : position + len(data)] = data
    path.write_bytes(raw)
    tracemalloc.start()
    try:
        for flag in ("r", "w"):
            with pytest.raises(FileFormatError):
                WorkingCopy.open(path, flag)  # type: ignore[arg-type]
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def cyclic(raw: bytearray) -> None:
    """Let a chain of at least two blocks lead back to its first one."""
    header = parse_header(bytes(raw[:200]), len(raw), "x")
    blocks = scan_chains(lambda n, o: bytes(raw[o : o + n]), header, len(raw)).blocks
    first = next(block for block in blocks if block.next > 1)
    raw[first.next + 13 : first.next + 19] = first.offset.to_bytes(6, "little")


def test_chains_that_go_in_circles_hang_nobody(folder: Path) -> None:
    path = folder / "work" / NAME
    plain(path, "bytes", {f"k{n}": bytes([n]) for n in range(11)})
    raw = bytearray(path.read_bytes())
    cyclic(raw)
    path.write_bytes(raw)
    for flag in ("r", "w"):
        with pytest.raises(FileFormatError, match="second time"):
            WorkingCopy.open(path, flag)  # type: ignore[arg-type]


def test_chains_of_our_own_file_that_go_in_circles_hang_no_commit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ebooklet.local.growth.MIN_BUCKETS", 3)
    monkeypatch.setattr("ebooklet.local.growth.needs_growth", lambda header, keys: False)
    monkeypatch.setattr("ebooklet.local.committing.needs_growth", lambda header, keys: False)
    path = folder / "work" / NAME
    with WorkingCopy.open(path, "n") as copy:
        copy.set_many(Write(f"k{n}", bytes([n])) for n in range(30))
        copy.commit()
        copy.compact()
    raw = bytearray(path.read_bytes())
    cyclic(raw)
    path.write_bytes(raw)
    with WorkingCopy.open(path, "w") as copy:
        copy.set_many(Write(f"new{n}", b"1") for n in range(300))
        with pytest.raises(FileFormatError, match="circles"):
            copy.commit()
        assert {key: copy.get(key) for key in copy} == {f"k{n}": bytes([n]) for n in range(30)}
        copy.compact()
        copy.set_many(Write(f"new{n}", b"1") for n in range(30))
        copy.commit()
        assert len(copy) == 60
    assert verify(path).ok


def test_lengths_beyond_the_file_are_refused(folder: Path) -> None:
    path = folder / "work" / NAME
    plain(path, "bytes", {f"k{n}": b"1" for n in range(5)})
    whole = path.read_bytes()
    header = parse_header(whole[:200], len(whole), "x")
    blocks = scan_chains(lambda n, o: whole[o : o + n], header, len(whole)).blocks
    for block in blocks:
        raw = bytearray(whole)
        raw[block.offset + 21 : block.offset + 25] = b"\xff" * 4
        path.write_bytes(raw)
        with pytest.raises(FileFormatError):
            WorkingCopy.open(path, "w")


def test_a_value_that_looks_like_a_commit_is_not_one(folder: Path) -> None:
    """Bytes that others chose stand in values: only a block of its own can be a commit."""
    path = folder / "work" / NAME
    with WorkingCopy.open(path, "n") as copy:
        copy.set("a", b"1")
        copy.commit()
    before = path.read_bytes()
    with WorkingCopy.open(path, "w") as copy:
        copy.set("a", b"2")
        copy.commit()
    after = path.read_bytes()
    forged = after[len(before) :]
    with WorkingCopy.open(path, "w") as copy:
        copy.rollback()
    path.write_bytes(before)
    with WorkingCopy.open(path, "w") as copy:
        copy.set("evil", forged)
        crashed = path.read_bytes()
    path.write_bytes(crashed)
    for flag in ("r", "w"):
        with WorkingCopy.open(path, flag) as copy:  # type: ignore[arg-type]
            assert {key: copy.get(key) for key in copy} == {"a": b"1"}
