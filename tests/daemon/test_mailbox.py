"""Real pipes, turned by hand: what comes out of them, in which order, and what is refused."""

from __future__ import annotations

import errno
import os
import selectors
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.daemon.ground.places import Places
from sjs.daemon.manager.cutting import Lines
from sjs.daemon.manager.mailbox import (
    DOOR_LINE,
    MAX_UNREAD,
    TURN_BYTES,
    TURN_LINES,
    Mailbox,
    Session,
)
from sjs.daemon.manager.reply_pipes import REPLY_PATIENCE

LIMIT = 1000
CROWDED = b"no room\n"
NONBLOCKING = os.O_NONBLOCK | os.O_CLOEXEC


# Lines


@given(st.binary(max_size=200), st.lists(st.integers(0, 50)))
def test_lines_are_the_same_however_they_come(data: bytes, cuts: list[int]) -> None:
    lines, rest = Lines(LIMIT), data
    found: list[bytes] = []
    for cut in [*cuts, len(data)]:
        lines.feed(rest[:cut])
        rest = rest[cut:]
        found += iter(lines.next, None)
    assert found == data.split(b"\n")[:-1]


@given(st.lists(st.binary(max_size=40).map(lambda one: one.replace(b"\n", b"")), max_size=8), st.integers(1, 9))
def test_long_lines_are_dropped_and_no_other(texts: list[bytes], size: int) -> None:
    lines, data = Lines(20), b"".join(text + b"\n" for text in texts)
    found: list[bytes] = []
    for at in range(0, len(data), size):
        lines.feed(data[at : at + size])
        found += iter(lines.next, None)
    assert found == [text for text in texts if len(text) <= 20]
    assert lines.dropped == len(texts) - len(found)


def test_an_endless_line_takes_no_memory() -> None:
    lines = Lines(LIMIT)
    for _ in range(100):
        lines.feed(b"x" * LIMIT)
        assert lines.next() is None
        assert len(lines) <= 2 * LIMIT
    lines.feed(b"\ngood\n")
    assert (lines.next(), lines.dropped) == (b"good", 1)


# The mailbox


class Box(NamedTuple):
    mailbox: Mailbox
    selector: selectors.BaseSelector
    where: Places

    def turn(self) -> list[tuple[Session | None, bytes]]:
        """What one turn collects of what is there now."""
        return [(one.session, one.line) for one in self.mailbox.collect(self.selector.select(0))]

    def lines(self) -> list[bytes]:
        return [line for _, line in self.turn()]

    def knock(self, data: bytes) -> None:
        door = os.open(self.where.door, os.O_WRONLY | NONBLOCKING)
        assert os.write(door, data) == len(data)
        os.close(door)

    def connect(self, name: str = "12345-abcd") -> tuple[Session, int, int]:
        """A session with the ends that its client holds: for requests, for replies."""
        base = os.path.join(self.where.sessions, name)
        os.mkfifo(base + ".in", 0o600)
        os.mkfifo(base + ".out", 0o600)
        replies = os.open(base + ".out", os.O_RDONLY | NONBLOCKING)
        requests = os.open(base + ".in", os.O_RDWR | NONBLOCKING)
        session = self.mailbox.open_session(name)
        assert session is not None
        writing = os.open(f"/proc/self/fd/{requests}", os.O_WRONLY | NONBLOCKING)
        os.close(requests)
        return session, writing, replies

    def port(self, name: str = "reply", mode: int = 0o644) -> Path:
        path = Path(self.where.root, name)
        os.mkfifo(path)
        path.chmod(mode)
        return path


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    where = Places(str(tmp_path), "jobs.pipe", str(tmp_path / "state"))
    where.make()
    with selectors.DefaultSelector() as selector:
        mailbox = Mailbox(where, selector, LIMIT, CROWDED)
        mailbox.open_door()
        yield Box(mailbox, selector, where)
        mailbox.close()


def listen(path: Path) -> int:
    return os.open(path, os.O_RDONLY | NONBLOCKING)


def read_all(fd: int) -> bytes:
    """What is there now, to the end where there is one."""
    data = b""
    try:
        while piece := os.read(fd, 1 << 20):
            data += piece
    except BlockingIOError:
        pass
    return data


# The door


def test_a_door_that_was_removed_is_made_again(box: Box) -> None:
    os.unlink(box.where.door)
    assert box.mailbox.mend_door(box.selector.select(0))
    box.knock(b"hello\n")
    assert box.lines() == [b"hello"]
    assert not box.mailbox.mend_door(box.selector.select(0))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make somebody else's folder")
def test_without_a_door_the_mailbox_lives(box: Box) -> None:
    session, requests, _ = box.connect()
    os.unlink(box.where.door)
    os.mkdir(box.where.door)
    os.chown(box.where.door, 65534, 65534)
    assert not box.mailbox.mend_door(box.selector.select(0))
    os.write(requests, b"one\n")
    assert box.turn() == [(session, b"one")]
    os.rmdir(box.where.door)
    assert box.mailbox.mend_door(box.selector.select(0))
    box.knock(b"hello\n")
    assert box.lines() == [b"hello"]


def test_half_a_line_waits_for_its_end(box: Box) -> None:
    box.knock(b"one\ntw")
    assert box.lines() == [b"one"]
    box.knock(b"o\n")
    assert box.lines() == [b"two"]
    assert not box.mailbox.has_more


def test_many_small_lines_are_shared_out_over_turns(box: Box) -> None:
    box.knock(b"a\n" * (TURN_LINES + 1))
    assert len(box.lines()) == TURN_LINES
    assert box.mailbox.has_more
    assert len(box.lines()) == 1


def test_one_large_line_is_a_turn(box: Box) -> None:
    box.knock((b"x" * TURN_BYTES + b"\n") * 2)
    assert [len(box.lines()) for _ in range(3)] == [1, 1, 0]


def test_empty_lines_use_up_a_turn_as_well(box: Box) -> None:
    box.knock(b"\n" * (2 * TURN_BYTES) + b"end\n")
    assert [box.lines() for _ in range(3)] == [[], [], [b"end"]]


def test_a_line_that_never_ends_is_dropped(box: Box, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(DOOR_LINE // 50_000 + 1):
        box.knock(b"x" * 50_000)
        assert box.lines() == []
    box.knock(b"\ngood\n")
    assert box.lines() == [b"good"]
    assert "dropped a line" in capfd.readouterr().err


# Sessions


def test_a_session(box: Box) -> None:
    session, requests, replies = box.connect()
    assert os.listdir(box.where.sessions) == []
    os.write(requests, b"one\ntwo\n")
    assert box.turn() == [(session, b"one"), (session, b"two")]
    box.mailbox.send(session, b"answer\n")
    assert box.mailbox.flush(0) == []
    assert read_all(replies) == b"answer\n"
    os.close(requests)
    assert box.turn() == []
    assert box.mailbox.flush(0) == [session]
    assert os.read(replies, 1) == b""


def test_what_was_asked_before_the_end_is_answered(box: Box) -> None:
    session, requests, replies = box.connect()
    os.write(requests, b"wait\n")
    os.close(requests)
    assert box.lines() == [b"wait"]
    session.owed += 1
    box.turn()
    assert box.mailbox.flush(0) == []
    session.owed -= 1
    box.mailbox.send(session, b"done\n")
    assert box.mailbox.flush(0) == [session]
    assert read_all(replies) == b"done\n"


def test_a_client_that_is_gone_is_noticed(box: Box) -> None:
    session, requests, replies = box.connect()
    session.owed += 1
    os.close(requests)
    os.close(replies)
    box.turn()
    assert box.mailbox.flush(0) == [session]


def test_no_session_waits_for_another(box: Box) -> None:
    a, to_a, _ = box.connect("1-aaaaaaaa")
    b, to_b, _ = box.connect("1-bbbbbbbb")
    os.write(to_a, b"a\n" * 5)
    os.write(to_b, b"b\n" * 5)
    assert [session for session, _ in box.turn()] == [a, b] * 5


def test_a_line_that_is_too_long_comes_as_an_empty_one(box: Box) -> None:
    session, requests, _ = box.connect()
    os.write(requests, b"x" * (LIMIT + 1) + b"\nnext\n")
    assert box.turn() == [(session, b""), (session, b"next")]


def test_who_reads_no_replies_is_not_heard_and_keeps_nobody_awake(box: Box) -> None:
    session, requests, replies = box.connect()
    os.write(requests, b"a\n" * (TURN_LINES + 1))
    assert len(box.lines()) == TURN_LINES
    box.mailbox.send(session, b"x" * (MAX_UNREAD + (1 << 20)))
    box.mailbox.flush(0)
    os.write(requests, b"later\n")
    assert (box.selector.select(0), box.mailbox.has_more) == ([], False)
    while not box.mailbox.has_more:
        assert read_all(replies)
        box.mailbox.flush(0)
    assert box.lines() + box.lines() == [b"a", b"later"]


def test_a_full_session_whose_client_dies_leaves_nothing(box: Box) -> None:
    session, requests, replies = box.connect()
    os.write(requests, b"a\nb\n")
    box.turn()
    box.mailbox.send(session, b"x" * (MAX_UNREAD + (1 << 20)))
    box.mailbox.flush(0)
    os.close(replies)
    box.turn()
    assert box.mailbox.flush(0) == [session]
    assert not session.out


@pytest.mark.parametrize("mode", [0o644, 0o620])
def test_a_session_that_others_could_read_is_refused(box: Box, mode: int) -> None:
    base = Path(box.where.sessions, "12345-abcd")
    for end in (".in", ".out"):
        os.mkfifo(f"{base}{end}")
        os.chmod(f"{base}{end}", mode)
    hold = os.open(f"{base}.out", os.O_RDONLY | NONBLOCKING)
    assert box.mailbox.open_session("12345-abcd") is None
    os.close(hold)


def test_a_session_whose_client_is_gone_leaves_no_descriptor(box: Box) -> None:
    before = os.listdir("/proc/self/fd")
    for name in (".in", ".out"):
        os.mkfifo(os.path.join(box.where.sessions, "12345-abcd" + name), 0o600)
    assert box.mailbox.open_session("12345-abcd") is None
    assert box.mailbox.open_session("12345-abcd") is None
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert os.listdir(box.where.sessions) == []


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_client_that_is_one_too_many_is_told(box: Box, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    opened: list[Any] = []
    real = os.open

    def run_out(path: Any, flags: int, *mode: int) -> int:
        if str(path).endswith(".in") and not opened:
            opened.append(path)
            raise OSError(number, os.strerror(number))
        return real(path, flags, *mode)

    with monkeypatch.context() as patched:
        patched.setattr("sjs.daemon.manager.mailbox.os.open", run_out)
        assert_turned_away(box)
    assert box.connect()


def test_clients_leave_descriptors_for_all_else(box: Box) -> None:
    box.mailbox._most = 1
    session, requests, replies = box.connect()
    assert_turned_away(box)
    os.close(requests)
    box.turn()
    assert box.mailbox.flush(0.0) == [session]
    assert box.connect()
    os.close(replies)


def assert_turned_away(box: Box) -> None:
    before = len(os.listdir("/proc/self/fd"))
    base = os.path.join(box.where.sessions, "1-abcd")
    os.mkfifo(base + ".in", 0o600)
    os.mkfifo(base + ".out", 0o600)
    replies = listen(Path(base + ".out"))
    assert box.mailbox.open_session("1-abcd") is None
    assert read_all(replies) == CROWDED
    os.close(replies)
    assert os.listdir(box.where.sessions) == []
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("when", ["by a new manager", "when another client comes"])
def test_pipes_of_dead_clients_are_cleaned_up(box: Box, when: str) -> None:
    for name in (f"{os.getpid()}-aaaaaaaa.in", "4194305-bbbbbbbb.in", "rubbish"):
        Path(box.where.sessions, name).touch()
    if when == "by a new manager":
        Mailbox(box.where, box.selector, LIMIT, CROWDED)
    else:
        _, *ours = box.connect(f"{os.getpid()}-abcd")
        for fd in ours:
            os.close(fd)
    assert os.listdir(box.where.sessions) == [f"{os.getpid()}-aaaaaaaa.in"]


# Reply pipes of seed clients


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_a_reply_goes_to_who_waits(box: Box, mode: int) -> None:
    fd = listen(box.port(mode=mode))
    box.mailbox.reply("reply", b"{}", 0)
    box.mailbox.flush(0)
    assert os.read(fd, 10) == b"{}"
    assert os.read(fd, 10) == b""
    assert box.mailbox.next_time() is None


def test_a_reply_waits_for_a_client_that_opens_late(box: Box) -> None:
    port = box.port()
    box.mailbox.reply("reply", b"{}", 0)
    box.mailbox.flush(0)
    due = box.mailbox.next_time()
    assert due == 0.001
    fd = listen(port)
    box.mailbox.flush(0.0005)
    assert read_all(fd) == b""
    box.mailbox.flush(due)
    assert read_all(fd) == b"{}"


def test_a_reply_waits_even_for_a_pipe_that_is_made_late(box: Box) -> None:
    box.mailbox.reply("reply", b"{}", 0)
    box.mailbox.flush(0)
    fd = listen(box.port())
    box.mailbox.flush(1)
    assert read_all(fd) == b"{}"


def test_a_reply_that_nobody_wants_is_given_up(box: Box, capfd: pytest.CaptureFixture[str]) -> None:
    box.port()
    box.mailbox.reply("reply", b"{}", 0)
    now = 0.0
    for _ in range(1000):
        box.mailbox.flush(now)
        due = box.mailbox.next_time()
        if due is None:
            break
        now = due
    assert REPLY_PATIENCE <= now < REPLY_PATIENCE + 1
    assert "nobody read the reply" in capfd.readouterr().err


def test_only_so_many_replies_wait(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sjs.daemon.manager.reply_pipes.MAX_REPLIES", 3)
    fds = []
    for number in range(5):
        port = box.port(f"p{number}")
        box.mailbox.reply(port.name, b"{}", 0)
        box.mailbox.flush(0)
        fds.append(port)
    opened = [listen(port) for port in fds]
    box.mailbox.flush(1)
    assert [read_all(fd) for fd in opened] == [b"", b"", b"{}", b"{}", b"{}"]


def test_a_long_reply_is_written_as_it_is_read(box: Box) -> None:
    data = bytes(range(256)) * 1024
    fd = listen(box.port())
    box.mailbox.reply("reply", data, 0)
    seen, now = b"", 0.0
    while box.mailbox.next_time() is not None or not seen:
        box.mailbox.flush(now)
        seen += read_all(fd)
        now += 0.5
    assert seen == data


def test_a_reader_that_leaves_in_the_middle_is_let_go(box: Box, capfd: pytest.CaptureFixture[str]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    fd = listen(box.port())
    box.mailbox.reply("reply", b"x" * 200_000, 0)
    box.mailbox.flush(0)
    os.close(fd)
    box.mailbox.flush(1)
    assert box.mailbox.next_time() is None
    assert "no reply to reply" in capfd.readouterr().err
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_reply_goes_into_no_file(box: Box) -> None:
    victim = Path(box.where.root, "victim")
    victim.write_text("precious")
    Path(box.where.root, "link").symlink_to(victim)
    for port in ("victim", "link", "state"):
        box.mailbox.reply(port, b"{}", 0)
    box.mailbox.flush(0)
    assert (box.mailbox.next_time(), victim.read_text()) == (None, "precious")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make somebody else's pipe")
def test_a_reply_goes_to_nobody_else(box: Box) -> None:
    port = box.port()
    os.chown(port, 65534, 65534)
    fd = listen(port)
    box.mailbox.reply("reply", b"{}", 0)
    box.mailbox.flush(0)
    assert (box.mailbox.next_time(), read_all(fd)) == (None, b"")


def test_the_door_is_no_reply_pipe(box: Box) -> None:
    box.mailbox.reply("jobs.pipe", b"{}", 0)
    box.mailbox.flush(0)
    assert box.turn() == []
