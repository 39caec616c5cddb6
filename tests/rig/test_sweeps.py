"""A sweep that trains something, over real ssh on three machines, and what is known of it afterwards."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.machine import DEADLINE, SUBMIT, until
from tests.rig.lab import Done, Lab, rig
from tests.rig.training import PROGRAM, SWEEP, loss_of, settings

PYTHON = "/usr/bin/python3"
NAME = "train"


def sweep_words() -> list[str]:
    """The sweep as a person types it."""
    parameters = [word for name, values in SWEEP.items() for word in ("-p", name, *values)]
    command = [PYTHON, "-I", "-S", "train.py", *(f"--{name}={{{name}}}" for name in SWEEP)]
    noted = ["sh", "-c", 'echo $SJS_TASK_INDEX >> runs; sleep 0.3; exec "$@"', "sh"]
    return ["-n", NAME, "--wait", *parameters, "--", *noted, *command]


def runs(lab: Lab) -> list[int]:
    """The numbers of the settings that have run so far, on any machine."""
    files = [host.root / "runs" for host in lab.hosts]
    return sorted(int(line) for file in files if file.exists() for line in file.read_text().split())


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Three machines with the program."""
    with rig(3) as lab:
        lab.manage(4, 4, 2)
        lab.config(default_max_jobs=4)
        for host in lab.hosts:
            (host.root / "train.py").write_text(PROGRAM)
        yield lab


def well(done: Done) -> str:
    assert done.returncode == 0, f"{shlex.join(done.args)}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_best_of_sixty_settings_is_named(lab: Lab) -> None:
    """The same numbers are computed here, without any machine."""
    losses = {json.dumps(setting): loss_of(setting) for setting in settings()}
    ranked = sorted(losses, key=lambda setting: (math.isnan(losses[setting]), losses[setting]))
    assert len(losses) == 60 and math.isnan(losses[ranked[-1]])

    command = lab.command(*SUBMIT, "any", "sweep", *sweep_words())
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as client:
        until(lambda: len(runs(lab)) >= 20, "a third of them")
        inside = Path(f"/proc/{client.pid}/task/{client.pid}/children").read_text()
        os.kill(int(inside), signal.SIGINT)
        _, err = client.communicate(timeout=DEADLINE)
    assert "what has not succeeded: " in err
    assert 20 <= len(runs(lab)) < 60
    well(lab.submit("any", "sweep", "--resume", *sweep_words()))
    assert runs(lab) == list(range(1, 61)), "no setting ran twice"
    done = lab.submit("all", "results", NAME, "--best", "min:final.loss", "--json")
    found = [json.loads(line) for line in well(done).splitlines()]
    assert [json.dumps(one["parameters"]) for one in found[:3]] == ranked[:3]
    for one in found:
        wanted = losses[json.dumps(one["parameters"])]
        assert (one["state"], one["metrics"]["epoch"]) == ("succeeded", 12)
        for name in ("final.loss", "val_loss"):
            assert float(one["metrics"][name]) == wanted or math.isnan(wanted), "to the last digit"
    assert len(found) == 60 and len({one["target"] for one in found}) == 3

    best = found[0]
    words = " ".join(f"{name}={value}" for name, value in best["parameters"].items())
    assert f"the best: {best['target']}:{best['job_id']}  {words}  final.loss=" in done.stderr
    as_csv = well(lab.submit("all", "results", NAME, "--sort", "val_loss", "--csv", "--plot", "loss.png"))
    assert (lab.home / "loss.png").read_bytes().startswith(b"\x89PNG")
    table = list(csv.DictReader(io.StringIO(as_csv)))
    assert [float(line["val_loss"]) for line in table[:3]] == [losses[setting] for setting in ranked[:3]]
    (line,) = well(lab.submit("all", "results")).splitlines()[1:]
    assert line.split()[:2] == [NAME, "60"]


def test_who_is_behind_on_one_machine_is_ended_for_what_others_print(lab: Lab) -> None:
    """It is compared with all others, wherever they run."""
    text = "for i in $(seq 40); do echo loss={x}; [ {x} -lt 9 ] || sleep 0.1; done; [ {x} -lt 9 ] || exec sleep 60"
    values = ("-p", "x", "1", "2", "3", "4", "9")
    done = lab.submit("any", "sweep", "-n", "race", *values, "--wait", "--stop-rule", "median:loss", "--command", text)
    assert done.returncode == 0, done
    found = [json.loads(line) for line in well(lab.submit("all", "list", "race", "--json")).splitlines()]
    ended = {one["task"]["values"]["x"]: (one["state"], (one["detail"] or "")[:23]) for one in found}
    assert ended == {**dict.fromkeys("1234", ("succeeded", "")), "9": ("cancelled", "behind: loss 9 at step ")}
