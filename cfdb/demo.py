"""What can cfdb do, shown in one minute? Run ``python -m cfdb.demo``; read it to learn the calls.

A real netCDF file becomes a dataset in a (local, embedded) S3 bucket. Another process with an empty cache reads a map
and a time series from it, one of us changes a chunk, and readers see the old version or the new one, never a mix.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import cfdb
from cfdb.display.units import byte_size, count, part
from cfdb.testing import S3Server, s3_server

OUTPUT = Path("demo-output")
DB_KEY = "demo/north-america.cfdb"
VARIABLE = "air_temperature"
CHUNKS = (12, 37, 49)  # twelve years of the whole map: 20 chunks
PACKS = 4

MAP_TIME = "2050"  # one map ...
PLACE = {"latitude": 40.0, "longitude": 255.0}  # ... and one series, at a point in the Rocky Mountains
CENTURY = slice("1900", "1999")


def main() -> None:
    """Tell the whole story; exits with 1 when something is not as promised."""
    folder = fresh_folder()
    with s3_server() as server:
        remote = server.connection(DB_KEY)
        packs = publish(remote, folder)
        read_in_another_process(server, packs)
        change_and_push(remote, folder)
        picture = draw_map(remote, folder)
    say(f"The picture: {picture.resolve()}")
    where_to_look_next(folder)


def publish(remote: cfdb.S3Connection, folder: Path) -> int:
    """Import a netCDF file into a new dataset and push it; give the number of packed objects in the bucket."""
    step("1. A netCDF file becomes a dataset in a bucket")
    with cfdb.open_edataset(remote, folder / "mine.cfdb", flag="n", num_groups=PACKS) as ds:
        cfdb.from_netcdf(sample_file(), ds, chunks={VARIABLE: CHUNKS})
        print(ds)
        result = ds.push(message="A1B scenario, as imported")
    say(f"Pushed {count(result.n_objects, 'object')}, {byte_size(result.nbytes)}, as one commit.")
    packs: int = result.n_objects - 1  # the other one is the root, which names them
    check(packs == PACKS, f"the push wrote {packs} packs instead of {PACKS}")
    return packs


def read_in_another_process(server: S3Server, packs: int) -> None:
    """Start a process that knows nothing but the address; the keys come from the environment, as boto3 reads it."""
    step("2. Another process, with an empty cache, reads what it needs")
    keys = {"AWS_ACCESS_KEY_ID": server.access_key_id, "AWS_SECRET_ACCESS_KEY": server.access_key}
    command = [sys.executable, "-m", "cfdb.demo", server.endpoint_url, server.bucket, str(packs)]
    reader = subprocess.run(command, env=os.environ | keys, check=False)
    check(reader.returncode == 0, "the other process failed")


def read_lazily(endpoint_url: str, bucket: str, packs: int) -> None:
    """Read a map and a series, then everything else: what the other process does."""
    remote = cfdb.S3Connection(endpoint_url=endpoint_url, bucket=bucket, db_key=DB_KEY)
    with cfdb.open_edataset(remote, OUTPUT / "yours.cfdb") as ds:
        temperature = ds[VARIABLE]
        meter = Meter(ds)
        meter.tell("opened: structure and coordinates")

        temperature.sel(time=MAP_TIME).load()
        fetched, _ = meter.tell(f"a map, {MAP_TIME}")
        check(fetched <= 1, f"the map needed {fetched} chunks instead of one")

        series = temperature.sel(PLACE, method="nearest").sel(time=CENTURY)
        print(f"     {CENTURY.start} to {CENTURY.stop}: {series.values.min():.1f} to {series.values.max():.1f} K")
        _, requests = meter.tell("a series of a hundred years at a point")
        check(requests <= packs, f"the series needed {requests} requests for {packs} packs")

        ds.load(progress=True)
        meter.tell("the rest, with a progress bar")


def change_and_push(remote: cfdb.S3Connection, folder: Path) -> None:
    """Change one chunk and push; an open reader keeps its version, a new one sees the change."""
    step("3. A change, pushed while somebody reads")
    with cfdb.open_edataset(remote, cache=None) as reader:
        before = float(reader[VARIABLE][0, 0, 0])
        with cfdb.open_edataset(remote, folder / "mine.cfdb", flag="w") as ds:
            ds[VARIABLE][:12] = ds[VARIABLE][:12].values + 1
            print(ds.changes())
        # leaving the block has pushed
        still = float(reader[VARIABLE][0, 0, 0])
        say(f"The reader that was open still sees {still:.2f} K.")
        check(still == before, "an open reader saw a change")
    with cfdb.open_edataset(remote, cache=None) as reader:
        now = float(reader[VARIABLE][0, 0, 0])
        say(f"One that opens now sees {now:.2f} K.")
        check(now == np.float32(before) + 1, "a new reader did not see the change")


def draw_map(remote: cfdb.S3Connection, folder: Path) -> Path:
    """Draw one map with matplotlib, straight from the bucket."""
    step("4. A picture")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with cfdb.open_edataset(remote, cache=None) as ds:
        field = ds[VARIABLE].sel(time=MAP_TIME)
        figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
        mesh = axes.pcolormesh(ds["longitude"].values, ds["latitude"].values, np.squeeze(field.values), cmap="RdYlBu_r")
        figure.colorbar(mesh, label=f"{VARIABLE} ({field.units})")
        axes.set(title=f"Scenario {field.attrs['Model scenario']}, {MAP_TIME}", xlabel="longitude", ylabel="latitude")
    path = folder / "map.png"
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path


def where_to_look_next(folder: Path) -> None:
    """Say how to go on."""
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    print(
        f"""
To play with the dataset (it is an ordinary file):
  {python} -c "import cfdb; print(cfdb.open_dataset('{folder / "mine.cfdb"}', allow_partial=True))"
This story as code:      cfdb/demo.py
How to use a bucket:     docs/how-to/remote-dataset.md
How to bring netCDF in:  docs/how-to/netcdf.md
What survives a crash:   docs/explanation/safety.md"""
    )


# what the story needs besides


class Meter:
    """Tells what each step fetched."""

    def __init__(self, ds: Any) -> None:
        self._ds = ds
        self._before = (0, 0, 0)

    def tell(self, what: str) -> tuple[int, int]:
        """Print chunks, bytes and requests since the last time; give chunks and requests."""
        stored = self._ds[VARIABLE].stored()
        now = (stored.local, self._ds.stats.received, self._ds.stats.total)
        chunks, nbytes, requests = (new - old for new, old in zip(now, self._before, strict=True))
        self._before = now
        size = f"{byte_size(nbytes)} of {byte_size(stored.nbytes)}"
        print(f"   {what}: {part(chunks, stored.chunks, 'chunk')}, {size}, {count(requests, 'request')}")
        return chunks, requests


def fresh_folder() -> Path:
    """Make the output folder, without what an earlier run left."""
    if OUTPUT.is_dir():
        shutil.rmtree(OUTPUT)
    OUTPUT.mkdir()
    return OUTPUT


def sample_file() -> Path:
    """Find the sample file."""
    try:
        import iris_sample_data
    except ImportError as error:
        raise SystemExit("the demo needs its sample data: pip install 'cfdb[demo]'") from error
    return Path(iris_sample_data.__file__).parent / "sample_data" / "A1B_north_america.nc"


def step(title: str) -> None:
    """Print a headline."""
    print(f"\n{title}\n")


def say(text: str) -> None:
    """Print a line of the story."""
    print(f"   {text}")


def check(kept: bool, complaint: str) -> None:
    """End the demo when a promise was not kept."""
    if not kept:
        raise SystemExit(f"\nFAILED: {complaint}")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if len(sys.argv) > 1:
        read_lazily(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        main()
