"""How do costs grow with the number of chunks?

A dataset of tiny chunks (four float32 values) is pushed to a folder used as an object store, and used by new processes:
opened, one chunk read, one chunk changed, pushed, on the local file and without it. Requests and bytes are those of the
store; a bucket sees the same.
"""

import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.memory import peak_of

COUNTS = (1_000, 10_000, 100_000, 1_000_000)
CELLS = 4
ROUNDS = 5
#: A size is left out when the one before says that building it takes longer than this.
BUILD_SECONDS = 250.0


def measure_growth(runner: Any, counts: tuple[int, ...] = COUNTS) -> list[dict[str, Any]]:
    """Measure every size, each step in a process of its own."""
    found: list[dict[str, Any]] = []
    for count in counts:
        if found and found[-1]["build"]["wall"] * count / found[-1]["chunks"] > BUILD_SECONDS:
            found.append({"chunks": count, "left_out": f"building it would take more than {BUILD_SECONDS:.0f} s"})
            break
        started = time.perf_counter()
        build = runner.try_run(f"growth, {count}", {"do": "growth_build", "chunks": count}, "ours")
        if build is None:
            break
        build["wall"] = time.perf_counter() - started
        use = runner.try_run(f"growth, {count}", {"do": "growth_use", "chunks": count}, "ours")
        memory = {}
        for where in ("local", "remote"):
            job = {"do": "growth_hold", "where": where}
            memory[where] = (runner.try_run(f"growth, {count}, {where}", job, "ours") or {}).get("peak", 0)
        shutil.rmtree(_home(runner.folder), ignore_errors=True)
        if use is None:
            break
        found.append({"chunks": count, "build": build, "memory": memory, **use})
        runner.say(f"growth, {count:,} chunks: {time.perf_counter() - started:.0f} s")
    return found


def _home(folder: Path) -> Path:
    return folder / "growth"


def _places(folder: Path) -> tuple[str, Path]:
    home = _home(folder)
    return f"file://{home / 'store'}/growth.cfdb", home / "growth.cfdb"


def build(job: dict[str, Any]) -> dict[str, Any]:
    """Write a dataset of so many chunks and push it."""
    import numpy as np

    import cfdb

    shutil.rmtree(_home(Path(job["folder"])), ignore_errors=True)
    remote, path = _places(Path(job["folder"]))
    path.parent.mkdir()
    cells = job["chunks"] * CELLS
    with cfdb.open_edataset(remote, path, "n", push_on_close=False) as dataset:
        dataset.create.dimension("x", cells)
        variable = dataset.create.data_var.generic("v", ("x",), "float32", (CELLS,))
        variable[...] = np.arange(cells, dtype=np.float32)
        dataset.sync()
        dataset.push()
        traffic = _traffic(dataset.stats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"file": path.stat().st_size, "peak": peak, **traffic}


def use(job: dict[str, Any]) -> dict[str, Any]:
    """Use the dataset in every way, some times; give medians of seconds, and what each way costs."""
    rounds = [_round(*_places(Path(job["folder"])), job["chunks"], number) for number in range(ROUNDS)]
    return {
        name: {part: median(one[name][part] for one in rounds) for part in parts} for name, parts in rounds[0].items()
    }


def _round(remote: str, path: Path, chunks: int, number: int) -> dict[str, dict[str, float]]:
    import cfdb

    chunk = slice((chunks // 7 * (number + 1) % chunks) * CELLS, None)
    chunk = slice(chunk.start, chunk.start + CELLS)
    found: dict[str, dict[str, float]] = {}

    def step(name: str, job: Callable[[], Any], dataset: Any = None) -> Any:
        before = _traffic(dataset.stats) if dataset is not None else {}
        size, started = path.stat().st_size, time.perf_counter()
        result = job()
        found[name] = {"seconds": time.perf_counter() - started, "grown": path.stat().st_size - size}
        owner = dataset if dataset is not None else result
        if hasattr(owner, "stats"):
            after = _traffic(owner.stats)
            found[name] |= {part: after[part] - before.get(part, 0) for part in after}
        return result

    dataset = step("open, local", lambda: cfdb.open_dataset(path, allow_partial=True))
    step("read one chunk, local", lambda: dataset["v"][chunk].values)
    dataset.close()
    dataset = step("open to change", lambda: cfdb.open_edataset(remote, path, "w", push_on_close=False))
    before = dataset["v"][chunk].values

    def edit() -> None:
        dataset["v"][chunk] = before + 0.5
        dataset.sync()

    step("change one chunk and commit", edit, dataset)
    step("push one chunk", dataset.push, dataset)
    dataset.close()
    dataset = step("open, remote", lambda: cfdb.open_edataset(remote, cache=None))
    values = step("read one chunk, remote", lambda: dataset["v"][chunk].values, dataset)
    dataset.close()
    if not (values == before + 0.5).all():
        raise AssertionError("the pushed chunk did not arrive")
    return found


def hold(job: dict[str, Any]) -> dict[str, Any]:
    """Peak of opening and reading one chunk, on the local file or without it, in a process that did nothing like it."""
    import numpy as np

    import cfdb

    with cfdb.open_dataset(None, "n") as small:
        small["v"] = ("x", np.arange(4.0))
        small["v"].values  # noqa: B018
    remote, path = _places(Path(job["folder"]))
    with cfdb.open_edataset(f"{remote}-small", cache=None, flag="n") as small:
        small["v"] = ("x", np.arange(4.0))

    def local() -> None:
        with cfdb.open_dataset(path, allow_partial=True) as dataset:
            dataset["v"][0:CELLS].values  # noqa: B018

    def afar() -> None:
        with cfdb.open_edataset(remote, cache=None) as dataset:
            dataset["v"][0:CELLS].values  # noqa: B018

    return {"peak": peak_of(local if job["where"] == "local" else afar)}


def _traffic(stats: Any) -> dict[str, float]:
    return {"requests": stats.total, "sent": stats.sent, "received": stats.received}


def rows(found: list[dict[str, Any]]) -> list[list[str]]:
    """Rows of the table: a line for each way and size of cost, a column for each number of chunks."""
    whole = [one for one in found if "left_out" not in one]
    table = [["", *(f"{one['chunks']:,} chunks" for one in whole)]]
    ways = [name for name in whole[0] if name not in ("chunks", "build", "memory")] if whole else []
    for name in ways:
        table.append([f"{name}, ms", *(f"{one[name]['seconds'] * 1e3:.2f}" for one in whole)])
        if "requests" in whole[0][name]:
            table.append([f"{name}: requests, kB", *(_costs(one[name]) for one in whole)])
        if name.startswith("change"):
            table.append([f"{name}: file grows by, kB", *(f"{one[name]['grown'] / 1e3:.1f}" for one in whole)])
    table += [
        [f"open and read one chunk, {where}, MiB", *(f"{one['memory'][where] / 2**20:.1f}" for one in whole)]
        for where in ("local", "remote")
    ]
    table.append(["write and push everything, s", *(f"{one['build']['wall']:.1f}" for one in whole)])
    table.append(["peak memory of that process, MiB", *(f"{one['build']['peak'] / 2**20:.0f}" for one in whole)])
    table.append(["file, bytes a chunk", *(f"{one['build']['file'] / one['chunks']:.0f}" for one in whole)])
    return table


def _costs(cell: dict[str, float]) -> str:
    return f"{cell['requests']:.0f}, {(cell['sent'] + cell['received']) / 1e3:.1f}"
