"""How does NumPy alone encode and decode chunks? The reference for the compiled kernel, and its stand-in."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import CorruptChunkError
from cfdb.kernel.blocks import Grid, Payload, Slices, join_blocks, read_payload
from cfdb.kernel.choice import IntegerForm, choose_form, prefers_shuffle
from cfdb.kernel.codec import BlockCodec, Buffer, Conversion
from cfdb.kernel.decimals import INTEGERS, is_candidate
from cfdb.kernel.frames import zstd_decode, zstd_encode
from cfdb.kernel.integers import MODE as INTEGER
from cfdb.kernel.integers import decode_integers, encode_integers
from cfdb.kernel.packing import pack_floats, unpack_floats
from cfdb.kernel.residuals import shuffle, unshuffle
from cfdb.kernel.summary import summarise

__all__ = ["decode_boxes", "encode_chunks", "pack_floats", "replace_boxes", "shuffle", "summarise", "unshuffle"]

Array = npt.NDArray[Any]

PLAIN, SHUFFLED = 0, 1


def encode_chunks(codec: BlockCodec, chunks: Sequence[Array]) -> list[bytes]:
    """Turn chunks into bytes.

    Parameters
    ----------
    codec : BlockCodec
    chunks : sequence of ndarray
        Of the codec's chunk shape and type; any strides.
    """
    return [_encode_chunk(codec, chunk) for chunk in chunks]


def decode_boxes(
    codec: BlockCodec,
    payloads: Sequence[Buffer],
    starts: Array,
    counts: Array,
    out: Array,
    targets: Array,
    conversion: Conversion | None = None,
) -> None:
    """Put a box of every chunk into its place of `out`; only blocks that it reaches are decompressed.

    Parameters
    ----------
    codec : BlockCodec
    payloads : sequence of bytes-like
        Encoded chunks.
    starts, counts : ndarray of int64, (n, ndim)
        First cell and lengths of the box in its chunk.
    out : ndarray
        Any strides; of the codec's type, or the float type that `conversion` gives.
    targets : ndarray of int64, (n, ndim)
        First cell of the box in `out`.
    conversion : Conversion, optional
        How codes become floats.

    Raises
    ------
    CorruptChunkError
        If a payload is damaged.
    ValueError
        If a box does not lie in its chunk, or its target in `out`.
    """
    _check_out(codec, out, conversion)
    _check_boxes(codec, len(payloads), starts, counts, out, targets)
    grown = out if codec.chunk_shape else out.reshape(1)
    rows = zip(payloads, starts.tolist(), counts.tolist(), targets.tolist(), strict=True)
    for payload, start, count, target in rows:
        if codec.chunk_shape:
            _decode_box(codec, payload, start, count, grown, target, conversion)
        else:
            _decode_box(codec, payload, [0], [1], grown, [0], conversion)


def replace_boxes(
    codec: BlockCodec, payloads: Sequence["Buffer | None"], boxes: Sequence[Array], starts: Array, fill: Array
) -> list[bytes]:
    """Encode chunks of which a box is new; blocks that it does not reach keep their bytes.

    Parameters
    ----------
    codec : BlockCodec
    payloads : sequence of bytes-like or None
        The chunks so far; None for those that were never written.
    boxes : sequence of ndarray
        New cells, at least one for every chunk; any strides.
    starts : ndarray of int64, (n, ndim)
        First cell of the box in its chunk.
    fill : ndarray
        One cell: what a chunk that was never written holds beside the box.

    Returns
    -------
    list of bytes
        The changed chunks.

    Raises
    ------
    CorruptChunkError
        If what is needed of a payload is damaged.
    ValueError
        If a box does not lie in its chunk.
    """
    shape = (len(payloads), len(codec.chunk_shape))
    if len(boxes) != shape[0] or starts.shape != shape or fill.size != 1:
        raise ValueError(f"{shape[0]} payloads need as many boxes, starts of shape {shape}, and one cell of fill")
    for box, start in zip(boxes, starts, strict=True):
        if box.dtype != codec.dtype or fill.dtype != codec.dtype or box.ndim != shape[1] or not box.size:
            raise ValueError(f"a box of shape {box.shape} and type {box.dtype} is none of a chunk of {codec.dtype}")
        if bool(np.any((start < 0) | (start > np.array(codec.chunk_shape, np.int64) - box.shape))):
            raise ValueError(f"a box reaches beyond its chunk of shape {codec.chunk_shape}")
    return [
        _replace_box(codec, payload, box, start, fill)
        for payload, box, start in zip(payloads, boxes, starts.tolist(), strict=True)
    ]


def _replace_box(codec: BlockCodec, payload: "Buffer | None", box: Array, start: list[int], fill: Array) -> bytes:
    """Encode one chunk of which a box is new."""
    old = None if payload is None else read_payload(codec, payload)
    start, box = (start, box) if codec.chunk_shape else ([0], box.reshape(1))
    blocked = codec.block_shape != codec.chunk_shape if old is None else bytes(old.data[1:2]) != b"\0"
    if not is_candidate(codec.dtype) or (old is not None and not blocked):
        whole = Grid.of(codec, False)
        cells = _put_together(codec, old, next(iter(whole)), box, start, fill)
        return _encode_chunk(codec, cells.reshape(codec.chunk_shape))
    form = choose_form(replace(codec, chunk_shape=box.shape, block_shape=box.shape), box.ravel())
    grid = Grid.of(codec, blocked)
    touched = {number for number, _ in grid.touched(start, box.shape)}
    blocks = []
    for number, places in enumerate(grid):
        kept = None if old is None else old.block(number)
        if number in touched:
            cells = _put_together(codec, old, places, box, start, fill)
            blocks.append(_encode_block(codec, cells, form if kept is None else _form_beside(kept, form)))
        elif kept is not None:
            blocks.append(bytes(kept))
        else:
            blank = np.empty(tuple(place.stop - place.start for place in places), codec.dtype)
            blank[...] = fill.reshape(())
            blocks.append(
                _encode_block(codec, blank, form or IntegerForm(0 if blank.dtype.kind == "f" else INTEGERS, 0))
            )
    return join_blocks(blocks, blocked)


def _form_beside(block: memoryview, form: IntegerForm | None) -> IntegerForm | None:
    """Keep what suits the old cells of a block: its decimals at least, and its predictor when it used one."""
    if block[0] != INTEGER:
        return form
    width, predictor, decimals = block[1], block[2] & 0x7F, block[3]
    if form is None:
        return IntegerForm(decimals, predictor)
    return IntegerForm(max(decimals, form.decimals), predictor if width else form.predictor)


def _put_together(
    codec: BlockCodec, old: Payload | None, places: Slices, box: Array, start: list[int], fill: Array
) -> Array:
    """Give the cells of a block: old ones or fill, and the box over them."""
    shape = tuple(place.stop - place.start for place in places)
    if old is None:
        cells = np.empty(shape, codec.dtype)
        cells[...] = fill.reshape(())
    else:
        cells = np.empty(shape, codec.dtype)
        for number, parts in old.grid.touched([place.start for place in places], shape):
            where = zip(parts, places, strict=True)
            there = tuple(slice(part.start - place.start, part.stop - place.start) for part, place in where)
            cells[there] = _decode_block(codec, old.block(number), tuple(part.stop - part.start for part in parts))
    source, goal = [], []
    for place, first, count in zip(places, start, box.shape, strict=True):
        low, high = max(place.start, first), min(place.stop, first + count)
        source.append(slice(low - first, high - first))
        goal.append(slice(low - place.start, high - place.start))
    cells[tuple(goal)] = box[tuple(source)]
    return cells


def _encode_chunk(codec: BlockCodec, chunk: Array) -> bytes:
    if chunk.shape != codec.chunk_shape or chunk.dtype != codec.dtype:
        raise ValueError(
            f"a chunk of {codec.dtype} has shape {codec.chunk_shape}; this one of {chunk.dtype} has {chunk.shape}"
        )
    cells = np.ascontiguousarray(chunk).reshape(codec.chunk_shape or (1,))
    form = choose_form(codec, cells.reshape(-1))
    blocked = form is not None and codec.block_shape != codec.chunk_shape
    grid = Grid.of(codec, blocked)
    return join_blocks([_encode_block(codec, np.ascontiguousarray(cells[places]), form) for places in grid], blocked)


def _encode_block(codec: BlockCodec, block: Array, form: IntegerForm | None) -> bytes:
    encoded = None if form is None else encode_integers(codec, block, form)
    if encoded is not None:
        return encoded
    cells = block.reshape(-1)
    data = cells.view(np.uint8)
    if prefers_shuffle(codec, cells):
        return bytes((SHUFFLED,)) + zstd_encode(shuffle(data, codec.width), codec.level)
    return bytes((PLAIN,)) + zstd_encode(data, codec.level)


def _decode_block(codec: BlockCodec, data: memoryview, shape: tuple[int, ...]) -> Array:
    if not len(data):
        raise CorruptChunkError("a block is empty")
    if data[0] == INTEGER:
        return decode_integers(codec, data, shape)
    if data[0] > INTEGER:
        raise CorruptChunkError(f"a block is of mode {data[0]}, which is unknown")
    size = int(np.prod(shape, dtype=np.int64)) * codec.dtype.itemsize
    cells = np.frombuffer(zstd_decode(data[1:], size, exact=True, alone=True), np.uint8)
    if data[0] == SHUFFLED:
        cells = unshuffle(cells, codec.width)
    if codec.dtype.kind == "b":
        return np.not_equal(cells, 0).reshape(shape)
    return cells.view(codec.dtype).reshape(shape)


def _decode_box(
    codec: BlockCodec,
    payload: Buffer,
    start: list[int],
    count: list[int],
    out: Array,
    target: list[int],
    conversion: Conversion | None,
) -> None:
    parts = read_payload(codec, payload)
    for number, places in parts.grid.touched(start, count):
        block = _decode_block(codec, parts.block(number), tuple(place.stop - place.start for place in places))
        wanted, goal = [], []
        for place, s, c, t in zip(places, start, count, target, strict=True):
            low, high = max(place.start, s), min(place.stop, s + c)
            wanted.append(slice(low - place.start, high - place.start))
            goal.append(slice(low - s + t, high - s + t))
        cells = block[tuple(wanted)]
        out[tuple(goal)] = cells if conversion is None else unpack_floats(cells, conversion)


def _check_out(codec: BlockCodec, out: Array, conversion: Conversion | None) -> None:
    if not out.flags.writeable:
        raise ValueError("the array for the decoded cells is read-only")
    if conversion is None and out.dtype != codec.dtype:
        raise ValueError(f"cells of {codec.dtype} cannot go into an array of {out.dtype}")
    if conversion is not None and (codec.dtype.kind not in "iu" or out.dtype.str not in ("<f4", "<f8")):
        raise ValueError(f"codes of {codec.dtype} cannot be converted to {out.dtype}")


def _check_boxes(codec: BlockCodec, number: int, starts: Array, counts: Array, out: Array, targets: Array) -> None:
    shape = (number, len(codec.chunk_shape))
    if starts.shape != shape or counts.shape != shape or targets.shape != shape or out.ndim != shape[1]:
        raise ValueError(f"{number} chunks of {shape[1]} axes need starts, counts and targets of shape {shape}")
    chunk, room = np.array(codec.chunk_shape, np.int64), np.array(out.shape, np.int64)
    for first, length, what in ((starts, chunk, "its chunk"), (targets, room, "the array it goes to")):
        if bool(np.any((first < 0) | (counts < 0) | (counts > length) | (first > length - counts))):
            raise ValueError(
                f"a box reaches beyond {what}: chunks have shape {codec.chunk_shape}, the array {out.shape}"
            )
