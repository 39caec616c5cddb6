"""The commands `submit` and `sjs`: by the process that is warm already, else in this one."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal itself costs as much as all of this
import os
import sys

from sjs.link import place, thin

VARIABLE = "SJS_NO_LINK"
TRIES = 3
"""How often a process is looked for that can take the command: one that is there may just be ending."""


def submit() -> None:
    """The `submit` command."""
    raise SystemExit(main("submit", sys.argv[1:]))


def sjs() -> None:
    """The same by another name."""
    raise SystemExit(main("sjs", sys.argv[1:]))


def main(prog: str, args: list[str]) -> int:
    """One command, from its words to its exit status."""
    usual = _signal.getsignal(_signal.SIGINT)
    if usual == _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # nothing is begun yet, so there is nothing to tell
    if not (os.environ.get(VARIABLE) or _is_for_this_process(_words_before_options(args))):
        path = place.socket_path(os.environ)
        for _ in range(TRIES if path else 0):
            status = thin.handed_over(path or "", prog, args)
            if status is not None:
                return status
    _signal.signal(_signal.SIGINT, usual)
    return _alone(prog, args)


def with_packages() -> None:
    """Have what else is installed, if Python was started without it."""
    if sys.flags.no_site:
        import site

        site.main()


def _alone(prog: str, args: list[str]) -> int:
    with_packages()
    from sjs.cli.main import program

    program(prog, args)


def _is_for_this_process(words: list[str]) -> bool:
    """Whether it is wanted so, or what is typed is no command about targets, but a program."""
    if thin.WITHOUT in words:
        return True
    typed = (word for at, word in enumerate(words) if word[:1] != "-" and not (at and words[at - 1] == "--config"))
    return next(typed, "") in thin.ALONE


def _words_before_options(args: list[str]) -> list[str]:
    """Those up to TARGET VERB, behind which options are the verb's own."""
    words = 0
    for number, word in enumerate(args):
        words += not (word.startswith("-") or (number and args[number - 1] == "--config"))
        if words == 2:
            return args[:number]
    return args
