"""What do the numbers say? Tables for a terminal and for the page."""

from dataclasses import dataclass
from typing import Any

from benchmarks import peers
from benchmarks.data import FIELDS
from benchmarks.runner import Results
from benchmarks.targets import CODEC_RATIO, EMPTY_BYTES, IMPORT_RATIO, READ_MEMORY, target
from benchmarks.workloads import WORKLOADS


@dataclass(frozen=True, slots=True)
class Cell:
    """One workload on one field: ours beside the best compressed peer."""

    field: str
    workload: str
    ours: float
    durable: float
    best: float | None
    best_peer: str
    limit: float | None
    limit_name: str
    target: float | None
    cpu: float | None = None  # CPU time of ours to that of the best peer

    @property
    def ratio(self) -> float | None:
        return self.ours / self.best if self.best else None

    @property
    def met(self) -> bool | None:
        return None if self.target is None or self.ratio is None else self.ratio <= self.target


def cells(results: Results, field: str) -> list[Cell]:
    """Compare ours with the best peer, workload by workload; sizes last."""
    found = []
    for workload in WORKLOADS:
        durable = results.median(field, peers.OURS, workload)
        if durable is None:
            continue
        ours = results.median(field, "ours-nosync", workload) or durable
        best = _least({label: results.median(field, label, workload) for label in peers.COMPRESSED})
        limit = _limit(results, field, workload)
        wanted = target(field, FIELDS[field].kind, workload)
        cpu = _cpu_ratio(results, field, best[0], workload)
        found.append(Cell(field, workload, ours, durable, best[1], best[0], limit[1], limit[0], wanted, cpu))
    sizes = results.size.get(field, {})
    if peers.OURS in sizes:
        best = _least({label: sizes.get(label) for label in peers.COMPRESSED})
        own = float(sizes[peers.OURS])
        wanted = target(field, FIELDS[field].kind, "bytes")
        found.append(Cell(field, "bytes", own, own, best[1], best[0], None, "", wanted))
    return found


def _least(values: dict[str, Any]) -> tuple[str, float | None]:
    known = {label: float(value) for label, value in values.items() if value is not None}
    if not known:
        return "", None
    best = min(known, key=lambda label: known[label])
    return best, known[best]


def _cpu_ratio(results: Results, field: str, peer: str, workload: str) -> float | None:
    table = results.cpu.get(field, {})
    own = table.get("ours-nosync", {}).get(workload) or table.get(peers.OURS, {}).get(workload)
    theirs = _middle(table.get(peer, {}).get(workload))
    return (_middle(own) or 0) / theirs if theirs else None


def _limit(results: Results, field: str, workload: str) -> tuple[str, float | None]:
    """The largest of the limits that apply: nobody with zstd can do less."""
    known = {label: results.median(field, label, workload) for label in peers.LIMITS}
    measured = {label: value for label, value in known.items() if value is not None}
    if not measured:
        return "", None
    worst = max(measured, key=lambda label: measured[label])
    return worst, measured[worst]


def comparison(results: Results, field: str) -> list[list[str]]:
    """Rows of the table that judges: workload, ours, best peer, ratios, target, met."""
    rows = [
        [
            "workload",
            "ours",
            "durable",
            "best compressed peer",
            "ratio",
            "target",
            "met",
            "CPU ratio",
            "ours / limit",
            "chunk",
        ]
    ]
    for cell in cells(results, field):
        if cell.workload == "bytes":
            texts = [f"{cell.ours / 1e6:.2f} MB", "", f"{(cell.best or 0) / 1e6:.2f} MB {cell.best_peer}"]
            tail = ["", ""]
        else:
            texts = [ms(cell.ours), ms(cell.durable), f"{ms(cell.best)} {cell.best_peer}"]
            limit = f"{cell.ours / cell.limit:.2f} ({cell.limit_name[6:]})" if cell.limit else ""
            tail = [limit, _per_chunk(cell)]
        rows.append(
            [
                WORKLOADS.get(cell.workload, "file size"), *texts, _ratio(cell.ratio), _ratio(cell.target),
                {True: "yes", False: "NO", None: ""}[cell.met], _ratio(cell.cpu), *tail,
            ]
        )  # fmt: skip
    return rows


def _per_chunk(cell: Cell) -> str:
    whole = ("write", "read", "each_chunk", "each_map", "each_series_block")
    if cell.workload not in whole:
        return ""
    return f"{cell.ours * 1e6 / FIELDS[cell.field].n_chunks:.1f} us"


def rounds(results: Results, field: str) -> int:
    """How often ours was measured on a field."""
    return len(results.wall[field].get(peers.OURS, {}).get("write", []))


def medians(results: Results, field: str, table: str = "wall") -> list[list[str]]:
    """Rows of the table of all peers, in milliseconds."""
    chosen: dict[str, dict[str, list[float]]] = getattr(results, table).get(field, {})
    labels = [label for label in peers.PEERS if label in chosen]
    rows = [["ms", *labels]]
    for workload, text in WORKLOADS.items():
        values = [ms(_middle(chosen[label].get(workload))) for label in labels]
        if any(values):
            rows.append([text, *values])
    if table == "wall":
        sizes = results.size[field]
        shown = [f"{sizes[label] / 1e6:.2f}" if label in sizes and "limit" not in label else "" for label in labels]
        rows.append(["file size, MB", *shown])
    return rows


def _middle(samples: list[float] | None) -> float | None:
    if not samples:
        return None
    ordered = sorted(samples)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def rest(results: Results) -> dict[str, list[list[str]]]:
    """Tables of what is no workload: memory, codecs, imports, the empty dataset."""
    other, tables = results.other, {}
    if "memory" in other:
        rows = [["peak memory, MiB", "read all", "iterate over chunks", "series blocks"]]
        for label, peaks in other["memory"].items():
            rows.append([label, *(f"{peak / 2**20:.1f}" for peak in peaks.values())])
        array = other.get("memory_array", 0)
        own = other["memory"].get(peers.OURS, {}).get("read")
        rows.append(["array alone", f"{array / 2**20:.1f}", "", ""])
        if own is not None:
            rows.append(
                [
                    "ours above the array",
                    f"{(own - array) / 2**20:+.1f} (target +5)",
                    _met(own - array, READ_MEMORY),
                    "",
                ]
            )
        tables["Memory"] = rows
    for name, pipelines in other.get("codecs", {}).items():
        rows = [["pipeline, one thread", "ratio", "encode, MB/s", "decode, MB/s"]]
        for label, found in pipelines.items():
            rows.append([label, f"{found['ratio']:.2f}", f"{found['encode']:.0f}", f"{found['decode']:.0f}"])
        if "ours, default" in pipelines and name == "large":
            reached = pipelines["ours, default"]["ratio"]
            rows.append([f"target: ratio of at least {CODEC_RATIO:.0f}", _met(-reached, -CODEC_RATIO), "", ""])
        tables[f"Pipelines on {name}"] = rows
    if "imports" in other:
        base = other["imports"]["numpy"]
        rows = [["import", "CPU ms", "of numpy's"]]
        rows += [[name, f"{took * 1e3:.0f}", f"{took / base:.2f}"] for name, took in other["imports"].items()]
        rows.append([f"target: ours at most {IMPORT_RATIO}", _met(other["imports"]["ours"] / base, IMPORT_RATIO), ""])
        tables["Import"] = rows
    if "empty" in other:
        ours, released = other["empty"].get("ours"), other["empty"].get("peers")
        rows = [["empty dataset", "bytes"], ["ours", str(ours)], ["cfdb", str(released)]]
        rows.append([f"target: less than {EMPTY_BYTES}", _met(ours or 0, EMPTY_BYTES)])
        tables["Empty dataset"] = rows
    return tables


def _met(value: float, wanted: float) -> str:
    return "met" if value <= wanted else "NOT met"


def ms(seconds: float | None) -> str:
    """Milliseconds with three digits that count."""
    if seconds is None:
        return ""
    value = seconds * 1e3
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def as_text(rows: list[list[str]]) -> str:
    """A table for a terminal."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def as_markdown(rows: list[list[str]]) -> str:
    """A table for the page."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def worst(results: Results, fields: list[str]) -> list[str]:
    """Lines on the cells that miss their target by most."""
    missed = [cell for name in fields for cell in cells(results, name) if cell.met is False]
    missed.sort(key=lambda cell: (cell.ratio or 0) / (cell.target or 1), reverse=True)
    return [
        f"{cell.field}, {WORKLOADS.get(cell.workload, 'file size')}: {cell.ratio:.2f} of {cell.best_peer}, "
        f"target {cell.target:.2f}"
        for cell in missed
    ]
