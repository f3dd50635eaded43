"""How do the results become a page?"""

from pathlib import Path

from benchmarks import report
from benchmarks.runner import Results


def as_terminal(results: Results, fields: list[str]) -> str:
    """All tables as text."""
    parts = []
    about = results.other.get("machine", {})
    parts.append(", ".join(f"{name} {text}" for name, text in about.items()))
    for name in fields:
        if name in results.wall:
            parts += [f"\n== {name}, all", report.as_text(report.medians(results, name))]
            parts += [f"\n== {name}, judged", report.as_text(report.comparison(results, name))]
    for title, rows in report.rest(results).items():
        parts += [f"\n== {title}", report.as_text(rows)]
    if missed := report.worst(results, fields):
        parts += ["\n== targets missed, worst first", *missed]
    if results.errors:
        parts += ["\n== failures", *results.errors]
    parts.append(f"\n{results.other.get('seconds', 0):.0f} s")
    return "\n".join(parts)


def write(results: Path, target: Path) -> None:
    raise NotImplementedError
