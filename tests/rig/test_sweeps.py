"""A sweep that trains something, over real ssh on three machines, and what is known of it afterwards."""

from __future__ import annotations

import csv
import io
import json
import math
import shlex
from collections.abc import Iterator

import pytest

from tests.rig.lab import Done, Lab, rig
from tests.rig.training import PROGRAM, SWEEP, loss_of, settings

PYTHON = "/usr/bin/python3"
NAME = "train"


def sweep_words() -> list[str]:
    """The sweep as a person types it."""
    parameters = [word for name, values in SWEEP.items() for word in ("-p", name, *values)]
    command = [PYTHON, "-I", "-S", "train.py", *(f"--{name}={{{name}}}" for name in SWEEP)]
    return ["-n", NAME, *parameters, "--", *command]


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

    well(lab.submit("any", "sweep", *sweep_words()))
    lab.submit("all", "wait", NAME)
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
    table = list(csv.DictReader(io.StringIO(well(lab.submit("all", "results", NAME, "--sort", "val_loss", "--csv")))))
    assert [float(line["val_loss"]) for line in table[:3]] == [losses[setting] for setting in ranked[:3]]
    (line,) = well(lab.submit("all", "results")).splitlines()[1:]
    assert line.split()[:2] == [NAME, "60"]


def test_the_picture_of_it(lab: Lab) -> None:
    pytest.importorskip("matplotlib")
    well(lab.submit("all", "results", NAME, "--plot", "loss.png", "--best", "min:val_loss"))
    assert (lab.home / "loss.png").read_bytes().startswith(b"\x89PNG")
