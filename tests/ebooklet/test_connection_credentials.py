"""Whose keys sign a request, what happens when their time is over, and what a refusal says of them."""

import hashlib
import json
import pickle
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import RefreshableCredentials, SSOProvider

from ebooklet.connection import S3Connection
from ebooklet.errors import AccessDeniedError, CredentialsExpiredError, NoCredentialsError
from ebooklet.stores.protocol import CREATE
from ebooklet.stores.s3 import S3Store
from tests.ebooklet.stores.scripted_fixtures import nothing_configured, web
from tests.support.scripted import Reply, Scripted, Seen

__all__ = ["nothing_configured", "web"]

TRANSPORTS = ["urllib3", "boto3"]
EXPIRED = Reply(400, b"<Error><Code>ExpiredToken</Code><Message>old</Message></Error>")
DENIED = Reply(403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")


def connect(web: Scripted, **options: Any) -> S3Connection:
    given: dict[str, Any] = {"bucket": "lab", "db_key": "x.cfdb", "endpoint_url": web.url, "retries": 0}
    return S3Connection(**({"region": "us-east-1"} | given | options))


def signer_of(seen: Seen) -> str | None:
    found = re.search(r"Credential=([^/]+)/", seen.headers.get("authorization", ""))
    return found and found.group(1)


def in_minutes(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a profile whose keys come from a program, which gives `key-1`, `key-2`, ... for so many minutes."""

    def make(*minutes: float, profile: str = "default") -> None:
        counter = tmp_path / "asked"
        counter.write_text("0")
        answers = [
            {"Version": 1, "AccessKeyId": f"key-{n + 1}", "SecretAccessKey": "hush", "SessionToken": f"token-{n + 1}"}
            | {"Expiration": in_minutes(one)}
            for n, one in enumerate(minutes)
        ]
        (tmp_path / "answers.json").write_text(json.dumps(answers))
        program = tmp_path / "program.py"
        program.write_text(
            "import json, pathlib\n"
            f"folder = pathlib.Path({str(tmp_path)!r})\n"
            "n = int((folder / 'asked').read_text())\n"
            "(folder / 'asked').write_text(str(n + 1))\n"
            "answers = json.loads((folder / 'answers.json').read_text())\n"
            "print(json.dumps(answers[min(n, len(answers) - 1)]))\n"
        )
        section = "default" if profile == "default" else f"profile {profile}"
        (tmp_path / "config").write_text(f"[{section}]\ncredential_process = python3 {program}\nregion = us-east-1\n")

    return make


@pytest.mark.parametrize("transport", TRANSPORTS)
class TestExpiry:
    def test_keys_near_their_end_are_renewed_between_two_requests(
        self, web: Scripted, process: Callable[..., None], transport: str
    ) -> None:
        process(5, 60)  # botocore renews what has less than 15 minutes
        store = connect(web, transport=transport).store()
        for _ in range(3):
            store.head("x.cfdb")
        assert [signer_of(seen) for seen in web.seen] == ["key-2"] * 3
        assert {seen.headers["x-amz-security-token"] for seen in web.seen} == {"token-2"}

    def test_keys_that_run_out_in_the_middle_of_work_are_asked_for_again(
        self, web: Scripted, process: Callable[..., None], transport: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        process(60, 240)
        store = connect(web, transport=transport).store()
        store.head("x.cfdb")
        later = datetime.now().astimezone() + timedelta(minutes=59)
        monkeypatch.setattr(RefreshableCredentials, "_seconds_remaining", _remaining_at(later))
        store.head("x.cfdb")
        assert [signer_of(seen) for seen in web.seen] == ["key-1", "key-2"]

    def test_keys_the_server_calls_expired_are_replaced_by_newer_ones(
        self, web: Scripted, tmp_path: Path, transport: str
    ) -> None:
        keys = tmp_path / "credentials"
        keys.write_text("[default]\naws_access_key_id=old\naws_secret_access_key=hush\naws_session_token=t\n")
        web.answer = lambda seen: EXPIRED if signer_of(seen) == "old" else Reply(headers={"ETag": '"e"'})
        store = connect(web, transport=transport).store(writable=True)
        with pytest.raises(CredentialsExpiredError, match="keys of the credentials file"):
            store.put("x.cfdb", b"1")
        keys.write_text("[default]\naws_access_key_id=new\naws_secret_access_key=hush\naws_session_token=t\n")
        del web.seen[:]
        store.put("x.cfdb", b"2")
        store.put("x.cfdb", b"3", CREATE)
        assert [signer_of(seen) for seen in web.seen][-2:] == ["new", "new"]
        assert len(web.seen) <= 3

    def test_keys_given_by_hand_that_have_expired_are_an_error_at_once(self, web: Scripted, transport: str) -> None:
        web.answer = lambda _: EXPIRED
        conn = connect(web, transport=transport, access_key_id="id", access_key="hush", session_token="t")
        with pytest.raises(CredentialsExpiredError, match=r"access_key_id= and access_key="):
            conn.store().get("x.cfdb")
        assert len(web.seen) == 1


def _remaining_at(moment: datetime) -> Callable[[Any], float]:
    return lambda keys: (keys._expiry_time - moment).total_seconds()


@pytest.mark.parametrize("transport", TRANSPORTS)
class TestSources:
    """A refusal names where the keys came from, and nothing of the keys."""

    def refusal(self, web: Scripted, **options: Any) -> str:
        web.answer = lambda _: DENIED
        with pytest.raises(AccessDeniedError) as caught:
            connect(web, **options).store().get("x.cfdb")
        assert "hush" not in str(caught.value)
        assert "the-id" not in str(caught.value)
        return str(caught.value)

    def test_given_by_hand(self, web: Scripted, transport: str) -> None:
        said = self.refusal(web, transport=transport, access_key_id="the-id", access_key="hush")
        assert "signed with the keys of access_key_id= and access_key=" in said

    def test_the_environment(self, web: Scripted, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        assert "keys of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in self.refusal(web, transport=transport)

    def test_a_profile(self, web: Scripted, transport: str, tmp_path: Path) -> None:
        (tmp_path / "credentials").write_text("[lab]\naws_access_key_id=the-id\naws_secret_access_key=hush\n")
        said = self.refusal(web, transport=transport, profile="lab")
        assert "keys of the credentials file (profile 'lab')" in said
        assert signer_of(web.seen[0]) == "the-id"

    def test_a_program(self, web: Scripted, transport: str, process: Callable[..., None]) -> None:
        process(60, profile="lab")
        assert "keys of credential_process (profile 'lab')" in self.refusal(web, transport=transport, profile="lab")

    def test_a_session(self, web: Scripted, transport: str) -> None:
        session = boto3.Session(aws_access_key_id="the-id", aws_secret_access_key="hush")
        assert "signed with the keys of session=" in self.refusal(web, transport=transport, session=session)

    def test_nobody(self, web: Scripted, transport: str) -> None:
        assert "was not signed, as no credentials were found; give access_key_id=" in self.refusal(
            web, transport=transport
        )
        assert "as anonymous=True says" in self.refusal(web, transport=transport, anonymous=True)

    def test_keys_that_are_demanded_and_missing(self, web: Scripted, transport: str) -> None:
        with pytest.raises(NoCredentialsError, match=r"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.*profile="):
            connect(web, transport=transport, anonymous=False).store().get("x.cfdb")
        assert web.seen == []


class TestRoles:
    def test_the_role_of_the_machine(self, web: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
        keys = {"Code": "Success", "AccessKeyId": "machine", "SecretAccessKey": "hush", "Token": "t"}
        answers = {
            "/latest/api/token": b"token",
            "/latest/meta-data/iam/security-credentials/": b"rain",
            "/latest/meta-data/iam/security-credentials/rain": json.dumps(
                keys | {"Type": "AWS-HMAC", "LastUpdated": in_minutes(0), "Expiration": in_minutes(60)}
            ).encode(),
        }
        web.answer = lambda seen: Reply(200, answers[seen.target]) if seen.target in answers else DENIED
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{web.url}/")
        with pytest.raises(AccessDeniedError, match="keys of the role of this machine"):
            connect(web).store().get("x.cfdb")
        assert signer_of(web.seen[-1]) == "machine"

    def test_a_single_sign_on(self, web: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        start = "https://lab.awsapps.example.org/start"
        (tmp_path / "config").write_text(
            f"[profile lab]\nsso_start_url={start}\nsso_region=us-east-1\nsso_account_id=123456789012\n"
            "sso_role_name=rain\nregion=us-east-1\n"
        )
        cache = tmp_path / "cache"
        monkeypatch.setattr(SSOProvider, "_SSO_TOKEN_CACHE_DIR", str(cache))
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", web.url)
        monkeypatch.setenv("AWS_PROFILE", "lab")
        with pytest.raises(NoCredentialsError, match="log in again"):
            connect(web).store().get("x.cfdb")
        cache.mkdir(exist_ok=True)
        login = {"accessToken": "bearer", "expiresAt": in_minutes(60), "startUrl": start, "region": "us-east-1"}
        (cache / f"{hashlib.sha1(start.encode()).hexdigest()}.json").write_text(json.dumps(login))
        expiration = (datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000
        keys = {"accessKeyId": "single", "secretAccessKey": "hush", "sessionToken": "t", "expiration": int(expiration)}
        web.answer = lambda seen: (
            Reply(200, json.dumps({"roleCredentials": keys}).encode()) if "federation" in seen.target else DENIED
        )
        with pytest.raises(AccessDeniedError, match=r"keys of SSO \(profile 'lab'\)"):
            connect(web).store().get("x.cfdb")
        assert signer_of(web.seen[-1]) == "single"

    def test_the_role_of_a_container(self, web: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
        keys = {"AccessKeyId": "role-1", "SecretAccessKey": "hush", "Token": "t", "Expiration": in_minutes(60)}
        asked: list[str] = []

        def answer(seen: Seen) -> Reply:
            if seen.target == "/role":
                asked.append(seen.target)
                return Reply(200, json.dumps(keys).encode())
            return DENIED

        web.answer = answer
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{web.url}/role")
        with pytest.raises(AccessDeniedError, match="keys of the role of this container"):
            connect(web).store().get("x.cfdb")
        assert signer_of(web.seen[-1]) == "role-1"
        assert asked == ["/role"]

    def test_a_role_that_is_assumed(self, web: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "config").write_text(
            "[profile base]\naws_access_key_id=base\naws_secret_access_key=hush\n"
            "[profile lab]\nrole_arn=arn:aws:iam::123456789012:role/rain\nsource_profile=base\nregion=us-east-1\n"
        )
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", web.url)
        assumed = (
            '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
            "<AccessKeyId>assumed</AccessKeyId><SecretAccessKey>hush</SecretAccessKey><SessionToken>t</SessionToken>"
            f"<Expiration>{in_minutes(60)}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )
        web.answer = lambda seen: Reply(200, assumed.encode()) if seen.method == "POST" else DENIED
        with pytest.raises(AccessDeniedError, match=r"keys of an assumed role \(profile 'lab'\)"):
            connect(web, profile="lab").store().get("x.cfdb")
        assert signer_of(web.seen[-1]) == "assumed"


@pytest.mark.parametrize("transport", TRANSPORTS)
class TestSession:
    def test_a_session_signs_and_names_the_region(self, web: Scripted, transport: str) -> None:
        session = boto3.Session("the-id", "hush", "tok", region_name="eu-north-1")
        connect(web, session=session, region=None, transport=transport).store().head("x.cfdb")
        assert signer_of(web.seen[0]) == "the-id"
        assert "/eu-north-1/s3/" in web.seen[0].headers["authorization"]
        assert web.seen[0].headers["x-amz-security-token"] == "tok"

    def test_a_session_of_botocore_does_too(self, web: Scripted, transport: str) -> None:
        session = botocore.session.get_session()
        session.set_credentials("the-id", "hush")
        connect(web, session=session, transport=transport).store().head("x.cfdb")
        assert signer_of(web.seen[0]) == "the-id"

    def test_a_client_says_everything(self, web: Scripted, transport: str) -> None:
        config = Config(read_timeout=7, connect_timeout=3, max_pool_connections=4, retries={"total_max_attempts": 2})
        client = boto3.client(
            "s3",
            endpoint_url=web.url,
            region_name="eu-south-1",
            aws_access_key_id="the-id",
            aws_secret_access_key="hush",
            config=config,
        )
        conn = S3Connection(bucket="lab", db_key="x.cfdb", session=client, transport=transport)
        assert (conn.endpoint_url, conn.region, conn.threads) == (web.url, "eu-south-1", 4)
        assert (conn.read_timeout, conn.access.connect_timeout, conn.retries) == (7, 3, 1)
        conn.store().head("x.cfdb")
        assert (signer_of(web.seen[0]), web.seen[0].target) == ("the-id", "/lab/x.cfdb")
        assert "/eu-south-1/s3/" in web.seen[0].headers["authorization"]

    def test_an_unsigned_client_makes_an_anonymous_connection(self, web: Scripted, transport: str) -> None:
        client = boto3.client(
            "s3", endpoint_url=web.url, region_name="eu-south-1", config=Config(signature_version=UNSIGNED)
        )
        conn = S3Connection(bucket="lab", db_key="x.cfdb", session=client, transport=transport)
        conn.store().head("x.cfdb")
        assert conn.anonymous is True
        assert "authorization" not in web.seen[0].headers

    def test_keys_of_a_session_that_run_out_are_renewed(self, web: Scripted, transport: str) -> None:
        asked = []

        def renew() -> dict[str, str]:
            asked.append(1)
            name = f"key-{len(asked)}"
            expiry = in_minutes(5 if len(asked) == 1 else 60)
            return {"access_key": name, "secret_key": "hush", "token": "t", "expiry_time": expiry}

        core = botocore.session.get_session()
        core._credentials = RefreshableCredentials.create_from_metadata(renew(), renew, "of-the-lab")
        conn = connect(web, session=boto3.Session(botocore_session=core), transport=transport)
        conn.store().head("x.cfdb")
        assert signer_of(web.seen[0]) == "key-2"


class TestSessionOnItsWay:
    SESSION = boto3.Session("the-id", "hush", region_name="eu-north-1")

    def make(self, **options: Any) -> S3Connection:
        return S3Connection(bucket="lab", db_key="x.cfdb", session=self.SESSION, **options)

    def test_it_is_found_again_in_the_same_process(self) -> None:
        conn = self.make()
        again = pickle.loads(pickle.dumps(conn))
        assert again == conn
        assert b"hush" not in pickle.dumps(conn)
        assert repr(conn) == "S3Connection('s3://lab/x.cfdb', keys of session=)"

    def test_elsewhere_its_settings_stay_and_its_keys_are_missed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sent = pickle.dumps(self.make())
        monkeypatch.setattr("ebooklet.stores.access._kept", {})
        lost = pickle.loads(sent)
        assert lost.region == "eu-north-1"
        with pytest.raises(NoCredentialsError, match="made with keys in another process"):
            lost.store().get("x.cfdb")

    def test_its_keys_travel_when_the_user_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sent = pickle.dumps(self.make(pickle_credentials=True))
        monkeypatch.setattr("ebooklet.stores.access._kept", {})
        store = pickle.loads(sent).store()
        assert isinstance(store, S3Store)
        assert store.source == "access_key_id= and access_key="

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"access_key_id": "a", "access_key": "hush"}, "access_key_id="),
            ({"profile": "lab"}, "profile="),
        ],
    )
    def test_keys_of_another_kind_beside_it_are_refused(self, options: dict[str, Any], says: str) -> None:
        with pytest.raises(ValueError, match=f"session= has credentials of its own, and {says}"):
            self.make(**options)

    def test_what_is_no_session_is_refused(self) -> None:
        with pytest.raises(TypeError, match="not str"):
            S3Connection(bucket="lab", db_key="x", session="lab")
