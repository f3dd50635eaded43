"""Which peers are there, and in which environment do they live?"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.peers.base import Peer

OURS = "ours"
#: Label of each peer: its module, the class, and the environment that has it.
PEERS = {
    "ours": ("ours", "Ours", "ours"),
    "ours-nosync": ("ours", "OursWithoutSync", "ours"),
    "ours-numpy": ("ours", "OursWithoutNative", "ours"),
    "cfdb": ("cfdb_released", "Released", "peers"),
    "cfdb-zstd": ("cfdb_released", "ReleasedZstd", "peers"),
    "zarr": ("zarr_files", "Zarr", "peers"),
    "zarr-shard": ("zarr_files", "ZarrSharded", "peers"),
    "icechunk": ("zarr_icechunk", "Icechunk", "peers"),
    "tensorstore": ("tensorstore_zarr", "TensorStore", "peers"),
    "tiledb": ("tiledb_dense", "TileDB", "peers"),
    "netcdf4-zstd": ("netcdf", "NetCDF", "peers"),
    "h5netcdf-gzip": ("netcdf", "H5NetCDF", "peers"),
    "h5py-raw": ("hdf5_raw", "RawHDF5", "peers"),
    "limit-copy": ("limits", "Copy", "peers"),
    "limit-file": ("limits", "RawFile", "peers"),
    "limit-codec": ("limits", "CodecAlone", "peers"),
}
COMPRESSED = tuple(label for label in PEERS if not label.startswith(("ours", "limit", "h5py-raw")))
LIMITS = tuple(label for label in PEERS if label.startswith("limit"))


def environment(label: str) -> str:
    """Name of the environment a peer lives in: ``ours`` or ``peers``."""
    return PEERS[label][2]


def make(label: str) -> "Peer":
    """Import a peer."""
    module, name, _ = PEERS[label]
    peer: Peer = getattr(import_module(f"benchmarks.peers.{module}"), name)()
    peer.label = label
    return peer
