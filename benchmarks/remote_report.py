"""What do the remote numbers say?"""

from math import ceil
from typing import Any

from benchmarks import report
from benchmarks.targets import REMOTE_TARGETS

STEPS = {
    "write": "write and commit everything",
    "open": "cold open with coordinates",
    "one_chunk": "one chunk after open",
    "read": "full read",
    "edit": "change 1 % and commit",
    "reopen": "open again, nothing changed",
    "copy": "copy",
    "delete": "delete",
}
WALL_PEERS = ("cfdb", "icechunk")
INTRODUCTION = """A real S3 server (Ceph RGW) behind a proxy on the same machine, which delays every answer and every
new connection and lets 20 MB/s through each connection. Cells: seconds / requests / MB moved, with every group of steps
in a new process. `zarr-obstore` does not commit, and it and icechunk are copied and deleted object by object. `cfdb` is
the released package, through a proxy that gives it back the underscores this server turns into hyphens. The counts
of ours include what a process spends once on each bucket to learn the dialect of its server.
"""


def tables(remote: dict[str, Any]) -> dict[str, list[list[str]]]:
    """One table for each run, and one for what many edits cost."""
    found = {}
    for run in remote["runs"]:
        title = f"{run['chunks']} chunks, {run['latency'] * 1e3:.0f} ms, 20 MB/s a connection, rounds: {run['rounds']}"
        found[title] = _run(run)
    if remote["runs"] and "ours" in remote["runs"][0]["peers"]:
        found["Requests of ours by operation"] = _operations(remote["runs"])
    if "amplification" in remote:
        found["Many small edits"] = _amplification(remote["amplification"])
    return found


def _run(run: dict[str, Any]) -> list[list[str]]:
    labels = list(run["peers"])
    tail = ["requests: at most", "met", "wall / better of cfdb, icechunk", "target", "met"]
    rows = [["s / requests / MB", *labels, *tail]]
    for step, text in STEPS.items():
        cells = [_cell(run["peers"][label].get(step)) for label in labels]
        ours = run["peers"].get("ours", {}).get(step)
        rows.append([text, *cells, *_judged(run, step, ours)])
    return rows


def _cell(found: dict[str, Any] | None) -> str:
    if found is None:
        return "failed"
    return f"{found['wall']:.3f} / {found['requests']} / {(found['sent'] + found['received']) / 1e6:.2f}"


def _judged(run: dict[str, Any], step: str, ours: dict[str, Any] | None) -> list[str]:
    if ours is None:
        return [""] * 5
    most = allowed(run, step)
    walls = [run["peers"][label][step]["wall"] for label in WALL_PEERS if step in run["peers"].get(label, {})]
    ratio = ours["wall"] / min(walls) if walls else None
    wanted = REMOTE_TARGETS[step].wall if step != "read" or run["chunks"] == 2000 else None
    met = "" if wanted is None or ratio is None else "yes" if ratio <= wanted else "NO"
    return [
        f"{REMOTE_TARGETS[step].requests} = {most}", "yes" if ours["requests"] <= most else "NO",
        "" if ratio is None else f"{ratio:.2f}", "" if wanted is None else f"{wanted:.2f}", met,
    ]  # fmt: skip


def allowed(run: dict[str, Any], step: str) -> int:
    """How many requests ours may take."""
    ours = run["peers"]["ours"]
    packs = ours.get("write", {}).get("ops", {}).get("PUT", 1)
    if step == "copy":
        packs += ours.get("edit", {}).get("ops", {}).get("PUT", 1)
    if step == "read":
        return ceil(ours["read"]["received"] / 4e6)
    return {"write": packs + 3, "copy": packs + 3, "edit": 3, "delete": 4}.get(step, 1)


def _operations(runs: list[dict[str, Any]]) -> list[list[str]]:
    chosen = {run["chunks"]: run["peers"]["ours"] for run in runs if "ours" in run["peers"]}
    rows = [["", *(f"{chunks} chunks" for chunks in chosen)]]
    for step, text in STEPS.items():
        counts = [found.get(step, {}).get("ops", {}) for found in chosen.values()]
        rows.append([text, *(", ".join(f"{count} {name}" for name, count in ops.items()) for ops in counts)])
    return rows


def _amplification(found: dict[str, Any]) -> list[list[str]]:
    rows = [["2,000 chunks", "requests", "MB", "s without latency"]]
    names = {
        "before": "full read, as written", "edits": f"{found['count']} edits of 1 %, each pushed",
        "after": "full read after them", "compact": "compact", "compacted": "full read after compact",
    }  # fmt: skip
    for name, text in names.items():
        if name in found:
            one = found[name]
            moved = (one["sent"] + one["received"]) / 1e6
            rows.append([text, str(one["requests"]), f"{moved:.2f}", f"{one['wall']:.2f}"])
    if "stopped" in found:
        rows.append([f"then: {found['stopped']}", "", "", ""])
    return rows


def as_text(remote: dict[str, Any]) -> str:
    """All tables for a terminal."""
    parts = []
    for title, rows in tables(remote).items():
        parts += [f"\n== {title}", report.as_text(rows)]
    if remote.get("errors"):
        parts += ["\n== failures", *remote["errors"]]
    parts.append(f"\n{remote.get('seconds', 0):.0f} s")
    return "\n".join(parts)


def as_markdown(remote: dict[str, Any]) -> list[str]:
    """The part of the page."""
    parts = [INTRODUCTION]
    if remote.get("quick"):
        parts.append("These are the figures of a quick run: one round, not all latencies.\n")
    parts += ["![Seconds of every step](benchmarks/remote.svg)\n"]
    for title, rows in tables(remote).items():
        parts += [f"### {title}\n", report.as_markdown(rows), ""]
    if remote.get("errors"):
        parts += ["### Failures\n", *(f"- {line}" for line in remote["errors"]), ""]
    return parts
