"""Workers and their gateway, all in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.connections import Listening
from tests.worker.rig import DEADLINE, Rig, is_alive, until


def test_items_are_claimed_run_and_finished_with_their_results(rig: Rig) -> None:
    rig.define()
    rig.add({"lr": 0.5, "name": "a b"}, {"lr": 2, "name": "$(id)"}, file="x.mov")
    script = 'cat; echo "$@ $SJS_ITEM $SJS_STAGE $SJS_PIPELINE"; echo "{\\"loss\\": $1}" > $SJS_RESULT_FILE'
    words = ["{lr}", "{name}", "{file}", "{#}"]
    worker = rig.worker("--until-empty", "-n", "w1", "--", "sh", "-c", script, "sh", *words)
    out, err = worker.process.communicate(timeout=DEADLINE)
    assert (worker.process.returncode, err.count(" done after ")) == (0, 2)
    assert f"0.5 a b x.mov 0 0 cut {rig.pipeline}\n" in out and f"2 $(id) x.mov 1 1 cut {rig.pipeline}\n" in out
    item, _ = json.JSONDecoder().raw_decode(out)
    assert (item["number"], item["pipeline"], item["command"]["lr"]) == (0, rig.pipeline, 0.5)
    assert "claim" not in item
    found = rig.item(0)
    assert (found["stage"], found["state"], found["result"]) == (1, "free", {"loss": 0.5})
    assert [(one["what"], one["who"]) for one in found["history"]][1:] == [("claimed", "w1"), ("finished", "w1")]


def test_the_token_is_in_no_environment_of_a_command(rig: Rig) -> None:
    rig.define()
    rig.add(None)
    said = [rig.gateway.url, rig.pipeline, "--stage", "0", "--once", "--", "env"]
    worker = rig.typed(*said, env={"SJS_TOKEN": rig.gateway.token})
    out, err = worker.process.communicate(timeout=DEADLINE)
    assert worker.process.returncode == 0 and "SJS_ITEM=0" in out
    assert rig.gateway.token not in out + err and "SJS_TOKEN" not in out


def test_what_fails_is_flagged_or_sent_elsewhere(rig: Rig) -> None:
    rig.define({"name": "cut", "tries": 0}, {"name": "bad"}, {"name": "done"})
    rig.add(1, 2)
    status, err = rig.worker("--once", "--", "sh", "-c", "exit 3").ended()
    assert (status, err.count("item 0: failed: exit status 3")) == (1, 1)
    found = rig.item(0)
    assert (found["stage"], found["flagged"], found["state"]) == (0, True, "stuck")
    assert found["history"][-1]["detail"] == "exit status 3"
    status, _ = rig.worker("--once", "--on-failure", "bad", "--", "/no/such/{1}").ended()
    found = rig.item(1)
    assert (status, found["stage"], found["flagged"]) == (1, 1, False)
    assert found["result"] == {"failed": "cannot run /no/such/2: No such file or directory"}


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (["true", "{lr}"], "unknown {lr}"),
        (["sh", "-c", "echo { > $SJS_RESULT_FILE"], "its result is no JSON"),
        (["sh", "-c", "kill -KILL $$"], "ended by SIGKILL"),
    ],
)
def test_why_it_failed_is_told(rig: Rig, command: list[str], what: str) -> None:
    rig.define({"tries": 0}, {})
    rig.add([1])
    status, err = rig.worker("--once", "--", *command, stage="0").ended()
    assert status == 1 and what in err
    assert what in rig.item(0)["history"][-1]["detail"]


def test_as_many_run_at_a_time_as_there_are_slots(rig: Rig) -> None:
    rig.define()
    rig.add(*range(5))
    worker = rig.worker("-j", "3", "--until-empty", *rig.stub(rig.waits))
    assert all(is_alive(rig.began(number)) for number in range(3))
    assert sum(one["state"] == "claimed" for one in rig.items()) == 3
    rig.let_go()
    assert worker.ended()[0] == 0
    assert {one["stage"] for one in rig.items()} == {1}


def test_a_claim_is_renewed_for_as_long_as_its_command_runs(rig: Rig) -> None:
    rig.define()
    rig.add(None)
    worker = rig.worker("--once", "--lease", "1.5", *rig.stub(rig.waits))
    rig.began(0)
    for _ in range(4):
        until_renewed(rig)
    rig.let_go()
    assert worker.ended()[0] == 0
    assert rig.steps(0) == ["added", "claimed", "finished"]


def until_renewed(rig: Rig) -> None:
    before = rig.item(0)["due"]
    until(lambda: rig.item(0)["due"] != before, "it is renewed")


def test_an_item_that_is_not_ours_any_more_is_not_told_of(rig: Rig) -> None:
    rig.define()
    rig.add(None)
    worker = rig.worker("--once", "--lease", "1", "--grace", "0", *rig.stub("trap '' TERM; sleep 1000 & wait; wait"))
    pid = rig.began(0)
    rig.move(0, 1)
    status, err = worker.ended()
    assert (status, err.count("somebody else's by now: ending its command")) == (1, 1)
    assert not is_alive(pid)
    assert rig.steps(0) == ["added", "claimed", "moved"]


def test_a_worker_waits_for_items_without_asking_again_and_again(rig: Rig) -> None:
    """Its one connection is seen to carry one request until there is an item."""
    rig.define()
    with Between(rig) as between:
        worker = rig.worker("--once", "--", "true", url=between.url)
        between.until_asked("/claims")
        rig.add(None)
        assert worker.ended()[0] == 0
        assert between.asked.count("/claims") == 1
    assert rig.item(0)["stage"] == 1


def test_it_ends_when_it_was_idle_for_long_enough(rig: Rig) -> None:
    rig.define()
    rig.add(None)
    assert rig.worker("--idle", "0.2", "--", "true").ended()[0] == 0
    assert rig.item(0)["stage"] == 1


def test_a_gateway_that_is_killed_meanwhile_is_told_when_it_is_there_again(rig: Rig) -> None:
    rig.define()
    rig.add(None)
    worker = rig.worker("--once", *rig.stub(f"{rig.waits}; echo 7 > $SJS_RESULT_FILE"))
    rig.began(0)
    rig.gateway.kill()
    rig.let_go()
    rig.gateway.serve()
    assert worker.ended()[0] == 0
    assert (rig.item(0)["stage"], rig.item(0)["result"]) == (1, 7)


def test_a_finish_whose_answer_was_lost_is_asked_again_and_counts_once(rig: Rig) -> None:
    rig.define()
    rig.add(None)
    with Between(rig, cuts="/finish") as between:
        assert rig.worker("--once", "--", "true", url=between.url).ended()[0] == 0
        assert between.asked.count("/finish") >= 2
    assert rig.steps(0) == ["added", "claimed", "finished"]
    assert rig.item(0)["stage"] == 1


def test_while_nobody_answers_a_command_goes_on_until_its_time_is_surely_over(rig: Rig) -> None:
    rig.define({"tries": 5}, {})
    rig.add(None)
    with Between(rig, holds="/renew") as between:
        worker = rig.worker(
            "--once", "--lease", "2", "--grace", "0", *rig.stub("sleep 1000"), stage="0", url=between.url
        )
        pid = rig.began(0)
        status, err = worker.ended()
        assert (status, err.count("its time is over, and nobody has answered: ending its command")) == (1, 1)
        assert not is_alive(pid)
        assert between.asked.count("/renew") >= 1 and between.asked.count("/finish") == 0
    until(lambda: "returned" in rig.steps(0), "the item is free again")


def test_where_nothing_can_be_written_it_gives_back_what_it_has_and_ends(rig: Rig) -> None:
    """Else it would claim the next, and the next, and all would be too often tried."""
    rig.define()
    with small_disk(rig.folder / "disk") as disk:
        worker = rig.worker("--", "true", env={"TMPDIR": str(disk)})
        until(lambda: list(disk.glob("sjs-worker-*")), "its folder")
        with open(disk / "full", "wb", buffering=0) as target, pytest.raises(OSError, match="No space left"):
            while True:
                target.write(b"x" * 4096)
        rig.add(1)
        status, err = worker.ended()
    assert status == 1 and err.endswith("No space left on device (no item can be worked on here)\n"), err
    assert "Traceback" not in err
    assert rig.steps(0) == ["added", "claimed", "released"] and rig.item(0)["flagged"] is False


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount one")
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_once_to_end_it_finishes_what_it_has(rig: Rig, number: int) -> None:
    rig.define()
    rig.add(1, 2)
    worker = rig.worker(*rig.stub(rig.waits))
    rig.began(0)
    worker.signal(number)
    assert worker.process.stderr is not None
    assert "1 to be finished first" in worker.process.stderr.readline()
    rig.let_go()
    assert worker.ended()[0] == 0
    assert [one["stage"] for one in rig.items()] == [1, 0]


def test_told_while_it_waits_for_items_it_ends_at_once_and_has_claimed_none(rig: Rig) -> None:
    rig.define()
    with Between(rig) as between:
        worker = rig.worker("--", "true", url=between.url)
        between.until_asked("/claims")
        worker.signal(signal.SIGTERM)
        assert worker.ended()[0] == 0
    rig.add(None)
    assert rig.worker("--once", "--", "true").ended()[0] == 0
    assert rig.item(0)["stage"] == 1, "it was free"


def test_told_twice_it_ends_its_commands_and_gives_their_items_back(rig: Rig) -> None:
    rig.define()
    rig.add(None)
    worker = rig.worker(*rig.stub("sleep 1000"))
    pid = rig.began(0)
    assert worker.process.stderr is not None
    worker.signal(signal.SIGTERM)
    assert "1 to be finished first" in worker.process.stderr.readline()
    worker.signal(signal.SIGTERM)
    assert worker.ended()[0] == 128 + signal.SIGTERM
    assert not is_alive(pid)
    found = rig.item(0)
    assert (found["stage"], found["state"], found["flagged"]) == (0, "free", False)
    assert rig.steps(0) == ["added", "claimed", "released"]


def test_it_waits_no_longer_than_was_said_for_what_it_has(rig: Rig) -> None:
    rig.define()
    rig.add(None)
    worker = rig.worker("--farewell", "0", "--grace", "0", *rig.stub("trap '' TERM; sleep 1000 & wait; wait"))
    pid = rig.began(0)
    worker.signal(signal.SIGTERM)
    assert worker.ended()[0] == 128 + signal.SIGTERM
    assert not is_alive(pid)
    assert rig.steps(0) == ["added", "claimed", "released"]


def test_of_a_killed_worker_nothing_is_left_and_its_items_come_back(rig: Rig) -> None:
    rig.define()
    rig.add(None)
    worker = rig.worker("--lease", "2", *rig.stub("sleep 1000 & echo $! > child; wait"))
    child = rig.folder / "child"
    pids = [rig.began(0), int(until(lambda: child.exists() and child.read_text(), "its child"))]
    worker.signal(signal.SIGKILL)
    until(lambda: not any(map(is_alive, pids)), "its command dies with it")
    assert rig.worker("--once", "--", "true").ended()[0] == 0
    assert rig.steps(0) == ["added", "claimed", "returned", "claimed", "finished"]


@pytest.mark.parametrize(
    ("words", "status", "what"),
    [
        (["PIPELINE", "--stage", "7"], 1, "has no stage 7"),
        (["PIPELINE", "--stage", "nowhere"], 1, "has no stage 'nowhere'"),
        (["q", "--stage", "0"], 1, "pipeline"),
        (["PIPELINE", "--stage", "0", "--once", "--idle", "1"], 2, "give one of them"),
        (["PIPELINE"], 2, "Missing option '--stage'"),
    ],
)
def test_what_cannot_be_worked_on_is_said_in_a_line(rig: Rig, words: list[str], status: int, what: str) -> None:
    rig.define()
    worker = rig.typed(
        rig.gateway.url,
        words[0].replace("PIPELINE", rig.pipeline),
        *words[1:],
        "--token-file",
        str(rig.folder / "token"),
        "--",
        "true",
    )
    found, err = worker.ended()
    assert found == status and what in err and "Traceback" not in err and err.count("\n") == 1


def test_what_is_typed_at_length_means_the_same(rig: Rig) -> None:
    rig.define()
    rig.add(1, 2)
    assert rig.worker("--slots", "2", "--name", "w2", "--once", "--quiet", "--", "true").ended() == (0, "")
    assert rig.worker("-j", "2", "-n", "w2", "--until-empty", "-q", "--", "true").ended()[0] == 0
    assert {rig.item(number)["history"][-1]["who"] for number in (0, 1)} == {"w2"}


@pytest.mark.parametrize(
    ("url", "words", "what"),
    [
        ("http://gateway.example", [], "--plain"),
        ("https://127.0.0.1:1", ["--ca", "/no/such/file"], "/no/such/file"),
    ],
)
def test_no_token_goes_where_nobody_is_known(rig: Rig, url: str, words: list[str], what: str) -> None:
    status, err = rig.worker(*words, "--", "true", url=url).ended()
    assert status == 2 and what in err and err.count("\n") == 1


def test_a_token_that_is_none_is_refused_and_one_that_others_can_read(rig: Rig) -> None:
    rig.define()
    status, err = rig.typed(
        rig.gateway.url, rig.pipeline, "--stage", "0", "--", "true", env={"SJS_TOKEN": "sjs_wrong"}
    ).ended()
    assert status == 1 and "sjs_wrong" not in err
    os.chmod(rig.folder / "token", 0o640)
    status, err = rig.worker("--once", "--", "true").ended()
    assert status == 2 and "can be read by others" in err
    status, err = rig.typed(rig.gateway.url, rig.pipeline, "--stage", "0", "--", "true", env={"SJS_TOKEN": ""}).ended()
    assert status == 2 and "which token?" in err


class Between:
    """Stands between a worker and the gateway, and sees what is asked. `cuts`: the first answer to what is so called is
    swallowed; `holds`: nothing of it is answered."""

    def __init__(self, rig: Rig, cuts: str = "", holds: str = "") -> None:
        self._to = int(rig.gateway.url.rpartition(":")[2])
        self._cuts, self._holds = cuts, holds
        self._changed = threading.Condition()
        self.asked: list[str] = []
        self._listening = Listening(self._carry)
        self.url = f"http://127.0.0.1:{self._listening.port}"

    def __enter__(self) -> Between:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def until_asked(self, what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: what in self.asked, DEADLINE), f"nobody asks for {what}"

    def _carry(self, near: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._to)) as far:
            swallowed = threading.Event()
            back = threading.Thread(target=_pumped, args=(far, near, swallowed))
            back.start()
            try:
                self._forward(near, far, swallowed)
            finally:
                with suppress(OSError):
                    far.shutdown(socket.SHUT_RDWR)
                back.join(DEADLINE)

    def _forward(self, near: socket.socket, far: socket.socket, swallowed: threading.Event) -> None:
        while data := near.recv(1 << 16):
            what = self._noted(data)
            if what and what == self._holds:
                return
            if what and what == self._cuts and self.asked.count(what) == 1:
                swallowed.set()
            far.sendall(data)

    def _noted(self, data: bytes) -> str:
        if not data.startswith(b"POST "):
            return ""
        what = "/" + data.split(b" ", 2)[1].decode().rpartition("/")[2]
        with self._changed:
            self.asked.append(what)
            self._changed.notify_all()
        return what


def _pumped(source: socket.socket, target: socket.socket, swallowed: threading.Event) -> None:
    """Until an answer is to be swallowed: then the connection breaks instead."""
    try:
        while (data := source.recv(1 << 16)) and not swallowed.is_set():
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # one of both has gone
