"""Checks that hold for every test: no file descriptor and no thread is left behind."""

import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

FD_FOLDER = Path("/proc/self/fd")
os.environ.pop("COLUMNS", None)  # what is printed is as wide wherever the tests run


def _open_paths() -> dict[str, str]:
    paths = {}
    for name in os.listdir(FD_FOLDER):
        try:
            target = os.readlink(FD_FOLDER / name)
        except OSError:
            continue
        if target.startswith("/") and not target.startswith(("/dev/", "/proc/")):
            paths[name] = target
    return paths


def _user_threads() -> set[threading.Thread]:
    # pools shared by the whole process (the chunk engine's, the fetcher's) live on by design and say so in their name
    return {t for t in threading.enumerate() if not t.name.startswith(("cfdb-shared", "ebooklet-shared"))}


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves files of its temporary folder open, or threads running."""
    if not FD_FOLDER.is_dir() or request.node.get_closest_marker("chaos"):
        yield
        return
    threads = _user_threads()
    files = set(_open_paths().items())
    yield
    leaked_threads: set[threading.Thread] = set()
    leaked_files: set[tuple[str, str]] = set()
    for _ in range(50):
        leaked_threads = {t for t in _user_threads() - threads if t.is_alive()}
        leaked_files = {item for item in set(_open_paths().items()) - files if "/pytest-" in item[1]}
        if not leaked_threads and not leaked_files:
            return
        gc.collect()
        time.sleep(0.02)
    pytest.fail(f"left behind: files {sorted(leaked_files)}, threads {sorted(t.name for t in leaked_threads)}")
