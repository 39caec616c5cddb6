"""Whatever kills a process that puts, what it puts is there as a whole or not at all, and can be put again."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sjs.errors import Refused
from sjs.gateway.artifacts.folder import FolderStore
from sjs.gateway.artifacts.s3 import S3Store
from sjs.gateway.artifacts.store import DAY, NoArtifact, Store, Stored
from tests.gateway.artifacts.killed import KEY, WAITS, data
from tests.gateway.artifacts.servers import LONG, Server

ROOT = Path(__file__).parents[3]
MIME = "application/octet-stream"

STORED = Stored(len(data()), hashlib.sha256(data()).hexdigest())


def begun(where: str, moment: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "tests.gateway.artifacts.killed", where, moment]
    return subprocess.Popen(program, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def killed(where: str, moment: str) -> None:
    """Run it until it is dead."""
    with begun(where, moment) as process:
        said, _ = process.communicate(timeout=120)
    assert (process.returncode, said) == (-signal.SIGKILL, "")


def is_whole_or_not_there(store: Store) -> bool:
    try:
        store.size(KEY)
    except NoArtifact:
        return False
    assert b"".join(store.open(KEY)) == data()
    return True


def put_again(store: Store) -> None:
    assert store.put(KEY, [data()], MIME, STORED.size) == STORED
    assert is_whole_or_not_there(store)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


def test_in_the_middle_folder(folder: FolderStore) -> None:
    with begun(folder.path, WAITS) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        assert folder.tidy(0) == 0  # it is being written
        assert len(files(Path(folder.path))) == 1
        process.kill()
    assert not is_whole_or_not_there(folder)
    assert folder.tidy(0) == 1
    assert files(Path(folder.path)) == []
    put_again(folder)


FSYNCS = 6
"""Of the file, and of the four folders down to it, after it has its name; the sixth is not made."""

MOMENTS = {
    "before write 1": False,
    "after write 2": False,
    "before fsync 1": False,
    "after fsync 1": False,
    "before rename 1": False,
    "after rename 1": True,
    "before fsync 2": True,
    f"before fsync {FSYNCS - 1}": True,
}


SOME = ("after fsync 1", "after rename 1", f"before fsync {FSYNCS - 1}")


@pytest.mark.parametrize("moment", MOMENTS if LONG else SOME)
def test_at_each_call(folder: FolderStore, moment: str) -> None:
    killed(folder.path, moment)
    assert is_whole_or_not_there(folder) == MOMENTS[moment]
    assert folder.tidy(0) == (not MOMENTS[moment])
    put_again(folder)
    assert len(files(Path(folder.path))) == 1


def test_every_folder_on_the_way_is_made_durable(folder: FolderStore) -> None:
    with begun(folder.path, f"before fsync {FSYNCS}") as process:
        said, _ = process.communicate(timeout=120)
    assert (process.returncode, said) == (0, "put\n")


def where(store: S3Store, server: Server) -> str:
    return json.dumps({"server": server, "prefix": store.settings.prefix})


@pytest.fixture
def server(s3: S3Store, request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.node.callspec.params["s3"])
    return found


def uploads(store: S3Store) -> int:
    return len(store._uploads())


def test_in_the_middle_s3(s3: S3Store, server: Server) -> None:
    with begun(where(s3, server), WAITS) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.kill()
    assert not is_whole_or_not_there(s3)
    put_again(s3)
    if server.name == "s3rver":
        with pytest.raises(Refused, match="does not say which uploads"):
            s3.tidy(0)
        return
    begun_at = s3._uploads()[0]["Initiated"].timestamp()
    assert s3.tidy(begun_at + DAY - 1) == 0
    assert uploads(s3) == 1
    assert s3.tidy(begun_at + DAY + 1) == 1
    assert uploads(s3) == 0
    assert is_whole_or_not_there(s3)


REQUESTS = {
    "after CreateMultipartUpload": False,
    "before UploadPart": False,
    "after UploadPart": False,
    "before CompleteMultipartUpload": False,
    "after CompleteMultipartUpload": True,
}


@pytest.mark.parametrize("moment", REQUESTS if LONG else ["before CompleteMultipartUpload"])
def test_at_each_request(s3: S3Store, server: Server, moment: str) -> None:
    killed(where(s3, server), moment)
    assert is_whole_or_not_there(s3) == REQUESTS[moment]
    put_again(s3)


def test_what_others_have_begun_is_theirs(s3: S3Store, server: Server) -> None:
    if server.name == "s3rver":
        pytest.skip("it does not say which uploads have not ended")
    for key in ("theirs", "theirs/1/x"):
        s3.client.create_multipart_upload(Bucket=s3.settings.bucket, Key=s3.settings.prefix + key)
    assert s3.tidy(1e12) == 0
    assert uploads(s3) == 2


def test_what_breaks_off_leaves_no_parts(s3: S3Store, server: Server) -> None:
    if server.name == "s3rver":
        pytest.skip("it does not say which uploads have not ended")

    def broken() -> Iterator[bytes]:
        yield b"little"
        assert uploads(s3) == 0
        yield data()
        assert uploads(s3) == 1
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        s3.put(KEY, broken(), MIME, 10 * STORED.size)
    assert uploads(s3) == 0
