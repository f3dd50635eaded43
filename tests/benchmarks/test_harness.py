"""The benchmarks run on tiny data with this package alone, notice wrong results, and give tables and a page."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks import growth, page, remote_report, report
from benchmarks.data import FIELDS, MAKERS, prepare
from benchmarks.peers.ours import Ours
from benchmarks.remote_child import Session
from benchmarks.runner import Interpreters, Part, Results, Runner
from benchmarks.targets import TARGETS
from benchmarks.workloads import WORKLOADS, Case, WrongResultError, some_boxes
from cfdb.testing import s3_server

HERE = Path(sys.executable)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    found = Runner(Interpreters(HERE, HERE), tmp_path, quiet=True)
    for name in ("tiny", "tiny-strings"):
        prepare(FIELDS[name], tmp_path)
    return found


def test_every_workload_runs_in_a_process_of_its_own_and_is_reported(runner: Runner, tmp_path: Path) -> None:
    runner.measure(Part("tiny", ("ours", "ours-nosync"), 1))
    runner.measure(Part("tiny-strings", ("ours",), 1))
    results = runner.results
    assert results.errors == []
    assert set(results.wall["tiny"]["ours"]) == set(WORKLOADS)
    assert set(results.wall["tiny-strings"]["ours"]) == set(WORKLOADS)
    assert all(len(samples) == 1 for samples in results.wall["tiny"]["ours"].values())
    assert results.raw["tiny"] == 12 * 20 * 30 * 4

    stored = tmp_path / "results"
    stored.mkdir()
    (stored / "local.json").write_text(json.dumps(asdict(results)))
    page.write(stored, tmp_path / "docs" / "benchmarks.md")
    text = (tmp_path / "docs" / "benchmarks.md").read_text()
    assert all(name in text for name in WORKLOADS.values())
    assert "svg" in (tmp_path / "docs" / "benchmarks" / "ratios.svg").read_text()


def test_a_wrong_result_is_an_error(tmp_path: Path) -> None:
    class Forgetful(Ours):
        label = "forgetful"

        def overwrite(self, *_: Any) -> None:
            pass

    field = FIELDS["tiny"]
    case = Case(Forgetful(), field, MAKERS[field.kind](field.shape), tmp_path, times=1)
    with pytest.raises(WrongResultError, match="forgetful, overwrite"):
        case.run(tuple(WORKLOADS))


def test_failures_are_written_down_and_the_rest_goes_on(runner: Runner) -> None:
    runner.measure(Part("tiny", ("zarr-shard", "ours"), 1, workloads=("read",)))
    assert "read" in runner.results.wall["tiny"]["ours"]
    assert all(line.startswith("zarr-shard") for line in runner.results.errors)


def test_slow_cells_are_measured_less_often() -> None:
    part = Part("tiny", ("ours",), 5, slow_rounds=2)
    found = Runner(Interpreters(HERE, HERE), Path())
    fast, slow = [(0.1, 0.1)], [(9.0, 9.0)]
    found.results.add("tiny", "ours", {"samples": {"write": fast, "read": slow, "open": fast}, "bytes": 1, "raw": 1})
    found.results.add("tiny", "zarr", {"samples": {"write": slow, "open": fast}, "bytes": 1, "raw": 1})
    enough = found._is_enough
    assert enough(part, "ours", "read", 2)
    assert not enough(part, "ours", "read", 1)
    assert not enough(part, "ours", "open", 4)
    assert enough(part, "zarr", "open", 2), "a peer that writes slowly is not written again for a fast cell"


def test_ratios_compare_with_the_best_compressed_peer_and_name_the_limit() -> None:
    results = Results()
    seconds = {"ours": 2.0, "ours-nosync": 1.0, "zarr": 5.0, "cfdb": 4.0, "h5py-raw": 0.1, "limit-codec": 2.0}
    for label, wall in seconds.items():
        answer = {"samples": {"write": [(wall, 2 * wall)]}, "bytes": int(wall * 100), "raw": 1000}
        results.add("medium", label, answer)
    write, size = report.cells(results, "medium")
    assert (write.best_peer, write.ratio, write.durable, write.cpu) == ("cfdb", 0.25, 2.0, 0.25)
    assert (write.met, write.target, write.limit_name) == (True, TARGETS["write"].decimal, "limit-codec")
    assert (size.ratio, size.met) == (0.5, False)
    assert report.worst(results, ["medium"]) == ["medium, file size: 0.50 of cfdb, target 0.35"]
    lines = report.as_markdown(report.comparison(results, "medium")).splitlines()
    assert "| write all | 1000 | 2000 | 4000 cfdb | 0.25 | 0.30 | yes | 0.25 | 0.50 (codec) |" in lines[2]


def test_boxes_are_the_same_for_everybody_and_inside() -> None:
    boxes = some_boxes((12, 20, 30), (1, 10, 10), 50)
    assert boxes == some_boxes((12, 20, 30), (1, 10, 10), 50)
    assert {tuple(part.stop - part.start for part in box) for box in boxes} == {(1, 10, 10)}
    assert all(box[1].stop <= 20 and box[2].stop <= 30 for box in boxes)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured through /proc")
def test_the_peak_of_a_job_is_what_it_holds_at_most() -> None:
    size = 64 * 2**20
    job = f"lambda: np.ones({size}, np.uint8).sum()"
    code = f"import numpy as np; from benchmarks.memory import peak_of; print(peak_of({job}))"
    # a process of its own: this one may have memory to spare from other tests
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert 0.9 * size < int(float(done.stdout)) < 1.3 * size


def test_growth_measures_every_way(runner: Runner) -> None:
    found = growth.measure_growth(runner, (20, 40))
    assert runner.results.errors == []
    assert [one["chunks"] for one in found] == [20, 40]
    rows = report.as_text(growth.rows(found))
    assert "push one chunk: requests, kB" in rows
    assert all(one["read one chunk, remote"]["requests"] >= 1 for one in found)


def test_every_remote_step_runs_and_is_checked(tmp_path: Path) -> None:
    field = FIELDS["tiny"]
    prepare(field, tmp_path)
    with s3_server() as server:
        job = {
            "peer": "ours", "field": field.name, "folder": str(tmp_path), "local": str(tmp_path), "key": "data",
            "endpoint": server.endpoint_url, "direct": server.endpoint_url, "bucket": server.bucket,
            "access_key_id": server.access_key_id, "access_key": server.access_key, "steps": ("write", "reopen"),
        }  # fmt: skip
        session = Session(job)
        for name in ("write", "open", "one_chunk", "read"):
            assert session.step(name, {})["wall"] > 0
        session.step("edit", {"seed": 1})
        for name, options in (("check_edit", {"seed": 1}), ("reopen", {}), ("copy", {}), ("check_copy", {})):
            session.step(name, options)
        session.step("open", {})
        with pytest.raises(WrongResultError):
            session.step("read", {})  # it was edited
        session.step("open", {})
        session.step("read", {"seed": 1, "edited": 1})
        assert any(key.startswith("data-copy") for key in server.list_keys())
        session.step("delete", {})
        assert [key for key in server.list_keys() if not key.startswith(("data-copy", "data-tiny"))] == []


def test_a_remote_run_becomes_a_table() -> None:
    cell = {"wall": 0.1, "requests": 3, "sent": 10**6, "received": 0, "ops": {"PUT": 1, "CPUT": 1, "GET": 1}}
    steps = {step: dict(cell) for step in remote_report.STEPS}
    slow = {step: cell | {"wall": 1.0} for step in remote_report.STEPS}
    run = {"chunks": 2000, "latency": 0.03, "rounds": 1, "peers": {"ours": steps, "cfdb": slow, "icechunk": {}}}
    remote = {"runs": [run], "errors": [], "seconds": 1}
    text = remote_report.as_text(remote)
    assert "0.100 / 3 / 1.00" in text
    assert "failed" in text
    assert remote_report.allowed(run, "write") == 4
    assert remote_report.allowed(run, "copy") == 5
