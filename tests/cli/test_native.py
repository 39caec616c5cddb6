"""Options for targets of one kind alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sjs.api.options import terms
from sjs.cli.commands.job import job
from sjs.cli.commands.sweep import sweep
from sjs.cli.common import Call
from sjs.cli.options import on_line
from sjs.core.job import Spec
from sjs.errors import UsageError

SMALL = {"name": "small", "resources": {"requests": {"cpu": "1"}}}

WORDS = (
    '-i alpine -r small --entrypoint --job-name my-job -a \'{"a.org/b": "c"}\' --label team=x --label b=y'
    " --volume pvc:data:/data --priority-class high --security-context '{\"runAsUser\": 1}' --ttl 1h"
)

SAID = {
    "image": "alpine",
    "flavor": "small",
    "entrypoint": True,
    "job_name": "my-job",
    "annotations": {"a.org/b": "c"},
    "labels": {"team": "x", "b": "y"},
    "volumes": ["pvc:data:/data"],
    "priority_class": "high",
    "security_context": {"runAsUser": 1},
    "ttl": 3600,
}


def said(spec: Spec) -> dict[str, Any]:
    ((kind, text),) = spec.native
    assert kind == "kubernetes"
    return dict(json.loads(text))


def test_what_is_typed_is_what_the_cluster_is_told() -> None:
    spec = on_line(Spec(), WORDS)
    assert (said(spec), spec.name) == (SAID, "my-job")
    assert on_line(Spec(), "--job-name my-job -n lr").name == "lr"


def test_what_python_says_is_the_same() -> None:
    given = {**SAID, "resources_flavor": "small"}
    del given["flavor"]
    spec = terms(given, lambda *told: None).spec  # type: ignore[arg-type]
    assert (said(spec), spec.name) == (SAID, "my-job")
    spec = terms({"resources_flavor": SMALL, "ttl": "1h"}, lambda *told: None).spec
    assert said(spec) == {"flavor": "small", "resources": SMALL["resources"], "ttl": 3600}


def test_one_line_says_more_than_the_command() -> None:
    spec = on_line(on_line(Spec(), WORDS), '-i busybox --label b=z --volume secret:s:/s -a \'{"a.org/d": "e"}\'')
    assert said(spec) == {
        **SAID,
        "image": "busybox",
        "labels": {"team": "x", "b": "z"},
        "volumes": ["pvc:data:/data", "secret:s:/s"],
        "annotations": {"a.org/b": "c", "a.org/d": "e"},
    }


def test_a_flavor_may_be_json_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.json").write_text(json.dumps(SMALL))
    wanted = {"flavor": "small", "resources": SMALL["resources"]}
    assert said(on_line(Spec(), f"-r '{json.dumps(SMALL)}'")) == wanted
    assert said(on_line(Spec(), "-r f.json")) == wanted
    assert said(on_line(on_line(Spec(), "-r f.json"), "-r large")) == {"flavor": "large"}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("--job-name My_Job", "'job_name' can not be 'My_Job'"),
        ("-a nothing", "--annotations: is no JSON"),
        ("-a []", "--annotations: must be an object"),
        ("-a '{\"a\": 1}'", "must be text"),
        ("--label 'a=b c'", "'labels.a' can not be 'b c'"),
        ("--volume data", "'data' is no volume"),
        ("-r '{'", "the flavor is no JSON"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_sent(words: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        on_line(Spec(), words)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("command", [job, sweep])
def test_the_help_has_them_apart(command: Any) -> None:
    text = command.get_help(command.make_context("x", [], obj=Call("submit", "m"), resilient_parsing=True))
    usual, slurm, apart = re.split("For Slurm targets:|For Kubernetes targets:", text)
    assert re.findall(r"^  (--\S+)", slurm, re.MULTILINE) == ["--partition", "--account", "--qos", "--slurm"]
    assert "--image" in apart and "--image" not in usual
    assert "--cwd" in usual and "--cwd" not in apart
