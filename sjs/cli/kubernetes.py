"""What a job can be told that goes to Kubernetes."""

from __future__ import annotations

import click

from sjs.cli import kinds

OPTIONS = (
    click.option("-i", "--image", metavar="NAME", help="The image in which it runs, behind the entry's image_prefix."),
    click.option(
        "-r",
        "--resources-flavor",
        metavar="NAME|JSON|FILE",
        help="What it takes, as a whole: a name that `flavors` shows, or what jobman has for one. --cpus, --mem and "
        "--gpus count more.",
    ),
    click.option(
        "--entrypoint", is_flag=True, help="The words are the command, instead of arguments of the image's own."
    ),
    click.option(
        "--job-name", metavar="NAME", help="What the Job is called in the cluster; -n, too, if that is not given."
    ),
    click.option("-a", "--annotations", metavar="JSON", help='Annotations: \'{"example.org/a": "b"}\'.'),
    click.option(
        "--label", "labels", multiple=True, type=kinds.PAIR, metavar="K=V", help="A label, of pods too; any number."
    ),
    click.option(
        "--volume",
        "volumes",
        multiple=True,
        metavar="KIND:NAME:/PATH[:ro]",
        help="What is mounted: pvc:NAME:/path, hostpath:/there:/path, nfs:SERVER:/export:/path, configmap:NAME:/path, "
        "secret:NAME:/path; any number.",
    ),
    click.option("--priority-class", metavar="NAME", help="The PriorityClass of its pods."),
    click.option("--security-context", metavar="JSON", help="That of its pods: '{\"runAsUser\": 1000}'."),
    click.option(
        "--ttl", type=kinds.GRACE, metavar="TIME", help="The cluster may remove it so long after its end: 1h, 7d."
    ),
)
