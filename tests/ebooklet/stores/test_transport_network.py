"""Through which proxies, certificates and connections our own transport sends."""

import gc
import hashlib
import os
import re
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ebooklet.errors import RemoteConnectionError, StoreError, UncertainOutcomeError
from ebooklet.stores import pool
from ebooklet.stores.access import S3Access
from ebooklet.stores.http import HttpStore
from ebooklet.stores.protocol import CREATE
from ebooklet.stores.s3 import S3Store
from tests.ebooklet.stores.scripted_fixtures import (
    KEYS,
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
    Authority,
    Reply,
    Scripted,
    Seen,
    WebProxy,
)

__all__ = ["authority", "aws", "company", "nothing_configured", "secure", "stores", "web"]

ROOT = Path(__file__).resolve().parents[3]


def signer_of(seen: Seen) -> str | None:
    found = re.search(r"Credential=([^/]+)/", seen.headers.get("authorization", ""))
    return found and found.group(1)


class TestProxies:
    def test_http_is_forwarded(
        self, web: Scripted, company: WebProxy, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", company.url.replace("//", "//me:p%40ss@"))
        stores(web.url).put("a b", b"hello")
        assert company.seen == [("PUT", f"{web.url}/lab/a%20b", "Basic " + b64encode(b"me:p@ss").decode())]
        assert (web.seen[0].target, web.seen[0].body) == ("/lab/a%20b", b"hello")
        assert "proxy-authorization" not in web.seen[0].headers

    def test_https_is_tunnelled(
        self, secure: Scripted, company: WebProxy, stores: Stores, monkeypatch: pytest.MonkeyPatch, authority: Authority
    ) -> None:
        monkeypatch.setenv("https_proxy", company.url.replace("//", "//me:pass@"))
        store = stores(secure.url, verify=str(authority.file))
        for key in ("x", "y"):
            store.put(key, b"")
        assert company.seen == [("CONNECT", f"127.0.0.1:{secure.port}", "Basic " + b64encode(b"me:pass").decode())]
        assert "proxy-authorization" not in secure.seen[0].headers

    @pytest.mark.parametrize("exempt", ["127.0.0.1", "*", "example.org,127.0.0.1"])
    def test_some_hosts_are_exempt(
        self, web: Scripted, company: WebProxy, stores: Stores, monkeypatch: pytest.MonkeyPatch, exempt: str
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", company.url)
        monkeypatch.setenv("NO_PROXY", exempt)
        stores(web.url).put("x", b"")
        HttpStore(f"{web.url}/lab/x", "x").get("x")
        assert (len(web.seen), company.seen) == (2, [])

    def test_a_url_is_read_through_it_too(
        self, web: Scripted, company: WebProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", company.url)
        HttpStore(f"{web.url}/lab/x", "x").get("x")
        assert company.seen[0][:2] == ("GET", f"{web.url}/lab/x")

    def test_a_proxy_that_refuses_is_no_uncertain_outcome(
        self, secure: Scripted, company: WebProxy, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", company.url.replace("//", "//me:hush@"))
        company.refuse = 407
        with pytest.raises(RemoteConnectionError, match="407") as caught:
            stores(secure.url).put("x", b"", CREATE)
        assert "hush" not in str(caught.value)

    @pytest.mark.parametrize("transport", ["urllib3", "boto3"])
    def test_a_proxy_that_takes_a_conditional_write_and_hangs_up_may_have_passed_it_on(
        self, web: Scripted, company: WebProxy, stores: Stores, monkeypatch: pytest.MonkeyPatch, transport: str
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", company.url)
        company.hangs_up = True
        with pytest.raises(UncertainOutcomeError):
            stores(web.url, transport=transport, retries=3).put("x", b"", CREATE)
        assert len(company.seen) == 1

    @pytest.mark.parametrize("transport", ["urllib3", "boto3"])
    def test_a_proxy_that_is_not_there_has_passed_on_nothing(
        self, web: Scripted, stores: Stores, monkeypatch: pytest.MonkeyPatch, transport: str
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        with pytest.raises(
            RemoteConnectionError,
            match="2 attempts" if transport == "boto3" else r"HTTPS?_PROXY.*2 attempts|2 attempts.*HTTPS?_PROXY",
        ):
            stores(web.url, transport=transport, retries=1).put("x", b"", CREATE)

    def test_an_impossible_proxy_is_named_without_its_password(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "gopher://me:hush@proxy.example.org:70")
        with pytest.raises(StoreError, match=r"gopher://proxy\.example\.org:70 .*HTTPS_PROXY") as caught:
            stores("https://s3.example.org").put("x", b"")
        assert "hush" not in str(caught.value)


class TestCertificates:
    @pytest.mark.parametrize("how", ["verify", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "configuration"])
    @pytest.mark.parametrize("transport", ["urllib3", "boto3"])
    def test_an_authority_of_ones_own(
        self,
        secure: Scripted,
        stores: Stores,
        authority: Authority,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        how: str,
        transport: str,
    ) -> None:
        options = {"verify": str(authority.file)} if how == "verify" else {}
        if how == "configuration":
            (tmp_path / "config").write_text(f"[default]\nca_bundle = {authority.file}\n")
        elif how != "verify":
            monkeypatch.setenv(how, str(authority.file))
        stores(secure.url, transport=transport, **options).put("x", b"hello")
        assert secure.seen[0].body == b"hello"
        assert secure.seen[0].headers["x-amz-content-sha256"] == hashlib.sha256(b"hello").hexdigest()

    @pytest.mark.parametrize("transport", ["urllib3", "boto3"])
    def test_others_are_not_trusted_and_not_asked_again(self, secure: Scripted, stores: Stores, transport: str) -> None:
        with pytest.raises(RemoteConnectionError, match="not trusted; if it is your own, give verify=") as caught:
            stores(secure.url, transport=transport, retries=3).put("x", b"")
        assert "attempts" not in str(caught.value)
        assert (secure.seen, secure.connections) == ([], 0)

    def test_a_name_that_is_not_in_the_certificate(
        self, secure: Scripted, stores: Stores, authority: Authority
    ) -> None:
        with pytest.raises(RemoteConnectionError, match="not trusted"):
            stores(secure.url.replace("127.0.0.1", "localhost"), verify=str(authority.file)).put("x", b"")

    def test_a_redirection_to_https_is_checked_too(self, web: Scripted, secure: Scripted, authority: Authority) -> None:
        web.answer = lambda seen: Reply(302, headers={"Location": f"{secure.url}{seen.target}"})
        secure.answer = lambda _: Reply(200, b"hello")
        assert HttpStore(f"{web.url}/x", "x", verify=str(authority.file)).get("x").body == b"hello"
        with pytest.raises(RemoteConnectionError, match="not trusted"):
            HttpStore(f"{web.url}/x", "x", retries=0).get("x")

    @pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
    def test_checking_may_be_switched_off(self, secure: Scripted, stores: Stores) -> None:
        stores(secure.url, verify=False).put("x", b"")
        assert len(secure.seen) == 1

    def test_a_missing_file_is_named(self, secure: Scripted, stores: Stores) -> None:
        with pytest.raises(StoreError, match=r"nowhere\.pem"):
            stores(secure.url, verify="/nowhere.pem").put("x", b"")

    def test_authorities_are_read_once(
        self, secure: Scripted, stores: Stores, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = []
        real = pool._tls_context
        monkeypatch.setattr(pool, "_tls_context", lambda verify: made.append(verify) or real(verify))
        store = stores(secure.url, verify=str(authority.file))
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda n: store.put(str(n), b""), range(12)))
        assert made == [str(authority.file)]


class TestConnections:
    def test_one_is_enough_for_one_thread(self, web: Scripted, stores: Stores) -> None:
        store = stores(web.url)
        web.answer = lambda seen: Reply(200 if seen.method != "GET" else 404, b"<DeleteResult/>")
        for _ in range(5):
            store.put("x", b"hello")
            store.head("x")
            store.delete_many(["x"])
            store.delete("x")
            with pytest.raises(StoreError):
                store.get("x")
        assert (len(web.seen), web.connections) == (25, 1)

    def test_reading_a_url_keeps_its_connection_too(self, web: Scripted) -> None:
        web.answer = lambda _: Reply(200, b"hello")
        store = HttpStore(f"{web.url}/lab/x", "x")
        for _ in range(3):
            store.head("x")
            store.get("x")
        assert (len(web.seen), web.connections) == (6, 1)
        store.close()

    def test_threads_share_them(self, web: Scripted, stores: Stores) -> None:
        web.answer = lambda _: Reply(200, bytes(100_000))
        store = stores(web.url, threads=8)
        with ThreadPoolExecutor(8) as threads:
            assert {len(found.body) for found in threads.map(lambda _: store.get("x"), range(80))} == {100_000}
        assert web.connections <= 8

    def test_what_is_not_worth_reading_is_dropped_and_short_rests_are_read(self, web: Scripted, stores: Stores) -> None:
        web.answer = lambda seen: Reply(200, bytes(1000 if "short" in seen.target else 5_000_000))
        store = stores(web.url)
        for key, opened in [("short", 1), ("short", 1), ("long", 1), ("short", 2)]:
            with pytest.raises(ValueError, match="more than"):
                store.get(key, limit=10)
            assert web.connections == opened

    @pytest.mark.parametrize("tls", [False, True])
    def test_one_that_was_closed_while_idle_is_no_uncertain_outcome(
        self, web: Scripted, secure: Scripted, stores: Stores, authority: Authority, tls: bool
    ) -> None:
        server = secure if tls else web
        server.hangs_up = True
        store = stores(server.url, verify=str(authority.file))
        for turn in range(3):
            store.put(str(turn), b"", CREATE)
            _until(lambda: not _established(server.port))
        assert (len(server.seen), server.connections) == (3, 3)

    def test_they_end_with_the_store(self, web: Scripted, stores: Stores) -> None:
        store = S3Store(S3Access("lab", endpoint_url=web.url), KEYS)
        before = _sockets()
        store.put("x", b"")
        assert len(_sockets() - before) >= 1
        store.close()
        assert not _client_sockets(web.port)
        store.put("x", b"")
        assert len(_client_sockets(web.port)) == 1
        del store
        gc.collect()
        assert not _client_sockets(web.port)

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_a_forked_process_opens_its_own(self, web: Scripted, stores: Stores) -> None:
        store = stores(web.url)
        web.answer = lambda _: Reply(200, b"hello")
        store.get("x")
        held = store._transports._lock
        held.acquire()  # as by a thread of the parent that is just connecting
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if store.get("x").body == b"hello" else 1)
            finally:
                os._exit(2)
        held.release()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert web.connections == 2
        assert store.get("x").body == b"hello"
        assert web.connections == 2


def _sockets() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


def _client_sockets(port: int, state: str = "") -> set[str]:
    """Our ends of connections to a port."""
    mine = {name.removeprefix("socket:[").rstrip("]") for name in _sockets()}
    lines = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    to_port = [line for line in lines if int(line[2].partition(":")[2], 16) == port]
    return {line[9] for line in to_port if line[9] in mine and state in {"", line[3]}}


def _established(port: int) -> set[str]:
    return _client_sockets(port, "01")


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


class TestImports:
    def imported(self, code: str, **environment: str) -> set[str]:
        """Which of the heavy packages a process has after it has run some code."""
        code += "\nimport sys; print(sorted({'boto3', 'botocore', 'urllib3'} & set(sys.modules)))"
        variables = {**os.environ, **environment}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=variables)
        assert done.returncode == 0, done.stderr
        return set(re.findall(r"'(\w+)'", done.stdout))

    PUT = (
        "from ebooklet.connection import S3Connection\n"
        "S3Connection({keys} bucket='lab', db_key='x', endpoint_url='{url}').store(True).put('x', b'')"
    )

    def test_keys_by_hand_need_no_boto3(self, web: Scripted) -> None:
        code = self.PUT.format(url=web.url, keys="access_key_id='a', access_key='b',")
        assert self.imported(code) == {"urllib3"}
        assert signer_of(web.seen[0]) == "a"

    def test_nor_do_strangers(self, web: Scripted) -> None:
        assert self.imported(self.PUT.format(url=web.url, keys="anonymous=True,")) == {"urllib3"}

    def test_nor_do_keys_of_the_environment(self, web: Scripted) -> None:
        keys = {"AWS_ACCESS_KEY_ID": "from-env", "AWS_SECRET_ACCESS_KEY": "x"}
        assert self.imported(self.PUT.format(url=web.url, keys=""), **keys) == {"urllib3"}
        assert signer_of(web.seen[0]) == "from-env"

    def test_the_chain_does(self, web: Scripted) -> None:
        assert self.imported(self.PUT.format(url=web.url, keys="")) == {"boto3", "botocore", "urllib3"}


def test_special_buckets_of_aws_are_left_to_boto3(stores: Stores) -> None:
    for bucket in ("arn:aws:s3:eu-west-1:123456789012:accesspoint/lab", "lab--use1-az4--x-s3"):
        assert "Boto" in repr(stores(transport="auto", bucket=bucket)._transport())
    assert "Pooled" in repr(stores("http://127.0.0.1:9", transport="auto")._transport())


def test_one_transport_for_all_threads(web: Scripted, stores: Stores) -> None:
    store, made = stores(web.url), set()
    threads = [threading.Thread(target=lambda: made.add(id(store._transport()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
