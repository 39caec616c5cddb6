"""Shell completion, by click's mechanism, for words in our own order: TARGET VERB or VERB TARGET, then options."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem, get_completion_class

from sjs.cli import verbs
from sjs.config import load
from sjs.errors import SjsError

VARIABLE = "_SUBMIT_COMPLETE"


class Words(click.Command):
    """Stands for the whole command line; nothing but completion ever runs it."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What may come next."""
        return [CompletionItem(word) for word in candidates(ctx.args) if word.startswith(incomplete)]


def complete(prog: str, instruction: str) -> int:
    """Answer a shell that asks for the script or for words."""
    shell, _, what = instruction.partition("_")
    kind = get_completion_class(shell)
    if kind is None or what not in ("source", "complete"):
        return 1
    settings = {"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False}
    command = Words(prog, add_help_option=False, context_settings=settings)
    answer = kind(command, {}, prog, VARIABLE)
    click.echo(answer.source() if what == "source" else answer.complete())
    return 0


def candidates(words: Sequence[str]) -> list[str]:
    """The words that may follow these."""
    config, typed = _split(words)
    found = [verbs.canonical(word) for word in typed[:2]]
    if len(typed) >= 2 and any(found):
        return _options(found[1] or found[0] or "")
    if not typed:
        return [*_targets(config), *verbs.VERBS]
    return _targets(config) if found[0] else list(verbs.VERBS)


def _split(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """--config's file, and the other words."""
    config: str | None = None
    typed: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--config" and rest:
            config = rest.pop(0)
        elif word.startswith("--config="):
            config = word.partition("=")[2]
        else:
            typed.append(word)
    return config, typed


def _targets(config: str | None) -> list[str]:
    try:
        found = load(config, os.environ)
        return [*found.names, *(f"@{name}" for name in found.groups), "any", "all"]
    except SjsError:  # a shell that completes is no place to complain of a config
        return ["any", "all"]


def _options(verb: str) -> list[str]:
    command = verbs.command(verb)
    return [option for parameter in command.params for option in parameter.opts if option.startswith("--")] + ["--help"]
