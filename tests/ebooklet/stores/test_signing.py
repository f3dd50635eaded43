"""Our signatures are those of AWS's documentation and those of botocore."""

import datetime as dt
import hashlib
import logging
import pickle
from typing import Any
from unittest import mock

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from ebooklet.stores.access import Credentials
from ebooklet.stores.signing import EMPTY_HASH, Signer, encoded_path, encoded_query

EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
EXAMPLE_HOST = "examplebucket.s3.amazonaws.com"
EXAMPLE_TIME = dt.datetime(2013, 5, 24, tzinfo=dt.UTC).timestamp()


# "Authenticating Requests: Using the Authorization Header", examples of the S3 API reference.
@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "body", "signature"),
    [
        (
            "GET",
            "/test.txt",
            [],
            {"range": "bytes=0-9"},
            b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test$file.text",
            [],
            {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET",
            "/",
            [("lifecycle", "")],
            {},
            b"",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET",
            "/",
            [("prefix", "J"), ("max-keys", "2")],
            {},
            b"",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
    ids=["range", "put", "lifecycle", "list"],
)
def test_published_examples(
    method: str, path: str, query: list[tuple[str, str]], headers: dict[str, str], body: bytes, signature: str
) -> None:
    signed = Signer().sign(
        method,
        encoded_path(path),
        encoded_query(query),
        {**headers, "host": EXAMPLE_HOST, "x-amz-content-sha256": hashlib.sha256(body).hexdigest()},
        EXAMPLE,
        region="us-east-1",
        moment=EXAMPLE_TIME,
    )
    assert signed["authorization"].endswith(f", Signature={signature}")
    assert signed["x-amz-date"] == "20130524T000000Z"


def botos(
    method: str, url: str, headers: dict[str, str], body: bytes, keys: Credentials, region: str, moment: float
) -> dict[str, str]:
    """The headers that botocore would send."""
    request = AWSRequest(method=method, url=url, headers=headers, data=body)
    secret = BotoCredentials(keys.access_key_id, keys.access_key, keys.session_token)
    now = dt.datetime.fromtimestamp(moment, dt.UTC).replace(tzinfo=None)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=now):
        botocore.auth.S3SigV4Auth(secret, "s3", region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


# Surrogates have no UTF-8; NUL to the end of Unicode has.
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
odd = st.text(st.sampled_from("aZ09-._~/ %+&=?#;:@!$'()*,[]{}|\\^`\"<>äß日本語\u0301\x00\x7f\n"), max_size=40)
visible = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
signable = ["range", "if-match", "if-none-match", "content-md5", "content-type", "x-amz-copy-source", "x-amz-acl"]
headers_of_a_request = st.dictionaries(st.sampled_from(signable), visible)
queries = st.lists(st.tuples(st.text(st.characters(codec="utf-8"), min_size=1, max_size=10), text), max_size=4)


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    key=text | odd,
    query=queries,
    headers=headers_of_a_request,
    body=st.binary(max_size=100),
    secret=secrets,
    token=st.none() | secrets,
    region=st.sampled_from(["us-east-1", "eu-west-1", "nowhere"]),
    moment=st.integers(0, 4_000_000_000),
)
def test_botocore_signs_the_same(
    method: str,
    key: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
    secret: str,
    token: str | None,
    region: str,
    moment: int,
) -> None:
    keys = Credentials("the-id", secret, token)
    path, string = f"/bucket/{encoded_path(key)}", encoded_query(query)
    url = f"https://s3.example.org:8443{path}" + (f"?{string}" if string else "")
    theirs = botos(method, url, headers, body, keys, region, moment)
    ours = Signer().sign(
        method,
        path,
        string,
        {**headers, "host": "s3.example.org:8443", "x-amz-content-sha256": hashlib.sha256(body).hexdigest()},
        keys,
        region=region,
        moment=moment,
    )
    assert ours["authorization"] == theirs["authorization"]
    for name in ("x-amz-date", "x-amz-security-token", "x-amz-content-sha256"):
        assert ours.get(name) == theirs.get(name)


@given(text | odd)
def test_keys_and_queries_are_encoded_as_the_specification_says(key: str) -> None:
    # UriEncode: everything but unreserved characters, '/' only in keys left as it is, in upper-case hexadecimals.
    unreserved = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

    def encode(value: str, kept: bytes) -> str:
        return "".join(chr(byte) if byte in kept else f"%{byte:02X}" for byte in value.encode())

    assert encoded_path(key) == encode(key, unreserved + b"/")
    assert encoded_query([("prefix", key)]) == f"prefix={encode(key, unreserved)}"


def sign(signer: Signer, keys: Credentials = EXAMPLE, **changes: Any) -> dict[str, str]:
    values: dict[str, Any] = {"region": "us-east-1", "moment": EXAMPLE_TIME} | changes
    return signer.sign("GET", "/x", "", {"host": "h", "x-amz-content-sha256": EMPTY_HASH}, keys, **values)


@pytest.mark.parametrize(
    ("keys", "changes"),
    [
        (EXAMPLE, {"region": "eu-west-1"}),
        (EXAMPLE, {"moment": EXAMPLE_TIME + 86400}),
        (Credentials("other", "another"), {}),
    ],
    ids=["region", "day", "keys"],
)
def test_a_signer_follows_region_day_and_keys(keys: Credentials, changes: dict[str, Any]) -> None:
    signer = Signer()
    sign(signer)
    assert sign(signer, keys, **changes) == sign(Signer(), keys, **changes)
    assert sign(signer) == sign(Signer())


def test_the_key_of_a_day_is_derived_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import ebooklet.stores.signing as signing

    made = []
    digest = signing.hmac.digest
    monkeypatch.setattr(signing.hmac, "digest", lambda *args: made.append(1) or digest(*args))
    signer = Signer()
    for turn in range(10):
        sign(signer, moment=EXAMPLE_TIME + turn)
    assert len(made) == 4 + 10


def test_headers_that_change_on_the_way_are_not_signed() -> None:
    sent = {"host": "h", "x-amz-content-sha256": EMPTY_HASH, "user-agent": "x", "accept-encoding": "y"}
    signed = Signer().sign("GET", "/x", "", sent, EXAMPLE, region="us-east-1", moment=EXAMPLE_TIME)
    assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date," in signed["authorization"]
    assert signed["user-agent"] == "x"


def test_it_keeps_its_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    signer = Signer()
    signed = sign(signer, Credentials("id", "hush-secret", "hush-token"))
    assert "hush" not in repr(signer) + caplog.text
    assert "hush-secret" not in str(signed)
    with pytest.raises(TypeError, match="it holds a key"):
        pickle.dumps(signer)
