"""What would it take to read an array, or several in step, in blocks of another shape?"""

from collections.abc import Iterator, Mapping
from math import lcm, prod
from typing import Any

from cfdb.compute.lockstep import read_together, together
from cfdb.compute.rechunk import Block, block_lengths, check_budget, plan_source, read_blocks
from cfdb.compute.source import Source
from cfdb.plan.chunk_guess import guess_chunk_shape


class Rechunker:
    """Plans and reads one array in blocks; plans read nothing.

    Parameters
    ----------
    source : Source
        The array.
    chunk_shape : tuple of int
        Shape of its stored chunks.
    """

    def __init__(self, source: Source, chunk_shape: tuple[int, ...]) -> None:
        self._source = source
        self._chunk_shape = chunk_shape

    def guess_chunk_shape(self, target_chunk_size: int = 2**21) -> tuple[int, ...]:
        """Give a chunk shape near to a cube of at most so many bytes: see `cfdb.guess_chunk_shape`."""
        return guess_chunk_shape(self._source.shape, self._source.itemsize, target_chunk_size)

    def calc_ideal_read_chunk_shape(self, target_chunk_shape: Any) -> tuple[int, ...]:
        """Give the smallest box in which both the stored chunks and the blocks lie whole.

        Along every dimension it is their least common multiple, or all chunks of the dimension where that is less.
        """
        lengths = block_lengths(self._source, target_chunk_shape)
        return tuple(
            min(lcm(chunk, length), -(-size // chunk) * chunk) if size else chunk
            for chunk, length, size in zip(self._chunk_shape, lengths, self._source.shape, strict=True)
        )

    def calc_ideal_read_chunk_mem(self, target_chunk_shape: Any) -> int:
        """Give the bytes of `calc_ideal_read_chunk_shape`."""
        return prod(self.calc_ideal_read_chunk_shape(target_chunk_shape)) * self._source.itemsize

    def calc_source_read_chunk_shape(self, target_chunk_shape: Any, max_mem: int | str = 2**29) -> tuple[int, ...]:
        """Give the shape of the largest box that `rechunk` reads at a time."""
        lengths = block_lengths(self._source, target_chunk_shape)
        return plan_source(self._source, lengths, check_budget(max_mem)).read_shape

    def calc_n_chunks(self) -> int:
        """Count the chunks the array lies in."""
        return prod(each.size for each in self._source.breaks)

    def calc_n_reads_rechunker(self, target_chunk_shape: Any, max_mem: int | str = 2**29) -> tuple[int, int]:
        """Count the chunks that `rechunk` decodes, each as often as that happens, and the blocks it gives."""
        lengths = block_lengths(self._source, target_chunk_shape)
        plan = plan_source(self._source, lengths, check_budget(max_mem))
        return plan.n_reads, plan.n_writes

    def rechunk(self, target_chunk_shape: Any, max_mem: int | str = 2**29) -> Iterator[Block]:
        """Read the array in blocks, in the order of their cells.

        Parameters
        ----------
        target_chunk_shape : dict or tuple of int
            Shape of the blocks, as of ``iter_chunks``.
        max_mem : int or str
            Bytes of cells that may be held, or a text as ``'500MB'``.

        Yields
        ------
        tuple
            Slices, and the values there: an array of the caller's own.
        """
        lengths = block_lengths(self._source, target_chunk_shape)
        return read_blocks(self._source, plan_source(self._source, lengths, check_budget(max_mem)))


class DatasetRechunker:
    """Plans and reads several arrays of a dataset in step.

    Parameters
    ----------
    rechunkers : dict of Rechunker
        By name of the variable.
    """

    def __init__(self, rechunkers: Mapping[str, Rechunker]) -> None:
        self._rechunkers = dict(rechunkers)

    def _sources(self) -> dict[str, Source]:
        return {name: each._source for name, each in self._rechunkers.items()}

    def calc_ideal_read_chunk_mem(self, chunk_shape: Mapping[str, int]) -> int:
        """Add up what the variables need to be read in the fewest boxes."""
        own = together(self._sources(), chunk_shape).shapes()
        return sum(each.calc_ideal_read_chunk_mem(own[name]) for name, each in self._rechunkers.items())

    def calc_n_reads_rechunker(self, chunk_shape: Mapping[str, int], max_mem: int | str = 2**29) -> tuple[int, int]:
        """Add up the chunks that are decoded, and the blocks that are given."""
        own = together(self._sources(), chunk_shape).shapes()
        share = check_budget(max_mem) // len(own)
        counts = [each.calc_n_reads_rechunker(own[name], share) for name, each in self._rechunkers.items()]
        return sum(reads for reads, _ in counts), sum(writes for _, writes in counts)

    def rechunk(
        self, chunk_shape: Mapping[str, int], max_mem: int | str = 2**29
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Read the variables in step: see ``ds.iter_chunks``."""
        sources = self._sources()
        return read_together(together(sources, chunk_shape), check_budget(max_mem))
