"""Options of jobs that are for targets of one kind alone, each kind's in a part of the help of its own."""

from __future__ import annotations

from collections.abc import Mapping

import click

from sjs.cli import kubernetes, slurm
from sjs.targets.native import NAMES

OPTIONS = (*slurm.OPTIONS, *kubernetes.OPTIONS)

TITLES: Mapping[str, str] = {"slurm": "For Slurm targets", "kubernetes": "For Kubernetes targets"}

_SECTIONS = {name: TITLES[kind] for kind, names in NAMES.items() for name in names}


def section(option: click.Parameter) -> str:
    """In which part of the help it is."""
    return _SECTIONS.get(str(option.name), "Options")


class Sectioned(click.Command):
    """A command that has such options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for one in self.get_params(ctx):
            record = one.get_help_record(ctx)
            if record is not None:
                sections.setdefault(section(one), []).append(record)
        for title, records in sorted(sections.items(), key=lambda one: one[0] != "Options"):
            with formatter.section(title):
                formatter.write_dl(records)
