"""What became of every job that was handed in, told from the queues' records and from what the jobs left behind."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from tests.live.machine import SUBMIT, until, wait_for_end
from tests.live.test_outbox import forget_the_rest
from tests.torture.fleet import Host
from tests.torture.load import Load, exit_of

SHOWN = 20
"""More mistakes than this say no more."""


class Kill(Protocol):
    """A kill, and whether a keeper died by it."""

    @property
    def host(self) -> str: ...
    @property
    def begin(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def keeper(self) -> bool: ...


def judge(
    home: Path, hosts: Sequence[Host], slots: int, loads: Sequence[Load], kills: Sequence[Kill], wrong: list[str]
) -> Counter[str]:
    """Add everything that is wrong; how many jobs were lost, and how many attempts were followed by another."""
    tally: Counter[str] = Counter()
    wrong += _of_outbox(home)  # first, for it may still hand in something
    places = _places(loads, wrong)
    for host in hosts:
        submit(home, host.name, "wait")
        records = _records(home, host)
        mine = [kill for kill in kills if kill.host == host.name]
        tally["lost"] += sum(record["state"] == "lost" for record in records.values())
        tally["run again"] += sum(record["attempt"] - 1 for record in records.values())
        wrong += _of_records(host, records, mine)
        wrong += _of_places(
            host, records, {number: tokens for (name, number), tokens in places.items() if name == host.name}
        )
        wrong += _of_slots(home, host, slots)
    for host in hosts:
        wrong += _of_leavings(home, host)
    del wrong[SHOWN:]
    return tally


def submit(home: Path, *words: str) -> str:
    """What the command prints, whatever its exit status."""
    return typed(home, *words).stdout


def typed(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SUBMIT, *words], cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def _places(loads: Sequence[Load], wrong: list[str]) -> dict[tuple[str, int], set[str]]:
    """Each id that was acknowledged, and the jobs one of which it is."""
    found: dict[tuple[str, int], set[str]] = {}
    for batch in (batch for load in loads for batch in load.batches):
        for place in batch.places:
            name, _, number = place.partition(":")
            if (name, int(number)) in found:
                wrong.append(f"{place} was acknowledged twice")
            found[name, int(number)] = set(batch.tokens)
    return found


def _records(home: Path, host: Host) -> dict[int, dict[str, Any]]:
    lines = submit(home, host.name, "list", "--all", "--json").splitlines()
    return {one["id"]: one for one in map(json.loads, lines)}


def _of_places(host: Host, records: dict[int, dict[str, Any]], places: dict[int, set[str]]) -> Iterator[str]:
    """What was acknowledged is there, and nothing else is, and no job is there twice."""
    for number in sorted(records.keys() ^ places.keys()):
        what = "never acknowledged" if number in records else "acknowledged, and is not there"
        yield f"{host.name}:{number} was {what}"
    for number in records.keys() & places.keys():
        if _token(records[number]) not in places[number]:
            yield f"{host.name}:{number} is another job than was acknowledged: {records[number]['command']}"


def _of_records(host: Host, records: dict[int, dict[str, Any]], kills: Sequence[Kill]) -> Iterator[str]:
    """Each ran once, or once more for a keeper that died; its end is known, or lost with a keeper."""
    seen: dict[str, list[int]] = defaultdict(list)
    for number, record in records.items():
        token = _token(record)
        seen[token].append(number)
        file = host.root / "runs" / token
        runs = file.read_text().split() if file.exists() else []
        # Nobody knows when it started that was being started; and of several attempts, only when the last one did.
        began = record["started"] if record["started"] and record["attempt"] == 1 else record["submitted"]
        meanwhile = [kill for kill in kills if began <= kill.end and record["ended"] >= kill.begin]
        lost = sum(kill.keeper for kill in meanwhile)
        is_lost = record["state"] == "lost"
        most = lost + 1 - is_lost if record.get("on_lost") == "requeue" else 1
        if runs != [f"{number}.{attempt + 1}" for attempt in range(record["attempt"])] or len(runs) > most:
            yield f"{host.name}:{number} left the lines {runs}: {record}; kills meanwhile: {meanwhile}"
        if is_lost and not lost:
            yield f"{host.name}:{number} is lost, and no keeper died while it ran: {record}; kills: {kills[-20:]}"
        if not is_lost and (record["exit"], record["reason"]) != (exit_of(token), "exit"):
            yield f"{host.name}:{number} ended as {record['exit']} ({record['reason']}), not {exit_of(token)}"
    for token, numbers in seen.items():
        if len(numbers) > 1:
            yield f"{host.name} has {token} as {numbers}"


def _of_slots(home: Path, host: Host, slots: int) -> Iterator[str]:
    """All slots are free: so many jobs run at once, and one more waits."""
    if (host.root / "clashes").exists():
        yield f"{host.name}: slots were given twice: {(host.root / 'clashes').read_text().split()}"
    if left := list((host.root / "locks").iterdir()):
        yield f"{host.name}: locks were never released: {left}"
    waiting = ["--command", "echo > up/$SJS_JOB_ID; until [ -e go ]; do sleep 0.05; done"]
    submit(home, host.name, "job", *waiting * (slots + 1))
    until(lambda: len(list((host.root / "up").iterdir())) >= slots, f"{slots} jobs at once on {host.name}")
    status = json.loads(submit(home, host.name, "status"))
    if (status["jobs_running"], len(list((host.root / "up").iterdir()))) != (slots, slots):
        yield f"{host.name}: not {slots} run: {status}"
    (host.root / "go").touch()
    submit(home, host.name, "wait")


def _of_outbox(home: Path) -> Iterator[str]:
    """What commands that were killed have left is finished by the next one."""
    outbox = home / ".local/state/sjs/outbox"
    for path in outbox.iterdir() if outbox.exists() else ():
        forget_the_rest(path)
    done = typed(home, "all", "status")
    if outbox.exists() and (left := list(outbox.iterdir())):
        yield f"the outbox was not emptied: {[path.read_text() for path in left]}; {done.stderr}"


def _of_leavings(home: Path, host: Host) -> Iterator[str]:
    """No zombie, no pipe, no process, and a whole database."""
    if zombies := host.zombies():
        yield f"{host.name} has zombies: {zombies}"
    if pipes := host.pipes():
        yield f"{host.name} has pipes that nobody needs: {pipes}"
    if (at := (log := host.machine.log()).find("Traceback")) >= 0:
        yield f"{host.name}: somebody died of an error of our own: {log[max(0, at - 500) : at + 3000]}"
    keeper = host.pid("keeper")
    submit(home, host.name, "stop")
    wait_for_end(keeper)
    database = sqlite3.connect(host.machine.state / "jobs.db")
    if (answer := database.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
        yield f"{host.name}: the database is damaged: {answer}"
    database.close()


def _token(record: dict[str, Any]) -> str:
    match = re.search(r"runs/(\S+);", record["command"])
    return match[1] if match else f"no token in {record['command']}"
