"""`job_manager`: what a person types on a machine. Starts a keeper, and in the foreground waits until it is stopped.

The terminal's process is neither keeper nor manager: Ctrl-C reaches it, and it says "stop". Killing it stops nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import List, NoReturn, Optional

from sjs import __version__
from sjs.core.quantities import size_or_zero
from sjs.daemon.ground import kind, launch
from sjs.daemon.ground.places import Places
from sjs.daemon.terminal import upgrade_command
from sjs.daemon.terminal.waiter import EX_UNAVAILABLE, Waiter

EX_TEMPFAIL = 75

EXAMPLES = """\
examples:
  job_manager --max-jobs-running 4              in the foreground; Ctrl-C stops it
  job_manager --max-jobs-running 4 --background
  job_manager --stop                            running jobs go on, queued ones wait for the next start
  NEW/job_manager --upgrade                     have the code in NEW do the work from now on; jobs run on
"""


def main(arguments: List[str]) -> int:
    """Start, or stop, the manager of the queue in a folder."""
    options = _parser().parse_args(arguments)
    root = os.path.realpath(os.path.expanduser(options.root))
    if not os.path.isdir(root):
        return _fail(2, f"no such folder: {root}")
    wanted = kind.SLURM if options.slurm else None
    where = Places(root, options.pipe_name, kind.state_folder(wanted, root, options.pipe_name, options.state_dir))
    try:
        where.check()
    except OSError as error:
        return _fail(EX_UNAVAILABLE, f"{error.filename} {error.strerror}")
    if options.stop:
        return _stop(where)
    if options.upgrade:
        return _upgrade(where)
    if options.unless_stopped and os.path.exists(where.stopped):
        sys.stderr.write(f"job_manager: the manager of {where.door} was stopped on purpose, and stays so\n")
        return 0
    settings = launch.settings(options.max_jobs_running, options.keep_days, options.keep_jobs, options.low_water)
    problem = kind.refusal(where, wanted)
    if problem:
        return _fail(EX_UNAVAILABLE, problem)
    return _start(where, settings, wanted, options.background)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line: what is wrong stands above no screen of help."""
        self.exit(2, f"{self.prog}: {message} (--help shows how)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="job_manager",
        description="Own the job queue of a folder: read commands from a named pipe, run at most N at once.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--max-jobs-running",
        type=_count,
        metavar="N",
        help="at most N jobs at once; 0 pauses (default: as it was last, at first as many as there are CPUs)",
    )
    parser.add_argument(
        "--keep-days",
        type=_kept,
        metavar="N",
        help="keep the output of ended jobs for N days; 0 or forever: always (default: as it was last, at first 30)",
    )
    parser.add_argument(
        "--keep-jobs",
        type=_kept,
        metavar="N",
        help="keep the records of the last N ended jobs; 0 or all: of all (default: as it was last, at first all)",
    )
    parser.add_argument(
        "--low-water",
        type=_room,
        metavar="SIZE",
        help="take and start nothing while the queue's disk has less free; 0: less than 1 %%, at most 64M"
        " (default: as it was last, at first 0)",
    )
    parser.add_argument("--pipe-name", type=_name, default="jobs.pipe", metavar="P", help="default: jobs.pipe")
    parser.add_argument("--root", default=".", metavar="DIR", help="where the pipe is and jobs run (default: here)")
    parser.add_argument("--state-dir", default="", metavar="DIR", help="default: .sjs/PIPE in the root")
    parser.add_argument(
        "--slurm",
        action="store_true",
        help="on a login node: Slurm runs the jobs (default: as the queue was begun)",
    )
    parser.add_argument("--background", action="store_true", help="return once it runs")
    parser.add_argument("--unless-stopped", action="store_true", help="do not start one that was stopped on purpose")
    parser.add_argument("--stop", action="store_true", help="stop the manager; its running jobs go on")
    parser.add_argument(
        "--upgrade", action="store_true", help="put this code in the place of what manages the queue now; jobs run on"
    )
    parser.add_argument("--version", action="version", version=f"sjs {__version__}")
    return parser


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 1_000_000:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 1000000, not {text!r}")
    return int(text)


def _kept(text: str) -> int:
    return 0 if text in ("forever", "all") else _count(text)


def _room(text: str) -> int:
    try:
        return size_or_zero(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _name(text: str) -> str:
    if not text or "/" in text or "\n" in text or text in (".", "..", ".sjs"):
        raise argparse.ArgumentTypeError(f"must be a plain file name, not {text!r}")
    return text


def _start(where: Places, settings: str, wanted: Optional[str], background: bool) -> int:
    try:
        where.make()
        _forget_stop(where)
        outcome, detail = launch.start(where, settings, wanted)
    except OSError as error:
        return _fail(EX_UNAVAILABLE, f"cannot keep a queue in {where.state}: {error}")
    if outcome == "running":
        return _fail(EX_TEMPFAIL, f"{where.door} has a manager already: {detail}")
    if outcome == "failed":
        return _fail(EX_UNAVAILABLE, f"the manager of {where.door} did not start: {detail}")
    apart = "" if where.is_inside else f"; its queue is in {where.state}"
    sys.stderr.write(f"job_manager: pid {detail} reads {where.door}{apart}\n")
    return 0 if background else _stay(where)


def _forget_stop(where: Places) -> None:
    try:
        os.unlink(where.stopped)
    except FileNotFoundError:
        return  # it was not stopped on purpose


def _stay(where: Places) -> int:
    sys.stderr.write("job_manager: Ctrl-C stops it; running jobs go on, queued ones are kept\n")
    waiter = Waiter(where)
    if not waiter.connect():
        return _fail(EX_UNAVAILABLE, f"the keeper is gone; see {where.log}")
    return waiter.until_stopped()


def _stop(where: Places) -> int:
    waiter = Waiter(where)
    if not waiter.connect():
        return _fail(EX_UNAVAILABLE, f"no manager at {where.door}")
    waiter.send({"do": "stop"})
    return waiter.until_stopped()


def _upgrade(where: Places) -> int:
    failure = upgrade_command.run(where)
    if failure:
        return _fail(EX_UNAVAILABLE, failure)
    sys.stderr.write(f"job_manager: sjs {__version__} manages {where.door} now\n")
    return 0


def _fail(status: int, text: str) -> int:
    sys.stderr.write(f"job_manager: {text}\n")
    return status
