"""How are icechunk and zarr with obstore used with a bucket?

Neither copies or deletes a whole database: that is done with obstore, object by object and by batches.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import icechunk
import obstore
import zarr
from obstore.store import S3Store
from zarr.storage import ObjectStore

from benchmarks.data import Array
from benchmarks.peers.base import Box
from benchmarks.peers.remote_base import Place, RemotePeer
from benchmarks.peers.zarr_files import NAME, ZarrHandle, fill

REGION = "us-east-1"


def bucket(place: Place, prefix: str | None = None) -> Any:
    return S3Store(
        place.bucket, prefix=prefix, endpoint=place.endpoint, region=REGION, access_key_id=place.access_key_id,
        secret_access_key=place.access_key, virtual_hosted_style_request=False, client_options={"allow_http": True},
    )  # fmt: skip


class _Objects(RemotePeer):
    """Copy and delete all objects below a key."""

    def _names(self, store: Any, place: Place) -> list[str]:
        return [meta["path"] for batch in obstore.list(store, place.key + "/") for meta in batch]

    def copy(self, place: Place, target: Place) -> None:
        store = bucket(place)
        names = self._names(store, place)
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(lambda name: obstore.copy(store, name, target.key + name[len(place.key) :]), names))

    def delete(self, place: Place) -> None:
        store = bucket(place)
        obstore.delete(store, self._names(store, place))


class ZarrObstore(_Objects):
    """Not atomic: readers may see half of a change."""

    def _group(self, place: Place, mode: Any) -> Any:
        return zarr.open_group(ObjectStore(bucket(place, place.key)), mode=mode)

    def write(self, place: Place, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        fill(self._group(place, "w"), values, chunks, None, coordinates)

    def open(self, place: Place, *, again: bool = False) -> ZarrHandle:
        return ZarrHandle(self._group(place, "r"))

    def edit(self, place: Place, boxes: list[Box], values: list[Array]) -> None:
        array = self._group(place, "r+")[NAME]
        for box, part in zip(boxes, values, strict=True):
            array[box] = part


class Icechunk(_Objects):
    def _storage(self, place: Place) -> Any:
        return icechunk.s3_storage(
            bucket=place.bucket, prefix=place.key, region=REGION, endpoint_url=place.endpoint, allow_http=True,
            access_key_id=place.access_key_id, secret_access_key=place.access_key, force_path_style=True,
        )  # fmt: skip

    def write(self, place: Place, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        session = icechunk.Repository.create(self._storage(place)).writable_session("main")
        fill(zarr.open_group(session.store, mode="w"), values, chunks, None, coordinates)
        session.commit("all")

    def open(self, place: Place, *, again: bool = False) -> ZarrHandle:
        session = icechunk.Repository.open(self._storage(place)).readonly_session("main")
        return ZarrHandle(zarr.open_group(session.store, mode="r"))

    def edit(self, place: Place, boxes: list[Box], values: list[Array]) -> None:
        session = icechunk.Repository.open(self._storage(place)).writable_session("main")
        array: Any = zarr.open_group(session.store, mode="r+")[NAME]
        for box, part in zip(boxes, values, strict=True):
            array[box] = part
        session.commit("changes")
