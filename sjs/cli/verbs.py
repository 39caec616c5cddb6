"""The verbs, and the programs beside them: where each is, in a line what it does, what else it may be called. Light:
every command loads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from sjs.core.names import suggestion
from sjs.errors import UsageError

if TYPE_CHECKING:
    import click


class Verb(NamedTuple):
    """Where in `sjs.cli.commands` a verb's command is, what it does, and an example."""

    place: str
    summary: str
    example: str


VERBS: Mapping[str, Verb] = {
    "job": Verb("job:job", "hand in jobs", "submit any job --command 'python train.py'"),
    "sweep": Verb(
        "sweep:sweep",
        "hand in one command with many values",
        "submit any sweep -p lr 0.1 0.01 -- python train.py --lr {lr}",
    ),
    "workers": Verb(
        "workers:workers",
        "hand in jobs that work on a stage of a gateway's pipeline",
        "submit any worker https://gateway.example renders --stage encode -N 8 -- ./encode {file}",
    ),
    "status": Verb("status:status", "how many run, how many may, which wait", "submit all status"),
    "configure": Verb(
        "configure:configure",
        "how many may run, and what else is set",
        "submit gpu1 configure --max-jobs-running 4",
    ),
    "list": Verb("look:list_jobs", "jobs and how they stand", "submit gpu1 list"),
    "top": Verb("top:top", "all of it live, on the whole screen", "submit all top"),
    "logs": Verb("logs:logs", "what a job printed", "submit gpu1 logs 7 -f"),
    "cancel": Verb("cancel:cancel", "end jobs", "submit gpu1 cancel 7"),
    "wait": Verb("wait:wait", "wait until jobs have ended", "submit gpu1 wait 1-5"),
    "hold": Verb("steer:hold", "keep jobs from starting", "submit gpu1 hold 5-9"),
    "release": Verb("steer:release", "let held jobs go", "submit gpu1 release 5-9"),
    "retry": Verb("steer:retry", "run ended jobs again", "submit gpu1 retry 7"),
    "rerun": Verb("rerun:rerun", "hand in jobs again, as new ones", "submit gpu1 rerun 7"),
    "pause": Verb("steer:pause", "have running jobs stand still", "submit gpu1 pause 7"),
    "resume": Verb("steer:resume", "let paused jobs go on", "submit gpu1 resume 7"),
    "why": Verb("explain:why", "what a job waits for", "submit gpu1 why 7"),
    "details": Verb("explain:details", "all about one job", "submit gpu1 details 7"),
    "history": Verb("history:history", "what has ended, and what it took", "submit gpu1 history --since 1d"),
    "results": Verb("results:results", "what came out of a sweep", "submit all results lr-3f9a1c --best min:loss"),
    "clean": Verb("steer:clean", "remove records and outputs of ended jobs", "submit gpu1 clean 1-100"),
    "delete": Verb("delete:delete", "end jobs and remove what is left of them", "submit k8s delete 7"),
    "drain": Verb("steer:drain", "have nothing new start", "submit gpu1 drain"),
    "undrain": Verb("steer:undrain", "have jobs start again", "submit gpu1 undrain"),
    "export": Verb("export:export", "write what waits into a file", "submit gpu1 export --hold > queue.jsonl"),
    "import": Verb("import_:import_jobs", "hand in what export wrote", "submit gpu2 import queue.jsonl"),
    "rebalance": Verb("rebalance:rebalance", "move waiting jobs to where they start sooner", "submit all rebalance"),
    "queue": Verb("queue:queue", "what all users of a cluster have in it", "submit k8s queue"),
    "flavors": Verb("cluster:flavors", "the sets of resources that a cluster has names for", "submit k8s flavors"),
    "images": Verb("cluster:images", "the images that jobs can run in", "submit k8s images"),
    "image-details": Verb("cluster:image_details", "what is said of an image", "submit k8s image-details tensorflow"),
    "start": Verb("service:start", "start a manager", "submit gpu1 start --max-jobs-running 4"),
    "stop": Verb("service:stop", "stop a manager", "submit gpu1 stop"),
    "restart": Verb("service:restart", "stop and start a manager", "submit gpu1 restart"),
    "upgrade": Verb("service:upgrade", "have this sjs manage the queue", "submit all upgrade"),
    "boot": Verb("boot:boot", "start the manager whenever its machine starts", "submit all boot"),
    "run": Verb("run:run", "run a command there now", "submit all run -- nvidia-smi"),
    "hosts": Verb("hosts:hosts", "all machines in one table", "submit all hosts"),
    "deploy": Verb("deploy:deploy", "bring the project and start a manager", "submit all deploy"),
    "upload": Verb("upload:upload", "send data to machines", "submit all upload"),
    "fetch": Verb("fetch:fetch", "bring outputs and files of jobs here", "submit gpu1 fetch 7 '*.log'"),
    "doctor": Verb("doctor:doctor", "what is wrong with a machine, and what mends it", "submit all doctor"),
    "gate": Verb("gate:gate", "let others use a queue, and no more", "submit gpu1 gate alice --key alice.pub"),
    "trust": Verb("trust:trust", "make a machine's ssh key known", "submit gpu1 trust"),
    "link": Verb("link:link", "the process that makes commands quick: see it, end it", "submit local link"),
    "check-running": Verb("status:check_running", "is there a manager?", "submit all check-running"),
}

PROGRAMS: Mapping[str, Verb] = {
    "gateway": Verb("gateway:gateway", "serve jobs over HTTP", "submit gateway --listen 127.0.0.1:8765"),
    "worker": Verb(
        "worker:worker",
        "work on a stage of a gateway's pipeline",
        "submit worker https://gateway.example renders --stage encode -- ./encode {file}",
    ),
    "token": Verb("token:token", "who may ask the gateway", "submit token make alice --expires 90d"),
}
"""First words that are about no target: what follows is all theirs. No other process carries them out (`sjs.link.thin`
has the same names)."""

ACTIONS: Mapping[str, tuple[str, ...]] = {"token": ("make", "list", "revoke")}
"""What some of them are told to do first."""

ALIASES: Mapping[str, str] = {
    "stat": "status",
    "submit": "job",
    "shutdown": "stop",
    "force": "run",
    "upload-data": "upload",
    "ls": "list",
    "ps": "list",
    "resources-flavors": "flavors",
    "kill": "cancel",
}


BEHIND_TARGETS: Mapping[str, str] = {"worker": "workers"}
"""Programs whose names mean a verb behind a target: what they do is done there."""


def canonical(word: str) -> str | None:
    """The verb that a word means."""
    return word if word in VERBS else ALIASES.get(word)


def behind_target(word: str) -> str | None:
    """The verb that a word means behind a target."""
    return canonical(word) or BEHIND_TARGETS.get(word)


def find(name: str) -> Verb:
    """The verb or the program of this name."""
    return VERBS[name] if name in VERBS else PROGRAMS[name]


def unknown(word: str) -> UsageError:
    """The error for a word that is no verb."""
    return UsageError(f"unknown verb '{word}'{suggestion(word, [*VERBS, *ALIASES])}", f"verbs: {', '.join(VERBS)}")


def command(verb: str) -> click.Command:
    """The command behind a verb, or a program; loads its module."""
    from importlib import import_module

    module, _, name = find(verb).place.partition(":")
    found: click.Command = getattr(import_module(f"sjs.cli.commands.{module}"), name)
    return found
