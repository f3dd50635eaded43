"""The distribution installs from its wheel, with and without the extra that brings S3."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import cfdb

ROOT = Path(__file__).resolve().parent.parent
VERSION = cfdb.__version__


# What a distribution is built from.
SOURCES = [
    *("cfdb", "ebooklet", "tests", "docs", "benchmarks", "pyproject.toml", "setup.py", "MANIFEST.in"),
    *("mkdocs.yml", "Makefile", "README.md", "CHANGELOG.md", "LICENSE"),
]


def _run(*command: str | Path, cwd: Path, **more: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment.update(more)
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources: builds leave folders behind."""
    folder = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd", "demo-output", ".venv-*")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheels(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    _run(sys.executable, "-m", "build", "--outdir", folder, tree, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheels_without_compiler(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    copy = folder / "tree"
    shutil.copytree(tree, copy, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    _run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, copy, cwd=folder, CC="/bin/false")
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


KERNEL = (
    "import numpy as np\n"
    "from cfdb import kernel\n"
    "codec = kernel.BlockCodec(np.dtype('<f4'), (5, 20), (5, 20), 4)\n"
    "cells = np.round(np.linspace(0, 9, 100, dtype='<f4'), 2).reshape(5, 20)\n"
    "(payload,) = kernel.encode_chunks(codec, [cells])\n"
    "out, zeros = np.empty_like(cells), np.zeros((1, 2), np.int64)\n"
    "kernel.decode_boxes(codec, [payload], zeros, np.array([[5, 20]]), out, zeros)\n"
    "assert out.tobytes() == cells.tobytes()\n"
    "print(kernel.name(), payload.hex())\n"
)


def _kernel_of(wheels: Path, folder: Path) -> tuple[str, str]:
    python = _environment(folder / "environment")
    (wheel,) = wheels.glob("cfdb-*.whl")
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=folder)
    name, payload = _run(python, "-c", KERNEL, cwd=folder).split()
    return name, payload


@pytest.mark.timeout(400)
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no compiler")
def test_the_native_kernel_is_built_where_there_is_a_compiler(
    wheels: Path, wheels_without_compiler: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "native", tmp_path / "numpy"
    first.mkdir()
    second.mkdir()
    native, numpy = _kernel_of(wheels, first), _kernel_of(wheels_without_compiler, second)
    assert (native[0], numpy[0]) == ("native", "numpy")
    assert native[1] == numpy[1]


def test_the_wheel_carries_both_packages_typed(wheels: Path) -> None:
    (wheel,) = wheels.glob("cfdb-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"cfdb/py.typed", "ebooklet/py.typed", "cfdb/conventions/templates.txt"} <= set(names)
    assert not [name for name in names if name.startswith(("tests", "benchmarks"))]
    assert not [name for name in names if name.endswith((".c", ".h"))]


def test_the_wheel_announces_the_codec_to_zarr_and_the_engine_to_xarray(wheels: Path) -> None:
    (wheel,) = wheels.glob("cfdb-*.whl")
    (entries,) = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("entry_points.txt")]
    text = zipfile.ZipFile(wheel).read(entries).decode()
    assert {line.replace(" ", "") for line in text.splitlines()} >= {
        "[zarr.codecs]", "cfdb.auto=cfdb.bridges.zarr_codec:AutoCodec",
        "[xarray.backends]", "cfdb=cfdb.xarray_backend:CfdbBackendEntrypoint",
    }  # fmt: skip


def test_the_source_distribution_is_all_that_is_needed(wheels: Path) -> None:
    (archive,) = wheels.glob("cfdb-*.tar.gz")
    with tarfile.open(archive) as sources:
        names = {name.partition("/")[2] for name in sources.getnames()}
    ours = {f"cfdb/kernel/{path.name}" for path in (ROOT / "cfdb" / "kernel").glob("*.[ch]")}
    assert ours
    wanted = {"tests/test_install.py", "docs/index.md", "benchmarks/__init__.py", "mkdocs.yml", "Makefile", "setup.py"}
    assert ours | wanted <= names
    assert not [name for name in names if name.endswith((".so", ".pyc"))]
