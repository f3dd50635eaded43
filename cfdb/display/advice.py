"""What does a person see who prints an explanation, or advice on chunks and encodings?"""

import textwrap
from collections.abc import Iterable, Sequence

from cfdb.analysis.advising.advise import Advice, ChunkAdvice
from cfdb.analysis.advising.explain import Explanation
from cfdb.analysis.advising.suggest import EncodingAdvice, EncodingCandidate
from cfdb.display.units import byte_size, columns, count, cut, part, terminal_width


def print_explanation(found: Explanation) -> str:
    """Write what reading a part of a variable takes.

    Examples
    --------
    >>> import numpy as np
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     ds["t"] = (("y", "x"), np.zeros((20, 30), "float32"))
    ...     print(ds["t"][0].explain())
    Reading t: x 30 (120 B)
      chunks   1 of shape (20, 30), all written
      stored   ... B, all local
      decoded  2.40 kB, of which 120 B are used (1 in 20)
      memory   about ...
    """
    rows = [
        ("chunks", f"{found.chunks:,} of shape {shape_text(found.chunk_shape)}, {_written(found)}"),
        ("stored", f"{byte_size(found.bytes_stored)}, {_near(found)}"),
        ("decoded", _decoded(found)),
        ("memory", f"about {byte_size(found.memory)}"),
    ]
    title = f"Reading {found.name}: {_sizes(found.dims, found.shape)} ({byte_size(found.bytes_result)})"
    return _text([title, *columns(rows), *advised(found.suggestions)])


def print_advice(found: Advice) -> str:
    """Write which chunks suit the variables of a dataset.

    Examples
    --------
    >>> import numpy as np
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     ds["t"] = (("y", "x"), np.zeros((2000, 3000), "float32"))
    ...     print(ds.advise("y"))
    t  (y 2,000, x 3,000)
      chunks of ... now, (2000, ...) recommended
      reading at once  now                      then
      y 2,000          ... chunks, ... decoded  ... chunk...
    Apply it to a new file: ds.create.data_var.generic(..., chunk_shape=advice.chunk_shapes[name])
    """
    lines: list[str] = []
    for each in found.variables:
        lines += _of_variable(each)
    if any(each.is_better for each in found.variables):
        lines.append("Apply it to a new file: ds.create.data_var.generic(..., chunk_shape=advice.chunk_shapes[name])")
    return _text(lines or ["These ways of reading concern no variable"])


def print_encodings(found: EncodingAdvice) -> str:
    """Write in which ways a variable can be stored.

    Examples
    --------
    >>> import numpy as np
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     ds["t"] = (("y", "x"), np.random.default_rng(0).normal(280, 10, (100, 200)).astype("float32"))
    ...     print(ds["t"].suggest_encoding(max_error=0.1))
    t: 1 of 1 chunk looked at, errors up to 0.1 accepted
         stored as                               size  ratio  error at most
         as it is                             56.4 kB   1.42  exact
      *  float32, precision=1                 25.6 kB   3.13  0.05
    ...
    """
    wanted = "lossless" if found.max_error is None else f"errors up to {found.max_error:g} accepted"
    lines = [f"{found.name}: {part(found.sampled, found.chunks, 'chunk')} looked at, {wanted}"]
    rows: list[tuple[str, ...]] = [("", "stored as", "size", "ratio", "error at most", "")]
    rows += [_candidate(each, found) for each in found.candidates]
    lines += columns(rows, right=[2, 3])
    if found.best is found.candidates[0]:
        lines.append("  as it is now is best")
    return _text(lines)


def _candidate(each: EncodingCandidate, found: EncodingAdvice) -> tuple[str, ...]:
    error = f"{each.max_error:.3g}" if each.max_error else "exact"
    mark = "*" if each is found.best else ""
    remark = "" if each.accepted else "too much" if each.max_error > (found.max_error or 0) else "in the sample only"
    return mark, each.label, byte_size(each.predicted_nbytes), f"{each.ratio:.3g}", error, remark


def advised(suggestions: Iterable[str]) -> list[str]:
    """Write suggestions as paragraphs."""
    lines = []
    for suggestion in suggestions:
        text = suggestion[:1].upper() + suggestion[1:]
        lines += textwrap.wrap(
            text, terminal_width(), initial_indent="  -> ", subsequent_indent="     ", break_on_hyphens=False
        )
    return lines


def shape_text(shape: Sequence[int]) -> str:
    """Write a shape."""
    return f"({', '.join(map(str, shape))})"


def _text(lines: Iterable[str]) -> str:
    return "\n".join(line if len(line) <= terminal_width() else line.rstrip() for line in lines)


def _sizes(dims: Sequence[str], shape: Sequence[int]) -> str:
    pairs = zip(dims, shape, strict=True)
    return ", ".join(f"{name or 'new'} {size:,}" for name, size in pairs) or "a single value"


def _written(found: Explanation) -> str:
    if not found.missing:
        return "all written"
    return f"{found.written:,} written ({found.missing:,} are fill)"


def _near(found: Explanation) -> str:
    if not found.to_fetch:
        return "all local"
    return f"{byte_size(found.bytes_to_fetch)} to fetch ({part(found.to_fetch, found.written, 'chunk')})"


def _decoded(found: Explanation) -> str:
    used = "all of it used"
    if found.bytes_decoded > found.bytes_used:
        times = f"{found.ratio:,.0f}" if found.ratio >= 10 else f"{found.ratio:.3g}"
        used = f"of which {byte_size(found.bytes_used)} are used" + (f" (1 in {times})" if found.ratio >= 1.05 else "")
    more = ""
    if found.bytes_decoded_at_most > found.bytes_decoded:
        more = f"; up to {byte_size(found.bytes_decoded_at_most)} where chunks are no decimals"
    return f"{byte_size(found.bytes_decoded)}, {used}{more}"


def _of_variable(found: ChunkAdvice) -> list[str]:
    lines = [f"{found.name}  ({_sizes(found.dims, found.shape)})"]
    if not found.is_better:
        lines.append(f"  chunks of {shape_text(found.present)} are good")
    else:
        lines.append(f"  chunks of {shape_text(found.present)} now, {shape_text(found.recommended)} recommended")
    rows = [("reading at once", "now", "then" if found.is_better else "")]
    for each in found.costs:
        costs = [
            f"{_mean(cost.chunks)}, {byte_size(cost.decoded)} decoded"
            for cost in ([each.now, each.then] if found.is_better else [each.now])
        ]
        weight = "" if each.weight == 1 else f", weight {each.weight:g}"
        rows.append((cut(each.way + weight, 44), costs[0], costs[-1] if found.is_better else ""))
    return [*lines, *columns(rows)]


def _mean(chunks: float) -> str:
    return count(round(chunks), "chunk") if abs(chunks - round(chunks)) < 0.005 else f"{chunks:,.1f} chunks"
