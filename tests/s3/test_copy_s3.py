"""Copies, checks and repairs on the real S3 server: across buckets, and across users who see nothing of each other."""

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.config import Config

import cfdb
import ebooklet
from ebooklet import S3Connection
from ebooklet.sync import copy
from tests.support.s3 import RealS3, real_s3

__all__ = ["real_s3"]
pytestmark = [pytest.mark.s3, pytest.mark.timeout(300)]

DATA = {f"k{number}": np.random.default_rng(number).bytes(20_000) for number in range(40)}
EXPECTED = {**DATA, "k0": b"second"}


@pytest.fixture
def other_bucket(real_s3: RealS3) -> Iterator[str]:
    """Another bucket of the same owner."""
    yield from bucket_of(real_s3.client(), "cfdb-copies")


@pytest.fixture
def foreign(real_s3: RealS3) -> Iterator[dict[str, str]]:
    """A bucket of somebody else."""
    stranger = real_s3.stranger
    if stranger is None:
        pytest.skip("the server has one user only")
    client = boto3.client(
        "s3",
        endpoint_url=real_s3.endpoint_url,
        aws_access_key_id=stranger.access_key_id,
        aws_secret_access_key=stranger.access_key,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    for bucket in bucket_of(client, "cfdb-foreign"):
        yield {"bucket": bucket, "access_key_id": stranger.access_key_id, "access_key": stranger.access_key}


def bucket_of(client: Any, name: str) -> Iterator[str]:
    with suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket=name)
    try:
        yield name
    finally:
        while found := client.list_objects_v2(Bucket=name).get("Contents"):
            for one in found:
                client.delete_object(Bucket=name, Key=one["Key"])
        client.delete_bucket(Bucket=name)


def made(conn: S3Connection) -> S3Connection:
    with ebooklet.open(conn, cache=None, flag="n") as db:
        db.update(DATA)
        db.push(num_groups=4)
        db["k0"] = b"second"
        db.push(tag="second")
    return conn


def read(conn: Any) -> dict[str, bytes]:
    with ebooklet.open(conn, cache=None) as db:
        return dict(db.items())


def test_the_server_copies_between_buckets_of_one_owner(real_s3: RealS3, other_bucket: str) -> None:
    source = made(real_s3.connection("a/x.blt"))
    target = real_s3.connection("b/y.blt", bucket=other_bucket)
    before = target.stats
    result = ebooklet.copy_remote(source, target, history=True)
    assert (result.n_objects, result.n_streamed, result.n_reused) == (5, 0, 0)
    assert (target.stats - before).sent < 20_000, "only the root"
    assert read(target) == EXPECTED
    assert ebooklet.fsck(target, check_objects=True).ok
    with pytest.raises(ebooklet.RemoteExistsError):
        ebooklet.copy_remote(source, target)
    assert ebooklet.copy_remote(source, target, overwrite=True).ok
    assert ebooklet.fsck(target, check_objects=True).skipped_young == ()


def test_between_users_it_streams_and_is_verified(real_s3: RealS3, foreign: dict[str, str]) -> None:
    source = made(real_s3.connection("a/x.blt"))
    target = real_s3.connection("b/y.blt", **foreign)
    with pytest.raises(ebooklet.AccessDeniedError):
        read(real_s3.connection("a/x.blt", access_key_id=foreign["access_key_id"], access_key=foreign["access_key"]))
    result = ebooklet.copy_remote(source, target, history=True)
    assert (result.n_objects, result.n_streamed) == (5, 5)
    assert read(target) == EXPECTED
    assert ebooklet.fsck(target, check_objects=True).ok


def test_a_large_object_streams_in_parts(
    real_s3: RealS3, foreign: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "WHOLE", 4 << 20)
    monkeypatch.setattr(copy, "PIECE", 1 << 20)
    value = np.random.default_rng(0).bytes(60 << 20)
    source = real_s3.connection("large/x.blt")
    with ebooklet.open(source, cache=None, flag="n") as db:
        db["long"] = value
        db.push(num_groups=1)
    parts = {"multipart_threshold": "6MiB", "multipart_chunksize": "6MiB", "threads": 2}
    target = real_s3.connection("large/y.blt", **foreign, **parts)
    tracemalloc.start()
    try:
        assert ebooklet.copy_remote(source, target).n_streamed == 1
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()
    folder = f"file://{tmp_path}/z.blt"
    assert ebooklet.copy_remote(target, folder).n_streamed == 1
    assert read(folder) == {"long": value}


def test_a_copy_that_was_cut_short_goes_on(
    real_s3: RealS3, foreign: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = made(real_s3.connection("a/x.blt"))
    target = real_s3.connection("b/y.blt", **foreign)
    sent: list[bytes] = []
    verified = copy.verified

    def dying(pieces: Any, name: bytes, place: str) -> Any:
        if len(sent) >= 3:
            raise KeyboardInterrupt
        sent.append(name)
        return verified(pieces, name, place)

    monkeypatch.setattr(copy, "verified", dying)
    monkeypatch.setattr(copy, "THREADS", 1)
    with pytest.raises(KeyboardInterrupt):
        ebooklet.copy_remote(source, target)
    monkeypatch.setattr(copy, "verified", verified)
    with pytest.raises(ebooklet.RemoteMissingError):
        read(target)
    result = ebooklet.copy_remote(source, target)
    assert result.n_reused >= 1
    assert result.n_reused + result.n_streamed == result.n_objects
    assert read(target) == EXPECTED


def test_a_lost_root_comes_back_and_leftovers_go(real_s3: RealS3) -> None:
    conn = real_s3.connection("a/x.cfdb")
    with cfdb.open_edataset(conn, cache=None, flag="n") as ds:
        ds["t"] = ("x", np.arange(5.0))
        ds.push()
        ds["t"][0] = 9.0
    conn.store(writable=True).delete("a/x.cfdb")
    assert ebooklet.fsck(conn).torn_teardown
    result = ebooklet.rebuild(conn)
    assert result.exact
    with cfdb.open_edataset(conn, cache=None) as ds:
        assert list(ds["t"].values) == [9, 1, 2, 3, 4]
        prefix = f"a/x.cfdb.objects/{ds._store.db.uuid.hex}/"
    conn.store(writable=True).put(prefix + "a" * 26, b"left by somebody")
    young = ebooklet.fsck(conn, delete_orphans=True)
    assert (young.skipped_young, young.swept) == ((prefix + "a" * 26,), ())
    time.sleep(1.5)  # the server tells whole seconds
    swept = ebooklet.fsck(conn, delete_orphans=True, min_age=timedelta(0), alone=True)
    assert swept.swept == (prefix + "a" * 26,)
    assert ebooklet.fsck(conn, check_objects=True).ok
    with cfdb.open_edataset(conn, cache=None) as ds:
        plan = ds.delete_remote(dry_run=True)
        assert plan.n_objects == 3
