"""In which type, packing and rounding do the values of a variable take the least room?

Every way is measured: chunks of a sample are encoded in it, decoded, and compared.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.analysis.advising.encodings import Facts, Proposal, proposals
from cfdb.errors import CFDBError
from cfdb.format.casting import to_cells
from cfdb.format.codecs import CodecPipeline
from cfdb.format.codecs.spec import AUTO
from cfdb.format.names import parse_chunk_key
from cfdb.format.statistics import ChunkStatistics, merge
from cfdb.model.doors import door
from cfdb.model.encodings import choose_chain
from cfdb.model.likeness import describe_chain
from cfdb.model.view import View

Array = npt.NDArray[Any]

#: Decoded bytes of the chunks that are looked at.
SAMPLE_BYTES = 2**26
#: And their number, however small they are.
SAMPLE_CHUNKS = 2**10
#: A way must save so much of the next simpler one.
_GAIN = 0.98
#: Label of the way in which the variable is stored.
AS_IT_IS = "as it is"


@dataclass(frozen=True, slots=True)
class EncodingCandidate:
    """A way of storing a variable, as it was measured.

    Attributes
    ----------
    label : str
        Type and rounding, for people.
    options : dict
        Parameters for ``ds.create.data_var.generic``.
    sampled_nbytes : int
        Size of the sampled chunks.
    predicted_nbytes : int
        Size of all chunks, if those of the sample are like the others.
    ratio : float
        How many times smaller the sampled values are than when they are read.
    max_error : float
        How far a value is moved at most; 0 when none is. Where all chunks were looked at it is measured, else the
        largest that the rounding allows.
    measured_error : float
        How far one was moved in the sample.
    accepted : bool
        Whether that is known to be within what was asked for, of all values.
    """

    label: str
    options: dict[str, Any]
    sampled_nbytes: int
    predicted_nbytes: int
    ratio: float
    max_error: float
    measured_error: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class EncodingAdvice:
    """In which ways a variable can be stored, and which takes the least room.

    Attributes
    ----------
    name : str
        The variable.
    max_error : float or None
        Error that was accepted; None is lossless.
    chunks, sampled : int
        Chunks that were written, and those that were looked at.
    candidates : tuple of EncodingCandidate
        What was tried; the first is how it is stored now.
    best : EncodingCandidate
        The smallest of those accepted; the present one when nothing is to be gained.
    """

    name: str
    max_error: float | None
    chunks: int
    sampled: int
    candidates: tuple[EncodingCandidate, ...]
    best: EncodingCandidate

    @property
    def options(self) -> dict[str, Any]:
        """Parameters for ``ds.create.data_var.generic(name, dims, **options)``."""
        return dict(self.best.options)

    def __str__(self) -> str:
        text: str = door("print_encodings")(self)
        return text

    __repr__ = __str__


@dataclass(frozen=True, slots=True, eq=False)
class _Chunk:
    """A sampled chunk: its values, and where they lie in the chunk."""

    values: Array
    places: tuple[Any, ...]
    stored: int


def suggest_encoding(view: View, max_error: float | None = None) -> EncodingAdvice:
    """Find the type, packing and rounding in which the values take the least room.

    Parameters
    ----------
    view : View
        The variable, or a part of it whose chunks are looked at.
    max_error : float, optional
        Largest error accepted; None is lossless.

    Returns
    -------
    EncodingAdvice
    """
    if max_error is not None and not (isinstance(max_error, int | float | np.number) and 0 <= max_error < math.inf):
        raise ValueError(f"max_error={max_error!r}: give a number that is not negative, or None for lossless")
    array = view._array
    written = [part for part in array.summaries() if part.written]
    wanted = _sampled_keys(view, [part.key for part in written], array.chunk_nbytes)
    facts = _facts(view, [part.statistics for part in written])
    complete = len(wanted) == len(written)
    trials = [_Trial(view, proposal) for proposal in _all_proposals(view, facts, max_error or 0.0)]
    array.store.prefetch(wanted)
    stored = decoded = 0
    for chunk in _chunks(view, wanted):
        stored += chunk.stored
        decoded += chunk.values.size * array.dtype.itemsize
        for trial in trials:
            trial.take(chunk)
    total = array.stored().nbytes
    scale = total / stored if stored else 1.0
    found = [trial.result(view, scale, decoded, complete, max_error or 0.0) for trial in trials if not trial.failed]
    return EncodingAdvice(view.name, max_error, len(written), len(wanted), tuple(found), _smallest(found))


def _sampled_keys(view: View, written: Sequence[str], chunk_nbytes: int) -> list[str]:
    """Choose chunks that were written, evenly spaced, within the budget."""
    if view._selection is not None:
        touched = set(view._array.grid.plan(view._selection).keys())
        written = [key for key in written if key in touched]
    number = min(len(written), SAMPLE_CHUNKS, max(1, SAMPLE_BYTES // max(1, chunk_nbytes)))
    return [written[(2 * place + 1) * len(written) // (2 * number)] for place in range(number)]


def _chunks(view: View, keys: Sequence[str]) -> Iterator[_Chunk]:
    """Read the sampled chunks, one after the other."""
    array = view._array
    for key, size in zip(keys, array.store.sizes(keys), strict=True):
        found = parse_chunk_key(key)
        index = found[1] if found is not None else ()
        places = array.grid.logical(index)
        cells = array._access.cells(key, array._access.payload(key))
        values = array.pipeline.from_cells(cells[(*places, ...)])
        yield _Chunk(values, places, size or 0)


def _facts(view: View, noted: Sequence[ChunkStatistics | None]) -> Facts:
    """Find the extremes of all values; chunks that lost cells since are read for it."""
    known = [each for each in noted if each is not None]
    found = merge(known if len(known) == len(noted) else view._array.statistics().values())
    low, high = (None, None) if found is None else (found.minimum, found.maximum)
    return Facts(view.dtype, low, high, view.fill_value)


def _all_proposals(view: View, facts: Facts, max_error: float) -> list[Proposal]:
    """Give the present way first, then the same with the automatic codec, then others."""
    found = [Proposal(AS_IT_IS, view.dtype)]
    if not _is_auto(view) and not view.dtype.is_variable_length:
        found.append(Proposal("automatic codec", view.dtype))
    return [*found, *proposals(facts, max_error)]


def _is_auto(view: View) -> bool:
    return any(codec.name == AUTO for codec in view._array.pipeline.chain)


class _Trial:
    """One way of storing, tried on chunk after chunk."""

    def __init__(self, view: View, proposal: Proposal) -> None:
        array = view._array
        chain = array.pipeline.chain
        if proposal.label != AS_IT_IS:
            level = chain[0].option("level") if _is_auto(view) else None
            chain = choose_chain(
                view.name, proposal.dtype, array.chunk_shape, "zstd", level if isinstance(level, int) else None, "auto"
            )
        self.proposal = proposal
        self.fill_value = _fill_value(view, proposal)
        self.pipeline = CodecPipeline(proposal.dtype, array.chunk_shape, chain, self.fill_value)
        self.nbytes, self.error, self.failed = 0, 0.0, False

    def take(self, chunk: _Chunk) -> None:
        """Encode a chunk; what cannot be stored in this way, or comes back too far off, rules it out."""
        if self.proposal.label == AS_IT_IS:
            self.nbytes += chunk.stored
            return
        if self.failed:
            return
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                cells = to_cells(chunk.values, self.proposal.dtype, self.fill_value)
                error = _distance(chunk.values, self.pipeline.from_cells(cells))
        except (CFDBError, ValueError, OverflowError):
            self.failed = True
            return
        self.nbytes += self._encoded_size(cells, chunk.places)
        self.error = max(self.error, error)
        self.failed = not math.isfinite(error)

    def _encoded_size(self, cells: Array, places: tuple[Any, ...]) -> int:
        """Encode a chunk as writing does: at the edge of the array it is a box of a blank one."""
        pipeline = self.pipeline
        is_box = all(isinstance(part, slice) and part.step in (None, 1) for part in places)
        if is_box and cells.shape != pipeline.shape and cells.size and pipeline.edits_blocks(None):
            start = np.array([[part.start for part in places]], np.int64)
            return len(pipeline.replace_cells_many([None], [cells], start)[0])
        full = pipeline.blank()
        full[(*places, ...)] = cells
        return len(pipeline.encode_cells(full))

    def result(self, view: View, scale: float, decoded: int, complete: bool, max_error: float) -> EncodingCandidate:
        """Say what was measured."""
        bound = self.proposal.bound
        if complete:
            bound = self.error
        sure = complete or self.proposal.sure
        return EncodingCandidate(
            self.proposal.label,
            self._options(view),
            self.nbytes,
            round(self.nbytes * scale),
            decoded / self.nbytes if self.nbytes else 1.0,
            bound,
            self.error,
            sure and bound <= max_error,
        )

    def _options(self, view: View) -> dict[str, Any]:
        how = describe_chain(self.pipeline.chain)
        options = {"dtype": self.proposal.dtype, "chunk_shape": self.pipeline.shape, **how}
        kept = {"fill_value": self.fill_value, "missing_value": view._member.record.missing_value}
        return options | {name: value for name, value in kept.items() if value is not None}


def _fill_value(view: View, proposal: Proposal) -> Any:
    """Give the declared fill value in another type; NaN is what packed floats read as anyway."""
    fill, dtype = view.fill_value, proposal.dtype
    if fill is None or dtype.kind not in "iuf":
        return fill
    packed = dtype.is_packed and dtype.kind == "f" and not view.dtype.is_packed
    return None if packed else dtype.dtype_decoded.type(fill)


def _distance(values: Array, back: Array) -> float:
    """Tell how far values were moved; infinite when one is missing, or came into being."""
    if values.dtype.kind != "f":
        other = back.astype(values.dtype) if back.dtype.kind in "iumM" else back
        same = (other == values) | ((other != other) & (values != values))
        return 0.0 if bool(np.all(same)) else math.inf
    given, found = values.astype(np.float64), back.astype(np.float64)
    if not np.array_equal(np.isnan(given), np.isnan(found)):
        return math.inf
    apart = np.abs(np.where(given == found, 0.0, found - given))
    return float(np.nanmax(apart, initial=0.0)) if apart.size else 0.0


def _smallest(found: Sequence[EncodingCandidate]) -> EncodingCandidate:
    """Choose the smallest one that is accepted; a simpler one that is hardly larger comes first."""
    best = found[0]
    for candidate in found[1:]:
        if candidate.accepted and candidate.sampled_nbytes < _GAIN * best.sampled_nbytes:
            best = candidate
    return best
