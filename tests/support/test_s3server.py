"""What `python -m tests.s3server` does around the server: skipping, exit codes, cleaning up."""

import os
import subprocess
import sys

import pytest

from tests.s3server import __main__ as s3server
from tests.s3server import packages
from tests.s3server.cluster import Cluster, ClusterError

pytest_plugins = ["pytester"]


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The daemons replaced by a record of what happens to them."""
    events: list[str] = []
    monkeypatch.setattr(s3server, "provide", lambda: None)
    monkeypatch.setattr(s3server.signal, "signal", lambda *_: None)
    monkeypatch.setattr(s3server, "_bring_up", lambda cluster, _: events.append("up"))
    monkeypatch.setattr(Cluster, "stop", lambda _: events.append("down"))
    return events


@pytest.mark.parametrize("code", [0, 3])
def test_the_exit_code_is_the_commands(no_server: list[str], code: int) -> None:
    assert s3server.main([sys.executable, "-c", f"raise SystemExit({code})"]) == code
    assert no_server == ["up", "down"]


def test_the_command_finds_the_server_in_its_environment(no_server: list[str]) -> None:
    names = ["ENDPOINT", "KEY", "SECRET", "BUCKET", "STRANGER_KEY", "STRANGER_SECRET"]
    code = f"import os, sys; sys.exit(not all(os.environ['CFDB_S3_' + name] for name in {names}))"
    assert s3server.main([sys.executable, "-c", code]) == 0


@pytest.mark.parametrize(("required", "code"), [("0", 0), ("1", 1)])
def test_an_obstacle_is_one_line_and_a_failure_only_when_the_server_is_required(
    no_server: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    required: str,
    code: int,
) -> None:
    monkeypatch.setenv("CFDB_REQUIRE_S3", required)
    monkeypatch.setattr(s3server, "provide", lambda: "this is not Debian")
    assert s3server.main(["true"]) == code
    said = capsys.readouterr().err
    assert "this is not Debian" in said
    assert said.count("\n") == 1
    assert no_server == []


def test_a_server_that_does_not_start_is_stopped(no_server: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ClusterError("no answer")

    monkeypatch.delenv("CFDB_REQUIRE_S3", raising=False)
    monkeypatch.setattr(s3server, "_bring_up", fail)
    assert s3server.main(["true"]) == 0
    assert no_server == ["down"]


def test_a_server_that_falls_silent_is_replaced(no_server: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = iter([True, False, False, False])
    monkeypatch.setattr(s3server, "CHECK_EVERY", 0.05)
    monkeypatch.setattr(s3server, "_healthy", lambda *_: next(healthy, True))
    monkeypatch.setattr(Cluster, "alive", lambda _: True)
    assert s3server.main([sys.executable, "-c", "import time; time.sleep(2)"]) == 0
    assert no_server == ["up", "down", "up", "down"]


def test_missing_programs_are_named_where_they_cannot_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.shutil, "which", lambda _: None)
    obstacle = packages.provide()
    assert obstacle is not None
    assert "radosgw" in obstacle


def test_without_a_command_there_is_a_hint() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.s3server"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "usage: python -m tests.s3server COMMAND...\n")


def test_the_real_server_is_skipped_or_demanded(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CFDB_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(pytester._request.config.rootpath))
    pytester.makepyfile("from tests.support.s3 import real_s3\ndef test_it(real_s3): pass")
    options = ("-p", "no:cacheprovider", "--import-mode=importlib")
    skipped = pytester.runpytest_subprocess("-rs", *options)
    skipped.assert_outcomes(skipped=1)
    skipped.stdout.fnmatch_lines(["*make test-s3*"])
    monkeypatch.setenv("CFDB_REQUIRE_S3", "1")
    pytester.runpytest_subprocess(*options).assert_outcomes(errors=1)
