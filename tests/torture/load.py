"""Clients that hand in jobs without a pause, and type a command again until it is answered."""

from __future__ import annotations

import itertools
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.live.machine import SUBMIT

EXITS = 251
PATIENCE = 240.0
"""Seconds for which a command is typed again: a verdict on a queue that never comes back."""

REPEATED = 0.3
"""The part of the commands that are typed once more after they were answered."""

REQUEUED = 0.3
"""The part of the commands whose jobs are to run again when they are lost."""

# Leaves a line in a file of its own, holds its slot's lock (mkdir is atomic), ends as its number says.
JOB = (
    "echo $SJS_JOB_ID.$SJS_ATTEMPT >> runs/{token}; mkdir locks/$SJS_SLOT || echo {token} $SJS_JOB_ID >> clashes; "
    "sleep 0.0{pause:02}; rmdir locks/$SJS_SLOT; exit {exit}"
)


@dataclass(frozen=True)
class Batch:
    """Jobs that one command has handed in: what each is called, and the places (`target:id`) that were acknowledged."""

    tokens: list[str]
    places: list[str]


class Load(threading.Thread):
    """One client, always at its next command. `target` is a host's name or `any`."""

    def __init__(self, home: Path, target: str, size: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.target = target
        self.batches: list[Batch] = []
        self.repeated = 0
        self.again: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.failure = ""
        self.process: subprocess.Popen[str] | None = None
        self._home = home
        self._size = size
        self._rng = random.Random(f"{seed}/{target}")
        self._enough = threading.Event()

    @property
    def count(self) -> int:
        return sum(len(one.tokens) for one in self.batches)

    def stop(self) -> None:
        self._enough.set()

    def run(self) -> None:
        try:
            for number in itertools.count():
                if self._enough.wait(self._rng.random() * 0.2):
                    return
                self._hand_in(number)
        except Exception as error:  # noqa: BLE001 - told to the main thread, which fails by it
            self.failure = repr(error)

    def _hand_in(self, number: int) -> None:
        tokens = [f"{self.target}.{number}.{one}" for one in range(self._size)]
        key = f"{self.target}/{number}/{self._rng.getrandbits(32):x}"
        file = self._home / f"{self.target}.commands"
        file.write_text("".join(f"{job(token, self._rng)}\n" for token in tokens))
        more = ["--on-lost", "requeue"] if self._rng.random() < REQUEUED else []
        command = ["job", "--command-file", str(file), "--key", key, "-p", *more]
        places = self._until_answered(key, command)
        if len(places) != len(set(places)) or len(places) != self._size:
            self.wrong.append(f"{key}: {self._size} jobs were acknowledged as {places}")
        self.batches.append(Batch(tokens, places))
        if self._rng.random() < REPEATED:
            self.repeated += 1
            if sorted(self._until_answered(key, command)) != sorted(places):
                self.wrong.append(f"{key}: typed again, other ids were told")

    def _until_answered(self, key: str, command: Sequence[str]) -> list[str]:
        """Type the command until it ends with 0. What an attempt has told is to be among what the last one tells."""
        told: set[str] = set()
        errors = ""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            status, out, errors = self._type(*command)
            places = [line if ":" in line else f"{self.target}:{line}" for line in out.splitlines()]
            if status == 0:
                if told - set(places):
                    self.wrong.append(f"{key}: {told - set(places)} were acknowledged, and later not")
                return places
            told.update(places if out.endswith("\n") else places[:-1])
            self.again[status] += 1
            time.sleep(0.05)
        raise TimeoutError(f"no answer to {key} for {PATIENCE:g} s: {errors}")

    def _type(self, *words: str) -> tuple[int, str, str]:
        self.process = subprocess.Popen(
            [*SUBMIT, self.target, *words],
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        out, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, errors


def job(token: str, rng: random.Random) -> str:
    return JOB.format(token=token, pause=rng.randint(5, 50), exit=exit_of(token))


def exit_of(token: str) -> int:
    """What the job is to end with."""
    _, batch, number = token.split(".")
    return (int(batch) * 31 + int(number)) % EXITS
