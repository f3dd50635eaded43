"""Run a command beside a real S3 server."""

import os
import secrets
import signal
import subprocess
import sys
import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.s3server.cluster import Cluster, ClusterError, User
from tests.s3server.packages import provide

BUCKET = "cfdb-tests"
HEALTH_BUCKET = "cfdb-health"
CHECK_EVERY = 10.0
FAILURES_ALLOWED = 3


def main(command: list[str]) -> int:
    """Start the server, run `command`, stop the server."""
    if not command:
        print("usage: python -m tests.s3server COMMAND...", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    obstacle = provide()
    if obstacle is not None:
        return _skip(obstacle)
    owner = User("owner", secrets.token_hex(10), secrets.token_hex(20))
    stranger = User("stranger", secrets.token_hex(10), secrets.token_hex(20))
    cluster = Cluster((owner, stranger))
    try:
        try:
            _bring_up(cluster, owner)
        except ClusterError as error:
            return _skip(f"the S3 server did not start: {error}")
        return _run_beside(cluster, owner, command, _environment(cluster, owner, stranger))
    finally:
        cluster.stop()


def _skip(reason: str) -> int:
    required = os.environ.get("CFDB_REQUIRE_S3") == "1"
    print(f"s3 tests {'FAILED' if required else 'skipped'}: {reason}", file=sys.stderr)
    return 1 if required else 0


def _environment(cluster: Cluster, owner: User, stranger: User) -> dict[str, str]:
    return os.environ | {
        "CFDB_S3_ENDPOINT": cluster.endpoint,
        "CFDB_S3_KEY": owner.key,
        "CFDB_S3_SECRET": owner.secret,
        "CFDB_S3_BUCKET": BUCKET,
        "CFDB_S3_STRANGER_KEY": stranger.key,
        "CFDB_S3_STRANGER_SECRET": stranger.secret,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _bring_up(cluster: Cluster, owner: User) -> None:
    cluster.start()
    client = _client(cluster, owner)
    try:
        for bucket in (BUCKET, HEALTH_BUCKET):
            client.create_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError) as error:
        raise ClusterError(str(error)) from error
    finally:
        client.close()


def _run_beside(cluster: Cluster, owner: User, command: list[str], environment: dict[str, str]) -> int:
    """Run the command; a server that stops answering is replaced by a new, empty one at the same address."""
    running = subprocess.Popen(command, env=environment)
    failures = 0
    next_check = time.monotonic() + CHECK_EVERY
    try:
        while True:
            try:
                return running.wait(0.2)
            except subprocess.TimeoutExpired:
                pass
            if time.monotonic() < next_check:
                continue
            failures = 0 if _healthy(cluster, owner) else failures + 1
            if failures >= FAILURES_ALLOWED or not cluster.alive():
                print("s3 server: it does not answer any more; starting a new one", file=sys.stderr)
                cluster.stop()
                _bring_up(cluster, owner)
                failures = 0
            next_check = time.monotonic() + CHECK_EVERY
    except ClusterError as error:
        print(f"s3 server: {error}", file=sys.stderr)
        return 1
    finally:
        if running.poll() is None:
            running.terminate()
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def _healthy(cluster: Cluster, owner: User) -> bool:
    client = _client(cluster, owner)
    try:
        client.put_object(Bucket=HEALTH_BUCKET, Key="alive", Body=b"yes")
        return bool(client.get_object(Bucket=HEALTH_BUCKET, Key="alive")["Body"].read() == b"yes")
    except (BotoCoreError, ClientError):
        return False
    finally:
        client.close()


def _client(cluster: Cluster, owner: User) -> Any:
    options = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1})
    return boto3.client(
        "s3",
        endpoint_url=cluster.endpoint,
        aws_access_key_id=owner.key,
        aws_secret_access_key=owner.secret,
        region_name="us-east-1",
        config=options.merge(Config(s3={"addressing_style": "path"})),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
