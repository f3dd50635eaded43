"""How do the results become a page? `python -m benchmarks.page` makes it again from the stored results."""

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import growth, remote_report, report
from benchmarks.data import FIELDS
from benchmarks.runner import Results

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs/benchmarks.md"

INTRODUCTION = """# Benchmarks

Made by `make bench` and `make bench-remote`: both install the peers in an environment of their own, run every workload
with every peer and write this page. Ratios are what counts; seconds depend on the machine and on who else uses it.

- One process for each peer, field and round; the order of the peers rotates. A cell is the median of the rounds, and
  inside a round short workloads are repeated and give their median. What takes longer than 2.5 s is measured once or
  twice only.
- Every file is in the page cache. Memory for twice the array is touched before each measurement of fields of more than
  100 MB: some virtual machines get their memory from the host at first touch, which takes longer than all the rest.
- Every peer has the same chunks, and zstd 1 without a filter unless its name says otherwise: `cfdb` is the released
  package with its defaults (byte shuffle, zstd), `h5netcdf-gzip` shuffle and gzip. `h5py-raw` is not compressed and no
  competitor.
- `ours` has statistics, checksums and journal switched on. It alone waits for the disk (`fsync`) when a file is
  closed: that is the column *durable*. The column *ours*, which is judged, has `os.fsync` switched off in the measuring
  process, as all peers work.
- `ours-numpy` is ours without the native kernel, and without `fsync`.
- Limits: `copy` copies the array in memory, `file` writes and reads the raw bytes, `codec` does zstd 1 on the plain
  bytes of every chunk in two threads and nothing else. *ours / limit* names the largest of them: below 1 the better
  encoding beats what zstd alone needs.
- *CPU ratio* compares CPU time of all threads with that of the same peer: it hardly feels a busy machine.
- All results are compared with NumPy in the first round.
"""


def as_terminal(results: Results, fields: list[str]) -> str:
    """All tables as text."""
    parts = [", ".join(f"{name} {text}" for name, text in results.other.get("machine", {}).items())]
    for name in fields:
        if name in results.wall:
            parts += [f"\n== {name}, all", report.as_text(report.medians(results, name))]
            parts += [
                f"\n== {name}, judged, rounds: {report.rounds(results, name)}",
                report.as_text(report.comparison(results, name)),
            ]
    for title, rows in report.rest(results).items():
        parts += [f"\n== {title}", report.as_text(rows)]
    if results.other.get("growth"):
        parts += ["\n== growth", report.as_text(growth.rows(results.other["growth"]))]
    if missed := report.worst(results, fields):
        parts += ["\n== targets missed, worst first", *missed]
    if results.errors:
        parts += ["\n== failures", *results.errors]
    parts.append(f"\n{results.other.get('seconds', 0):.0f} s")
    return "\n".join(parts)


def as_markdown(results: Results | None, remote: dict[str, Any] | None) -> str:
    """The page."""
    parts = [INTRODUCTION]
    if results is not None:
        parts += _local(results)
    if remote is not None:
        parts += ["## Remote\n", *remote_report.as_markdown(remote)]
    return "\n".join(parts).rstrip() + "\n"


def _local(results: Results) -> list[str]:
    fields = [name for name in FIELDS if name in results.wall]
    about = results.other.get("machine", {})
    parts = ["## Machine\n", report.as_markdown([["", ""], *([name, text] for name, text in about.items())]), ""]
    if results.other.get("quick"):
        parts.append("These are the figures of a quick run (`make bench-quick`): few rounds, medium data.\n")
    versions = ", ".join(f"{name} {text}" for name, text in results.other.get("versions", {}).items())
    if versions:
        parts.append(f"Versions: {versions}.\n")
    parts += ["## Beside the best compressed peer\n", "![Ratio to the best compressed peer](benchmarks/ratios.svg)\n"]
    for name in fields:
        title = f"### {name}: {FIELDS[name].what}; rounds: {report.rounds(results, name)}\n"
        parts += [title, report.as_markdown(report.comparison(results, name)), ""]
    missed = report.worst(results, fields)
    parts.append("### Targets missed, worst first\n")
    parts += [*(f"- {line}" for line in missed), ""] if missed else ["None.\n"]
    for title, rows in report.rest(results).items():
        parts += [f"## {title}\n", report.as_markdown(rows), ""]
    if results.other.get("growth"):
        parts += ["## Growth\n", (growth.__doc__ or "").split("\n", 2)[2].strip() + "\n"]
        parts += ["![Growth with the number of chunks](benchmarks/growth.svg)\n"]
        parts += [report.as_markdown(growth.rows(results.other["growth"])), ""]
        left_out = [one for one in results.other["growth"] if "left_out" in one]
        parts += [f"{one['chunks']:,} chunks: {one['left_out']}.\n" for one in left_out]
    parts.append("## Every peer\n")
    for name in fields:
        for table, what in (("wall", "milliseconds"), ("cpu", "CPU milliseconds of all threads")):
            parts += [f"### {name}, {what}\n", report.as_markdown(report.medians(results, name, table)), ""]
    if results.errors:
        parts += ["## Failures\n", *(f"- {line}" for line in results.errors), ""]
    return parts


def write(folder: Path, page: Path = PAGE) -> None:
    """Write the page and its plots from the results in a folder: those of quick runs where there are no others."""
    from benchmarks import plots

    local = _read(folder / "local.json") or _read(folder / "quick.json")
    remote = _read(folder / "remote.json") or _read(folder / "quick-remote.json")
    results = Results(**local) if local else None
    plots.draw(results, remote, page.with_suffix(""))
    page.write_text(as_markdown(results, remote))


def _read(path: Path) -> dict[str, Any] | None:
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "results")
