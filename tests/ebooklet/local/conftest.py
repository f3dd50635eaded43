import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebooklet.local import growth
from tests.support.crash import scratch


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder in memory, for tests that write thousands of files."""
    path = scratch()
    (path / "work").mkdir()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def few_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files grow their bucket array after eight keys already."""
    monkeypatch.setattr(growth, "MIN_BUCKETS", 8)
