"""How do the results look?"""

from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.data import FIELDS
from benchmarks.runner import Results
from benchmarks.workloads import WORKLOADS

#: What of the growth is drawn, and how it is called.
LOCAL_WAYS = ("open, local", "read one chunk, local", "change one chunk and commit")
REMOTE_WAYS = ("open, remote", "read one chunk, remote", "push one chunk")


def draw(results: Results | None, remote: dict[str, Any] | None, folder: Path) -> None:
    """Draw what there is into a folder, as SVG files that only change with the figures."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "cfdb", "svg.fonttype": "none", "font.size": 8})
    mpl.rcParams.update({"axes.grid": True, "grid.alpha": 0.3})
    folder.mkdir(parents=True, exist_ok=True)
    drawings: dict[str, Any] = {}
    if results is not None:
        drawings["ratios"] = _ratios(plt, results)
        if len([one for one in results.other.get("growth", []) if "left_out" not in one]) > 1:
            drawings["growth"] = _growth(plt, results.other["growth"])
    if remote is not None:
        drawings["remote"] = _remote(plt, remote)
    for name, figure in drawings.items():
        figure.savefig(folder / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})
        plt.close(figure)


def _ratios(plt: Any, results: Results) -> Any:
    """A row for each workload, a dot for each field; bars mark the targets."""
    figure, axes = plt.subplots(figsize=(8, 5))
    fields = [name for name in FIELDS if name in results.wall]
    order = [*WORKLOADS, "bytes"]
    for number, name in enumerate(fields):
        cells = [cell for cell in report.cells(results, name) if cell.ratio is not None]
        rows = [order.index(cell.workload) + (number - len(fields) / 2) * 0.09 for cell in cells]
        axes.plot([cell.ratio for cell in cells], rows, "o", markersize=4, label=name)
        marked = [(row, cell.target) for row, cell in zip(rows, cells, strict=True) if cell.target is not None]
        axes.plot([wanted for _, wanted in marked], [row for row, _ in marked], "k|", markersize=6)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(order)), [*WORKLOADS.values(), "file size"])
    axes.invert_yaxis()
    axes.set_xlabel("ours / best compressed peer (left of 1: ours is better; | target)")
    axes.legend(loc="lower left", bbox_to_anchor=(1, 0))
    return figure


def _growth(plt: Any, found: list[dict[str, Any]]) -> Any:
    """Time, bytes and memory against the number of chunks, all axes logarithmic."""
    whole = [one for one in found if "left_out" not in one]
    counts = [one["chunks"] for one in whole]
    figure, panels = plt.subplots(1, 3, figsize=(11, 3.6))
    for way in (*LOCAL_WAYS, *REMOTE_WAYS):
        style = "-o" if way in LOCAL_WAYS else "--s"
        panels[0].plot(counts, [one[way]["seconds"] * 1e3 for one in whole], style, markersize=3, label=way)
        if way in REMOTE_WAYS:
            moved = [(one[way]["sent"] + one[way]["received"]) / 1e3 for one in whole]
            panels[1].plot(counts, moved, "--s", markersize=3, label=way)
    grown = [max(one["change one chunk and commit"]["grown"], 1) / 1e3 for one in whole]
    panels[1].plot(counts, grown, "-o", markersize=3, label="file grows by one change")
    for where in ("local", "remote"):
        panels[2].plot(counts, [max(one["memory"][where], 1) / 2**20 for one in whole], "-o", markersize=3, label=where)
    titles = ("milliseconds", "kB moved or written", "MiB to open and read one chunk")
    for panel, title in zip(panels, titles, strict=True):
        panel.set(xscale="log", yscale="log", xlabel="chunks", title=title)
        panel.legend(fontsize=6)
    return figure


def _remote(plt: Any, remote: dict[str, Any]) -> Any:
    """Seconds of each operation at each latency, a bar for each peer."""
    runs = remote["runs"]
    figure, panels = plt.subplots(len(runs), 1, figsize=(8, 2.4 * len(runs)), squeeze=False)
    for panel, run in zip(panels[:, 0], runs, strict=True):
        labels = list(run["peers"])
        steps = list(next(iter(run["peers"].values())))
        for number, label in enumerate(labels):
            steps_of = run["peers"][label]
            places = [position + number * 0.8 / len(labels) for position in range(len(steps))]
            heights = [steps_of.get(step, {}).get("wall", 0.0) for step in steps]
            panel.bar(places, heights, 0.8 / len(labels), label=label)
        panel.set_yscale("log")
        panel.set_ylabel("seconds")
        panel.set_xticks([position + 0.3 for position in range(len(steps))], steps)
        panel.set_title(f"{run['chunks']} chunks, {run['latency'] * 1e3:.0f} ms")
        panel.legend(fontsize=6)
    figure.tight_layout()
    return figure
