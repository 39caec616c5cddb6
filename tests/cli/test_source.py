from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sjs.cli.source import Source
from sjs.core.job import MAX_COMMAND_BYTES, Spec
from sjs.errors import UsageError


def jobs(source: Source, cwd: str | None = None) -> list[Spec]:
    with source:
        return [spec for chunk in source.chunks(lambda given: given or cwd) for spec in chunk]


def commands(path: Path, data: bytes) -> list[str | None]:
    path.write_bytes(data)
    return [spec.command for spec in jobs(Source((), str(path), ()))]


@pytest.mark.parametrize("given", [{"commands": ["a"]}, {"argv": ["a"]}, {"path": "/dev/null"}])
def test_each_job_is_told_what_becomes_of_it_when_it_is_lost(given: dict[str, Any]) -> None:
    source = Source(**{"commands": (), "path": None, "argv": (), **given}, base=Spec(on_lost="requeue"))
    assert [(spec.cwd, spec.on_lost) for spec in jobs(source, "/x")] == [("/x", "requeue")] * ("path" not in given)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "commands.txt"


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"echo 1\necho 2\n", ["echo 1", "echo 2"]),
        (b"echo 1\r\necho 2", ["echo 1", "echo 2"]),
        (b"\n# comment\n   \n  # indented\necho 1 # kept\n", ["echo 1 # kept"]),
        (b"  echo 1  \n", ["  echo 1  "]),
        (b"echo '\\n' \"$HOME\"\n", ["echo '\\n' \"$HOME\""]),
        (b"\xef\xbb\xbfecho 1\n", ["echo 1"]),
        (b"echo \xff\xc3\xa9\n", ["echo \udcff\u00e9"]),
        (b"", []),
    ],
)
def test_a_job_is_a_line(path: Path, data: bytes, wanted: list[str]) -> None:
    assert commands(path, data) == wanted


@pytest.mark.parametrize(("line", "what"), [(b"a\0b", "NUL"), (b"x" * (MAX_COMMAND_BYTES + 1), "131072 bytes")])
def test_what_cannot_run_is_refused_with_its_line_before_anything_is_read(path: Path, line: bytes, what: str) -> None:
    path.write_bytes(b"echo 1\n\n" + line + b"\n")
    with pytest.raises(UsageError, match=f"commands.txt:3: .*{what}"), Source((), str(path), ()):
        pytest.fail("the file was opened")


def test_the_longest_command_is_taken(path: Path) -> None:
    assert commands(path, b"x" * MAX_COMMAND_BYTES + b"\r\n") == ["x" * MAX_COMMAND_BYTES]


def test_texts_come_before_the_file_and_carry_the_folder(path: Path) -> None:
    path.write_bytes(b"b\n")
    assert jobs(Source(("a\nwith a line end",), str(path), ()), "/x") == [
        Spec(command="a\nwith a line end", cwd="/x"),
        Spec(command="b", cwd="/x"),
    ]


def test_an_argv_meets_no_shell() -> None:
    assert jobs(Source((), None, ("ls", "a b", ""))) == [Spec(argv=("ls", "a b", ""))]


@pytest.mark.parametrize(
    ("texts", "argv"), [((), ()), (("",), ()), (("  ",), ()), (("a\0b",), ()), ((), ("",)), (("a",), ("b",))]
)
def test_no_job_is_refused(texts: tuple[str, ...], argv: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        Source(texts, None, argv)


def test_stdin_is_read_once_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"echo 1\n# no\necho 2\n")))
    with Source((), "-", ()) as source:
        source.share(2)
        for _ in range(2):
            assert [spec.command for chunk in source.chunks(str) for spec in chunk] == ["echo 1", "echo 2"]
        copy = source._file
    assert not os.path.exists(copy)


def test_a_pipe_is_read_as_it_comes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"echo 1\n",), daemon=True)
    writer.start()
    assert [spec.command for spec in jobs(Source((), str(pipe), ()))] == ["echo 1"]
    writer.join(60)


def test_a_long_file_does_not_fill_the_memory(path: Path) -> None:
    with path.open("wb") as target:
        target.writelines(b"python train.py --seed %d\n" % number for number in range(50_000))
    code = """
import resource, sys
from sjs.cli.source import Source
from sjs.targets import chunks
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with Source((), sys.argv[1], ()) as source:
    count = sum(len(chunk) for chunk in source.chunks(lambda given: "/x"))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    found = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True, timeout=120)
    count, grown = map(int, found.stdout.split())
    assert count == 50_000
    assert grown < 8 * 1024  # KiB
