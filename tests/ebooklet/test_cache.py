"""The folder for local files of remote databases that were opened without a path."""

import sys
from pathlib import Path

import pytest

from ebooklet.cache import cache_folder, cache_name, cache_path


def test_the_environment_chooses_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFDB_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    path = cache_path("https://a.example.org", "bucket", "some/db.blt")
    assert path.parent == tmp_path / "here"
    assert path.parent.is_dir()


def test_without_it_the_platform_does(monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs

    monkeypatch.delenv("CFDB_CACHE", raising=False)
    assert cache_folder() == Path(platformdirs.user_cache_dir("cfdb", appauthor=False))


def test_a_missing_platformdirs_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CFDB_CACHE", raising=False)
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    with pytest.raises(ImportError, match=r"cfdb\[ebooklet\].*CFDB_CACHE.*file_path"):
        cache_folder()


def test_places_do_not_share_a_file() -> None:
    places = [
        ("https://a.example.org", "bucket", "x/db.blt"),
        ("https://a.example.org", "bucket", "y/db.blt"),
        ("https://a.example.org", "other", "x/db.blt"),
        ("https://b.example.org", "bucket", "x/db.blt"),
        ("https://a.example.org", "bucketx", "/db.blt"),
    ]
    assert len({cache_name(*place) for place in places}) == len(places)
    assert cache_name("https://a.example.org/", "b", "k") == cache_name("https://a.example.org", "b", "k")


@pytest.mark.parametrize("key", ["../../etc/passwd", "ünïcode/日本.blt", "a" * 900, "...", "with space\n"])
def test_names_are_plain_file_names(key: str, tmp_path: Path) -> None:
    path = cache_path("https://a.example.org", "bucket", key, folder=tmp_path)
    assert path.parent == tmp_path
    assert not path.name.startswith(".")
    path.write_bytes(b"fits")
