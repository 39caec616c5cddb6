"""The verbs flavors, images and image-details: what a cluster is asked besides the jobs that are ours."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import click

from sjs.answers import Flavor, Image
from sjs.cli.clusters import clusters
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output
from sjs.cli.text import columns, printable
from sjs.core.quantities import size_text
from sjs.errors import UsageError


@verb("flavors")
def flavors(call: Call) -> int:
    """The sets of resources that `job -r NAME` may name, each with what is asked for / the most that one gets. What is
    taken where none is named has a *."""
    return fan_out(call, lambda target: target.cluster.flavors(), _show_flavors, clusters(call, "flavors"))


def _show_flavors(out: Output, name: str, found: Sequence[Flavor]) -> None:
    if out.json:
        for one in found:
            out.record(name, dict(vars(one)))
        return
    if not found:
        out.notice(name, "its entry in config.yaml has no 'flavors'")
        return
    others = dict.fromkeys(kind for one in found for kind in (*one.requests, *one.limits))
    kinds = [kind for kind in others if kind not in ("cpu", "memory")]
    head = ("NAME", "CPU", "MEMORY", *map(printable, kinds), "DESCRIPTION")
    rows = [
        (
            f"{one.name}{' *' if one.usual else ''}",
            *(_amounts(one, kind) for kind in ("cpu", "memory", *kinds)),
            one.description,
        )
        for one in found
    ]
    _table(out, name, head, rows)


def _amounts(one: Flavor, kind: str) -> str:
    """What is asked for / the most."""
    both = [part.get(kind) for part in (one.requests, one.limits)]
    return "-" if both == [None, None] else " / ".join("-" if part is None else _amount(kind, part) for part in both)


def _amount(kind: str, text: str) -> str:
    from sjs.targets.kubernetes.quantities import number

    found: Fraction = number(kind, text)
    return size_text(int(found)) if kind == "memory" else f"{float(found):.4g}"


@verb("images")
def images(call: Call) -> int:
    """The images of the registry (Harbor) that the entry names, with their tags."""
    return fan_out(call, lambda target: target.cluster.images(), _show_images, clusters(call, "images"))


def _show_images(out: Output, name: str, found: Sequence[Image]) -> None:
    if out.json:
        for one in found:
            out.record(name, _image(one))
        return
    _table(out, name, ("NAME", "TAGS"), [(one.name, " ".join(one.tags) or "-") for one in found])


@verb("image-details")
@click.argument("word", metavar="[NAME]", required=False)
@click.option("-i", "--image", metavar="NAME", help="The same as NAME.")
def image_details(call: Call, word: str | None, image: str | None) -> int:
    """What is said of an image, and its tags. NAME is as `images` shows it, without a tag."""
    wanted = word or image
    if not wanted or (word and image):
        raise UsageError("which image?", "its name, as `images` shows it")
    return fan_out(call, lambda target: target.cluster.image(wanted), _show_image, clusters(call, "image-details"))


def _show_image(out: Output, name: str, found: Image) -> None:
    if out.json:
        out.record(name, _image(found))
        return
    click.echo(f"image:      {printable(found.name)}")
    click.echo(f"tags:       {printable(' '.join(found.tags)) or '-'}\n")
    text = "\n".join(printable(line) for line in found.description.expandtabs().splitlines())
    if not text:
        out.notice(name, "there is no description of it")
    elif not (sys.stdout.isatty() and _rendered(text)):
        click.echo(text)


def _rendered(markdown: str) -> bool:
    """Shown as markdown means it, where there is what can do that."""
    try:
        from rich.console import Console
        from rich.markdown import Markdown
    except ModuleNotFoundError:
        return False
    Console().print(Markdown(markdown, hyperlinks=False))
    return True


def _image(one: Image) -> dict[str, Any]:
    return {"name": one.name, "tags": list(one.tags), "description": one.description}


def _table(out: Output, name: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    for line in columns([head, *([printable(cell) for cell in row] for row in rows)]):
        out.line(name, line)
