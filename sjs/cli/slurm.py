"""What a job can be told that goes to Slurm."""

from __future__ import annotations

import click

OPTIONS = (
    click.option("--partition", metavar="NAME", help="The partition to run in, or some of them: a,b."),
    click.option("--account", metavar="NAME", help="The account that pays."),
    click.option("--qos", metavar="NAME", help="The quality of service."),
    click.option(
        "--slurm",
        multiple=True,
        metavar="FLAG",
        help="A flag for sbatch as it stands, in one word: --slurm=--constraint=big; any number.",
    ),
)
