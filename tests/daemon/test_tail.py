"""A job's output on its way to a client, without a manager: its words are said by the test."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.daemon.asking import tail
from sjs.daemon.asking.tail import FRAME, LAST, LONGEST, PACE, Tails, last_line, start_of_lines
from sjs.daemon.ground.kind import LOOK

RECORD = {"id": 7, "state": "running", "attempt": 1}
ENDED = {**RECORD, "state": "failed", "reason": "exit"}


class Client:
    """What goes to the manager, and what to the client."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "out"
        self.asked: list[Any] = []
        self.data = b""
        self.said: list[dict[str, Any]] = []
        self.tails = Tails(lambda line: self.asked.append(json.loads(line)), self._write)
        self._raw = 0

    def _write(self, data: bytes) -> None:
        if self._raw:
            self.data += data
            self._raw = 0
            return
        message = json.loads(data)
        self._raw = message.get("bytes", 0)
        if not self._raw:
            self.said.append(message)

    def read(self, **fields: Any) -> None:
        self.tails.add(json.dumps({"op": "read", "id": 3, "job": 7, **fields}).encode() + b"\n")

    def hear(self, final: bool = True, **more: Any) -> None:
        """The manager says where the output is."""
        reply = {"id": "ask.1", "out": str(self.path), "err": str(self.path), "final": final, "record": RECORD, **more}
        self.tails.heard(json.dumps(reply).encode() + b"\n")


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path)


def test_all_of_it(client: Client) -> None:
    client.path.write_bytes(b"x" * (FRAME + 5))
    client.read()
    assert client.asked == [{"op": "output", "id": "ask.1", "job": 7, "follow": False}]
    client.hear()
    assert client.data == b"x" * (FRAME + 5)
    assert client.said == [{"id": 3, "end": RECORD, "offset": FRAME + 5}]
    assert not client.tails.busy


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ({"offset": 4}, b"two\n"),
        ({"offset": 99}, b""),
        ({"lines": 1}, b"two\n"),
        ({"lines": 0}, b""),
        ({"lines": 9}, b"one\ntwo\n"),
        ({"since": 999}, b"one\ntwo\n"),
        ({"since": 1000.0}, b"one\ntwo\n"),
        ({"since": 1001}, b""),
        ({"since": 999, "lines": 1}, b"two\n"),
        ({"offset": 4, "attempt": 1}, b"two\n"),
        ({"offset": 4, "attempt": 2}, b"one\ntwo\n"),
    ],
)
def test_a_part_of_it(client: Client, fields: dict[str, int], data: bytes) -> None:
    client.path.write_bytes(b"one\ntwo\n")
    os.utime(client.path, (1000, 1000))
    client.read(**fields)
    client.hear()
    assert client.data == data


def test_of_another_attempt(client: Client) -> None:
    client.path.write_bytes(b"one\n")
    client.read(of=1)
    assert client.asked == [{"op": "output", "id": "ask.1", "job": 7, "follow": False, "of": 1}]
    client.hear(record={**RECORD, "attempt": 1})
    assert client.data == b"one\n"


def test_who_wrote_nothing_has_no_file(client: Client) -> None:
    client.read()
    client.hear()
    assert (client.data, client.said[0]["offset"]) == (b"", 0)


def test_follow(client: Client) -> None:
    client.path.write_bytes(b"a")
    client.read(follow=True)
    client.hear(final=False)
    assert client.asked[1:] == [{"op": "wait", "id": "ask.1", "jobs": [[7, 7]], "attempt": 1}]
    client.tails.turn([])
    with client.path.open("ab") as more:
        more.write(b"b")
    client.tails.turn([client.tails.fd])
    assert (client.data, client.said, client.tails.busy) == (b"ab", [], True)
    with client.path.open("ab") as more:
        more.write(b"c" * (2 * FRAME))  # comes with the end itself
    client.tails.heard(json.dumps({"id": "ask.1", "done": True, "job": ENDED}).encode())
    assert client.data == b"ab" + b"c" * (2 * FRAME)
    assert client.said == [{"id": 3, "end": ENDED, "offset": 2 + 2 * FRAME}]


def test_what_another_machine_writes_is_looked_at_by_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the node is put in the place of ours: nobody is told of what is written there."""
    now = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now)
    client.read(follow=True, lines=1)
    client.hear(final=False, elsewhere=True)  # it has begun there, and nothing of it is seen here yet
    assert client.tails.pause == LOOK
    for number, text in enumerate((b"one\ntwo\n", b"one\ntwo\nthree\n", b"one\ntwo\nthree\nfour\n"), 1):
        there = client.path.with_name("there")
        there.write_bytes(text)
        there.replace(client.path)
        client.tails.turn([])
        assert client.data.count(b"\n") == max(0, number - 1)
        now += LOOK
        client.tails.turn([])
        assert client.data.count(b"\n") == number
    there.write_bytes(text + b"five\n")
    there.replace(client.path)
    client.tails.heard(json.dumps({"id": "ask.1", "done": True, "job": ENDED}).encode())
    assert client.data == b"two\nthree\nfour\nfive\n"
    assert not client.tails.busy and client.tails.pause is None


def test_what_is_new_after_a_time_at_which_nothing_was(client: Client) -> None:
    client.path.write_bytes(b"old")
    os.utime(client.path, (1000, 1000))
    client.read(follow=True, since=2000)
    client.hear(final=False)
    client.tails.turn([])
    assert client.data == b""
    with client.path.open("ab") as more:
        more.write(b"new")
    client.tails.turn([client.tails.fd])
    assert client.data == b"new"


def test_who_follows_a_job_follows_its_next_attempt(client: Client) -> None:
    client.path.write_bytes(b"one\n")
    client.read(follow=True, lines=1)
    client.hear(final=False)
    client.tails.heard(json.dumps({"id": "ask.1", "done": True, "job": {**RECORD, "state": "queued"}}).encode())
    assert client.asked[2:] == [{"op": "output", "id": "ask.1", "job": 7, "follow": True}]
    assert (client.data, client.said) == (b"one\n", [])
    client.path = client.path.with_name("another")
    client.path.write_bytes(b"two\nmore\n")
    client.hear(final=False, record={**RECORD, "attempt": 2})
    assert client.asked[3]["attempt"] == 2
    client.tails.heard(json.dumps({"id": "ask.1", "done": True, "job": ENDED}).encode())
    assert client.data == b"one\ntwo\nmore\n"
    assert client.said == [{"id": 3, "end": ENDED, "offset": 9}]


def test_who_wants_to_see_only_how_it_goes_gets_the_last_line_now_and_then(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(tail, "time", SimpleNamespace(monotonic=lambda: now[0]))
    client.path.write_bytes(b"x" * LAST + b"\none\n  two \n\n")
    client.read(follow=True, brief=True)
    client.hear(final=False)
    assert client.tails.pause == 0
    client.tails.turn([])
    assert [client.data, client.tails.pause] == [b"two", None]
    with open(client.path, "ab") as out:
        for text in (b"three\n", b" 10%\r", b" 20%\r"):
            out.write(text)
            out.flush()
            client.tails.turn([client.tails.fd])
    assert (client.data, client.tails.pause) == (b"two", PACE), "one line for each second"
    now[0] += PACE
    client.tails.turn([])
    assert [client.data, client.tails.pause] == [b"two20%", None]
    with open(client.path, "ab") as out:
        out.write(b" 20%\r" + b"y" * 3 * LONGEST + b"\n")
    now[0] += PACE
    client.tails.heard(json.dumps({"id": "ask.1", "done": True, "job": ENDED}).encode())
    assert client.data == b"two20%" + b"y" * LONGEST
    assert [list(one) for one in client.said] == [["id", "end", "offset"]]


@pytest.mark.parametrize("data", [b"", b"\n\r\n  \n"])
def test_where_nothing_is_written_there_is_no_last_line(client: Client, data: bytes) -> None:
    assert last_line(data) == b""
    client.path.write_bytes(data)
    client.read(brief=True)
    client.hear()
    assert (client.data, len(client.said)) == (b"", 1)


def test_a_reader_is_not_kept_by_a_job_that_never_pauses(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the file had when it was asked for is what is sent, however it grows meanwhile."""
    client.path.write_bytes(b"x" * 10)
    monkeypatch.setattr(tail, "FRAME", 5)
    write = client._write

    def write_and_grow(data: bytes) -> None:
        with client.path.open("ab") as more:
            more.write(b"y" * 10)
        write(data)

    client.tails._write = write_and_grow
    client.read()
    client.hear()
    assert client.data == b"x" * 10


def test_a_file_that_is_cut_ends(client: Client) -> None:
    client.path.write_bytes(b"x" * 10)
    client.read(offset=4)
    client.path.write_bytes(b"x")
    client.hear()
    assert (client.data, client.tails.busy) == (b"", False)


@pytest.mark.parametrize("plant", [lambda path: path.symlink_to("/etc/passwd"), os.mkfifo, os.mkdir])
@pytest.mark.parametrize("final", [True, False])
def test_what_a_job_put_in_its_outputs_place_is_not_read(client: Client, plant: Any, final: bool) -> None:
    plant(client.path)
    client.read(follow=not final)
    client.hear(final)
    assert (client.data, client.tails.busy) == (b"", False)
    assert client.said[0]["error"]["code"] == "refused"


def test_the_managers_refusal_is_passed_on(client: Client) -> None:
    client.read()
    client.tails.heard(b'{"id": "ask.1", "error": {"code": "unknown_job", "message": "no"}}')
    assert client.said == [{"id": 3, "error": {"code": "unknown_job", "message": "no"}}]
    assert not client.tails.busy


@pytest.mark.parametrize(
    "fields", [{"offset": -1}, {"offset": "x"}, {"lines": 1.5}, {"lines": True}, {"offset": 1 << 70}, {"since": "x"}]
)
def test_nonsense_is_refused(client: Client, fields: dict[str, Any]) -> None:
    client.read(**fields)
    assert client.said[0]["error"]["code"] == "bad_request"
    assert (client.asked, client.tails.busy) == ([], False)


def test_what_is_no_json_is_left_to_the_manager(tmp_path: Path) -> None:
    asked: list[bytes] = []
    Tails(asked.append, print).add(b'{"op":"read"\n')
    assert asked == [b'{"op":"read"\n']


@given(
    st.lists(st.sampled_from([b"", b"a", b"bcd", b"\r", "é".encode()]), max_size=12), st.booleans(), st.integers(0, 14)
)
def test_start_of_lines(texts: list[bytes], ended: bool, lines: int) -> None:
    data = b"\n".join(texts) + b"\n" * ended
    fd = os.memfd_create("out")
    os.write(fd, data)
    wanted = [line + b"\n" for line in data.split(b"\n")]
    wanted[-1] = wanted[-1][:-1]
    whole = [line for line in wanted if line]
    at = start_of_lines(fd, lines)
    os.close(fd)
    assert data[at:] == b"".join(whole[-lines:] if lines else [])


def test_start_of_lines_over_several_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "FRAME", 3)
    (tmp_path / "out").write_bytes(b"one\ntwo\nthree\nfour")
    with (tmp_path / "out").open("rb") as source:
        assert [start_of_lines(source.fileno(), lines) for lines in range(6)] == [18, 14, 8, 4, 0, 0]
