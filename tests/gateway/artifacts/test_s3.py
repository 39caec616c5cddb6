"""What is particular to S3: links, ranges and puts across servers that break, and what is said when they refuse."""

from __future__ import annotations

import base64
import copy
import hashlib
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sjs.errors import BadRequest, ConfigError, Conflict, NoSpace, NotReached, Refused, SjsError, Unreachable
from sjs.extras import how_to_get
from sjs.gateway.artifacts import media
from sjs.gateway.artifacts import s3 as module
from sjs.gateway.artifacts.s3 import S3Store
from sjs.gateway.artifacts.settings import Keys, S3Settings, Secret
from sjs.gateway.artifacts.store import NoArtifact, Stored, key_of
from sjs.values import replace
from tests.gateway.artifacts.servers import Answer, Canned, Server, refusal

KEY = key_of(7, 1, "result.bin")
MIME = "application/octet-stream"
LIMIT = 1 << 20
WHERE = f"s3://artifacts/sjs/{KEY}"
NOTHING = Answer(404)
DATA = b"0123456789"
STORED = Stored(10, hashlib.sha256(DATA).hexdigest())


def found(length: int = 10) -> Answer:
    """The answer to HEAD of what is there."""
    return Answer(200, b"", (("ETag", '"e"'),), length)


def whole(data: bytes = DATA, length: int | None = None) -> Answer:
    return Answer(200, data, (("ETag", '"e"'),), length)


@pytest.fixture
def store(patient: S3Store) -> S3Store:
    return copy.copy(patient)


# Links


def fetched(link: str | None, **headers: str) -> tuple[bytes, Any]:
    assert link is not None
    with urllib.request.urlopen(urllib.request.Request(link, headers=headers), timeout=60) as reply:
        return reply.read(), reply


@pytest.mark.parametrize("name", ["plot.png", "a.html", 'x"y\r\n.txt', "\u00e9 \u4e2d.csv"])
def test_a_link_gives_it_to_anybody_as_what_it_is(s3: S3Store, name: str) -> None:
    s3.put(KEY, [DATA], MIME, LIMIT)
    data, reply = fetched(s3.link(KEY, name, media.mime_of(name), 60))
    assert data == DATA
    assert reply.headers["Content-Type"].startswith(media.mime_of(name))
    assert reply.headers["Content-Disposition"] == media.disposition(name, media.mime_of(name))
    data, reply = fetched(s3.link(KEY, name, MIME, 60), Range="bytes=3-5")
    assert (data, reply.status) == (b"345", 206)


def test_a_link_as_jobmgr_makes_them(s3: S3Store) -> None:
    s3.put(KEY, [DATA], MIME, LIMIT)
    link = s3.link(KEY, "sub/x.webm", "video/webm", 7200, media.jobmgr_disposition("sub/x.webm"))
    assert link is not None
    query = parse_qs(urlsplit(link).query)
    assert query["response-content-disposition"] == ['inline; filename="sub-x.webm"']
    assert query["response-content-type"] == ["video/webm"]
    assert query["X-Amz-Expires"] == ["7200"]
    assert s3.settings.keys is not None
    assert "secret" not in link.lower().replace("s3rver", "")
    assert fetched(link)[0] == DATA


@pytest.mark.parametrize("seconds", [0, -1, 7 * 86_400 + 1])
def test_how_long_a_link_lives(s3: S3Store, seconds: int) -> None:
    with pytest.raises(BadRequest, match="from 1 to 604800 seconds"):
        s3.link(KEY, "x", MIME, seconds)


def test_browsers_may_know_another_address(canned: Canned) -> None:
    settings = canned.server.settings(public_endpoint="https://files.example.org")
    store = S3Store(settings, canned.server.environ, pytest.fail)
    link = store.link(KEY, "x", MIME, 60)
    assert link is not None
    assert link.startswith(f"https://files.example.org/artifacts/sjs/{KEY}?")
    store.close()


def test_how_it_is_to_be_encrypted_is_said(opened_moto: S3Store) -> None:
    for encryption, kms_key in (("AES256", ""), ("aws:kms", "alias/sjs")):
        store = copy.copy(opened_moto)
        store.settings = replace(store.settings, prefix="encrypted/", encryption=encryption, kms_key=kms_key)
        for size in (10, (8 << 20) + 10):
            key = key_of(7, size, encryption)
            store.put(key, [b"x" * size], MIME, size)
            head = store.client.head_object(**store.at(key))
            assert (head["ServerSideEncryption"], head.get("SSEKMSKeyId", "")) == (encryption, kms_key)
            assert head["ContentType"] == MIME


# Putting, where answers are lost


def test_a_put_whose_answer_was_lost(canned: Canned, store: S3Store) -> None:
    canned.answer(NOTHING, Answer(500), refusal("PreconditionFailed", 412), found(), whole())
    assert store.put(KEY, [DATA], MIME, LIMIT) == STORED
    assert canned.methods == ["HEAD", "PUT", "PUT", "HEAD", "GET"]
    put = canned.asked[1]
    assert put.headers["if-none-match"] == "*"
    assert put.headers["content-md5"] == base64.b64encode(hashlib.md5(DATA).digest()).decode()
    assert put.body == DATA


def test_what_another_has_put_meanwhile(canned: Canned, store: S3Store) -> None:
    canned.answer(NOTHING, refusal("ConditionalRequestConflict", 409), found(), whole(b"987654321x"))
    with pytest.raises(Conflict):
        store.put(KEY, [DATA], MIME, LIMIT)


def test_a_server_that_knows_no_conditions(canned: Canned, store: S3Store) -> None:
    for _ in range(2):
        canned.answer(NOTHING, *([] if canned.asked else [refusal("NotImplemented", 501)]), Answer())
        assert store.put(KEY, [DATA], MIME, LIMIT) == STORED
    conditions = [one.headers.get("if-none-match") for one in canned.asked if one.method == "PUT"]
    assert conditions == ["*", None, None]


BEGUN = Answer(200, b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>")
PART_DONE = Answer(200, b"", (("ETag", '"p"'),))
LARGE = b"x" * ((8 << 20) + 1)


def test_the_end_of_an_upload_whose_answer_was_lost(canned: Canned, store: S3Store) -> None:
    ended = [NOTHING, Answer(500), refusal("NoSuchUpload", 404), refusal("NoSuchUpload", 404)]
    canned.answer(NOTHING, BEGUN, PART_DONE, PART_DONE, *ended, found(len(LARGE)), whole(LARGE))
    assert store.put(KEY, [LARGE], MIME, len(LARGE)).size == len(LARGE)
    assert canned.methods == ["HEAD", "POST", "PUT", "PUT", "HEAD", "POST", "POST", "DELETE", "HEAD", "GET"]


def test_an_upload_that_is_lost(canned: Canned, store: S3Store) -> None:
    lost = [NOTHING, refusal("NoSuchUpload", 404), refusal("NoSuchUpload", 404), NOTHING]
    canned.answer(NOTHING, BEGUN, PART_DONE, PART_DONE, *lost)
    with pytest.raises(Unreachable, match=r"is not there \(send it again\)"):
        store.put(KEY, [LARGE], MIME, len(LARGE))


def test_why_an_upload_failed_is_worth_more_than_that_it_cannot_be_ended(canned: Canned, impatient: S3Store) -> None:
    warnings: list[str] = []
    store = copy.copy(impatient)
    store.warn = warnings.append
    canned.answer(NOTHING, BEGUN, refusal("EntityTooLarge", 400), refusal("AccessDenied", 403))
    with pytest.raises(Refused, match=f"^{WHERE}: too large for this server$"):
        store.put(KEY, [LARGE], MIME, len(LARGE))
    assert warnings == [f"parts are left over: {WHERE}: these credentials do not allow it ({DENIED})"]


# Reading, where it breaks off


def test_reading_goes_on_where_it_broke(canned: Canned, store: S3Store) -> None:
    rest = Answer(206, DATA[4:7], (("ETag", '"e"'), ("Content-Range", "bytes 4-9/10")), 6)
    last = Answer(206, DATA[7:], (("ETag", '"e"'), ("Content-Range", "bytes 7-9/10")))
    canned.answer(whole(DATA[:4], 10), rest, last)
    assert b"".join(store.open(KEY)) == DATA
    ranges = [(one.headers.get("range"), one.headers.get("if-match")) for one in canned.asked]
    assert ranges == [(None, None), ("bytes=4-9", '"e"'), ("bytes=7-9", '"e"')]


def test_reading_does_not_go_on_for_ever(canned: Canned, store: S3Store) -> None:
    nothing_more = Answer(206, b"", (("ETag", '"e"'), ("Content-Range", "bytes 4-9/10")), 6)
    canned.answer(whole(DATA[:4], 10), nothing_more)
    reading = store.open(KEY)
    assert next(reading) == DATA[:4]
    with pytest.raises(Unreachable, match=f"^{WHERE}: the answer broke off"):
        next(reading)


def test_reading_does_not_go_on_in_something_else(canned: Canned, store: S3Store) -> None:
    canned.answer(whole(DATA[:4], 10), refusal("PreconditionFailed", 412))
    reading = store.open(KEY)
    assert next(reading) == DATA[:4]
    with pytest.raises(Refused, match="PreconditionFailed"):
        next(reading)


def test_a_byte_that_does_not_come_is_not_waited_for(canned: Canned, store: S3Store) -> None:
    canned.answer(Answer(206, b"", (("ETag", '"e"'), ("Content-Range", "bytes 0-0/0")), 1))
    assert list(store.open(KEY, 0, 5)) == []


def test_a_server_without_ranges_is_refused(canned: Canned, store: S3Store) -> None:
    canned.answer(whole())
    with pytest.raises(Refused, match="sends all where a range was asked for"):
        store.open(KEY, 3)


def test_no_more_is_read_than_was_asked_for(canned: Canned, store: S3Store) -> None:
    canned.answer(Answer(206, DATA, (("ETag", '"e"'), ("Content-Range", "bytes 0-9/10"))))
    assert b"".join(store.open(KEY, 0, 1)) == DATA[:1]


# Deleting


def test_of_many_that_are_to_be_deleted_one_cannot(canned: Canned, store: S3Store) -> None:
    error = f"<Error><Key>sjs/{KEY}</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
    words = f"<DeleteResult>{error}</DeleteResult>"
    canned.answer(Answer(200), Answer(200, words.encode()))
    store.delete(key_of(7, 1, str(number)) for number in range(1000))
    with pytest.raises(Refused, match=f"^{WHERE}: these credentials do not allow it"):
        store.delete([KEY])
    assert [one.body.count(b"<Key>") for one in canned.asked] == [1000, 1]
    for one in canned.asked:
        assert one.headers["content-md5"] == base64.b64encode(hashlib.md5(one.body).digest()).decode()


# What is said when it does not work

DENIED = "they need s3:GetObject, PutObject, DeleteObject, AbortMultipartUpload, ListBucket"
REFUSALS: list[tuple[str, int, type[SjsError], str]] = [
    ("NoSuchBucket", 404, Refused, "there is no such bucket (make it, or name another in `bucket`)"),
    ("AccessDenied", 403, Refused, f"these credentials do not allow it ({DENIED})"),
    ("InvalidAccessKeyId", 403, Refused, "the access key is not known there (see access_key_id, "),
    ("SignatureDoesNotMatch", 403, Refused, "the secret key is not the access key's (see access_key_id, "),
    ("ExpiredToken", 400, Refused, "the credentials have expired (see access_key_id, "),
    ("RequestTimeTooSkewed", 403, Refused, "this machine's clock and the server's are too far apart (set the clock"),
    ("AuthorizationHeaderMalformed", 400, Refused, "the bucket is in another region (say the bucket's in `region`)"),
    ("SlowDown", 503, Unreachable, "the server is too busy, or not well: SlowDown: so it is (later it may work)"),
    ("XMinioStorageFull", 507, NoSpace, "XMinioStorageFull: so it is (make room)"),
    ("Odd", 400, Refused, "Odd: so it is"),
]


@pytest.mark.parametrize(("code", "status", "kind", "words"), REFUSALS)
def test_refusals_are_told_in_a_line(
    canned: Canned, impatient: S3Store, code: str, status: int, kind: type[SjsError], words: str
) -> None:
    def says(head: int) -> Callable[[str], Answer]:
        return lambda method: Answer(head) if method == "HEAD" else refusal(code, status)

    asks: list[tuple[int, Callable[[], object]]] = [
        (status, impatient.check),
        (404, lambda: impatient.put(KEY, [DATA], MIME, LIMIT)),
        (status, lambda: impatient.open(KEY)),
        (status, lambda: impatient.size(KEY)),  # the answer to HEAD has no words
        (status, lambda: impatient.delete([KEY])),
        (status, lambda: impatient.tidy(0)),
    ]
    for head, ask in asks:
        canned.always = says(head)
        with pytest.raises(kind) as error:
            ask()
        assert type(error.value) is kind
        where, _, rest = str(error.value).partition(": ")
        assert where in (WHERE, "s3://artifacts/sjs/")
        assert rest.startswith(words)


def test_what_a_server_says_stays_one_short_line(canned: Canned, store: S3Store) -> None:
    canned.answer(refusal("Odd", 400, "a\r\n\x1b[31mred" + "x" * 5000))
    with pytest.raises(Refused) as error:
        store.check()
    assert error.value.message.isprintable()
    assert len(error.value.message) < 300


def test_of_a_bucket_that_is_not_there_nothing_is_not_there(canned: Canned, store: S3Store) -> None:
    canned.answer(NOTHING, refusal("NoSuchBucket", 404))
    with pytest.raises(Refused, match="there is no such bucket"):
        store.size(KEY)
    canned.answer(NOTHING, Answer(200, b"<ListBucketResult></ListBucketResult>"))
    with pytest.raises(NoArtifact):
        store.size(KEY)


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        server = Server("nobody", f"http://127.0.0.1:{nobody.getsockname()[1]}", "some", "hunter2")
        store = S3Store(server.settings(retries=1), server.environ, pytest.fail)
        with pytest.raises(NotReached, match=f"{server.endpoint} is not reached") as error:
            store.put(KEY, [DATA], MIME, LIMIT)
        assert "hunter2" not in str(error.value) + repr(store) + repr(store.settings)
        store.close()


def test_busy_servers_are_asked_again(canned: Canned, store: S3Store) -> None:
    canned.answer(refusal("SlowDown", 503), Answer(200, b"<ListBucketResult></ListBucketResult>"))
    store.check()
    assert canned.methods == ["GET", "GET"]


CHAIN = {
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture
def no_chain(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(key, raising=False)
    for key, value in CHAIN.items():
        monkeypatch.setenv(key, value)
    return monkeypatch


def test_no_credentials(canned: Canned, no_chain: pytest.MonkeyPatch) -> None:
    store = S3Store(canned.server.settings(keys=None), {}, pytest.fail)
    asks: list[Callable[[], object]] = [store.check, lambda: store.link(KEY, "x", MIME, 60)]
    for ask in asks:
        with pytest.raises(Refused, match="no credentials were found"):
            ask()
    store.close()
    with pytest.raises(Refused, match=r"The config profile \(nobody\) could not be found"):
        S3Store(canned.server.settings(keys=None, profile="nobody"), {}, pytest.fail)


def test_credentials_of_the_usual_chain(canned: Canned, no_chain: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[gateway]\naws_access_key_id = OFPROFILE\naws_secret_access_key = x\n")
    no_chain.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    no_chain.setenv("AWS_ACCESS_KEY_ID", "OFENVIRON")
    no_chain.setenv("AWS_SECRET_ACCESS_KEY", "x")
    given = Keys("OFSETTINGS", Secret(env="S3"), Secret(env="TOKEN"))
    for more in ({"keys": None}, {"keys": None, "profile": "gateway"}, {"keys": given}):
        store = S3Store(canned.server.settings(**more), {"S3": "x", "TOKEN": "t"}, pytest.fail)
        canned.answer(Answer(200, b"<ListBucketResult></ListBucketResult>"))
        store.check()
        store.close()
    seen = [one.headers["authorization"].partition("Credential=")[2].partition("/")[0] for one in canned.asked]
    assert seen == ["OFENVIRON", "OFPROFILE", "OFSETTINGS"]
    assert canned.asked[-1].headers["x-amz-security-token"] == "t"
    with pytest.raises(ConfigError, match="the variable TOKEN is not set"):
        S3Store(canned.server.settings(keys=given), {"S3": "x"}, pytest.fail)


def test_without_boto3_it_is_said_how_to_get_it() -> None:
    script = (
        "import sys; sys.modules['boto3'] = None\n"
        "from sjs.errors import UsageError\n"
        "from sjs.gateway.artifacts.opening import open_store\n"
        "from sjs.gateway.artifacts.settings import parse\n"
        "try: open_store(parse({'store': 's3', 'bucket': 'abc'}, '/x'), {}, print)\n"
        "except UsageError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"artifacts in S3 need boto3 ({how_to_get('s3')})\n", done.stderr


def test_it_is_loaded_only_for_s3(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from sjs.gateway.artifacts import collecting, links, media, opening, s3\n"
        f"opening.open_store(opening.FolderSettings({str(tmp_path / 'a')!r}), {{}}, print).close()\n"
        "print([name for name in sys.modules if name.startswith('boto')])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_amazon_is_usual(no_chain: pytest.MonkeyPatch) -> None:
    """And its links name the region, without which those to younger buckets are not good."""
    settings = S3Settings("results", region="eu-central-1", keys=Keys("a", Secret(env="S")))
    store = S3Store(settings, {"S": "x"}, pytest.fail)
    link = store.link(KEY, "x", MIME, 60)
    assert link is not None
    assert link.startswith(f"https://results.s3.eu-central-1.amazonaws.com/{KEY}?")
    store.close()


@pytest.mark.parametrize(
    ("bucket", "path_style", "endpoint", "style"),
    [
        ("results", False, "", "virtual"),
        ("re.sults", False, "", "path"),
        ("results", True, "", "path"),
        ("results", True, "https://minio", "path"),
        ("results", False, "https://minio", "auto"),
    ],
)
def test_where_the_bucket_stands(bucket: str, path_style: bool, endpoint: str, style: str) -> None:
    assert module._style(S3Settings(bucket, path_style=path_style), endpoint) == style
