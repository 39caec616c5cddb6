"""The verb deploy: a project, and the manager that runs its jobs."""

from __future__ import annotations

import click

from sjs.cli.commands import service
from sjs.cli.common import Call, verb
from sjs.cli.machines import machines
from sjs.cli.output import Output
from sjs.cli.shown import Screen
from sjs.protocols import Target
from sjs.routing import Fleet
from sjs.values import replace


@verb("deploy")
@click.option("--git", "pull", is_flag=True, help="Where the project is there already, `git pull` it.")
@click.option("--make", is_flag=True, help="Then `make` it.")
def deploy(call: Call, pull: bool, make: bool) -> int:
    """Bring the project to machines and start their managers: all that a machine needs is an ssh server and Python.

    Where project_root is missing or empty, it is cloned from `deployment.project_url` of config.yaml, if that says one.
    What is there is never written over. It is git on the machine that clones, as its user.

    \b
    The newest code on all machines, for the jobs that start from now on:
      submit all deploy --git --make
    """
    choice = machines(call, "deploy")
    out = call.output(choice)
    url = call.config().deployment.project_url
    ready = []
    with Fleet(choice.managers, "", out.notice, ask=call.ask) as fleet:
        for answer in fleet.ask(lambda target: _deploy(target, url, pull, make, out)):
            if answer.error is not None:
                out.failed(answer.name, answer.error)
            else:
                ready.append(fleet.managers[answer.name])
    failed = out.finish()
    started = service.begin(call, replace(choice, managers=ready), None) if ready else 0
    return failed or started


def _deploy(target: Target, url: str, pull: bool, make: bool, out: Output) -> None:
    screen = Screen(out, target.name)
    for piece in target.machine.deploy(url, pull, make):
        screen.take(piece)
    screen.end()
