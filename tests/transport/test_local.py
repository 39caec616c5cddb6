from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sjs.errors import LinkLost, Unreachable
from sjs.protocols import Stream
from sjs.transport import incoming, local
from sjs.transport.local import LocalStream, LocalTransport

LONG = 30.0


def soon(seconds: float = LONG) -> float:
    return time.monotonic() + seconds


@contextmanager
def running(code: str) -> Iterator[Stream]:
    stream = LocalTransport().open([sys.executable, "-I", "-S", "-c", code])
    try:
        yield stream
    finally:
        stream.close()


def test_lines_and_bytes_arrive_as_they_were_sent() -> None:
    with running("import sys; sys.stdout.buffer.write(b'one\\n\\xff\\0two\\n')") as stream:
        assert stream.line(soon()) == b"one"
        assert stream.take(2, soon()) == b"\xff\0"
        assert stream.line(soon()) == b"two"


def test_what_is_sent_arrives() -> None:
    with running("import sys; print(sys.stdin.readline().upper(), end='')") as stream:
        stream.send(b"hello\n", soon())
        assert stream.line(soon()) == b"HELLO"


def test_both_sides_may_talk_at_once_more_than_a_pipe_holds() -> None:
    echo = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.buffer.flush()"
    line = b"x" * 99_999 + b"\n"
    with running(echo) as stream:
        for _ in range(20):
            stream.send(line, soon())
        assert all(stream.line(soon()) == line[:-1] for _ in range(20))


def test_a_deadline_ends_waiting_and_keeps_what_has_come() -> None:
    code = "import sys; print('half', end='', flush=True); sys.stdin.readline(); print(' whole')"
    with running(code) as stream:
        with pytest.raises(TimeoutError):
            stream.line(soon(0.3))
        stream.send(b"\n", soon())
        assert stream.line(soon()) == b"half whole"


def test_a_deadline_ends_sending() -> None:
    with running("import time; time.sleep(100)") as stream, pytest.raises(TimeoutError):
        stream.send(b"x" * 10_000_000, soon(0.3))


def test_the_end_is_a_broken_link_that_quotes_the_complaint() -> None:
    with (
        running("import sys; sys.exit('first line\\nno such folder')") as stream,
        pytest.raises(LinkLost, match="no such folder"),
    ):
        stream.line(soon())


def test_an_end_without_a_word_tells_the_exit_status() -> None:
    with running("import sys; sys.exit(7)") as stream, pytest.raises(LinkLost, match="exit status 7"):
        stream.line(soon())


def test_what_was_said_before_the_end_can_still_be_read() -> None:
    with running("print('last words')") as stream:
        assert stream.line(soon()) == b"last words"
        with pytest.raises(LinkLost):
            stream.line(soon())


def test_sending_to_the_dead_is_a_broken_link() -> None:
    with running("pass") as stream:
        with pytest.raises(LinkLost):
            stream.line(soon())
        with pytest.raises(LinkLost):
            stream.send(b"x" * 1_000_000, soon())


def test_an_endless_complaint_is_bounded_and_stops_nobody() -> None:
    code = "import sys\nfor n in range(100000): print('complaint', n, file=sys.stderr)\nprint('done')"
    with running(code) as stream:
        assert stream.line(soon()) == b"done"
        assert isinstance(stream, LocalStream)
        assert len(stream._complaint) <= incoming.MAX_COMPLAINT


def test_a_flood_without_a_line_end_is_a_broken_link() -> None:
    code = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    with running(code) as stream, pytest.raises(LinkLost, match="more than anybody"):
        stream.line(soon())


def test_a_missing_program_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="cannot run /no/such/program: No such file"):
        LocalTransport().open(["/no/such/program"])


def test_closing_ends_even_a_program_that_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "FAREWELL", 0.2)
    stream = LocalTransport().open([sys.executable, "-I", "-S", "-c", "import time; time.sleep(1000)"])
    process: subprocess.Popen[bytes] = stream._process
    stream.close()
    stream.close()
    assert process.returncode == -9


def test_ctrl_c_at_the_terminal_does_not_reach_the_program() -> None:
    with running("import os; print(os.getpgid(0) == os.getpid())") as stream:
        assert stream.line(soon()) == b"True"
