"""The floors of the house: who may import whom (see docs/explanation/architecture.md)."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From the roof down; modules of one row may import those written before them in the row's folder listing.
FLOORS = {
    "cfdb": [
        ["demo"],
        ["__init__"],
        ["importing", "exporting", "xarray_backend"],
        ["opening_many", "arrays_remote"],
        ["remotes"],
        ["opening", "opening_remote"],
        ["pytest_plugin"],
        ["bridges", "testing", "testing_faults"],
        ["display"],
        ["analysis"],
        ["model"],
        ["compute"],
        ["storage"],
        ["plan"],
        ["conventions"],
        ["format"],
        ["kernel"],
        ["options"],
        ["errors"],
    ],
    "ebooklet": [
        ["__init__"],
        ["catalog", "browser"],
        ["opening", "restoring"],
        ["lease", "forks"],
        ["assembly", "cache_manager"],
        ["nodes", "entries", "tidying"],
        ["groups", "mapping", "batches", "forking", "versioned", "synced", "payloads", "changes"],
        ["bringing", "versions", "pinned"],
        [
            "publishing",
            "copying",
            "comparing",
            "repairing",
            "edits",
            "loading",
            "survey",
            "unpublished",
            "offline",
            "progress",
            "cache",
            "keeping",
            "fetched",
        ],
        ["eviction", "validation"],
        ["kept_dialect", "kept_pages", "history", "difference", "results"],
        ["facts", "folders", "territory", "usage"],
        ["connection", "places", "metering", "description", "configuration", "checking", "aliases"],
        ["sync"],
        ["local"],
        ["stores"],
        ["plan"],
        ["format"],
        ["compat", "release", "mapped"],
        ["estimate", "pace"],
        ["query", "found"],
        ["uri", "errors", "times", "moments", "sizes", "prices", "cache_use"],
    ],
}
# The only modules that may import these packages; `None` stands for "nobody".
SINGLE_IMPORTERS = {
    "booklet": {"ebooklet.local.booklet_adapter"},
    "boto3": {"ebooklet.stores.boto"},
    "botocore": {"ebooklet.stores.boto"},
    "urllib3": {"ebooklet.stores.pool"},
    "moto": {"cfdb.testing"},
    "h5netcdf": {"cfdb.bridges.netcdf", "cfdb.bridges.netcdf_export"},
    "matplotlib": {"cfdb.analysis.comparing.picture", "cfdb.demo"},
    "cftime": {"cfdb.conventions.calendars"},
    "xarray": {"cfdb.bridges.xarray_lazy", "cfdb.xarray_backend"},
    "shapely": {"cfdb.conventions.geometries"},
    "pyproj": {"cfdb.conventions.crs"},
    "scipy": {"cfdb.analysis.interpolating.interpolators"},
    "zarr": {"cfdb.bridges.zarr_codec"},
}
# cfdb reaches ebooklet through its two adapters and the opening, and shows progress as it does.
CFDB_TO_EBOOKLET = {
    "cfdb",
    "cfdb.arrays_remote",
    "cfdb.display.progress",
    "cfdb.display.units",
    "cfdb.opening",
    "cfdb.options",
    "cfdb.opening_remote",
    "cfdb.remotes",
    "cfdb.storage.booklet_store",
    "cfdb.storage.ebooklet_store",
    "cfdb.storage.near",
    "cfdb.storage.partial_store",
    "cfdb.testing",
}


def _modules(package: str) -> list[tuple[str, Path]]:
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append((name, path))
    return found


def _imports(path: Path, module: str) -> list[tuple[str, bool]]:
    """Imported module names with: is the import hidden inside a function?"""
    tree = ast.parse(path.read_text())
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for inner in ast.walk(node)
    }
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in hidden) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join(parents[: len(parents) - node.level + 1] + ([base] if base else []))
            for alias in node.names:
                target = f"{base}.{alias.name}"
                is_module = (ROOT / Path(*target.split("."))).with_suffix(".py").exists()
                found.append((target if is_module else base, id(node) in hidden))
    return found


def _floor(module: str) -> int:
    package, _, rest = module.partition(".")
    room = rest.partition(".")[0] or "__init__"
    for number, rooms in enumerate(reversed(FLOORS[package])):
        if room in rooms:
            return number
    raise AssertionError(f"{module} stands on no floor: add it to FLOORS")


ALL_MODULES = [(name, path) for package in FLOORS for name, path in _modules(package)]


@pytest.mark.parametrize(("module", "path"), ALL_MODULES, ids=[name for name, _ in ALL_MODULES])
def test_imports_go_down_only(module: str, path: Path) -> None:
    own = module.partition(".")[0]
    for target, hidden in _imports(path, module):
        package = target.partition(".")[0]
        if package not in FLOORS:
            importers = SINGLE_IMPORTERS.get(package)
            assert importers is None or module in importers, f"{module} imports {package}: only {importers} may"
            continue
        assert not hidden, f"{module} hides an import of {target} in a function"
        if package == own:
            assert _floor(target) <= _floor(module), f"{module} imports {target}, which lives above it"
        else:
            assert own == "cfdb", f"{module}: ebooklet never imports cfdb"
            assert module in CFDB_TO_EBOOKLET, f"{module} imports {target}: cfdb reaches ebooklet elsewhere"


def test_every_room_of_the_table_exists() -> None:
    for package, rows in FLOORS.items():
        rooms = {path.stem if path.is_file() else path.name for path in (ROOT / package).iterdir()}
        assert {room for row in rows for room in row} <= rooms


def test_there_are_no_import_cycles() -> None:
    graph = {name: {t for t, _ in _imports(path, name) if t.partition(".")[0] in FLOORS} for name, path in ALL_MODULES}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name in done:
            return
        for target in graph.get(name, ()):
            if target != name:
                visit(target, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("package", ["cfdb", "ebooklet"])
def test_all_lists_the_public_names(package: str) -> None:
    module = importlib.import_module(package)
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert not missing, f"{package}.__all__ names {missing}, which do not exist"
    assert sorted(module.__all__) == sorted(set(module.__all__))


def test_importing_is_light() -> None:
    import subprocess
    import sys

    code = (
        "import sys, cfdb, ebooklet\n"
        "heavy = {'boto3', 'botocore', 'booklet', 'cftime', 'h5netcdf', 'xarray', 'pandas', 'tqdm', 'matplotlib',"
        " 'platformdirs', 'urllib3', 'dask', 'zarr', 'moto'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert out.strip() == "[]"


def test_importing_loads_little_and_opening_a_local_file_nothing_of_the_remote() -> None:
    import subprocess
    import sys

    code = (
        "import numpy, sys\n"
        "before = set(sys.modules)\n"
        "import cfdb, ebooklet\n"
        "own = {name for name in set(sys.modules) - before if name.partition('.')[0] in ('cfdb', 'ebooklet')}\n"
        "print(sorted(own))\n"
        "cfdb.open_dataset(None, 'n').close()\n"
        "far = ('http', 'ssl', 'urllib.request', 'ebooklet.sync', 'ebooklet.stores', 'ebooklet.connection',"
        " 'cfdb.bridges', 'cfdb.display', 'cfdb.opening_remote')\n"
        "print(sorted(name for name in set(sys.modules) - before if name.startswith(far)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    imported, far = out.splitlines()
    assert imported == str(["cfdb", "cfdb.errors", "cfdb.options", "ebooklet", "ebooklet.prices", "ebooklet.sizes"])
    assert far == "[]"


def test_every_module_says_which_question_it_answers() -> None:
    silent = [name for name, path in ALL_MODULES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert not silent
