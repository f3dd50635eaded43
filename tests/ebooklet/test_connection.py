import copy
import json
import os
import pickle
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import pytest

from ebooklet.connection import Connection, FolderConnection, S3Connection, StoreConnection, as_connection
from ebooklet.errors import InvalidURLError, NoCredentialsError, UnsupportedOperationError
from ebooklet.stores.folder import FolderStore
from ebooklet.stores.http import HttpStore
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.metered import MeteredStore
from ebooklet.stores.pooled import PooledTransport
from ebooklet.stores.s3 import S3Store

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def empty_chain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def make(**parameters: Any) -> S3Connection:
    return S3Connection(**({"bucket": "lab", "db_key": "x.cfdb"} | parameters))


def signer(conn: S3Connection) -> str | None:
    store = conn.store(writable=True)
    assert isinstance(store, S3Store)
    transport = store._transport()
    assert isinstance(transport, PooledTransport)
    keys = transport._settings.keys
    return None if keys is None else keys().access_key_id


class TestSpelling:
    def test_positions_are_those_of_the_seed(self) -> None:
        conn = S3Connection("id", "secret", "big.blt", "bucket", "https://s3.org", "https://x.org/big.blt", 5, 20, 1)
        assert (conn.db_key, conn.bucket, conn.endpoint_url) == ("big.blt", "bucket", "https://s3.org")
        assert (conn.db_url, conn.threads, conn.read_timeout, conn.retries) == ("https://x.org/big.blt", 5, 20, 1)
        assert signer(conn) == "id"

    @pytest.mark.parametrize(
        ("alias", "name", "value"),
        [
            ("object_key", "db_key", "y.cfdb"),
            ("max_workers", "threads", 7),
            ("region_name", "region", "eu-west-1"),
        ],
    )
    def test_other_spellings_mean_the_same(self, alias: str, name: str, value: Any) -> None:
        parameters: dict[str, Any] = {"bucket": "lab"} if name == "db_key" else {"bucket": "lab", "db_key": "x"}
        assert getattr(S3Connection(**parameters, **{alias: value}), name) == value

    @pytest.mark.parametrize("key_id", ["access_key_id", "aws_access_key_id"])
    @pytest.mark.parametrize("key", ["access_key", "secret_access_key", "aws_secret_access_key"])
    @pytest.mark.parametrize("token", ["session_token", "aws_session_token"])
    def test_keys_in_every_spelling(self, key_id: str, key: str, token: str) -> None:
        conn = make(**{key_id: "id", key: "hush", token: "tok"})
        assert conn == make(access_key_id="id", access_key="hush", session_token="tok")

    def test_the_same_value_twice_is_no_contradiction_but_two_are(self) -> None:
        assert make(object_key="x.cfdb").db_key == "x.cfdb"
        with pytest.raises(ValueError, match="db_key= and object_key= mean the same and differ"):
            make(object_key="y.cfdb")
        with pytest.raises(ValueError) as caught:
            make(access_key_id="id", access_key="hush-1", secret_access_key="hush-2")
        assert "hush" not in str(caught.value)


class TestWhatIsMissing:
    @pytest.mark.parametrize(
        ("parameters", "says"),
        [
            ({}, "missing: bucket=, db_key="),
            ({"bucket": "lab"}, "missing: db_key="),
            ({"db_key": "x"}, "missing: bucket="),
            ({"bucket": "lab", "db_key": "x", "access_key_id": "id"}, "missing: access_key="),
            ({"bucket": "lab", "db_key": "x", "access_key": "hush"}, "missing: access_key_id="),
            ({"bucket": "lab", "db_key": "x", "session_token": "tok"}, "access_key_id="),
            ({"bucket": "lab/x", "db_key": "x"}, "'/'"),
            ({"bucket": "lab", "db_key": "x.objects"}, ".objects"),
            ({"bucket": "lab", "db_key": "x", "threads": 0}, "threads=0"),
            ({"bucket": "lab", "db_key": "x", "retries": -1}, "retries=-1"),
            ({"bucket": "lab", "db_key": "x", "addressing_style": "round"}, "'round'"),
            ({"bucket": "lab", "db_key": "x", "transport": "pigeon"}, "'pigeon'"),
            ({"bucket": "lab", "db_key": "x", "endpoint_url": "s3.org"}, "endpoint_url='s3.org'"),
            ({"db_url": "https://x.org/y?sig=hush"}, "query string"),
            ({"db_url": "file:///folder/x"}, "folder"),
            ({"bucket": "lab", "db_url": "s3://other/x"}, "bucket= and db_url="),
            ({"db_url": "nowhere"}, "not a URL"),
        ],
    )
    def test_it_is_named(self, parameters: dict[str, Any], says: str) -> None:
        with pytest.raises(ValueError) as caught:
            S3Connection(**parameters)
        assert says in str(caught.value)
        assert "hush" not in str(caught.value)

    def test_keys_and_anonymous_contradict(self) -> None:
        with pytest.raises(ValueError, match="anonymous=True"):
            make(access_key_id="id", access_key="hush", anonymous=True)

    def test_credentials_in_the_endpoint_are_refused_and_not_repeated(self) -> None:
        with pytest.raises(InvalidURLError) as caught:
            make(endpoint_url="https://me:hush@s3.org")
        assert "hush" not in str(caught.value)


class TestStores:
    def test_a_bucket_is_reached_through_one_store(self) -> None:
        conn = make()
        assert isinstance(conn.store(), S3Store)
        assert conn.store() is conn.store(writable=True)
        assert conn.uri == "s3://lab/x.cfdb"

    def test_a_url_alone_is_read_only(self) -> None:
        conn = S3Connection(db_url="https://example.org/data/x%20y.cfdb")
        assert isinstance(conn.store(), HttpStore)
        assert (conn.db_key, conn.uri) == ("x y.cfdb", "https://example.org/data/x%20y.cfdb")
        with pytest.raises(ValueError, match="read-only; to write"):
            conn.store(writable=True)

    def test_readers_use_the_public_url_and_writers_the_bucket(self) -> None:
        conn = make(db_url="https://example.org/x.cfdb")
        assert isinstance(conn.store(), HttpStore)
        assert isinstance(conn.store(writable=True), S3Store)
        assert isinstance(make(db_url="https://example.org/x", anonymous=False).store(), S3Store)

    def test_an_s3_url_stands_for_bucket_and_key(self) -> None:
        assert S3Connection(db_url="s3://lab/x.cfdb") == make()

    def test_plain_http_is_warned_of(self) -> None:
        with pytest.warns(UserWarning, match="without encryption"):
            S3Connection(db_url="http://example.org/warned.cfdb")

    def test_making_one_sends_and_imports_nothing(self) -> None:
        code = (
            "import sys; from ebooklet.connection import S3Connection, as_connection\n"
            "S3Connection('id', 'key', 'x', 'lab', 'https://nowhere.invalid').store(True)\n"
            "as_connection('https://nowhere.invalid/x').store()\n"
            "print(sorted({'boto3', 'botocore', 'urllib3'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
        assert done.stdout.strip() == "[]"


class TestSecrets:
    def test_they_are_shown_nowhere(self) -> None:
        conn = make(access_key_id="the-id", access_key="hush", session_token="token-hush")
        shown = [repr(conn), str(conn), json.dumps(conn.to_dict()), repr(vars(conn)), repr(conn.store(writable=True))]
        assert not any("hush" in text or "the-id" in text for text in shown)
        assert repr(conn) == "S3Connection('s3://lab/x.cfdb', keys given)"
        assert b"hush" not in pickle.dumps(conn)
        assert b"the-id" not in pickle.dumps(conn)

    def test_they_are_found_again_in_the_same_process_and_in_a_fork(self) -> None:
        conn = make(access_key_id="the-id", access_key="hush", endpoint_url="https://s3.org")
        sent = pickle.dumps(conn)
        again = pickle.loads(sent)
        assert again == conn
        assert signer(again) == "the-id"
        assert signer(copy.deepcopy(conn)) == "the-id"
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writer, str(signer(pickle.loads(sent))).encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(reader, 100) == b"the-id"
        os.close(reader)
        os.close(writer)

    @pytest.mark.parametrize("with_chain", [False, True])
    def test_elsewhere_the_chain_is_asked(self, with_chain: bool, tmp_path: Path) -> None:
        sent = tmp_path / "connection"
        sent.write_bytes(pickle.dumps(make(access_key_id="the-id", access_key="hush")))
        code = (
            "import pickle, sys\n"
            "from ebooklet.errors import NoCredentialsError\n"
            "conn = pickle.load(open(sys.argv[1], 'rb'))\n"
            "conn = pickle.loads(pickle.dumps(conn))\n"
            "try:\n"
            "    print(conn.store(True)._transport()._settings.keys().access_key_id)\n"
            "except NoCredentialsError as error:\n"
            "    print(error)\n"
        )
        environment = dict(os.environ)
        if with_chain:
            environment |= {"AWS_ACCESS_KEY_ID": "from-env", "AWS_SECRET_ACCESS_KEY": "x"}
        done = subprocess.run(
            [sys.executable, "-c", code, str(sent)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment,
            check=True,
        )
        if with_chain:
            assert done.stdout.strip() == "from-env"
        else:
            assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY on the workers" in done.stdout

    def test_a_connection_without_keys_stays_anonymous_elsewhere(self) -> None:
        assert signer(pickle.loads(pickle.dumps(make()))) is None

    def test_they_travel_when_the_user_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sent = pickle.dumps(make(access_key_id="the-id", access_key="hush", pickle_credentials=True))
        monkeypatch.setattr("ebooklet.stores.access._kept", {})
        assert signer(pickle.loads(sent)) == "the-id"

    @pytest.mark.parametrize("name", ["access_key_id", "access_key", "session_token"])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\x00"])
    def test_one_with_the_end_of_its_line_is_refused_and_not_repeated(self, name: str, end: str) -> None:
        keys = {"access_key_id": "id", "access_key": "hush", "session_token": "hush"}
        with pytest.raises(ValueError, match=f"{name} has a line end") as caught:
            make(**(keys | {name: "hush" + end}))
        assert "hush" not in str(caught.value)

    @pytest.mark.parametrize("transport", ["urllib3", "boto3"])
    def test_those_of_the_environment_are_not_repeated_either(
        self, monkeypatch: pytest.MonkeyPatch, transport: str
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "hush\n")
        conn = S3Connection(bucket="b", db_key="k", endpoint_url="http://127.0.0.1:9", retries=0, transport=transport)
        with pytest.raises(ValueError, match="session_token has a line end") as caught:
            conn.store().get("k")
        shown = "".join(traceback.format_exception(caught.value))
        assert "hush" not in shown

    def test_keys_may_be_demanded(self) -> None:
        with pytest.raises(NoCredentialsError, match="AWS_ACCESS_KEY_ID"):
            make(anonymous=False).store().get("x.cfdb")


class TestValues:
    def test_what_is_written_down_makes_the_same_connection(self) -> None:
        conn = make(
            endpoint_url="https://s3.org",
            db_url="https://example.org/x.cfdb",
            region="eu-west-1",
            profile="lab",
            anonymous=False,
            addressing_style="virtual",
            threads=3,
            read_timeout=7,
            retries=1,
            connect_timeout=2,
            deadline=30,
            verify="/etc/ca.pem",
            transport="boto3",
            single_writer=True,
        )
        written = json.loads(json.dumps(conn.to_dict()))
        assert as_connection(written) == conn
        assert as_connection({"remote_conn": written, "type": "EBooklet"}) == conn
        url = S3Connection(db_url="https://example.org/x.cfdb")
        assert as_connection(url.to_dict()) == url
        assert make().to_dict() == {"bucket": "lab", "db_key": "x.cfdb"}

    def test_equal_connections_have_equal_hashes(self) -> None:
        assert make() == make()
        assert hash(make()) == hash(make())
        assert len({make(), make(), make(db_key="y")}) == 2
        assert make() != make(access_key_id="id", access_key="hush")
        assert make() != make(threads=3)
        assert make() != "s3://lab/x.cfdb"

    def test_a_pickled_connection_keeps_its_options(self) -> None:
        conn = make(threads=3, single_writer=True)
        again = pickle.loads(pickle.dumps(conn))
        assert (again.threads, again.single_writer, again.to_dict()) == (3, True, conn.to_dict())

    def test_one_store_for_all_threads(self) -> None:
        conn, made = make(), set()
        threads = [threading.Thread(target=lambda: made.add(id(conn.store()))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 1


class TestAsConnection:
    def test_connections_pass(self) -> None:
        for conn in (make(), FolderConnection("/folder", "x"), StoreConnection("x")):
            assert isinstance(conn, Connection)
            assert as_connection(conn) is conn

    def test_urls_are_understood(self) -> None:
        assert as_connection("s3://lab/x.cfdb") == make()
        assert as_connection("https://example.org/x") == S3Connection(db_url="https://example.org/x")
        folder = as_connection("file:///scratch/my%20data/x.cfdb")
        assert folder == FolderConnection("/scratch/my data", "x.cfdb")
        assert as_connection(folder.to_dict()) == folder
        assert as_connection({"db_url": "s3://lab/x.cfdb"}) == make()

    def test_parameters_are_understood(self) -> None:
        assert as_connection({"bucket": "lab", "object_key": "x.cfdb"}) == make()
        with pytest.raises(TypeError, match=r"no parameters \['buckt'\].*bucket"):
            as_connection({"buckt": "lab", "db_key": "x"})

    @pytest.mark.parametrize("value", [None, 3, Path("x.cfdb"), ["s3://lab/x"], b"s3://lab/x"])
    def test_anything_else_is_a_type_error(self, value: object) -> None:
        with pytest.raises(TypeError, match=type(value).__name__):
            as_connection(value)

    def test_a_path_is_told_how_to_become_a_url(self) -> None:
        with pytest.raises(InvalidURLError, match="file:///folder/key"):
            as_connection("data/x.cfdb")
        with pytest.raises(InvalidURLError, match="file:///data/x"):
            as_connection("/data/x.cfdb")

    def test_a_path_of_windows_is_a_folder(self) -> None:
        assert as_connection("C:\\data\\x") == as_connection("file:///C:/data/x")
        assert as_connection("\\\\server\\share\\x") == as_connection("file://server/share/x")


class TestOtherPlaces:
    def test_a_folder(self, tmp_path: Path) -> None:
        conn = FolderConnection(str(tmp_path), "x.cfdb")
        store = conn.store(writable=True)
        assert isinstance(store, MeteredStore)
        assert isinstance(store.inner, FolderStore)
        store.put(conn.db_key, b"hello")
        assert (tmp_path / "x.cfdb").read_bytes() == b"hello"
        assert conn.uri == f"file://{tmp_path}/x.cfdb"
        assert pickle.loads(pickle.dumps(conn)) == conn
        assert hash(conn) == hash(as_connection(conn.uri))

    def test_a_folder_of_windows_is_parsed_and_refused_when_opened(self) -> None:
        conn = as_connection("file:///C:/data/x.cfdb")
        assert conn.uri == "file:///C:/data/x.cfdb"
        with pytest.raises(UnsupportedOperationError, match="Windows"):
            conn.store()

    def test_a_store_at_hand(self) -> None:
        store = MemoryStore("lab")
        conn = StoreConnection("x.cfdb", store, single_writer=True)
        conn.store().put("a", b"1")
        assert store.get("a").body == b"1"
        assert (conn.uri, conn.single_writer) == ("memory://lab/x.cfdb", True)
        with pytest.raises(TypeError, match="only lives in this process"):
            conn.to_dict()
