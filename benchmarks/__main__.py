"""Run the local benchmarks: `python -m benchmarks [--quick] [--only WORKLOAD,PEER,FIELD] ...`."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks import machine, page, peers
from benchmarks.data import FIELDS
from benchmarks.growth import measure_growth
from benchmarks.runner import Interpreters, Part, Results, Runner, fields_of
from benchmarks.workloads import WORKLOADS

HERE = Path(__file__).resolve().parent
ALL = tuple(label for label in peers.PEERS if label != "ours-numpy")
MAIN = ("ours", "ours-nosync", "cfdb", "zarr", "icechunk", "tensorstore", "netcdf4-zstd", "limit-codec")
STRINGS = ("ours", "ours-nosync", "cfdb", "zarr", "icechunk", "netcdf4-zstd")
#: Where some peers need minutes, or add nothing to what the medium field tells.
LARGE = tuple(label for label in ALL if label not in ("cfdb-zstd", "zarr-shard", "h5netcdf-gzip"))
SMALL = tuple(label for label in LARGE if label != "tiledb")
OTHERS = tuple(label for label in MAIN if label != "icechunk")
QUICK = tuple(label for label in LARGE if label != "tiledb")
#: No part begins another round after this; then come memory, codecs, imports and growth.
SECONDS = 14 * 60

FULL_PLAN = [
    Part("large", LARGE, 5),
    Part("medium", (*ALL, "ours-numpy"), 5),
    Part("small", SMALL, 5, slow_rounds=1),
    Part("large-float", OTHERS, 5),
    Part("int16", OTHERS, 5),
    Part("strings", STRINGS, 5),
    Part("air", OTHERS, 5),
    Part("sea", OTHERS, 5),
]
QUICK_PLAN = [
    Part("medium", QUICK, 3, slow_rounds=1),
    Part("medium-float", MAIN, 1, slow_rounds=1),
    Part("strings", STRINGS, 1),
]


def main(arguments: list[str]) -> int:
    """Measure, print, and write the results and the page."""
    options = parse(arguments)
    plan = chosen(options)
    results, took = run(options, plan)
    results.other["machine"] = machine.describe() | {"load": f"{max(results.loads, default=0.0):.1f}"}
    results.other["machine"]["kernel of ours"] = results.other.pop("kernel", {}).get("name", "unknown")
    results.other |= {"seconds": took, "quick": options.quick}
    text = page.as_terminal(results, fields_of(plan))
    print(text)
    stamp = "only" if options.only else "quick" if options.quick else "local"
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / f"{stamp}.json").write_text(json.dumps(asdict(results), indent=1))
    (options.results / f"{stamp}.txt").write_text(text + "\n")
    if stamp == "local":
        page.write(options.results, options.page)
    return 1 if any("WrongResult" in line for line in results.errors) else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes: medium data, fewer rounds")
    parser.add_argument("--only", default="", help="workloads, peers and fields, separated by commas")
    parser.add_argument("--rounds", type=int, help="instead of the plan's")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="no further round is begun after these")
    parser.add_argument("--ours", type=Path, default=HERE / ".venv-ours/bin/python", help="Python with this package")
    parser.add_argument("--peers", type=Path, default=HERE / ".venv-peers/bin/python", help="Python with the peers")
    parser.add_argument("--folder", type=Path, help="where to put data and files; a new temporary folder by default")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--page", type=Path, default=HERE.parent / "docs/benchmarks.md")
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace) -> list[Part]:
    """Give the plan, or what `--only` leaves of it: any field can be named, also with the quick plan."""
    plan = QUICK_PLAN if options.quick else FULL_PLAN
    names = [name for name in options.only.split(",") if name]
    known = {*WORKLOADS, *peers.PEERS, *FIELDS}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"--only {unknown[0]}: choose of {', '.join(sorted(known))}")
    if fields := [name for name in names if name in FIELDS]:
        every = {part.field: part for part in (*QUICK_PLAN, *FULL_PLAN)} | {part.field: part for part in plan}
        plan = [every.get(name, Part(name, MAIN, 5)) for name in fields]
    if labels := tuple(name for name in names if name in peers.PEERS):
        plan = [replace(part, peers=labels) for part in plan]
    if workloads := tuple(name for name in names if name in WORKLOADS):
        plan = [replace(part, workloads=workloads) for part in plan]
    if options.rounds:
        plan = [replace(part, rounds=options.rounds) for part in plan]
    return plan


def run(options: argparse.Namespace, plan: list[Part]) -> tuple[Results, float]:
    """Run a plan; give the results and the seconds it took."""
    started = time.perf_counter()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="cfdb-benchmarks-"))
    runner = Runner(Interpreters(options.ours.absolute(), options.peers.absolute()), folder.absolute())
    try:
        runner.prepare(fields_of(plan))
        runner.results.other["kernel"] = runner.try_run("kernel", {"do": "kernel"}, "ours") or {}
        runner.deadline = started + options.seconds
        for part in plan:
            runner.measure(part)
        if not options.only:
            rest(runner, options.quick)
    finally:
        if options.folder is None:
            shutil.rmtree(folder)
    return runner.results, time.perf_counter() - started


def rest(runner: Runner, quick: bool) -> None:
    """Measure what is no workload on a field."""
    name = "medium" if quick else "large"
    runner.results.other["memory_array"] = runner.results.raw[name]
    labels = ["ours", "cfdb", "zarr", "icechunk", "tensorstore", "netcdf4-zstd"]
    runner.measure_memory(name, labels[:2] if quick else labels)
    runner.measure_rest(["medium"] if quick else ["large", "large-float"], 2 if quick else 7)
    packages = [
        "zarr", "icechunk", "tensorstore", "tiledb", "h5py", "h5netcdf", "netCDF4", "numcodecs", "zstandard", "cfdb",
    ]  # fmt: skip
    runner.results.other["versions"] = runner.run({"do": "versions", "packages": packages}, "peers")
    if not quick:
        runner.results.other["growth"] = measure_growth(runner)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
