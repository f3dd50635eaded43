"""The distribution installs from its wheel, with and without the extra that brings S3."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cfdb

ROOT = Path(__file__).resolve().parent.parent
VERSION = cfdb.__version__


def _run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    _run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    return folder


def _environment(folder: Path) -> Path:
    _run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    return folder / "bin" / "python"


@pytest.mark.timeout(400)
def test_the_wheel_installs_with_and_without_the_extra(wheels: Path, tmp_path: Path) -> None:
    python = _environment(tmp_path / "environment")
    install = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--find-links", wheels)
    _run(*install, f"cfdb=={VERSION}", cwd=tmp_path)
    local = (
        "import cfdb, ebooklet, numpy as np\n"
        "with cfdb.open_dataset('a.cfdb', 'n') as ds: ds['t'] = ('x', np.arange(3))\n"
        "with cfdb.open_dataset('a.cfdb') as ds: print(ds['t'].values.tolist())\n"
        "conn = ebooklet.S3Connection('id', 'key', 'a.cfdb', 'bucket', endpoint_url='http://127.0.0.1:9')\n"
        "try: cfdb.open_edataset(conn)\n"
        "except ImportError as error: print(error)\n"
    )
    first, second = _run(python, "-c", local, cwd=tmp_path).splitlines()
    assert first == "[0, 1, 2]"
    assert "cfdb[ebooklet]" in second
    _run(*install, f"cfdb[ebooklet]=={VERSION}", cwd=tmp_path)
    remote = (
        "import cfdb, numpy as np\n"
        "with cfdb.open_edataset('file://remote/a.cfdb', 'b.cfdb', 'n') as ds: ds['t'] = ('x', np.arange(3))\n"
        "with cfdb.open_edataset('file://remote/a.cfdb', cache=None) as ds: print(ds['t'].values.tolist())\n"
    ).replace("file://remote", (tmp_path / "remote").as_uri())
    assert _run(python, "-c", remote, cwd=tmp_path).strip() == "[0, 1, 2]"


def test_the_wheel_carries_both_packages_typed(wheels: Path) -> None:
    import zipfile

    (wheel,) = wheels.glob("cfdb-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"cfdb/py.typed", "ebooklet/py.typed"} <= set(names)
    assert not [name for name in names if name.startswith(("tests", "benchmarks"))]
