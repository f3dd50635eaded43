"""A known secret is planted in every place that takes one, and looked for wherever something may be shown."""

import copy
import json
import logging
import os
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from ebooklet.connection import S3Connection
from ebooklet.errors import EBookletError, StoreError
from tests.ebooklet.stores.scripted_fixtures import nothing_configured, web
from tests.support.scripted import Reply, Scripted

__all__ = ["nothing_configured", "web"]

SECRET, KEY_ID, TOKEN, PASSWORD = "PLANTED-secret", "PLANTED-id", "PLANTED-token", "PLANTED-password"
PLACE = {"bucket": "lab", "db_key": "x.cfdb"}
REFUSALS = [
    Reply(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>"),
    Reply(403, b"<Error><Code>InvalidAccessKeyId</Code></Error>"),
    Reply(400, b"<Error><Code>ExpiredToken</Code></Error>"),
    Reply(404, b"<Error><Code>NoSuchBucket</Code></Error>"),
    Reply(503),
]


def by_hand(url: str, folder: Path) -> S3Connection:
    return S3Connection(KEY_ID, SECRET, session_token=TOKEN, endpoint_url=url, retries=0, **PLACE)


def by_session(url: str, folder: Path) -> S3Connection:
    session = boto3.Session(KEY_ID, SECRET, TOKEN, region_name="eu-west-1")
    return S3Connection(session=session, endpoint_url=url, retries=0, **PLACE)


def by_client(url: str, folder: Path) -> S3Connection:
    keys = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, "aws_session_token": TOKEN}
    return S3Connection(session=boto3.client("s3", endpoint_url=url, region_name="eu-west-1", **keys), **PLACE)


def by_file(url: str, folder: Path) -> S3Connection:
    file = folder / "c.toml"
    file.write_text(
        f'[lab]\nbucket = "lab"\ndb_key = "x.cfdb"\naccess_key_id = "{KEY_ID}"\nsecret_access_key = "{SECRET}"\n'
        f'session_token = "{TOKEN}"\nendpoint_url = "{url}"\nretries = 0\n'
    )
    conn = S3Connection.from_config(file, "lab")
    assert isinstance(conn, S3Connection)
    return conn


def by_environment(url: str, folder: Path) -> S3Connection:
    names = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN}
    before = dict(os.environ)
    os.environ.update(names)
    try:
        return S3Connection.from_env(endpoint_url=url, retries=0, **PLACE)
    finally:
        os.environ.clear()
        os.environ.update(before)


def by_proxy(url: str, folder: Path) -> S3Connection:
    proxies = {"http": url.replace("http://", f"http://me:{PASSWORD}@")}
    return S3Connection(
        KEY_ID, SECRET, endpoint_url="http://s3.example.org", config={"proxies": proxies}, retries=0, **PLACE
    )


MAKERS = [by_hand, by_session, by_client, by_file, by_environment, by_proxy]


def find(shown: str | bytes) -> bool:
    return ("PLANTED" if isinstance(shown, str) else b"PLANTED") in shown


@pytest.mark.parametrize("transport", ["urllib3", "boto3"])
@pytest.mark.parametrize("make", MAKERS)
def test_it_appears_nowhere(
    make: Callable[[str, Path], S3Connection],
    transport: str,
    web: Scripted,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="ebooklet")
    conn = make(web.url, tmp_path)
    object.__setattr__(conn._is.access, "transport", transport)
    store = conn.store(writable=True)
    shown = [
        repr(conn),
        str(conn),
        conn.uri,
        repr(vars(conn)),
        repr(store),
        repr(vars(store)),
        json.dumps(conn.to_dict()),
    ]
    shown += [conn.dumps().decode(), repr(conn.access), repr(conn._is), repr(copy.deepcopy(conn))]
    for reply in REFUSALS:
        web.answer = lambda _, reply=reply: reply
        for request in (lambda: store.get("x.cfdb"), lambda: store.put("x.cfdb", b"1")):
            with pytest.raises(StoreError) as caught:
                request()
            shown += [*traceback.format_exception(caught.value), repr(caught.value)]
        report = conn.check(write=True)
        shown += [str(report), repr(report)]
    shown += [record.getMessage() for record in caplog.records if record.name.startswith("ebooklet")]
    assert not [text for text in shown if find(text)]
    assert not find(pickle.dumps(conn))
    signed = [seen for seen in web.seen if KEY_ID in seen.headers.get("authorization", "")]
    assert signed  # it was in use all the time


@pytest.mark.parametrize(
    "given",
    [
        {"access_key_id": KEY_ID, "aws_access_key_id": f"{KEY_ID}-2", "access_key": SECRET},
        {"access_key_id": KEY_ID, "access_key": SECRET, "secret_access_key": f"{SECRET}-2"},
        {"access_key_id": KEY_ID},
        {"access_key": SECRET},
        {"session_token": TOKEN},
        {"access_key_id": KEY_ID, "access_key": SECRET, "anonymous": True},
        {"access_key_id": KEY_ID, "access_key": f"{SECRET}\n"},
        {"access_key_id": KEY_ID, "access_key": SECRET, "session": boto3.Session(KEY_ID, SECRET)},
        {"endpoint_url": f"https://me:{PASSWORD}@s3.org"},
        {"db_url": f"https://me:{PASSWORD}@h.org/x"},
        {"db_url": [f"https://h.org/x?sig={SECRET}"]},
        {"access_key_id": KEY_ID, "access_key": SECRET, "bucket": "a/b"},
        {"access_key_id": KEY_ID, "access_key": SECRET, "threads": 0},
    ],
)
def test_a_contradiction_does_not_repeat_it(given: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, EBookletError)) as caught:
        S3Connection(**(PLACE | given))
    assert not find("".join(traceback.format_exception(caught.value)))


def test_it_travels_only_when_that_is_wanted() -> None:
    keys = {"access_key_id": KEY_ID, "access_key": SECRET, "session_token": TOKEN}
    assert not find(pickle.dumps(S3Connection(**PLACE, **keys)))
    assert find(pickle.dumps(S3Connection(**PLACE, **keys, pickle_credentials=True)))
    assert not find(json.dumps(S3Connection(**PLACE, **keys, pickle_credentials=True).to_dict()))
