from __future__ import annotations

from pathlib import Path

import pytest

from sjs.errors import UsageError
from sjs.making.sweep_file import SweepFile, read_sweep_file

FULL = """\
name: tune
command: |
  python train.py --lr {lr} \\
    --bs {bs}
parameters:
  lr: log:1e-4..1e-1:8
  bs: [16, 0x20, yes]
from: runs.csv
samples: 20
seed: 1
metric: min:loss
stop_rule: median:loss
max_running: 8
stop_after_failures: 10%
job:
  cpus: 2
  mem: 4G
  gpu_mem: 6G
  hold: true
  merge-output: false
  env: {A: 1, B: x y}
  tag: [kind=a, who=b]
"""


def read(folder: Path, text: str) -> SweepFile:
    path = folder / "sweep.yaml"
    path.write_text(text)
    return read_sweep_file(str(path))


def test_all_that_may_stand_there(tmp_path: Path) -> None:
    found = read(tmp_path, FULL)
    assert (found.name, found.argv) == ("tune", ())
    assert found.text == "python train.py --lr {lr} \\\n  --bs {bs}\n"
    assert [(one.name, one.words) for one in found.parameters] == [
        ("lr", ("log:1e-4..1e-1:8",)),
        ("bs", ("16", "0x20", "yes")),
    ]
    assert found.table == str(tmp_path / "runs.csv"), "it lies beside the file that names it"
    assert (found.samples, found.seed, found.max_running, found.stop_after_failures) == (20, 1, 8, "10%")
    assert (found.metric, found.stop_rule) == ("min:loss", "median:loss")
    assert [word for option in found.options for word in option.words] == [
        *("--cpus=2", "--mem=4G", "--gpu-mem=6G", "--hold"),
        *("--env=A=1", "--env=B=x y", "--tag=kind=a", "--tag=who=b"),
    ]
    assert found.options[1].where == f"{tmp_path}/sweep.yaml:17: job.mem"


def test_a_command_may_be_words(tmp_path: Path) -> None:
    found = read(tmp_path, "command: [python, -c, 'print({x})', 1]\nparameters: {x: 1}\n")
    assert (found.text, found.argv) == (None, ["python", "-c", "print({x})", "1"])
    assert [list(one) for one in found.parameters] == [[("1",)]]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("nme: x", ":1: nme: unknown key; did you mean name?"),
        ("name: x\nsamples: 0", ":2: samples: must be from 1"),
        ("parameters:\n  lr: log:0..1", ":2: parameters: lr: 'log:0..1': log: goes from"),
        ("parameters:\n  lr: [1, {a: 1}]", ":2: parameters.lr: must be a text or a number"),
        ("parameters:\n  lr:", ":2: parameters.lr: must be a text or a number"),
        ("parameters:\n  1a: 1", ":2: parameters: '1a' can be no name"),
        ("job: [a]", ":1: job: must be a mapping"),
        ("job:\n  env: {A: [1]}", "job.env: must be a text or a number"),
        ("command: [x, [y]]", ":1: command: must be a text or a number"),
        ("command: {x: y}", ":1: command: must be a text or a number"),
        ("job:\n  name: x", ":2: job.name: the sweep's name stands above, name: x"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(UsageError) as error:
        read(tmp_path, text)
    assert what in error.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_sweep_file(str(tmp_path / "no"))
