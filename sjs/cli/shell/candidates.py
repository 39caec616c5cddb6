"""What may be typed next on a command line: TARGET VERB or VERB TARGET, then options and arguments."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import click

from sjs.cli import verbs
from sjs.config import Config, load
from sjs.core.lifecycle import FINAL, HELD, LIVE, PENDING, RUNNING
from sjs.errors import SjsError

FILE, DIR = ":file", ":dir"
"""Whatever files, or folders, the shell knows."""

STATES = {
    "cancel": (*LIVE, *PENDING),
    "wait": (*LIVE, *PENDING),
    "hold": PENDING,
    "release": (HELD,),
    "pause": (RUNNING,),
    "resume": (RUNNING,),
    "rebalance": PENDING,
    "retry": FINAL,
    "rerun": FINAL,
    "clean": FINAL,
    "delete": (*LIVE, *PENDING, *FINAL),
    "history": FINAL,
}
"""Which jobs a verb is about; others are about all."""

PLACES = {"FILE": FILE, "FILE.pub": FILE, "PATH": FILE, "DIR": DIR, "[DIR]": DIR}


class Item(NamedTuple):
    """A candidate, and a few words about it."""

    value: str
    about: str = ""


class Typed(NamedTuple):
    """The words before the one that is being typed."""

    config: str | None
    target: str
    verb: str
    rest: Sequence[str]


def candidates(words: Sequence[str], last: str) -> list[Item]:
    """All that the last word may become."""
    config, plain = _without_config(words)
    found = [*map(verbs.canonical, plain[:1]), *map(verbs.behind_target, plain[1:2])]
    if words[-1:] == ["--config"]:
        return [Item(FILE)]
    if len(plain) >= 2 and any(found):
        target, verb = (plain[0], found[1]) if found[1] else (plain[1], found[0])
        return list(_of_command(verbs.command(verb or ""), Typed(config, target, verb or "", plain[2:]), last))
    if plain and plain[0] in verbs.PROGRAMS:
        return list(_of_program(Typed(config, "", plain[0], plain[1:]), last))
    about = [Item(name, verb.summary) for name, verb in verbs.VERBS.items()]
    if not plain:
        programs = [Item(name, program.summary) for name, program in verbs.PROGRAMS.items()]
        return [*_targets(config, last), *_fitting(about, last), *_fitting(programs, last)]
    return list(_targets(config, last)) if found[0] else _fitting(about, last)


def _without_config(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """--config's file, and the other words."""
    config: str | None = None
    plain: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--config" and rest:
            config = rest.pop(0)
        elif word.startswith("--config="):
            config = word.partition("=")[2]
        else:
            plain.append(word)
    return config, plain


def _of_program(typed: Typed, last: str) -> Iterable[Item]:
    """What it is told to do, if it does several things; then as of a verb."""
    command = verbs.command(typed.verb)
    if not isinstance(command, click.Group):
        return _of_command(command, typed, last)
    if not typed.rest:
        return _fitting((Item(name, _first_line(one.help)) for name, one in command.commands.items()), last)
    action = command.commands.get(typed.rest[0])
    return _of_command(action, typed._replace(rest=typed.rest[1:]), last) if action else []


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def _of_command(command: click.Command, typed: Typed, last: str) -> Iterator[Item]:
    options = {name: one for one in command.params if isinstance(one, click.Option) for name in one.opts}
    before = options.get(typed.rest[-1]) if typed.rest else None
    name, is_joined, value = last.partition("=")
    if "--" in typed.rest:
        yield Item(FILE)
    elif is_joined and name in options:
        for one in _values(options[name], typed, value):
            yield one if one.value in (FILE, DIR) else one._replace(value=f"{name}={one.value}")
    elif before is not None and not before.is_flag and not (_is_optional(before) and last.startswith("-")):
        yield from _values(before, typed, last)
    else:
        argument = next((one for one in command.params if isinstance(one, click.Argument)), None)
        found = [] if argument is None or last.startswith("-") else list(_values(argument, typed, last))
        about = [Item(name, (one.help or "").partition(". ")[0]) for name, one in options.items() if name[:2] == "--"]
        yield from found or _fitting([*about, Item("--help", "What it can do.")], last)


def _is_optional(option: click.Option) -> bool:
    """Whether the option may stand without its value."""
    return (option.metavar or "").startswith("[")


def _values(of: click.Parameter, typed: Typed, last: str) -> Iterable[Item]:
    """What an option or an argument may be."""
    if isinstance(of.type, click.Choice):
        return _fitting(map(Item, of.type.choices), last)
    if of.metavar in PLACES:
        return [Item(PLACES[of.metavar])]
    if of.metavar == "SET":
        return _targets(typed.config, last)
    from sjs.cli.shell.live_words import LiveWords

    live = LiveWords(typed.config, typed.target)
    if of.name in ("sweep", "after_sweeps"):
        return _fitting((Item(name, about) for name, about in live.sweeps()), last)
    if of.name == "resources_flavor":
        return _fitting((Item(name, about) for name, about in live.flavors()), last) or [Item(FILE)]
    if typed.verb == "image-details":
        return _fitting((Item(name, about) for name, about in live.images()), last)
    if of.name in ("which", "jids") or (typed.verb == "fetch" and not typed.rest):
        done, comma, rest = last.rpartition(",")
        is_for_many = of.nargs == -1 or of.multiple
        words = live.jobs(STATES.get(typed.verb), is_for_many)
        found = (Item(f"{done}{comma}{name}", about) for name, about in words)
        return _fitting(found, last)
    return []


def _targets(config: str | None, last: str) -> list[Item]:
    """Names, groups and the words for sets of them; of a set the name that is being typed."""
    known = _config(config)
    names = [Item(one.name, one.host or one.project_root) for one in (*known.managers, known.local)] if known else []
    groups = [Item(f"@{name}", group.meaning) for name, group in known.groups.items()] if known else []
    whole = [Item("any", "whoever has a free slot"), Item("all", "all of them")]
    start = max(last.rfind(sign) for sign in ",:!") + 1
    before = last[:start]
    found = {one.value: one for one in (*names, *groups, *whole)}.values()
    return _fitting((Item(before + one.value, one.about) for one in found), last)


def _config(path: str | None) -> Config | None:
    try:
        return load(path, os.environ)
    except SjsError:  # a shell that completes is no place to complain of a config
        return None


def _fitting(items: Iterable[Item], last: str) -> list[Item]:
    return [one for one in items if one.value.startswith(last)]
