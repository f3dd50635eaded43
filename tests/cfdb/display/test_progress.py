import sys
from pathlib import Path

import numpy as np
import pytest

import cfdb
from cfdb.display.progress import reporting


@pytest.mark.parametrize("silent", [False, None])
def test_nothing_is_printed_unless_asked(silent: bool | None, capfd: pytest.CaptureFixture[str]) -> None:
    with reporting(silent, "load") as report:
        assert report is None
    assert capfd.readouterr() == ("", "")


def test_a_function_is_called_as_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int]] = []
    with reporting(lambda done, total: seen.append((done, total)), "load") as report:
        assert report is not None
        report(1, 2)
        report(2, 2)
    assert seen == [(1, 2), (2, 2)]
    assert capfd.readouterr() == ("", "")


def test_true_draws_a_bar_that_ends_at_the_total(capfd: pytest.CaptureFixture[str]) -> None:
    with reporting(True, "load temperature") as report:
        assert report is not None
        report(0, 4000)
        report(4000, 4000)
    out, err = capfd.readouterr()
    assert out == ""
    assert "load temperature: 100%" in err
    assert "4.00k/4.00k" in err


def test_a_missing_tqdm_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r"pip install cfdb\[ebooklet\]"), reporting(True, "load"):
        pass


def test_anything_else_is_refused_by_value() -> None:
    with pytest.raises(TypeError, match="progress='yes'"), reporting("yes", "load"):  # type: ignore[arg-type]
        pass


def test_loading_a_dataset_is_reported_as_one(tmp_path: Path) -> None:
    remote = f"file://{tmp_path}/store/t.cfdb"
    with cfdb.open_edataset(remote, tmp_path / "mine.cfdb", "n") as ds:
        for name in ("a", "b"):
            ds.create.data_var.generic(name, "x", data=np.arange(10_000.0), chunk_shape=(1000,))
    seen: list[tuple[int, int]] = []
    with cfdb.open_edataset(remote, cache=None) as ds:
        ds["b"][:3000].load()
        result = ds.load(progress=lambda *each: seen.append(each))
        assert (result.fetched, result.present) == (17, 3)
        assert all(variable.stored().local == 10 for variable in ds.variables)
    assert seen[-1] == (20, 20)
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {20}
