"""What does one measuring process do? It reads one job from its input and prints one answer, or one for each step.

Run by path with the interpreter of an environment (`python -P benchmarks/child.py`): the repository is not on the path,
so that `import cfdb` gives what the environment has.
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def _make_benchmarks_importable() -> None:
    if "benchmarks" in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        "benchmarks", HERE / "__init__.py", submodule_search_locations=[str(HERE)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmarks"] = module
    spec.loader.exec_module(module)


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Make the data of fields."""
    from benchmarks.data import FIELDS
    from benchmarks.data import prepare as make

    for name in job["fields"]:
        make(FIELDS[name], Path(job["folder"]))
    return {}


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Run workloads of one peer on one field, after everything was used once on tiny data."""
    from benchmarks.data import FIELDS, MAKERS, load
    from benchmarks.peers import make
    from benchmarks.workloads import WORKLOADS, Case

    folder, field = Path(job["folder"]), FIELDS[job["field"]]
    peer = make(job["peer"])
    values = load(field, folder)
    if values.dtype.kind not in peer.kinds:
        return {"skipped": f"no {values.dtype}"}
    peer.prepare()
    tiny = FIELDS["tiny-strings" if field.kind == "strings" else "tiny"]
    Case(peer, tiny, MAKERS[tiny.kind](tiny.shape), folder, verify=False, times=1).run(tuple(WORKLOADS))
    return Case(peer, field, values, folder, verify=job["verify"]).run(tuple(job["workloads"]))


def memory(job: dict[str, Any]) -> dict[str, Any]:
    """Write in one process, read in this one; give the peaks."""
    from benchmarks.data import FIELDS, coordinates, load
    from benchmarks.memory import peak_of
    from benchmarks.peers import make
    from benchmarks.workloads import remove

    folder, field, peer = Path(job["folder"]), FIELDS[job["field"]], make(job["peer"])
    path = folder / f"memory.{job['peer']}"
    if job["step"] == "write":
        remove(path)
        peer.prepare()
        peer.write(path, load(field, folder), field.chunks, coordinates(field.shape))
        return {}
    handle = peer.open(path)
    handle.coordinates()
    going = {
        "read": lambda: handle.read().nbytes,
        "each_chunk": lambda: sum(values.nbytes for _, values in handle.each_chunk()),
        "each_series_block": lambda: sum(values.nbytes for _, values in handle.each_series_block()),
    }
    peak = peak_of(going[job["step"]])
    handle.close()
    if job["last"]:
        remove(path)
    return {"peak": peak}


def empty(job: dict[str, Any]) -> dict[str, Any]:
    """Size of a dataset without anything, as both packages named cfdb make it."""
    import cfdb
    from benchmarks.workloads import remove, size_of

    path = Path(job["folder"]) / "empty.cfdb"
    cfdb.open_dataset(path, "n").close()
    size = size_of(path)
    remove(path)
    return {"bytes": size}


def versions(job: dict[str, Any]) -> dict[str, Any]:
    """Versions of installed packages."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in job["packages"]:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def kernel(job: dict[str, Any]) -> dict[str, Any]:
    """Which kernel ours works with."""
    import cfdb.kernel

    return {"name": cfdb.kernel.name()}


def codecs(job: dict[str, Any]) -> dict[str, Any]:
    """Ratio and speed of pipelines in one thread."""
    from benchmarks.codecs import measure_all

    return measure_all(job["field"], Path(job["folder"]), job["ours"])


def growth(job: dict[str, Any]) -> dict[str, Any]:
    """Build or use a dataset of many chunks."""
    from benchmarks.growth import build, hold, use

    return {"growth_build": build, "growth_use": use, "growth_hold": hold}[job["do"]](job)


JOBS = {
    "prepare": prepare, "measure": measure, "memory": memory, "empty": empty, "versions": versions, "codecs": codecs,
    "growth_build": growth, "growth_use": growth, "growth_hold": growth, "kernel": kernel,
}  # fmt: skip


def main() -> None:
    """Answer one job."""
    _make_benchmarks_importable()
    job = json.loads(sys.stdin.readline())
    if job["do"] == "remote":
        from benchmarks.remote_child import serve

        serve(job)
        return
    answer = JOBS[job["do"]](job)
    print("\n" + json.dumps(answer))


if __name__ == "__main__":
    main()
