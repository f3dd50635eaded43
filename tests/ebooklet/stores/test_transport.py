"""What our own transport sends, to whom and as whom, and what it learns from refusals."""

import gc
import hashlib
import logging
import re
import time
from base64 import b64encode
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import CredentialRetrievalError, EndpointConnectionError

from ebooklet.errors import AccessDeniedError, InvalidURLError, NoCredentialsError, RemoteConnectionError, StoreError
from ebooklet.stores.access import Credentials, S3Access
from ebooklet.stores.http import HttpStore
from ebooklet.stores.protocol import CREATE, Update
from ebooklet.stores.s3 import S3Store
from ebooklet.stores.settings import settings_for
from tests.ebooklet.stores.scripted_fixtures import (
    Stores,
    authority,
    aws,
    company,
    nothing_configured,
    secure,
    stores,
    web,
)
from tests.support.scripted import (
    Reply,
    Scripted,
    Seen,
    WebProxy,
)

__all__ = ["authority", "aws", "company", "nothing_configured", "secure", "stores", "web"]

REGION_IN = re.compile(r"Credential=the-id/\d{8}/([^/]+)/s3/")


def region_of(seen: Seen) -> str | None:
    found = REGION_IN.search(seen.headers.get("authorization", ""))
    return found and found.group(1)


def signer_of(seen: Seen) -> str | None:
    found = re.search(r"Credential=([^/]+)/", seen.headers.get("authorization", ""))
    return found and found.group(1)


class TestWhatIsSent:
    def test_a_put(self, web: Scripted, stores: Stores) -> None:
        stores(web.url).put("a/b c", [b"he", b"llo"])
        (seen,) = web.seen
        assert (seen.method, seen.target, seen.body) == ("PUT", "/lab/a/b%20c", b"hello")
        assert seen.headers["x-amz-content-sha256"] == hashlib.sha256(b"hello").hexdigest()
        assert seen.headers["content-length"] == "5"
        assert seen.headers["host"] == web.url.removeprefix("http://")
        assert not {"expect", "transfer-encoding"} & set(seen.headers)

    @pytest.mark.parametrize("mode", ["create", "update", "range", "cached"])
    def test_conditions_and_ranges_are_signed(self, web: Scripted, stores: Stores, mode: str) -> None:
        store, name, value = stores(web.url), *_CONDITIONS[mode][:2]
        web.answer = lambda seen: Reply(206 if "range" in seen.headers else 200, b"xx", {"ETag": '"e"'})
        _CONDITIONS[mode][2](store)
        assert web.seen[0].headers[name] == value
        assert f";{name};" in web.seen[0].headers["authorization"].replace("SignedHeaders=", ";")

    def test_a_batch_of_deletions_carries_its_digest(self, web: Scripted, stores: Stores) -> None:
        web.answer = lambda _: Reply(200, b"<DeleteResult/>")
        assert stores(web.url).delete_many(["a&<b>", "c\n"]) == {}
        (seen,) = web.seen
        assert (seen.method, seen.target) == ("POST", "/lab?delete")
        assert seen.headers["content-md5"] == b64encode(hashlib.md5(seen.body).digest()).decode()
        assert b"<Key>a&amp;&lt;b&gt;</Key>" in seen.body
        assert b"<Key>c&#10;</Key>" in seen.body

    def test_keys_that_xml_cannot_hold_are_deleted_one_by_one(self, web: Scripted, stores: Stores) -> None:
        web.answer = lambda _: Reply(204)
        assert stores(web.url).delete_many(["a\x01", "b"]) == {}
        assert [(seen.method, seen.target) for seen in web.seen] == [("DELETE", "/lab/a%01"), ("DELETE", "/lab/b")]

    def test_unsigned_requests_have_no_trace_of_keys(self, web: Scripted, stores: Stores) -> None:
        stores(web.url, None, anonymous=True).put("x", b"")
        assert not [name for name in web.seen[0].headers if name.startswith(("x-amz-", "auth"))]

    def test_a_session_token_travels(self, web: Scripted, stores: Stores) -> None:
        stores(web.url, Credentials("the-id", "hush", "the-token")).put("x", b"")
        assert web.seen[0].headers["x-amz-security-token"] == "the-token"

    def test_an_endpoint_may_have_a_path(self, web: Scripted, stores: Stores) -> None:
        store = stores(f"{web.url}/s3/")
        store.put("x", b"")
        store.list("")
        assert web.seen[0].target == "/s3/lab/x"

    @pytest.mark.parametrize("key", ["/begins", "a//b", "a/../b", "./a", "a%2Fb", "é", "a?b#c"])
    def test_keys_arrive_as_they_are(self, web: Scripted, stores: Stores, key: str) -> None:
        from urllib.parse import unquote

        stores(web.url).put(key, b"")
        assert unquote(web.seen[0].target) == f"/lab/{key}"


_CONDITIONS: dict[str, tuple[str, str, Callable[[S3Store], object]]] = {
    "create": ("if-none-match", "*", lambda store: store.put("x", b"", CREATE)),
    "update": ("if-match", '"e"', lambda store: store.put("x", b"", Update("e"))),
    "range": ("range", "bytes=5-6", lambda store: store.get_range("x", 5, 2)),
    "cached": ("if-none-match", '"e"', lambda store: store.get("x", if_none_match="e")),
}


class TestWhereTo:
    def test_aws_is_asked_by_the_name_of_the_bucket(self, aws: Scripted, company: WebProxy, stores: Stores) -> None:
        stores(region="eu-west-1").put("x", b"")
        assert company.seen[0][:2] == ("CONNECT", "lab.s3.eu-west-1.amazonaws.com:443")
        assert (aws.seen[0].headers["host"], aws.seen[0].target) == ("lab.s3.eu-west-1.amazonaws.com", "/x")
        assert region_of(aws.seen[0]) == "eu-west-1"

    @pytest.mark.parametrize("options", [{"bucket": "my.lab"}, {"addressing_style": "path"}, {"bucket": "My_Lab"}])
    def test_or_by_path(self, aws: Scripted, stores: Stores, options: dict[str, Any]) -> None:
        stores(**options).put("x", b"")
        assert aws.seen[0].headers["host"] == "s3.us-east-1.amazonaws.com"
        assert aws.seen[0].target == f"/{options.get('bucket', 'lab')}/x"

    def test_a_server_of_ones_own_may_have_buckets_in_its_name(
        self, aws: Scripted, stores: Stores, company: WebProxy
    ) -> None:
        stores("https://example.org:8443", addressing_style="virtual").put("x", b"")
        assert company.seen[0][1] == "lab.example.org:8443"
        assert aws.seen[0].headers["host"] == "lab.example.org:8443"

    @pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
    @pytest.mark.parametrize("wrong", ["foo", "127.0.0.1:9000", "https://", "ftp://example.org"])
    @pytest.mark.parametrize("region", [None, "mars-1"])
    def test_a_wrong_endpoint_of_the_environment_is_named(
        self, monkeypatch: pytest.MonkeyPatch, name: str, wrong: str, region: str | None
    ) -> None:
        monkeypatch.setenv(name, wrong)
        access = S3Access("lab", region=region, profile=None if region is None else "lab")
        with pytest.raises(InvalidURLError, match=f"^{name}.*{wrong}.* (is not the URL of a server|names no host)"):
            settings_for(access, Credentials("id", "secret"))

    @pytest.mark.parametrize("names", [["AWS_ENDPOINT_URL"], ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]])
    def test_the_endpoint_of_the_environment(
        self, web: Scripted, stores: Stores, monkeypatch: pytest.MonkeyPatch, names: list[str]
    ) -> None:
        for name, url in zip(names, [web.url, "http://127.0.0.1:9"], strict=False):
            monkeypatch.setenv(name, url)
        stores().put("x", b"")
        assert web.seen[0].target == "/lab/x"

    @pytest.mark.parametrize("form", ["plain", "services"])
    def test_the_endpoint_of_the_configuration(self, web: Scripted, stores: Stores, tmp_path: Path, form: str) -> None:
        section = "[default]\nregion = eu-central-1\n"
        if form == "plain":
            text = f"{section}endpoint_url = {web.url}\n"
        else:
            text = f"{section}services = mine\n[services mine]\ns3 =\n  endpoint_url = {web.url}\n"
        (tmp_path / "config").write_text(text)
        stores().put("x", b"")
        assert (web.seen[0].target, region_of(web.seen[0])) == ("/lab/x", "eu-central-1")

    def test_the_addressing_of_the_configuration(self, aws: Scripted, stores: Stores, tmp_path: Path) -> None:
        (tmp_path / "config").write_text("[default]\ns3 =\n  addressing_style = path\n")
        stores().put("x", b"")
        assert aws.seen[0].target == "/lab/x"

    @pytest.mark.parametrize(
        ("text", "host"),
        [
            ("use_dualstack_endpoint = true\nregion = eu-west-1\n", "lab.s3.dualstack.eu-west-1.amazonaws.com"),
            ("use_fips_endpoint = true\nregion = us-east-1\n", "lab.s3-fips.us-east-1.amazonaws.com"),
            ("region = cn-north-1\n", "lab.s3.cn-north-1.amazonaws.com.cn"),
            ("region = us-east-1\ns3 =\n  use_accelerate_endpoint = true\n", "lab.s3-accelerate.amazonaws.com"),
        ],
    )
    def test_special_servers_of_aws(
        self, stores: Stores, company: WebProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, host: str
    ) -> None:
        (tmp_path / "config").write_text(f"[default]\n{text}")
        monkeypatch.setenv("HTTPS_PROXY", company.url)
        company.refuse = 403
        with pytest.raises(RemoteConnectionError):
            stores().put("x", b"")
        assert company.seen[0][1] == f"{host}:443"

    @pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
    def test_the_region_of_the_environment(
        self, aws: Scripted, stores: Stores, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setenv(name, "eu-west-1")
        stores().put("x", b"")
        assert (aws.seen[0].headers["host"], region_of(aws.seen[0])) == ("lab.s3.eu-west-1.amazonaws.com", "eu-west-1")

    def test_what_is_given_comes_first(
        self, web: Scripted, stores: Stores, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("AWS_REGION", "from-env")
        (tmp_path / "config").write_text("[default]\nregion = from-file\nendpoint_url = http://127.0.0.1:9\n")
        stores(web.url, region="given").put("x", b"")
        assert region_of(web.seen[0]) == "given"


class TestAsWhom:
    def test_the_environment(self, web: Scripted, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-env")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
        stores(web.url, None).put("x", b"")
        assert (signer_of(web.seen[0]), web.seen[0].headers["x-amz-security-token"]) == ("from-env", "token")

    @pytest.mark.parametrize("how", ["option", "variable"])
    def test_a_profile(
        self, web: Scripted, stores: Stores, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
    ) -> None:
        (tmp_path / "credentials").write_text("[lab]\naws_access_key_id = from-lab\naws_secret_access_key = x\n")
        (tmp_path / "config").write_text(f"[profile lab]\nregion = eu-west-3\nendpoint_url = {web.url}\n")
        if how == "variable":
            monkeypatch.setenv("AWS_PROFILE", "lab")
        stores(None, None, **({"profile": "lab"} if how == "option" else {})).put("x", b"")
        assert signer_of(web.seen[0]) == "from-lab"
        assert "/eu-west-3/s3/" in web.seen[0].headers["authorization"]

    def test_strangers_find_the_endpoint_of_the_configuration(
        self, web: Scripted, stores: Stores, tmp_path: Path
    ) -> None:
        keys = "aws_access_key_id = x\naws_secret_access_key = x\n"
        (tmp_path / "config").write_text(f"[default]\n{keys}endpoint_url = {web.url}/s3\n")
        stores(None, None, anonymous=True).put("a/b c", b"")
        assert web.seen[0].target == "/s3/lab/a/b%20c"
        assert "authorization" not in web.seen[0].headers

    def test_nobody_when_no_keys_are_found(self, web: Scripted, stores: Stores) -> None:
        stores(web.url, None).put("x", b"")
        assert "authorization" not in web.seen[0].headers
        with pytest.raises(NoCredentialsError, match="AWS_ACCESS_KEY_ID"):
            stores(web.url, None, anonymous=False).put("x", b"")

    def test_keys_that_expire_are_renewed(self, web: Scripted, stores: Stores, tmp_path: Path) -> None:
        # A program of the configuration gives keys that expire at once, so that every request asks it again.
        counter = tmp_path / "counter"
        program = (
            f"n=$(( $(cat {counter} 2>/dev/null || echo 0) + 1 )); echo $n > {counter}; "
            'echo "{\\"Version\\": 1, \\"AccessKeyId\\": \\"id-$n\\", \\"SecretAccessKey\\": \\"x\\", '
            f'\\"SessionToken\\": \\"t\\", \\"Expiration\\": \\"{_soon()}\\"}}"'
        )
        script = tmp_path / "keys.sh"
        script.write_text(program)
        (tmp_path / "config").write_text(f"[default]\ncredential_process = sh {script}\n")
        store = stores(web.url, None)
        for _ in range(3):
            store.put("x", b"")
        signers = [signer_of(seen) for seen in web.seen]
        assert len(set(signers)) > 1
        assert len(web.seen) == 3

    @pytest.mark.parametrize(
        ("trouble", "raised"),
        [
            (CredentialRetrievalError(provider="x", error_msg="log in"), NoCredentialsError),
            (EndpointConnectionError(endpoint_url="https://sts.example.org"), RemoteConnectionError),
        ],
    )
    def test_keys_that_cannot_be_renewed_leave_nothing_uncertain(
        self, web: Scripted, stores: Stores, tmp_path: Path, trouble: Exception, raised: type[Exception]
    ) -> None:
        (tmp_path / "credentials").write_text("[default]\naws_access_key_id = x\naws_secret_access_key = x\n")
        store = stores(web.url, None)
        store.put("x", b"")
        with (
            mock.patch("botocore.credentials.Credentials.get_frozen_credentials", side_effect=trouble),
            pytest.raises(raised),
        ):
            store.put("y", b"", CREATE)
        assert len(web.seen) == 1

    def test_a_login_that_fails_is_named(self, web: Scripted, stores: Stores, tmp_path: Path) -> None:
        (tmp_path / "config").write_text("[default]\ncredential_process = false\n")
        with pytest.raises(NoCredentialsError, match="access_key_id="):
            stores(web.url, None).put("x", b"")

    def test_keys_are_in_no_message(self, web: Scripted, stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        web.answer = lambda _: Reply(403, b"<Error><Code>AccessDenied</Code></Error>")
        store = stores(web.url, Credentials("the-id", "hush-secret", "hush-token"))
        with pytest.raises(AccessDeniedError) as caught:
            store.get("x")
        error: BaseException | None = caught.value
        while error is not None:
            assert "hush" not in repr(error) + str(error)
            error = error.__cause__ or error.__context__
        assert "hush" not in caplog.text + repr(store) + repr(store._transport()) + repr(vars(store._transport()))


def _soon() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 300))


class TestRegions:
    @pytest.mark.parametrize("status", [301, 307, 400])
    @pytest.mark.parametrize("verb", ["get", "head", "put"])
    def test_it_is_corrected_once_and_remembered(self, aws: Scripted, stores: Stores, status: int, verb: str) -> None:
        def answer(seen: Seen) -> Reply:
            if region_of(seen) == "eu-west-1" and "eu-west-1" in seen.headers["host"]:
                return Reply(200, b"hello", {"ETag": '"e"'})
            return Reply(status, b"<Error><Code>PermanentRedirect</Code></Error>", {"x-amz-bucket-region": "eu-west-1"})

        aws.answer = answer
        store = stores()
        use = {"get": store.get, "head": store.head, "put": lambda key: store.put(key, b"hello", CREATE)}[verb]
        use("x")
        assert [region_of(seen) for seen in aws.seen] == ["us-east-1", "eu-west-1"]
        use("x")
        stores().get("x")
        assert len(aws.seen) == 4

    def test_a_server_of_ones_own_tells_it_in_its_error(self, web: Scripted, stores: Stores) -> None:
        def answer(seen: Seen) -> Reply:
            if region_of(seen) == "homewards-1":
                return Reply(200, b"hello")
            return Reply(400, b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>homewards-1</Region></Error>")

        web.answer = answer
        assert stores(web.url).get("x").body == b"hello"
        assert len({seen.headers["host"] for seen in web.seen}) == 1

    @pytest.mark.parametrize("told", ["us-east-1", "evil.example.org/", "", "a" * 80])
    def test_what_is_no_news_is_an_error(self, aws: Scripted, stores: Stores, told: str) -> None:
        aws.answer = lambda _: Reply(301, b"", {"x-amz-bucket-region": told})
        with pytest.raises(StoreError, match="region"):
            stores().get("x")
        assert len(aws.seen) == 1

    def test_a_server_that_sends_us_around_is_left(self, aws: Scripted, stores: Stores) -> None:
        aws.answer = lambda seen: Reply(
            301, b"", {"x-amz-bucket-region": "us-east-1" if region_of(seen) == "eu-west-1" else "eu-west-1"}
        )
        with pytest.raises(StoreError, match="region"):
            stores().get("x")
        assert len(aws.seen) == 2


class TestClocks:
    OFF = 7200

    def answer(self, seen: Seen) -> Reply:
        there = time.time() + self.OFF
        signed = seen.headers["x-amz-date"]
        date = {"Date": formatdate(there, usegmt=True)}
        known = [time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(there + off)) for off in range(-5, 6)]
        if signed in known:
            return Reply(200, b"hello", date)
        return Reply(403, b"<Error><Code>RequestTimeTooSkewed</Code></Error>", date)

    @pytest.mark.parametrize("verb", ["get", "head", "create"])
    def test_a_wrong_one_is_corrected_once_and_remembered(self, web: Scripted, stores: Stores, verb: str) -> None:
        web.answer = self.answer
        store = stores(web.url)
        use = {"get": store.get, "head": store.head, "create": lambda key: store.put(key, b"", CREATE)}[verb]
        use("x")
        assert len(web.seen) == 2
        use("x")
        assert len(web.seen) == 3

    def test_a_server_that_does_not_know_the_time_is_left(self, web: Scripted, stores: Stores) -> None:
        web.answer = lambda seen: Reply(
            403,
            b"<Error><Code>RequestTimeTooSkewed</Code></Error>",
            {"Date": formatdate(len(web.seen) * 1e6, usegmt=True)},
        )
        with pytest.raises(AccessDeniedError, match="clock"):
            stores(web.url).get("x")
        assert len(web.seen) == 2

    def test_strangers_have_no_clock(self, web: Scripted, stores: Stores) -> None:
        web.answer = lambda _: Reply(403, b"", {"Date": formatdate(1e6, usegmt=True)})
        with pytest.raises(AccessDeniedError):
            stores(web.url, None, anonymous=True).head("x")
        assert len(web.seen) == 1

    def test_a_refusal_with_the_right_time_is_one(self, web: Scripted, stores: Stores) -> None:
        web.answer = lambda _: Reply(403)
        with pytest.raises(AccessDeniedError):
            stores(web.url).head("x")
        assert len(web.seen) == 1


class TestAnswers:
    def test_an_error_after_200_is_an_error(self, web: Scripted, stores: Stores) -> None:
        web.answer = lambda _: Reply(200, b"<Error><Code>InternalError</Code><Message>sorry</Message></Error>")
        with pytest.raises(RemoteConnectionError, match="InternalError"):
            stores(web.url).copy("x", "y")
        failed = stores(web.url).delete_many(["x"])
        assert isinstance(failed["x"], RemoteConnectionError)

    def test_slow_down_is_obeyed_by_the_policy_of_all(self, web: Scripted, stores: Stores) -> None:
        slow = Reply(503, b"<Error><Code>SlowDown</Code></Error>")
        web.answer = lambda _: slow if len(web.seen) < 3 else Reply(200, b"hello")
        store = stores(web.url, retries=3)
        assert store.get("x").body == b"hello"
        assert len(web.seen) == 3

    @pytest.mark.parametrize("status", [403, 404, 500])
    def test_the_length_of_a_body_that_does_not_come(self, web: Scripted, stores: Stores, status: int) -> None:
        web.answer = lambda _: Reply(status, b"x" * 300)
        with pytest.raises(StoreError, match=str(status)):
            stores(web.url).head("x")

    @pytest.mark.parametrize("page", [b"", b"<html>", b"<html/>", b"\x00\xff", b"x" * 100_000])
    def test_a_page_that_is_no_listing(self, web: Scripted, stores: Stores, page: bytes) -> None:
        web.answer = lambda _: Reply(200, page)
        with pytest.raises(RemoteConnectionError, match="cannot be read"):
            list(stores(web.url).list("x"))

    @pytest.mark.parametrize("page", [b"<html/>", b"<ListBucketResult/>"])
    def test_a_page_of_somebody_on_the_way_has_copied_and_deleted_nothing(
        self, web: Scripted, stores: Stores, page: bytes
    ) -> None:
        web.answer = lambda _: Reply(200, page)
        with pytest.raises(RemoteConnectionError, match="cannot be read"):
            stores(web.url).copy("x", "y")
        assert isinstance(stores(web.url).delete_many(["x"])["x"], RemoteConnectionError)

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # urllib3 leaves the socket
    @pytest.mark.parametrize("where", ["http://[::1", "http://a b/", "file:///etc/passwd", "//"])
    def test_a_redirection_to_nowhere(self, web: Scripted, where: str) -> None:
        web.answer = lambda _: Reply(302, b"", {"Location": where})
        with pytest.raises(StoreError):
            HttpStore(f"{web.url}/x", "x", retries=0).get("x")
        gc.collect()

    def test_an_error_is_not_its_own_cause(self, web: Scripted, stores: Stores) -> None:
        web.answer = lambda _: Reply(200, b"hello")
        for store in (stores(web.url), HttpStore(f"{web.url}/x", "x")):
            with pytest.raises(StoreError) as caught:
                store.get_range("x", 3, 9)
            assert caught.value.__cause__ is not caught.value

    @pytest.mark.parametrize("reader", ["s3", "url"])
    def test_a_part_is_not_taken_for_the_whole(self, web: Scripted, stores: Stores, reader: str) -> None:
        web.answer = lambda _: Reply(206, b"hel", {"Content-Range": "bytes 0-2/5"})
        store = stores(web.url) if reader == "s3" else HttpStore(f"{web.url}/x", "x")
        with pytest.raises(StoreError, match="part of the object"):
            store.get("x")

    @pytest.mark.parametrize("length", ["9" * 5000, "-1", "\xb2", "1, 2"])
    def test_lengths_that_are_none(self, web: Scripted, stores: Stores, length: str) -> None:
        web.answer = lambda _: Reply(200, b"hello", {"Content-Length": length})
        for use in (stores(web.url).head, HttpStore(f"{web.url}/x", "x", retries=0).head):
            with pytest.raises(StoreError):
                use("x")

    @pytest.mark.parametrize("page", [b"<html>teapot</html>", b"\xff", b"x" * 1_000_000])
    def test_an_error_page_of_somebody_on_the_way(self, web: Scripted, stores: Stores, page: bytes) -> None:
        web.answer = lambda _: Reply(418, page)
        with pytest.raises(StoreError, match="418"):
            stores(web.url).get("x")
