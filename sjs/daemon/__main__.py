"""The machine side's one entry: `python3 -I -S …/sjs/daemon VERB …`, run as a folder, so nothing need be installed.

Each verb is a process of its own (docs/design.md, "entry"); modules are loaded by the verb that needs them, because
`ask` runs once for every command that anybody types.

A Python too old for sjs must still understand this file, to say so: as `unpack` does.
"""

import fcntl
import os
import sys

EX_UNAVAILABLE = 69

TYPE_CHECKING = False  # `typing` takes as long to load as all that `ask` needs
if TYPE_CHECKING:
    from typing import List

if __name__ == "__main__" and not __package__:
    # Run as a folder: Python put the folder itself on the path, where its `journal` could hide somebody else's.
    # The real folder, for what was called by a link (`stable`) must not find another version there a moment later.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def main(argv: "List[str]") -> int:
    """Run one verb; its exit status."""
    if sys.version_info < (3, 8):  # noqa: UP036 (whatever is called python3 there)
        sys.stdout.write("sjs python " + ".".join(map(str, sys.version_info[:3])) + "\n")
        return EX_UNAVAILABLE
    verb, rest = (argv[0], argv[1:]) if argv else ("job_manager", [])
    if verb == "ask":
        from sjs.daemon.asking import ask

        return ask.main()
    if verb == "gate":
        from sjs.daemon.asking import gate

        return gate.main(rest)
    if verb == "keep":
        from sjs.daemon.keeper import keep

        return keep.main(rest)
    if verb == "serve":
        from sjs.daemon.manager import serving

        return serving.main(rest)
    if verb == "selfcheck":
        from sjs.daemon.manager import selfcheck

        return selfcheck.main(rest)
    if verb == "probe":
        from sjs.daemon.ground import resources

        return resources.main(rest)
    if verb == "nodes":
        from sjs.daemon.slurm import nodes

        return nodes.main(rest)
    if verb == "trial":
        from sjs.daemon.slurm import trial

        return trial.main(rest)
    if verb == "checkout":
        from sjs.snapshots import checkout

        return checkout.main(rest)
    from sjs.daemon.terminal import command

    return command.main(rest if verb == "job_manager" else argv)


def hold() -> None:
    """For this process's life, mark the folder as used, so that nobody clears it away (`unpack`)."""
    program = os.open(os.path.join(sys.path[0], "sjs", "daemon", "__main__.py"), os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(program, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return  # no locks on that file system, so nobody can find it unused either


def job_manager() -> None:
    """The `job_manager` command of an installed package."""
    raise SystemExit(main(["job_manager", *sys.argv[1:]]))


if __name__ == "__main__":
    hold()
    raise SystemExit(main(sys.argv[1:]))
