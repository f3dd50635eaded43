import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebooklet.errors import EBookletError, InvalidURLError
from ebooklet.uri import Uri, check_db_key, is_url, is_windows_path, join_uri, parse_uri


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("s3://bucket/key", Uri("s3", "bucket", "key")),
        ("s3://bucket/a/b/x.cfdb", Uri("s3", "bucket", "a/b/x.cfdb")),
        ("s3://bucket/100%25 sure", Uri("s3", "bucket", "100%25 sure")),
        ("https://host.org/x.cfdb", Uri("https", "https://host.org", "x.cfdb")),
        ("https://host.org:8443/a/x%20y.cfdb", Uri("https", "https://host.org:8443/a", "x y.cfdb")),
        ("http://127.0.0.1:80/b/x", Uri("http", "http://127.0.0.1:80/b", "x")),
        ("HTTPS://host.org/x", Uri("https", "HTTPS://host.org", "x")),
        ("file:///folder/x.cfdb", Uri("file", "/folder", "x.cfdb")),
        ("file://localhost/folder/x.cfdb", Uri("file", "/folder", "x.cfdb")),
        ("file:///my%20data/%C3%A4.cfdb", Uri("file", "/my data", "ä.cfdb")),
        ("file:///x.cfdb", Uri("file", "/", "x.cfdb")),
        ("file:///C:/data/x.cfdb", Uri("file", "C:/data", "x.cfdb")),
        ("C:\\data\\x.cfdb", Uri("file", "C:/data", "x.cfdb")),
        ("\\\\server\\share\\a\\x", Uri("file", "\\\\server\\share\\a", "x")),
        ("file://server/share/x", Uri("file", "\\\\server\\share", "x")),
    ],
)
def test_addresses_are_taken_apart(text: str, uri: Uri) -> None:
    assert parse_uri(text) == uri


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("folder/x.cfdb", "not a URL"),
        ("", "not a URL"),
        ("/data/x.cfdb", "file:///data/x.cfdb"),
        ("\\\\server\\share", "no share and key"),
        ("C:\\data\\", "empty"),
        ("ftp://host/x", "ftp:// is not supported"),
        ("s3://bucket", "empty"),
        ("s3://bucket/", "empty"),
        ("s3:///key", "names no bucket"),
        ("https:///x", "names no host"),
        ("https://host.org", "names no database"),
        ("https://host.org/", "names no database"),
        ("https://host.org/folder/", "names no database"),
        ("file:///folder/", "empty"),
        ("file://server/share", "'server'"),
        ("https://host.org/x?X-Amz-Signature=abc", "query string"),
        ("s3://bucket/x?versionId=1", "query string"),
        ("https://host.org/x#part", "query string"),
        ("https://host.org/x.objects", ".objects"),
        ("s3://bucket/a.objects/x", ".objects"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(InvalidURLError) as caught:
        parse_uri(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "https://host.org/x?X-Amz-Signature=hush",
        "https://host.org/x#hush",
        "https://me:hush@host.org/x",
        "https://me:hush@h.org/x?a",
        "https://me:hush@h.org/x?sig=hush\n",
    ],
)
def test_neither_signatures_nor_passwords_are_repeated_in_errors(text: str) -> None:
    with pytest.raises(InvalidURLError) as caught:
        parse_uri(text)
    assert "hush" not in str(caught.value)


def test_a_refusal_is_what_users_catch() -> None:
    for kind in (ValueError, TypeError, EBookletError):
        with pytest.raises(kind):
            parse_uri("nowhere")
    with pytest.raises(TypeError):
        parse_uri(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["x", "x.cfdb", "a/b/c", "ü/日本", "with space", "a.objects.cfdb", "x" * 900, "C:x"])
def test_ordinary_keys_pass(key: str) -> None:
    assert check_db_key(key) == key


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "empty"),
        ("/x", "'/'"),
        ("x/", "'/'"),
        ("a//b", "'//'"),
        ("a/../b", "'..'"),
        (".", "'.'"),
        ("a\nb", "control"),
        ("a\x7f", "control"),
        ("x.objects", ".objects"),
        ("a.objects/b", ".objects"),
        ("x" * 901, "901 bytes"),
        ("ä" * 451, "902 bytes"),
        ("\ud800", "surrogates"),
    ],
)
def test_other_keys_are_refused_with_the_reason(key: str, says: str) -> None:
    with pytest.raises(InvalidURLError) as caught:
        check_db_key(key)
    assert says in str(caught.value)


def test_a_key_is_text() -> None:
    with pytest.raises(TypeError, match="bytes"):
        check_db_key(b"x")  # type: ignore[arg-type]


@given(st.text(max_size=30))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for candidate in (text, f"s3://{text}", f"https://{text}", f"file://{text}"):
        try:
            uri = parse_uri(candidate)
        except InvalidURLError:
            continue
        assert check_db_key(uri.key) == uri.key


def test_windows_paths_are_not_urls() -> None:
    assert is_windows_path("c:/x")
    assert not is_windows_path("c:x")
    assert not is_url("c:/x")
    assert is_url("S3://x/y")


BASES = ["s3://bucket", "s3://bucket/a", "https://h.org", "https://h.org/a/", "file:///", "/a b", "C:\\d", "\\\\s\\d"]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("key", ["x.cfdb", "my rain.cfdb", "100%25.cfdb", "ü"])
def test_what_is_joined_is_taken_apart_again(base: str, key: str) -> None:
    uri = parse_uri(join_uri(base, key))
    assert uri.key.endswith(key)
    assert join_uri(uri.place if uri.scheme != "s3" else f"s3://{uri.place}", uri.key) == join_uri(base, key)


@pytest.mark.parametrize("parts", [("s3://b", "..", "x"), ("s3://b",), ("ftp://h", "x"), ("b", "x"), ("s3://b?a", "x")])
def test_what_cannot_be_joined_is_refused(parts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidURLError):
        join_uri(*parts)


def test_parts_are_joined_with_one_slash() -> None:
    assert join_uri("s3://b/", "/a/", "c/d", "x") == "s3://b/a/c/d/x"
