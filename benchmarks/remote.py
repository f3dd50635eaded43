"""What does a bucket cost? `python -m tests.s3server python -m benchmarks.remote`.

A real S3 server behind a proxy that counts requests and bytes, delays every answer and every new connection, and holds
every connection to 20 MB/s.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from benchmarks import machine, page, remote_report
from benchmarks.peers import environment
from benchmarks.peers.remote_base import LABELS
from benchmarks.remote_child import MARK
from benchmarks.runner import CHILD, Interpreters, Runner
from tests.support.proxy import Proxy, proxy_to

HERE = Path(__file__).resolve().parent
BANDWIDTH = 20e6
#: Steps of each process: what one knows of the remote, the next has to learn again.
PROCESSES = (
    ("write",), ("open", "one_chunk"), ("open", "read"), ("edit", "check_edit"), ("reopen",), ("copy", "check_copy"),
    ("delete",),
)  # fmt: skip
HIDDEN = ("check_edit", "check_copy")
FIELD_OF = {28: "medium", 2000: "packs"}
#: Rounds by chunks and latency in milliseconds, where more than one: counts never differ, and times little.
ROUNDS = {(28, 30): 3}
EDITS = 200
#: No second or third round is begun after this.
SECONDS = 7 * 60


class UnderscoreProxy(Proxy):
    """Gives the released package back the underscores that this server turns into hyphens in names of metadata."""

    async def _answer_head(self, pipe: Any) -> tuple[bytes, int]:
        answer, status = await super()._answer_head(pipe)
        for name in (b"init-bytes", b"format-version", b"num-groups", b"group-bytes"):
            answer = answer.replace(b"x-amz-meta-" + name, b"x-amz-meta-" + name.replace(b"-", b"_"))
        return answer, status


class Worker:
    """A measuring process that is told step by step what to do."""

    def __init__(self, python: Path, job: dict[str, Any], folder: Path) -> None:
        quiet = {"RUST_LOG": "error", "ICECHUNK_LOG": "error"}
        self.process = subprocess.Popen(
            [str(python), "-P", "-W", "ignore", str(CHILD)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder, env=os.environ | quiet,
        )  # fmt: skip
        self._send(job)
        self._answer()

    def step(self, name: str, **options: Any) -> dict[str, Any]:
        self._send({"step": name, "options": options})
        return self._answer()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(MARK):
                answer: dict[str, Any] = json.loads(line[len(MARK) :])
                return answer
        raise RuntimeError(f"the measuring process ended with {self.process.wait()}")


class Bench:
    """Measures peers through the proxies."""

    def __init__(self, runner: Runner, endpoint: str, proxies: dict[str, Proxy]) -> None:
        self.runner = runner
        self.endpoint = endpoint
        self.proxies = proxies
        self.errors: list[str] = []

    def measure(self, label: str, chunks: int) -> dict[str, dict[str, Any]]:
        """Do all steps with one peer, in new processes and with a new key."""
        local = Path(tempfile.mkdtemp(dir=self.runner.folder))
        key = f"bench/{uuid.uuid4().hex[:8]}/data"
        found: dict[str, dict[str, Any]] = {}
        try:
            for steps in PROCESSES:
                if not self._process(label, chunks, key, local, steps, found):
                    break
        finally:
            shutil.rmtree(local, ignore_errors=True)
        return found

    def _process(self, label: str, chunks: int, key: str, local: Path, steps: tuple[str, ...], found: Any) -> bool:
        worker = self.worker(label, chunks, key, local, steps)
        try:
            for name in steps:
                options = {"seed": 1} if name in ("edit", "check_edit") else {}
                answer = self.counted(self.proxies[label], worker, name, **options)
                if "error" in answer:
                    self.errors.append(f"{label}, {chunks} chunks, {name}: {answer['error']}")
                    self.runner.say(f"  {self.errors[-1]}")
                    return name not in ("write", "open")
                if name not in HIDDEN:
                    found.setdefault(name, answer)
        finally:
            worker.close()
        return True

    def worker(self, label: str, chunks: int, key: str, local: Path, steps: tuple[str, ...]) -> Worker:
        """Start a process."""
        job = {
            "do": "remote", "peer": label, "field": FIELD_OF[chunks], "folder": str(self.runner.folder),
            "local": str(local), "key": key, "steps": steps,
            "endpoint": self.proxies[label].endpoint_url, "direct": self.endpoint,
            "access_key_id": os.environ["CFDB_S3_KEY"], "access_key": os.environ["CFDB_S3_SECRET"],
            "bucket": os.environ["CFDB_S3_BUCKET"],
        }  # fmt: skip
        if label == "cfdb":
            job["direct"] = self.proxies["cfdb-direct"].endpoint_url
        where = environment("zarr" if label == "zarr-obstore" else label)
        return Worker(self.runner.interpreters.of(where), job, local)

    def counted(self, proxy: Proxy, worker: Worker, name: str, **options: Any) -> dict[str, Any]:
        """Do a step and count what goes through the proxy."""
        proxy.reset()
        answer = worker.step(name, **options)
        traffic = proxy.reset()
        return answer | {
            "requests": traffic.total, "ops": dict(traffic.requests), "connections": traffic.connections,
            "sent": traffic.sent, "received": traffic.received,
        }  # fmt: skip

    def amplification(self, edits: int) -> dict[str, Any]:
        """Read everything before and after many small edits, and after `compact` if there is one."""
        local = Path(tempfile.mkdtemp(dir=self.runner.folder))
        key = f"bench/{uuid.uuid4().hex[:8]}/edits"
        proxy = self.proxies["ours"]
        proxy.latency = proxy.bandwidth = 0.0
        found: dict[str, Any] = {"count": edits}
        edited = {"seed": 7, "edited": edits}
        orders: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("write", "write", {}), ("before", "read", {}), ("edits", "edits", {"seed": 7, "count": edits}),
            ("after", "read", edited), ("compact", "compact", {}), ("compacted", "read", edited),
        )  # fmt: skip
        try:
            for name, step, options in orders:
                worker = self.worker("ours", 2000, key, local, ())
                try:
                    if step == "read":
                        worker.step("open")
                    found[name] = self.counted(proxy, worker, step, **options)
                finally:
                    worker.close()
                if "error" in found[name]:
                    found["stopped"] = found.pop(name)["error"]
                    break
        finally:
            shutil.rmtree(local, ignore_errors=True)
        return found


def main(arguments: list[str]) -> int:
    """Measure, print, and write the results and the page."""
    options = parse(arguments)
    endpoint = os.environ.get("CFDB_S3_ENDPOINT")
    if not endpoint:
        print("no S3 server: run `make bench-remote`", file=sys.stderr)
        return 1
    started = time.perf_counter()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="cfdb-benchmarks-"))
    runner = Runner(Interpreters(options.ours.absolute(), options.peers.absolute()), folder.absolute())
    runner.prepare(list(FIELD_OF.values()))
    try:
        remote = run(runner, endpoint, options)
    finally:
        if options.folder is None:
            shutil.rmtree(folder)
    remote["machine"] = machine.describe()
    remote["seconds"] = time.perf_counter() - started
    remote["quick"] = options.quick
    print(remote_report.as_text(remote))
    options.results.mkdir(parents=True, exist_ok=True)
    name = "quick-remote.json" if options.quick or options.only != LABELS else "remote.json"
    (options.results / name).write_text(json.dumps(remote, indent=1))
    if name == "remote.json":
        page.write(options.results, options.page)
    return 0


def run(runner: Runner, endpoint: str, options: argparse.Namespace) -> dict[str, Any]:
    """Go through chunk counts and latencies; peers take turns."""
    parts = urlsplit(endpoint)
    host, port = parts.hostname or "", parts.port or 80
    remote: dict[str, Any] = {"runs": []}
    deadline = time.perf_counter() + options.seconds
    with ExitStack() as stack:
        plain = stack.enter_context(proxy_to(host, port))
        shimmed, direct = (stack.enter_context(proxy_to(host, port, UnderscoreProxy)) for _ in range(2))
        proxies = dict.fromkeys(LABELS, plain) | {"cfdb": shimmed, "cfdb-direct": direct}
        bench = Bench(runner, endpoint, proxies)
        for chunks in options.chunks:
            for latency in options.latency:
                for proxy in (plain, shimmed):
                    proxy.latency, proxy.bandwidth = latency / 1e3, BANDWIDTH
                rounds = 1 if options.quick else ROUNDS.get((chunks, latency), 1)
                samples: dict[str, list[Any]] = {label: [] for label in options.only}
                for number in range(rounds):
                    if number and time.perf_counter() > deadline:
                        rounds = number
                        break
                    turn = number % len(options.only)
                    for label in (*options.only[turn:], *options.only[:turn]):
                        samples[label].append(bench.measure(label, chunks))
                peers = {label: _middle(found) for label, found in samples.items()}
                remote["runs"].append({"chunks": chunks, "latency": latency / 1e3, "rounds": rounds, "peers": peers})
                runner.say(f"{chunks} chunks, {latency} ms: done")
        if "ours" in options.only and not options.no_edits:
            remote["amplification"] = bench.amplification(EDITS // 10 if options.quick else EDITS)
        remote["errors"] = bench.errors
    return remote


def _middle(found: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The median of the times, and everything else as in the first round."""
    return {
        name: first | {"wall": median(one[name]["wall"] for one in found if name in one)}
        for name, first in found[0].items()
    }


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.remote", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of everything; the page stays")
    parser.add_argument("--latency", type=_numbers, default=[0, 30, 80], help="milliseconds, separated by commas")
    parser.add_argument("--chunks", type=_numbers, default=[2000, 28], help="28 and/or 2000")
    parser.add_argument("--only", type=lambda text: tuple(text.split(",")), default=LABELS, help="peers")
    parser.add_argument("--no-edits", action="store_true", help="without the read amplification")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="no further round is begun after these")
    parser.add_argument("--ours", type=Path, default=HERE / ".venv-ours/bin/python", help="Python with this package")
    parser.add_argument("--peers", type=Path, default=HERE / ".venv-peers/bin/python", help="Python with the peers")
    parser.add_argument("--folder", type=Path, help="where to put data and local files")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--page", type=Path, default=page.PAGE)
    return parser.parse_args(arguments)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
