"""kill -9 of the gateway while it calls somebody: whoever it was is told of everything, maybe twice.

SJS_TEST_ROUNDS=N kills N times; SJS_TEST_SEED=N repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select

from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.tables import deliveries, events
from sjs.values import dataclass
from tests.gateway.posting.receiver import Answer, Call, Receiver, receiving
from tests.gateway.web.conftest import client
from tests.live.machine import DEADLINE, ROOT, until

ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "2"))
SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
EACH = 20


@dataclass
class Gateway:
    process: subprocess.Popen[str]
    port: int
    token: str

    def happen(self, count: int) -> None:
        """Not waited for."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()

    def made(self, url: str) -> int:
        with client(self.port, {"authorization": f"Bearer {self.token}"}) as api:
            answer = api.post("/hooks", json={"url": url})
            assert answer.status_code == 201, answer.text
            return int(answer.json()["id"])


@contextmanager
def gateway(folder: Path) -> Iterator[Gateway]:
    """One that is killed."""
    (folder / "jobspecs").mkdir(exist_ok=True)
    argv = [sys.executable, "-m", "tests.gateway.web.serving", str(folder)]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Gateway(process, *json.loads(process.stdout.readline()))
        finally:
            process.kill()


def known(folder: Path) -> tuple[list[int], int]:
    """The events that there are, and how many deliveries are still to be made."""
    engine = engine_of(f"sqlite:///{folder}/gateway.db")
    with engine.connect() as connection:
        found = list(connection.scalars(select(events.c.seq).order_by(events.c.seq)))
        waiting = len(connection.execute(select(deliveries)).all())
    engine.dispose()
    return found, waiting


def test_what_was_not_known_to_be_told_is_told_again(tmp_path: Path) -> None:
    """Killed when the receiver has the message, and has not answered; then when it has just answered."""
    came, answers = threading.Event(), threading.Event()

    def waits(call: Call) -> Answer:
        came.set()
        assert answers.wait(DEADLINE)
        return 204, {}

    with receiving() as receiver:
        receiver.answer = waits
        with gateway(tmp_path) as first:
            first.made(receiver.url)
            first.happen(1)
            assert came.wait(DEADLINE)
        answers.set()
        receiver.answer = lambda call: (204, {})
        with gateway(tmp_path):
            until(lambda: len(receiver.calls) == 2, "it is told again")
            until(lambda: known(tmp_path)[1] == 0, "it is known to be told")
    one, again = receiver.calls
    assert (one.name, one.body) == (again.name, again.body) and one.event == 1


def test_whatever_dies_whoever_is_called_is_told_of_everything_in_order(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    print(f"SJS_TEST_SEED={SEED}")
    with receiving() as receiver:
        for number in range(ROUNDS):
            with gateway(tmp_path) as one:
                if number == 0:
                    one.made(receiver.url)
                upto = len(receiver.calls) + chance.randrange(1, EACH)
                one.happen(EACH)
                until(lambda upto=upto: len(receiver.calls) >= upto, "some is told")  # type: ignore[misc]
        with gateway(tmp_path) as last:
            last.happen(1)
            assert last.process.stdout is not None and last.process.stdout.readline()
            until(lambda: known(tmp_path)[1] == 0 and is_last_told(receiver, tmp_path), "all is told")
        happened, _ = known(tmp_path)
    told = receiver.events
    firsts = list(dict.fromkeys(told))
    assert firsts == happened and len(happened) > ROUNDS
    assert len(told) - len(firsts) <= ROUNDS  # nothing again but what was under way
    assert len({one.name for one in receiver.calls}) == len(firsts)


def is_last_told(receiver: Receiver, folder: Path) -> bool:
    return known(folder)[0][-1] in receiver.events
