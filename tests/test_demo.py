"""The demo runs, twice in a row, and fails when a promise is not kept."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cfdb
from cfdb import demo
from cfdb.testing import S3Server, s3_server

ROOT = Path(__file__).resolve().parent.parent


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cfdb.demo"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "CFDB_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=150,
    )


def test_the_story_is_told_and_can_be_told_again(tmp_path: Path) -> None:
    for _ in range(2):
        done = run(tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout
    assert "in 20 chunks of (12, 37, 49)" in text
    assert "Pushed 5 objects" in text  # 4 packs and the root
    assert re.search(r"a map, 2050: 1 of 20 chunks, [\d.]+ kB of [\d.]+ MB, 1 request\n", text)
    assert re.search(r"a series of .*: 9 of 20 chunks, [\d.]+ kB of [\d.]+ MB, [1-4] requests?\n", text)
    assert re.search(r"the rest, .*: 10 of 20 chunks", text)
    assert "100%" in done.stderr  # the progress bar
    before, after = re.findall(r"sees ([\d.]+) K", text)
    assert float(after) == pytest.approx(float(before) + 1)
    assert (tmp_path / "demo-output" / "map.png").stat().st_size > 10_000
    command = re.search(r'python[\d.]* -c "(.*)"', text)
    assert command is not None
    opened = subprocess.run(
        [sys.executable, "-W", "error", "-c", command[1]],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "air_temperature" in opened.stdout


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret")
    with s3_server() as server:
        yield server


def publish(server: S3Server, chunks: tuple[int, int, int]) -> None:
    folder = demo.fresh_folder()
    with cfdb.open_edataset(server.connection(demo.DB_KEY), folder / "mine.cfdb", "n", num_groups=demo.PACKS) as ds:
        cfdb.from_netcdf(demo.sample_file(), ds, chunks={demo.VARIABLE: chunks})


def test_it_fails_when_the_map_needs_more_than_one_chunk(published: S3Server) -> None:
    publish(published, (12, 20, 49))
    with pytest.raises(SystemExit, match="FAILED: the map needed 2 chunks"):
        demo.read_lazily(published.endpoint_url, published.bucket, demo.PACKS)


def test_it_fails_when_the_series_needs_more_requests_than_packs(published: S3Server) -> None:
    publish(published, demo.CHUNKS)
    with pytest.raises(SystemExit, match="FAILED: the series needed"):
        demo.read_lazily(published.endpoint_url, published.bucket, 0)
