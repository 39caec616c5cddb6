"""What the verb top shows: all machines and their jobs on one page, for a screen of some size. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sjs.answers import Sight
from sjs.cli.text import age, columns, command, cut, gpus_text, printable, state_of
from sjs.core.job import Job
from sjs.core.lifecycle import RUNNING
from sjs.core.needs import WHOLE
from sjs.core.quantities import share_text, size_text
from sjs.values import dataclass, replace

PLAIN, TITLE, HEAD, FAINT, BAD, CHOSEN, NEWS = "plain", "title", "head", "faint", "bad", "chosen", "news"
"""How a row looks."""

KEYS = "q quit  up/down choose  f follow  c cancel  s sort  / filter  h help"
HELP = """\
up, down, k, j, PgUp, PgDn  choose a job
f, Enter                    follow what it prints, until Ctrl-C
c                           cancel it, once you have said y
s                           sort by machine, time, command
/                           show only jobs with some text; Esc shows all again
q, Ctrl-C                   quit;  Ctrl-Z puts it aside

LOAD and MEM FREE are the machine's, whoever uses it. A job's last line comes
once a second at most. A machine that is away is asked again by itself.

Any key goes back."""

MACHINE_HEAD = ("TARGET", "STATE", "SLOTS", "QUEUED", "LOAD", "MEM FREE", "GPUS FREE")
JOB_HEAD = ("JOB", "STATE", "TIME", "COMMAND", "LAST LINE")
SHARE = 3
"""Machines take one in so many of the rows at most."""

SORTS = ("machine", "time", "command")

Key = tuple[str, int]
"""A job, by its target and id."""


@dataclass(frozen=True)
class Place:
    """What is known of a target: what was seen there last, and why nothing is seen now, if that is so."""

    name: str
    sight: Sight | None = None
    trouble: str = ""


@dataclass(frozen=True)
class Wish:
    """What somebody wants to see: in which order, with which text, the job that he points at; and what he is told."""

    sort: str = SORTS[0]
    text: str = ""
    chosen: Key | None = None
    at: int = 0
    """The place of that job among those that are shown."""
    told: str = ""
    is_typing: bool = False
    is_help: bool = False


class Row(NamedTuple):
    """One row of the screen."""

    text: str
    look: str = PLAIN


class Entry(NamedTuple):
    """One job on the page."""

    target: str
    job: Job
    line: str

    @property
    def key(self) -> Key:
        return self.target, self.job.id

    @property
    def what(self) -> str:
        """What it is: its setting if it is one of a sweep's jobs, or else its command."""
        task = self.job.spec.task
        if task is None:
            return printable(command(self.job))
        return printable(f"{task.sweep} {' '.join(f'{name}={value}' for name, value in task.values)}")


def entries(places: Sequence[Place], wish: Wish, now: float) -> list[Entry]:
    """The jobs that somebody wants to see: those that run come before those that wait."""
    found = [
        Entry(place.name, job, printable(place.sight.lines.get(job.id, "")))
        for place in places
        if place.sight is not None
        for job in place.sight.jobs
    ]
    kept = [one for one in found if wish.text.casefold() in _all_of(one).casefold()]
    orders: Mapping[str, Callable[[Entry], object]] = {
        "machine": lambda one: 0,  # as they come
        "time": lambda one: -_ran(one.job, now),
        "command": lambda one: one.what,
    }
    kept.sort(key=orders[wish.sort])  # type: ignore[arg-type]
    kept.sort(key=lambda one: one.job.state != RUNNING)
    return kept


def page(places: Sequence[Place], wish: Wish, now: float, size: tuple[int, int]) -> list[Row]:
    """The rows of the screen, from the top; none is wider, and there are no more than it has."""
    width, height = size
    rows = [_title(places, wish), *([] if wish.is_help else _machines(places, max(1, height // SHARE)))]
    room = height - len(rows) - 1
    if wish.is_help:
        rows += [Row(line) for line in HELP.splitlines()[:room]]
    else:
        rows += _jobs(entries(places, wish, now), wish, now, (width, room))
    rows = rows[: max(0, height - 1)]
    rows += [Row("")] * (height - 1 - len(rows))
    rows.append(_foot(wish))
    return [row._replace(text=cut(row.text, width - 1)) for row in rows[:height]]


def moved(found: Sequence[Entry], wish: Wish, by: int = 0) -> Wish:
    """The wish, pointing so many jobs further down; where its job is not shown any more, at who has its place now."""
    keys = [one.key for one in found]
    at = (keys.index(wish.chosen) if wish.chosen in keys else wish.at) + by
    at = max(0, min(at, len(keys) - 1))
    return replace(wish, chosen=keys[at] if keys else None, at=at)


def _title(places: Sequence[Place], wish: Wish) -> Row:
    reports = [place.sight.status.report for place in places if place.sight is not None]
    away = sum(bool(place.trouble) for place in places)
    parts = [
        f"{len(places)} machine{'s' if len(places) != 1 else ''}" + (f" ({away} away)" if away else ""),
        f"{sum(one.running for one in reports)} of {sum(one.max_running for one in reports)} slots taken",
        f"{sum(one.queued for one in reports)} queued",
        f"by {wish.sort}",
        *([f"only '{printable(wish.text)}'"] if wish.text and not wish.is_typing else []),
    ]
    return Row(f"sjs top: {', '.join(parts)}", TITLE)


def _machines(places: Sequence[Place], most: int) -> list[Row]:
    """Those in trouble first, where there is no room for all."""
    shown = list(places)
    if len(shown) > most:
        shown = sorted(shown, key=lambda place: not place.trouble)[: max(0, most - 1)]
    table = columns([MACHINE_HEAD, *(_machine(place) for place in shown)])
    rows = [Row(table[0], HEAD)]
    for place, text in zip(shown, table[1:], strict=True):
        if place.trouble:
            text = f"{place.name}  away: {printable(place.trouble)}"
        rows.append(Row(text, BAD if place.trouble else PLAIN))
    if len(shown) < len(places):
        rows.append(Row(f"+{len(places) - len(shown)} more", FAINT))
    return rows


def _machine(place: Place) -> Sequence[str]:
    if place.sight is None or place.trouble:
        return (place.name, "away" if place.trouble else "asking", *"-----")
    status = place.sight.status
    machine = status.report.machine
    gpus = machine.gpus if machine else ()
    taken = sum(share for _, share in status.report.granted)
    return (
        place.name,
        state_of(status),
        f"{status.report.running}/{status.report.max_running}",
        str(sum(status.counts.get(state, 0) for state in ("queued", "waiting", "held"))),
        "-" if status.load is None else f"{status.load:.1f}",
        "-" if status.mem_free is None else size_text(status.mem_free),
        f"{share_text(len(gpus) * WHOLE - taken)}/{len(gpus)}" if gpus else "-",
    )


def _jobs(found: Sequence[Entry], wish: Wish, now: float, size: tuple[int, int]) -> list[Row]:
    """As many as there is room for, the chosen one among them."""
    width, room = size[0], max(0, size[1] - 1)
    keys = [one.key for one in found]
    chosen = keys.index(wish.chosen) if wish.chosen in keys else -1
    start = max(0, min(max(0, chosen - room // 2), len(found) - room))
    shown = found[start : start + room]
    table = columns([JOB_HEAD, *(_job(one, now, width // 3) for one in shown)])
    looks = [CHOSEN if one.key == wish.chosen else PLAIN if one.job.state == RUNNING else FAINT for one in shown]
    return [Row(table[0], HEAD), *map(Row, table[1:], looks)]


def _job(one: Entry, now: float, most: int) -> Sequence[str]:
    """`most`: columns of a command, so that there is room for what it prints."""
    job = one.job
    state = "paused" if job.paused else job.state
    gpus = f" on {gpus_text(job.gpus)}" if job.gpus else ""
    ran = age(_ran(job, now)) if job.state == RUNNING else "-"
    return f"{one.target}:{job.id}", state + gpus, ran, cut(one.what, most), one.line


def _ran(job: Job, now: float) -> float:
    return now - job.started if job.started is not None and job.state == RUNNING else 0.0


def _all_of(one: Entry) -> str:
    job = one.job
    tags = " ".join(f"{name}={value}" for name, value in job.spec.tags)
    return " ".join((f"{one.target}:{job.id}", job.state, job.spec.name, tags, one.what, command(job), one.line))


def _foot(wish: Wish) -> Row:
    if wish.is_typing:
        return Row(f"show only: {printable(wish.text)}_", NEWS)
    return Row(printable(wish.told), NEWS) if wish.told else Row(KEYS, FAINT)
