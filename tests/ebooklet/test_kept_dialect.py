"""What a process knows of a server that an earlier one has met: requests are spared, commits are never lost."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

import ebooklet
from ebooklet import S3Connection
from ebooklet.errors import ConflictError
from ebooklet.kept_dialect import DIALECT_STATE, keep_dialect, recall_dialect
from ebooklet.local.working_copy import WorkingCopy
from ebooklet.stores import dialect as dialects
from ebooklet.stores.access import TransportName
from ebooklet.stores.dialect import Dialect
from tests.support.scripted import Reply, Seen, scripted_server


class Bucket:
    """A bucket on a server that takes the ETag of `If-Match` in one spelling only, as Ceph RGW does."""

    def __init__(self, name: dict[str, str], *, quoted: bool = False, conditional: bool = True) -> None:
        self.name, self.quoted, self.conditional = name, quoted, conditional
        self.objects: dict[str, bytes] = {}
        self.requests: Counter[str] = Counter()
        self.url = ""

    def answer(self, seen: Seen) -> Reply:
        parts = urlsplit(seen.target)
        key = unquote(parts.path).removeprefix("/bucket").removeprefix("/")
        conditional = {"if-match", "if-none-match"} & set(seen.headers)
        self.requests["CPUT" if seen.method == "PUT" and conditional else seen.method] += 1
        reply = getattr(self, f"_{seen.method.lower()}")(seen, key, parse_qs(parts.query))
        return Reply(reply.status, reply.body, reply.headers | self.name)

    def _etag(self, key: str) -> str:
        return hashlib.md5(self.objects[key]).hexdigest()

    def _get(self, seen: Seen, key: str, query: dict[str, list[str]]) -> Reply:
        if not key:
            found = "".join(
                f'<Contents><Key>{name}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"{self._etag(name)}"</ETag></Contents>'
                for name in sorted(self.objects)
                if name.startswith(query["prefix"][0])
            )
            return Reply(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode())
        if key not in self.objects:
            return Reply(404, b"<Error><Code>NoSuchKey</Code></Error>" if seen.method == "GET" else b"")
        body, etag = self.objects[key], f'"{self._etag(key)}"'
        headers = {"ETag": etag, "Last-Modified": formatdate(usegmt=True)}
        if seen.headers.get("if-none-match") == etag:
            return Reply(304)
        if span := seen.headers.get("range"):
            begin, last = map(int, span.removeprefix("bytes=").split("-"))
            headers["Content-Range"] = f"bytes {begin}-{last}/{len(body)}"
            return Reply(206, body[begin : last + 1], headers)
        return Reply(200, body, headers)

    _head = _get

    def _put(self, seen: Seen, key: str, query: dict[str, list[str]]) -> Reply:
        if "x-amz-copy-source" in seen.headers:
            self.objects[key] = self.objects[unquote(seen.headers["x-amz-copy-source"]).removeprefix("/bucket/")]
            return Reply(200, b"<CopyObjectResult></CopyObjectResult>")
        if self.conditional and not self._as_wanted(seen, key):
            return Reply(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        self.objects[key] = seen.body
        return Reply(200, headers={"ETag": f'"{self._etag(key)}"'})

    def _as_wanted(self, seen: Seen, key: str) -> bool:
        if "if-none-match" in seen.headers:
            return key not in self.objects
        wanted = seen.headers.get("if-match")
        mark = '"' if self.quoted else ""
        return wanted is None or (key in self.objects and wanted == f"{mark}{self._etag(key)}{mark}")

    def _delete(self, seen: Seen, key: str, query: dict[str, list[str]]) -> Reply:
        self.objects.pop(key, None)
        return Reply(204)

    def _post(self, seen: Seen, key: str, query: dict[str, list[str]]) -> Reply:
        for name in [name for name in self.objects if f"<Key>{name}</Key>".encode() in seen.body]:
            del self.objects[name]
        return Reply(200, b"<DeleteResult></DeleteResult>")

    def new_process(self) -> None:
        """Forget what this process knows, and what was counted."""
        dialects.forget_all()
        self.requests.clear()

    def connection(self, transport: TransportName = "urllib3", key: str = "db.blt") -> S3Connection:
        return S3Connection("id", "secret", key, "bucket", self.url, transport=transport)


RGW = {"x-amz-request-id": "tx0000062379cb0d9434981-006b01b5bf-100c-default"}


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    dialects.forget_all()
    bucket = Bucket(RGW)
    with scripted_server() as script:
        bucket.url = script.url
        script.answer = bucket.answer
        yield bucket
    dialects.forget_all()


def write(
    bucket: Bucket, path: Path | None, flag: str = "w", transport: TransportName = "urllib3", **items: str
) -> None:
    bucket.new_process()
    options = {"cache": None} if path is None else {"file_path": path}
    conn = bucket.connection(transport)
    with ebooklet.open(conn, flag=flag, value_serializer="str", **options) as db:  # type: ignore[arg-type]
        db.update(items)
        db.push()


def contents(bucket: Bucket) -> dict[str, str]:
    with ebooklet.open(bucket.connection(), cache=None) as db:
        return dict(db.items())


@pytest.mark.parametrize("transport", ["urllib3", "boto3"])
def test_on_rgw_every_edit_takes_three_requests(bucket: Bucket, tmp_path: Path, transport: TransportName) -> None:
    path = tmp_path / "x.blt"
    write(bucket, path, "c", transport, a="1")
    assert bucket.requests == {"GET": 1, "CPUT": 2, "PUT": 1}  # is there one; is a condition honoured; pack and root
    for number in range(3):
        write(bucket, path, transport=transport, a=f"edit {number}")
        assert bucket.requests == {"GET": 1, "PUT": 1, "CPUT": 1}
    assert contents(bucket) == {"a": "edit 2"}


def test_a_file_made_anew_remembers_what_its_first_push_learned(bucket: Bucket, tmp_path: Path) -> None:
    path = tmp_path / "x.blt"
    for _ in range(2):  # new where nothing was, and in place of what is there
        write(bucket, path, "n", a="1")
        assert bucket.requests == {"GET": 1, "CPUT": 2, "PUT": 1}
        write(bucket, path, a="2")
        assert bucket.requests == {"GET": 1, "PUT": 1, "CPUT": 1}


def test_a_server_of_another_name_with_that_spelling_is_learned_once(bucket: Bucket, tmp_path: Path) -> None:
    bucket.name = {"Server": "Some Store/2.1"}
    write(bucket, tmp_path / "x.blt", "c", a="1")
    write(bucket, tmp_path / "x.blt", a="2")
    assert bucket.requests == {"GET": 1, "PUT": 1, "CPUT": 2, "HEAD": 1}
    bucket.name = {"Server": "Some Store/2.2"}
    write(bucket, tmp_path / "x.blt", a="3")
    assert bucket.requests == {"GET": 1, "PUT": 1, "CPUT": 1}


def test_without_a_local_file_the_process_remembers(bucket: Bucket) -> None:
    write(bucket, None, "c", a="1")
    write(bucket, None, a="2")
    assert bucket.requests == {"GET": 1, "PUT": 1, "CPUT": 2}
    bucket.requests.clear()
    with ebooklet.open(bucket.connection(), flag="w", cache=None) as db:
        db["a"] = "3"
        db.push()
    assert bucket.requests == {"GET": 1, "PUT": 1, "CPUT": 1}


def test_copying_and_deleting_ask_nothing_again(bucket: Bucket, tmp_path: Path) -> None:
    write(bucket, tmp_path / "x.blt", "c", a="1")
    write(bucket, tmp_path / "x.blt", b="2")
    packs = len(bucket.objects) - 1
    bucket.new_process()
    with ebooklet.open(bucket.connection(), tmp_path / "x.blt") as db:
        assert bucket.requests == {"GET": 1}
        bucket.requests.clear()
        db.copy_remote(bucket.connection(key="copy.blt"))
    assert bucket.requests == {"GET": 1, "PUT": packs, "CPUT": 1}
    bucket.new_process()
    with ebooklet.open(bucket.connection(), tmp_path / "x.blt", "w") as db:
        bucket.requests.clear()
        db.delete_remote(load=False)
        assert bucket.requests == {"GET": 1, "DELETE": 1, "POST": 1}
    assert {key.split(".")[0] for key in bucket.objects} == {"copy"}


@pytest.mark.parametrize("name", [RGW, {"Server": "MinIO"}], ids=["rgw", "another"])
def test_a_server_that_has_changed_its_mind_costs_requests_and_no_commit(
    bucket: Bucket, tmp_path: Path, name: dict[str, str]
) -> None:
    write(bucket, tmp_path / "x.blt", "c", a="1")
    write(bucket, tmp_path / "x.blt", a="2")
    bucket.quoted, bucket.name = True, name
    write(bucket, tmp_path / "x.blt", a="3")
    assert bucket.requests.total() <= 5
    assert contents(bucket) == {"a": "3"}
    write(bucket, tmp_path / "x.blt", a="4")
    assert bucket.requests == {"GET": 1, "PUT": 1, "CPUT": 1}


def test_another_server_is_asked_whether_it_honours_conditions(bucket: Bucket, tmp_path: Path) -> None:
    write(bucket, tmp_path / "x.blt", "c", a="1")
    bucket.conditional, bucket.name = False, {"Server": "Careless/1"}
    bucket.new_process()
    with ebooklet.open(bucket.connection(), tmp_path / "x.blt", "w") as db:
        db["a"] = "2"
        with pytest.raises(ebooklet.PushError, match="single_writer"):
            db.push()
    assert contents(bucket) == {"a": "1"}
    with WorkingCopy.open(tmp_path / "x.blt") as local:
        assert local.state(DIALECT_STATE) is None


def test_a_race_is_lost_with_a_remembered_dialect_too(bucket: Bucket, tmp_path: Path) -> None:
    write(bucket, tmp_path / "x.blt", "c", a="1")
    write(bucket, tmp_path / "x.blt", a="2")
    bucket.new_process()
    with ebooklet.open(bucket.connection(), tmp_path / "x.blt", "w") as db:
        db["a"] = "ours"
        write(bucket, None, a="theirs")
        dialects.forget_all()
        with pytest.raises(ConflictError):
            db.push()
        db.discard()
    assert contents(bucket) == {"a": "theirs"}


class TestMemory:
    def test_it_is_of_one_bucket_and_one_kind_of_server(self) -> None:
        learned = Dialect(True, False, "https://a.org b", "rgw")
        memory = learned.memory()
        for place, server in [("https://a.org b", ""), ("https://a.org b", "minio"), ("https://b.org b", "rgw")]:
            new = Dialect(place=place, server=server)
            new.recall(memory)
            assert new.to_dict() == {}
        new = Dialect(place=learned.place)
        new.recall(memory)
        new.heed(RGW)
        assert new == learned

    def test_what_this_process_has_learned_stays(self) -> None:
        new = Dialect(False, True, "p", "rgw")
        new.recall(Dialect(True, False, "p", "rgw").memory())
        assert new.to_dict() == {"conditional_put": False, "quoted_if_match": True}

    @pytest.mark.parametrize(
        "dialect", [Dialect(True, True), Dialect(False, True, "p", "s"), Dialect(None, False, "p")]
    )
    def test_nothing_is_written_down_that_spares_nothing(self, dialect: Dialect) -> None:
        assert dialect.memory() == {}

    def test_a_damaged_one_is_no_memory(self) -> None:
        with WorkingCopy.open(None, "n") as local:
            keep_dialect(local, Dialect(True, False, "p", "rgw"))
            whole = local.state(DIALECT_STATE)
            assert whole is not None
            for data in (b"", whole[:-1], whole[:20] + b"?" + whole[21:], b"EBKP" + whole[4:]):
                local.set_state(DIALECT_STATE, data)
                new = Dialect(place="p", server="rgw")
                recall_dialect(local, new)
                assert new.to_dict() == {}
            keep_dialect(local, Dialect(place="p", server="rgw"))  # nothing learned: nothing forgotten
            assert local.state(DIALECT_STATE) is not None
