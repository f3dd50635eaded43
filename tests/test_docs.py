"""Every Python block of the README and of the docs runs, in order, page by page."""

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
WITH_CODE = [page for page in PAGES if BLOCK.search(page.read_text())]


def _id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", WITH_CODE, ids=_id)
def test_the_code_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks share a namespace; the page starts in an empty folder with its own cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CFDB_CACHE", str(tmp_path / "cache"))
    namespace: dict[str, object] = {"__name__": "docs", "np": np}
    text = page.read_text()
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        code = compile("\n" * line + match.group(1), str(page), "exec")
        exec(code, namespace)


def test_pages_link_to_pages_that_exist() -> None:
    broken = [
        f"{_id(page)} -> {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
        if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists()
    ]
    assert not broken


def test_navigation_lists_every_page() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    lost = [_id(p) for p in (ROOT / "docs").rglob("*.md") if str(p.relative_to(ROOT / "docs")) not in navigation]
    assert not lost
