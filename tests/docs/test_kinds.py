"""docs/kinds.md against the verbs that there are, and against what targets say that can not do something."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sjs import reach
from sjs.cli.machines import INSTEAD
from sjs.cli.verbs import VERBS
from sjs.config import Manager
from sjs.core.job import Retry, Snapshot, Spec
from sjs.core.needs import Needs
from sjs.errors import Refused
from sjs.protocols import Target
from sjs.targets import kinds
from sjs.targets.kinds import Entry
from tests.docs.readme import ROOT

PAGE = (ROOT / "docs" / "kinds.md").read_text(encoding="utf-8")
COLUMNS = ("manager", "slurm", "kubernetes")
ROW = re.compile(r"\| `([^`]+)` \| (.+) \| (.+) \| (.+) \|")


def table(head: str) -> dict[str, tuple[str, ...]]:
    """The rows of the table whose first column is called so."""
    _, _, rest = PAGE.partition(f"| {head} | {' | '.join(COLUMNS)} |\n| --- | --- | --- | --- |\n")
    rows = [ROW.fullmatch(line) for line in rest.partition("\n\n")[0].splitlines()]
    return {row[1]: row.groups()[1:] for row in rows if row is not None}


ABLE = table("verb")
OPTIONS = table("option")

SAID: dict[str, Callable[[Target], Any]] = {
    "pause": lambda target: target.change("pause", None),
    "resume": lambda target: target.change("resume", None),
    "drain": lambda target: target.drain(True),
    "undrain": lambda target: target.drain(False),
}
"""What verbs ask of a target that are about no machine, and that Kubernetes refuses."""

SPECS = {
    "--after": Spec("a", after=(("ok", ((1, 1),)),)),
    "--at": Spec("a", at=1.0),
    "--snapshot": Spec("a", snapshot=Snapshot("0" * 64)),
    "--stdin": Spec("a", stdin="file"),
    "--nice": Spec("a", nice=1),
    "artifacts": Spec("a", artifacts=True),
    "--priority": Spec("a", priority=1),
    "--slots": Spec("a", needs=Needs(slots=2)),
    "--gpu-mem": Spec("a", needs=Needs(gpu_mem=1)),
    "--gpus 0.5": Spec("a", needs=Needs(gpus=500)),
    "--backoff": Spec("a", retry=Retry(1, 10.0)),
}
SETTINGS = {"image": "busybox"}


def test_every_verb_has_a_row_and_every_row_is_a_verb() -> None:
    assert sorted(ABLE) == sorted(VERBS), "docs/kinds.md says of each verb what each kind of target makes of it"


def refused(column: str) -> dict[str, str]:
    found = {verb: cells[COLUMNS.index(column)] for verb, cells in ABLE.items()}
    return {verb: cell.partition("no: ")[2] for verb, cell in found.items() if cell.startswith("no: ")}


def test_a_machine_with_a_queue_refuses_only_what_is_about_clusters(tmp_path: Path) -> None:
    assert refused("manager") == refused("slurm")
    ((said, verbs),) = Counter(refused("manager").values()).items()
    machine = reach.target(Manager("m", "local", str(tmp_path)), "-", {"HOME": str(tmp_path)}, lambda line: None)
    with pytest.raises(Refused, match=said):
        _ = machine.cluster
    assert {f"cluster:{verb.replace('-', '_')}" for verb in refused("manager")} == {
        one.place for one in VERBS.values() if one.place.startswith("cluster:")
    }
    assert verbs == len(refused("manager"))


@pytest.mark.parametrize("verb", refused("kubernetes"))
def test_what_kubernetes_can_not_do_is_refused_in_these_words(verb: str, tmp_path: Path) -> None:
    said = refused("kubernetes")[verb]
    if verb in INSTEAD:
        assert said in INSTEAD[verb]
        return
    build = kinds.find("kubernetes").build
    assert build is not None
    target = build(Entry("k8s", SETTINGS, {"HOME": str(tmp_path)}, lambda line: None))
    with pytest.raises(Refused) as caught:
        SAID[verb](target)
    assert said in str(caught.value)


def test_a_verb_that_needs_a_machine_is_refused_by_who_has_none() -> None:
    assert INSTEAD.keys() <= refused("kubernetes").keys()


@pytest.mark.parametrize("option", OPTIONS)
def test_options_that_a_kind_does_not_know_are_those_that_it_refuses(option: str) -> None:
    for column, cell in zip(COLUMNS, OPTIONS[option], strict=True):
        problem = kinds.find(column).problem
        is_refused = problem is not None and bool(problem(SPECS[option], SETTINGS))
        assert is_refused == (cell == "no"), column


def test_a_job_without_such_options_can_run_everywhere() -> None:
    for column in COLUMNS:
        problem = kinds.find(column).problem
        assert problem is None or not problem(Spec("a", needs=Needs(cpus=2, gpus=1_000)), SETTINGS)
