"""What all jobs of one handing in share: the environment they begin with, the files they run in, and the options of a
job that were given."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sjs.cli import kinds
from sjs.cli.common import Call
from sjs.cli.options import changed
from sjs.cli.output import Output
from sjs.cli.snapshot import taken_of
from sjs.cli.source import USUAL
from sjs.cli.sweeps import after as after_sweep
from sjs.core.job import Spec
from sjs.environment import digest, gathered
from sjs.protocols import Envs
from sjs.routing import Choice
from sjs.values import dataclass

if TYPE_CHECKING:
    from sjs.capture.taking import Taken

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS = (
    click.option("--env-file", metavar="FILE", help="Variables of all these jobs: NAME=VALUE a line."),
    click.option(
        "--capture-env",
        is_flag=False,
        flag_value="",
        metavar="[NAMES]",
        help="The variables that are set here, too; of NAMES only: 'CUDA_*,PATH,!CUDA_HOME'. What looks like a secret "
        "(*TOKEN*, *SECRET*, *PASSWORD*, *KEY*, AWS_*, SSH_*, …) only by its very name.",
    ),
    click.option(
        "--snapshot",
        is_flag=False,
        flag_value=".",
        metavar="[DIR]",
        help="Run each job in its own copy of DIR (or of this folder) as it is now: what git would not ignore there, "
        "and .sjsignore does not name. Only what a machine lacks is sent. @ID is one that was taken before.",
    ),
    click.option(
        "--snapshot-limit",
        type=kinds.SIZE,
        metavar="SIZE",
        help="How large that may be; 1G and 100000 files by default.",
    ),
    click.option(
        "--after-sweep",
        "after_sweeps",
        multiple=True,
        type=kinds.Read("sweep", after_sweep.read),
        metavar="NAME",
        help="Only when all jobs of that sweep have succeeded, else it is cancelled; afterany:NAME: have ended. On the "
        "machine that has them.",
    ),
)


SHARED = ("env_file", "capture_env", "snapshot", "snapshot_limit")
"""What these are called among what was given."""


@dataclass(frozen=True)
class Shared:
    """What they share: `envs` has the environment that `base` names by its digest."""

    base: Spec
    envs: Envs
    taken: Taken | None


def shared_options(function: F) -> F:
    """Give a verb these options."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def shared_of(call: Call, choice: Choice, given: Mapping[str, Any], out: Output, base: Spec = USUAL) -> Shared:
    """What was given, over `base`; takes the snapshot if one is wanted, and asks for the jobs of sweeps that are to be
    waited for."""
    after = after_sweep.waited_for(call, choice, given["after_sweeps"], out)
    variables = gathered(os.environ, given["capture_env"], given["env_file"])
    envs = {digest(variables): variables} if variables else {}
    folder = given["snapshot"]
    taken = None if folder is None else taken_of(folder, given["snapshot_limit"], out)
    base = base.but(env_base=next(iter(envs), ""), snapshot=taken.snapshot if taken else None, after=base.after + after)
    return Shared(changed(base, given), envs, taken)
