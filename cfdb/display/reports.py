"""What does a person see who prints a report on storage, or on conventions?"""

import textwrap
from collections.abc import Iterable

from cfdb.analysis.advising.report import StorageReport, VariableStorage
from cfdb.analysis.checking.check import CheckReport
from cfdb.analysis.checking.rules import Finding
from cfdb.display.advice import advised, shape_text
from cfdb.display.units import byte_size, columns, count, cut, part, terminal_width
from cfdb.model.loading import LoadResult

#: So many findings of one kind are written out.
MOST_ALIKE = 5


def print_load(found: LoadResult) -> str:
    """Write what a load brought.

    Examples
    --------
    >>> print(print_load(LoadResult(12, 3, 1_740_000, 2)))
    12 chunks fetched in 2 requests, 1.74 MB; 3 were here
    """
    if not found.fetched:
        return f"nothing to fetch: {count(found.present, 'chunk')} here"
    requests = count(found.n_requests, "request")
    here = f"; {found.present:,} were here" if found.present else ""
    return f"{count(found.fetched, 'chunk')} fetched in {requests}, {byte_size(found.nbytes)}{here}"


def print_check(found: CheckReport) -> str:
    """Write what rules found in a dataset.

    Examples
    --------
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     print(ds.check(rules=["cf-conventions"]))
    <memory>: 1 error, 0 warnings, 0 remarks (1 rule)
    Errors
      cf-conventions (CF 2.6.1)
        the attribute Conventions names no version of CF
          -> ds.attrs['Conventions'] = 'CF-1.11'
    """
    numbers = [
        count(len(found.errors), "error"),
        count(len(found.warnings), "warning"),
        count(len(found.infos), "remark"),
    ]
    lines = [f"{found.name}: {', '.join(numbers)} ({count(len(found.rules), 'rule')})"]
    for title, findings in (("Errors", found.errors), ("Warnings", found.warnings), ("Remarks", found.infos)):
        if findings:
            lines += [title, *_by_rule(findings)]
    return "\n".join(lines)


def _by_rule(findings: Iterable[Finding]) -> list[str]:
    rules: dict[str, list[Finding]] = {}
    for finding in findings:
        rules.setdefault(finding.rule, []).append(finding)
    lines = []
    for rule, alike in rules.items():
        section = f" ({alike[0].section})" if alike[0].section else ""
        lines.append(f"  {rule}{section}")
        for finding in alike[:MOST_ALIKE]:
            where = f"{finding.variable}: " if finding.variable else ""
            lines += _wrapped(where + finding.message, "    ", "      ")
            lines += _wrapped(finding.mend, "      -> ", "         ") if finding.mend else []
        if len(alike) > MOST_ALIKE:
            lines.append(f"    ... and {len(alike) - MOST_ALIKE:,} more")
    return lines


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(text, terminal_width(), initial_indent=first, subsequent_indent=others, break_on_hyphens=False)


def print_storage(found: StorageReport) -> str:
    """Write where the bytes of a dataset are.

    Examples
    --------
    >>> import numpy as np
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     ds["t"] = (("y", "x"), np.arange(6000.0).reshape(60, 100))
    ...     print(ds.storage_report())
    <memory>: ... in 1 chunk, 48.0 kB when read (... times as much)
      file ..., of which ... are values that were overwritten or deleted
      variable  type     codec   chunks  ...
      t         float64  auto 1  1 of (60, 100)  ...
    """
    times = f" ({found.ratio:.3g} times as much)" if found.stored else ""
    chunks = count(found.chunks, "chunk")
    lines = [f"{found.name}: {byte_size(found.stored)} in {chunks}, {byte_size(found.decoded)} when read{times}"]
    if found.file_size is not None:
        lost = f", of which {byte_size(found.reclaimable or 0)} are values that were overwritten or deleted"
        lines.append(f"  file {byte_size(found.file_size)}{lost if found.reclaimable else ''}")
    if found.local_bytes < found.stored:
        lines.append(f"  {byte_size(found.local_bytes)} of it are local")
    split = [dim for dim in found.dimensions if dim.runs > 1]
    heads = _HEADS if found.local_bytes < found.stored else (*_HEADS[:-1], "")
    rows = [heads, *(_row(variable, found) for variable in found.variables)]
    lines += columns(rows, right=[4, 5, 6, 7]) if found.variables else []
    lines += [f"  dimension {dim.name}: {dim.size:,} positions in {dim.runs:,} pieces" for dim in split]
    return "\n".join([*lines, *advised(found.suggestions)])


_HEADS = ("variable", "type", "codec", "chunks", "stored", "read", "ratio", "bytes/value", "local")


def _row(variable: VariableStorage, report: StorageReport) -> tuple[str, ...]:
    shape = f" of {shape_text(variable.chunk_shape)}" if variable.chunk_shape else ""
    chunks = f"{variable.chunks:,}{shape}"
    if variable.missing:
        chunks = f"{variable.written:,} of {variable.chunks:,} written{shape and shape.replace(' of', ',')}"
    ratio = f"{variable.ratio:.3g}" if variable.stored else ""
    each = f"{variable.bytes_per_value:.3g}" if variable.values else ""
    local = "" if report.local_bytes == report.stored else part(variable.local, variable.written, "chunk")
    sizes = (byte_size(variable.stored), byte_size(variable.decoded))
    return (cut(variable.name, 28), variable.dtype, variable.codec, chunks, *sizes, ratio, each, local)
