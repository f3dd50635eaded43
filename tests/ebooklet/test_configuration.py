"""Connections from dicts, files and the environment."""

import json
import os
import pickle
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebooklet.configuration import default_file, parameters_of_config, typed
from ebooklet.connection import FolderConnection, S3Connection, as_connection
from ebooklet.errors import InvalidURLError


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "CFDB_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))


def keys_of(conn: Any) -> tuple[str, str, str | None] | None:
    keys = conn._is.keys
    return None if keys is None else (keys.access_key_id, keys.access_key, keys.session_token)


class TestVariables:
    def test_a_variable_is_replaced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LAB", "rain")
        conn = S3Connection.from_config({"bucket": "${LAB}-data", "db_key": "${NAME:x}.cfdb", "region": "${LAB:no}"})
        assert (conn.uri, conn.to_dict()["region"]) == ("s3://rain-data/x.cfdb", "rain")

    def test_one_that_is_not_set_is_named_with_its_place(self) -> None:
        with pytest.raises(ValueError, match=r"the dict: bucket needs the environment variable LAB, which is not set"):
            S3Connection.from_config({"bucket": "${LAB}", "db_key": "x"})

    def test_an_empty_default_leaves_the_parameter_out(self) -> None:
        conn = S3Connection.from_config({"bucket": "lab", "db_key": "x", "region": "${R:}", "profile": "${P:}"})
        assert conn.to_dict() == {"bucket": "lab", "db_key": "x"}

    def test_a_doubled_sign_stands_for_itself(self) -> None:
        assert parameters_of_config({"db_key": "a$${B}", "acl": "$x"}) == {"db_key": "a${B}", "acl": "$x"}

    @pytest.mark.parametrize("name", ["", "1A", "A-B", "A B"])
    def test_what_cannot_be_a_variable_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match="a variable is named with"):
            parameters_of_config({"bucket": f"${{{name}}}"})

    def test_a_default_may_have_colons(self) -> None:
        assert parameters_of_config({"endpoint_url": "${E:http://h:9000}"}) == {"endpoint_url": "http://h:9000"}

    def test_tables_and_lists_are_filled_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOST", "a.org")
        found = parameters_of_config(
            {"db_url": ["https://${HOST}/x", "https://b.org/x"], "tags": {"team": "${T:rain}"}}
        )
        assert found == {"db_url": ["https://a.org/x", "https://b.org/x"], "tags": {"team": "rain"}}

    @given(st.text(alphabet="ab${}:_ ", max_size=20))
    def test_any_text_is_filled_or_refused(self, text: str) -> None:
        try:
            found = parameters_of_config({"acl": text, "bucket": "lab"})
        except ValueError as error:
            refusal = str(error)
        else:
            assert found.get("acl", "") == text or "${" in text
            return
        assert "the dict: acl" in refusal


class TestTypes:
    @pytest.mark.parametrize(
        ("name", "text", "value"),
        [
            ("threads", "7", 7),
            ("max_workers", "7", 7),
            ("retries", "0", 0),
            ("read_timeout", "2.5", 2.5),
            ("anonymous", "Yes", True),
            ("request_payer", "off", False),
            ("verify", "false", False),
            ("verify", "/etc/ca.pem", "/etc/ca.pem"),
            ("tags", "a=1, b=x=y", {"a": "1", "b": "x=y"}),
            ("bucket", "7", "7"),
            ("threads", 7, 7),
        ],
    )
    def test_texts_become_what_the_parameter_needs(self, name: str, text: Any, value: Any) -> None:
        assert typed(name, text) == value

    @pytest.mark.parametrize(
        ("name", "text", "says"),
        [
            ("threads", "many", "threads='many' is not a whole number"),
            ("deadline", "soon", "not a number of seconds"),
            ("anonymous", "perhaps", "not true or false"),
            ("tags", "a", "not tags as"),
        ],
    )
    def test_others_are_refused(self, name: str, text: str, says: str) -> None:
        with pytest.raises(ValueError, match=says):
            typed(name, text)


FILES = {
    "c.toml": '[europe]\nbucket = "lab"\nobject_key = "x"\nthreads = "${N:4}"\n[europe.tags]\nteam = "rain"\n',
    "c.json": '{"europe": {"bucket": "lab", "object_key": "x", "threads": 4, "tags": {"team": "rain"}}}',
    "c.yaml": "connections:\n  europe:\n    bucket: lab\n    object_key: x\n    threads: 4\n    tags: {team: rain}\n",
}


class TestFiles:
    @pytest.mark.parametrize("name", FILES)
    def test_every_kind_says_the_same(self, name: str, tmp_path: Path) -> None:
        path = tmp_path / name
        path.write_text(FILES[name])
        expected = S3Connection(bucket="lab", db_key="x", threads=4, tags={"team": "rain"})
        assert S3Connection.from_config(path, "europe") == expected
        assert S3Connection.from_config(str(path), section="europe") == expected

    def test_a_file_may_be_one_connection(self, tmp_path: Path) -> None:
        (tmp_path / "c.toml").write_text('bucket = "lab"\ndb_key = "x"\n')
        assert S3Connection.from_config(tmp_path / "c.toml") == S3Connection(bucket="lab", db_key="x")

    def test_a_section_may_lie_deeper(self, tmp_path: Path) -> None:
        (tmp_path / "c.toml").write_text(
            '[lab.rain]\nbucket = "lab"\ndb_key = "x"\n["a.b"]\nbucket = "b"\ndb_key = "x"\n'
        )
        assert S3Connection.from_config(tmp_path / "c.toml", "lab.rain").uri == "s3://lab/x"
        assert S3Connection.from_config(tmp_path / "c.toml", "a.b").uri == "s3://b/x"

    def test_what_is_given_by_hand_comes_first_in_any_spelling(self, tmp_path: Path) -> None:
        (tmp_path / "c.toml").write_text('bucket = "lab"\nobject_key = "x"\nregion = "eu-west-1"\n')
        conn = S3Connection.from_config(tmp_path / "c.toml", db_key="y", region_name="eu-west-2", profile=None)
        assert conn == S3Connection(bucket="lab", db_key="y", region="eu-west-2")

    def test_a_folder_may_be_configured(self, tmp_path: Path) -> None:
        conn = S3Connection.from_config({"db_url": "file:///scratch/x.cfdb", "threads": "3"})
        assert conn == FolderConnection("/scratch", "x.cfdb")
        assert conn.threads == 3
        with pytest.raises(ValueError, match=r"is a folder, and \['region'\] are for buckets"):
            S3Connection.from_config({"db_url": "file:///scratch/x.cfdb", "region": "r"})

    @pytest.mark.parametrize(
        ("text", "section", "says"),
        [
            (
                '[a]\nbucket="l"\n[b]\nbucket="l"\n',
                None,
                r"has named connections, \['a', 'b'\]: choose one with section=",
            ),
            ('[a]\nbucket="l"\n', "c", r"no connection 'c'; it has \['a'\]"),
            ('[connections.a]\nbucket="l"\n', "c", r"it has \['a'\]"),
            ('bucket = "l"\nbuckt = "hush"\ndb_key="x"', None, r"no parameters \['buckt'\]"),
        ],
    )
    def test_what_is_missing_or_unknown_is_named(
        self, text: str, section: str | None, says: str, tmp_path: Path
    ) -> None:
        (tmp_path / "c.toml").write_text(text)
        with pytest.raises((ValueError, TypeError), match=says) as caught:
            S3Connection.from_config(tmp_path / "c.toml", section)
        assert "hush" not in str(caught.value)

    @pytest.mark.parametrize("name", ["c.toml", "c.json", "c.yaml"])
    def test_a_damaged_file_is_named_and_its_text_is_not_shown(self, name: str, tmp_path: Path) -> None:
        (tmp_path / name).write_text('a: b\n"access_key" = : ["hush', encoding="utf-8")
        with pytest.raises(ValueError, match=f"{name} cannot be read as") as caught:
            S3Connection.from_config(tmp_path / name)
        assert "hush" not in "".join(traceback.format_exception(caught.value))
        assert caught.value.__cause__ is None  # it would hold the whole text

    def test_a_missing_file_or_one_of_another_kind_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"no configuration file .*c\.toml; CFDB_CONFIG may name"):
            S3Connection.from_config(tmp_path / "c.toml")
        with pytest.raises(ValueError, match=r"a \.toml, \.json or \.yaml file"):
            S3Connection.from_config(tmp_path / "c.ini")
        with pytest.raises(TypeError, match="not int"):
            S3Connection.from_config(3)  # type: ignore[arg-type]

    def test_a_list_is_no_configuration(self, tmp_path: Path) -> None:
        (tmp_path / "c.json").write_text("[1]")
        with pytest.raises(ValueError, match="no table"):
            S3Connection.from_config(tmp_path / "c.json")

    def test_without_pyyaml_it_says_what_to_install(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "c.yaml").write_text("bucket: lab")
        monkeypatch.setitem(sys.modules, "yaml", None)
        with pytest.raises(ImportError, match="pip install pyyaml"):
            S3Connection.from_config(tmp_path / "c.yaml")


class TestTheFileOfTheUser:
    def test_it_lies_where_configurations_lie(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        monkeypatch.setattr(sys, "platform", "linux")
        assert default_file().name == "config.toml"
        assert default_file().parent.name == "cfdb"

    def test_a_variable_names_another_one(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "mine.json").write_text('{"europe": {"bucket": "lab", "db_key": "x"}}')
        monkeypatch.setenv("CFDB_CONFIG", str(tmp_path / "mine.json"))
        assert S3Connection.from_config(section="europe").uri == "s3://lab/x"

    def test_without_platformdirs_it_says_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "platformdirs", None)
        with pytest.raises(ImportError, match=r"pip install 'cfdb\[ebooklet\]', or set CFDB_CONFIG"):
            default_file()


class TestEnvironment:
    def test_keys_and_region_are_those_of_aws(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "tok")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        conn = S3Connection.from_env("x.cfdb", "lab")
        assert (keys_of(conn), conn.region) == (("id", "hush", "tok"), "eu-west-1")
        assert conn.uri == "s3://lab/x.cfdb"

    def test_every_parameter_has_a_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said = {
            "BUCKET": "lab",
            "DB_KEY": "x",
            "ENDPOINT_URL": "https://s3.org",
            "THREADS": "3",
            "ANONYMOUS": "true",
            "TAGS": "team=rain",
            "MULTIPART_CHUNKSIZE": "32MB",
            "PREFIX": "rain",
        }
        for name, text in said.items():
            monkeypatch.setenv(f"CFDB_{name}", text)
        assert S3Connection.from_env().to_dict() == {
            "bucket": "lab",
            "db_key": "x",
            "endpoint_url": "https://s3.org",
            "threads": 3,
            "anonymous": True,
            "tags": {"team": "rain"},
            "multipart_chunksize": 32_000_000,
            "prefix": "rain/",
        }

    def test_what_is_given_by_hand_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CFDB_BUCKET", "other")
        monkeypatch.setenv("CFDB_ACCESS_KEY_ID", "other")
        monkeypatch.setenv("CFDB_ACCESS_KEY", "other")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "other")
        conn = S3Connection.from_env(bucket="lab", object_key="x", aws_access_key_id="id", secret_access_key="hush")
        assert (conn.uri, keys_of(conn)) == ("s3://lab/x", ("id", "hush", None))

    def test_the_token_of_other_keys_is_not_mixed_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CFDB_ACCESS_KEY_ID", "id")
        monkeypatch.setenv("CFDB_ACCESS_KEY", "hush")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "other")
        assert keys_of(S3Connection.from_env("x", "lab")) == ("id", "hush", None)

    def test_anonymous_reading_takes_no_keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        assert keys_of(S3Connection.from_env("x", "lab", anonymous=True)) is None

    @pytest.mark.parametrize(
        ("variables", "says"),
        [
            ({}, "set CFDB_BUCKET and CFDB_DB_KEY"),
            ({"CFDB_BUCKET": "lab"}, "set CFDB_BUCKET and CFDB_DB_KEY"),
            ({"AWS_ACCESS_KEY_ID": "id"}, "set AWS_SECRET_ACCESS_KEY"),
            ({"AWS_SECRET_ACCESS_KEY": "hush"}, "set AWS_ACCESS_KEY_ID"),
            ({"CFDB_THREADS": "hush-many"}, "CFDB_THREADS='hush-many' is not a whole number"),
        ],
    )
    def test_what_is_missing_is_named(
        self, variables: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, text in variables.items():
            monkeypatch.setenv(name, text)
        with pytest.raises(ValueError, match=says):
            S3Connection.from_env()

    def test_an_unknown_parameter_is_named(self) -> None:
        with pytest.raises(TypeError, match=r"no parameters \['buckt'\]"):
            S3Connection.from_env(buckt="lab")


class TestAddresses:
    def test_an_address_and_options(self) -> None:
        assert S3Connection.from_uri("s3://lab/a/x", threads=3) == S3Connection(bucket="lab", db_key="a/x", threads=3)
        assert S3Connection.from_uri("https://h.org/x") == S3Connection(db_url="https://h.org/x")
        assert S3Connection.from_uri("file:///data/x") == FolderConnection("/data", "x")

    @pytest.mark.parametrize("uri", ["s3://lab/x?a=hush", "https://h.org/x?sig=hush", "https://me:hush@h.org/x", "x"])
    def test_what_is_no_place_is_refused_without_repeating_secrets(self, uri: str) -> None:
        with pytest.raises(InvalidURLError) as caught:
            S3Connection.from_uri(uri)
        assert "hush" not in str(caught.value)

    def test_its_uri_makes_it_again(self) -> None:
        for uri in ("s3://lab/a/x", "https://h.org/x", "file:///data/x"):
            assert S3Connection.from_uri(uri).uri == uri


EVERY: list[dict[str, Any]] = [
    {"bucket": "lab", "db_key": "x"},
    {"bucket": "lab", "db_key": "x", "prefix": "rain/2024", "tags": {"a": "b"}, "storage_class": "STANDARD_IA"},
    {"bucket": "lab", "db_key": "x", "sse": "aws:kms", "sse_kms_key_id": "alias/k", "acl": "private"},
    {"bucket": "lab", "db_key": "x", "request_payer": True, "create_bucket": True, "multipart_threshold": "64MB"},
    {"db_url": ["https://a.org/x", "https://b.org/x"], "verify": "/ca.pem", "threads": 2},
    {"bucket": "lab", "db_key": "x", "config": {"proxies": {"http": "http://p:1"}, "use_dualstack_endpoint": True}},
    {"bucket": "lab", "db_key": "x", "anonymous": True, "single_writer": True, "deadline": 9, "retries": 0},
]


@pytest.mark.parametrize("options", EVERY[1:])
def test_another_process_gets_every_option(options: dict[str, Any]) -> None:
    conn = S3Connection(**options)
    code = "import pickle, sys; sys.stdout.buffer.write(pickle.load(sys.stdin.buffer).dumps())"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(conn), capture_output=True, check=True)
    assert json.loads(done.stdout) == conn.to_dict()


@pytest.mark.parametrize("options", EVERY)
def test_what_is_written_down_makes_the_same_connection(options: dict[str, Any], tmp_path: Path) -> None:
    conn = S3Connection(**options)
    assert S3Connection.from_config(conn.to_dict()) == conn
    assert as_connection({"remote_conn": json.loads(conn.dumps())}) == conn
    (tmp_path / "c.json").write_bytes(conn.dumps())
    assert S3Connection.from_config(tmp_path / "c.json") == conn
