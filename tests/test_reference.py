"""The reference is generated from docstrings: it builds, names exist, and no public name is left out."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import cfdb
import ebooklet

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
TARGETS = [
    target for page in sorted(REFERENCE.glob("*.md")) for target in re.findall(r"^::: (\S+)$", page.read_text(), re.M)
]


def _resolve(target: str) -> Any:
    try:
        return import_module(target)
    except ModuleNotFoundError:
        home, _, name = target.rpartition(".")
        return getattr(import_module(home), name)


def test_every_name_of_the_reference_exists_once_and_says_what_it_is() -> None:
    assert len(set(TARGETS)) == len(TARGETS)
    silent = [target for target in TARGETS if not (_resolve(target).__doc__ or "").strip()]
    assert not silent


@pytest.mark.parametrize("package", [cfdb, ebooklet], ids=["cfdb", "ebooklet"])
def test_every_public_name_is_in_the_reference(package: ModuleType) -> None:
    shown = [_resolve(target) for target in TARGETS]
    errors = {f"{package.__name__}.errors"}
    missing = [
        name
        for name in package.__all__
        if not isinstance(found := getattr(package, name), str | int | ModuleType)
        and found.__module__ not in errors
        and not any(found is each for each in shown)
    ]
    assert not missing


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "site" / "reference" / "variable" / "index.html").read_text()
    assert "Select by label" in page  # a docstring two classes up
