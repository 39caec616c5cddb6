"""What is said to Slurm: by an entry, by a job, and what is not for them to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sjs import reach
from sjs.config import Manager, load
from sjs.core.job import Spec
from sjs.core.needs import Needs
from sjs.dealing import identity
from sjs.errors import ConfigError
from sjs.targets.daemon_client import DaemonTarget
from sjs.targets.slurm import KIND, filled, flag, problem, word

ENTRY = """\
managers:
  cluster:
    type: slurm
    host: login
    project_root: ~/project
    partition: gpu,long
    account: lab
    options: [--constraint=big, -Lmatlab]
  bare: {type: slurm, host: login, project_root: here, %s}
"""


def managers(folder: Path, more: str = "") -> list[Manager]:
    path = folder / "config.yaml"
    path.write_text(ENTRY % more)
    path.chmod(0o600)
    return list(load(str(path), {"HOME": str(folder)}).managers)


def native(spec: Spec) -> Any:
    return json.loads(dict(spec.native)["slurm"])


def test_an_entry_says_what_its_jobs_do_not_say_themselves(tmp_path: Path) -> None:
    cluster, bare = managers(tmp_path)
    said = {"partition": "gpu,long", "account": "lab", "options": ["--constraint=big", "-Lmatlab"]}
    assert native(filled(Spec(), cluster.settings)) == said
    own = Spec(native=(("moon", "{}"), ("slurm", '{"partition":"short","options":["--exclusive"]}')))
    found = filled(own, cluster.settings)
    assert native(found) == {**said, "partition": "short", "options": [*said["options"], "--exclusive"]}
    assert dict(found.native)["moon"] == "{}"
    assert filled(own, bare.settings) is own


def test_its_queue_is_of_that_kind_and_the_same_whatever_it_says_to_slurm(tmp_path: Path) -> None:
    cluster, bare = managers(tmp_path)
    target = reach.target(cluster, "-", {"HOME": str(tmp_path)}, lambda line: None)
    assert isinstance(target, DaemonTarget)
    assert target.door.kind == "slurm"
    (again, _) = managers(tmp_path, "qos: low")
    assert identity(again) == identity(cluster) != identity(bare)


@pytest.mark.parametrize(
    "text", ["--constraint=big", "-Cbig", "--exclusive", "-O", "-s", "-k", "--mem=4G", "--container-image=a/b:c", "-t5"]
)
def test_flags_go_to_sbatch_as_they_are(text: str) -> None:
    assert flag(text) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("big", "'big' is no flag of sbatch; write it in one word"),
        ("--a\nb", "is no flag"),
        ("--", "is no flag"),
        ("", "is no flag"),
        ("--array=0-9", "a command file or a sweep becomes one"),
        ("-a0-9", "a command file or a sweep becomes one"),
        ("--arr=0-9", "a command file or a sweep becomes one"),
        ("--depend=afterok:1", "say --after"),
        ("-H", "say --hold"),
        ("--requeue", "say --on-lost requeue"),
        ("--wrap=true", "the command is the job's own"),
        ("-C", "'-C' has no value; write it in the same word: -CVALUE"),
    ],
)
def test_what_is_ours_to_say_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        flag(text)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("partition: 'a b'", "managers.bare.partition: cannot be 'a b'"),
        ("options: [--hold]", "managers.bare.options: '--hold' is not for you to say: say --hold"),
        ("options: big", "managers.bare.options: 'big' is no flag"),
        ("partitions: big", "managers.bare.partitions: unknown key; did you mean partition?"),
    ],
)
def test_what_is_wrong_in_an_entry_is_said_with_its_line(tmp_path: Path, more: str, why: str) -> None:
    with pytest.raises(ConfigError) as raised:
        managers(tmp_path, more)
    assert why in str(raised.value) and "config.yaml:9: " in str(raised.value)


def test_a_name_in_slurm_is_a_word() -> None:
    assert word("gpu,long") == "gpu,long"
    with pytest.raises(ValueError, match="'a b' is no name in Slurm"):
        word("a b")


def test_a_part_of_a_gpu_is_nothing_that_slurm_gives() -> None:
    assert problem(Spec(needs=Needs(gpus=2_000)), {}) == ""
    for needs in (Needs(gpus=500), Needs(gpus=1_000, gpu_mem=1 << 30)):
        assert problem(Spec(needs=needs), {}) == "Slurm gives whole GPUs, not a part of one"
    assert KIND.problem is problem
