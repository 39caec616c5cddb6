"""The pages for people: how far all jobs are, stage by stage, and who works on them. What jobs bring is
escaped. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from time import localtime, strftime

from sjs.gateway.web.job_manager.look import SCRIPT, STYLE
from sjs.gateway.web.job_manager.words import lifetime
from sjs.values import dataclass

MOST = 1_024
"""Jobs that are listed. Where there are more in all, only those that are worked on are."""

HEAD = (
    '<th scope="col">Job</th><th scope="col">Stage</th><th scope="col" class="wide">File</th><th scope="col">Since</th>'
)


@dataclass(frozen=True)
class Row:
    """A job as a table has it; `since`: when it came to its stage."""

    number: int
    stage: int
    file: str
    since: float
    is_flagged: bool


@dataclass(frozen=True)
class Group:
    """All jobs of one jobix. `key`: by which its page is asked for; it is not the jobix, which opens more than a page.
    `counts`: jobs at each stage; `lifetimes`: seconds, 0 is without end. The last stage that has one means done."""

    key: int
    counts: Sequence[int]
    lifetimes: Sequence[float]

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def complete(self) -> int:
        last = len(self.lifetimes) - 1
        return self.counts[last] if 0 <= last < len(self.counts) else 0

    @property
    def percent(self) -> int:
        return 100 * self.complete // self.total if self.total else 0


def status(groups: Sequence[Group], shown: Group | None, rows: Sequence[Row]) -> str:
    """The page of /get. `shown`: the group whose jobs are in `rows`."""
    if shown is None:
        return _page("No jobs", "<h1>Jobs</h1>\n<p>There are none yet.</p>\n")
    parts = [
        "<h1>Jobs</h1>\n",
        _ways(groups, shown),
        _progress(shown),
        _bars(shown),
        _table("working_nodes", "Jobs", [row for row in rows if not row.is_flagged]),
        _table("flagged_nodes", "Expired jobs", [row for row in rows if row.is_flagged]),
    ]
    if shown.total > len(rows):
        parts.append(f"<p>{len(rows)} of {shown.total} jobs are listed.</p>\n")
    parts.append('<p><a href="lifetime">Lifetimes</a></p>\n')
    return _page(f"{shown.percent}% of {shown.total} jobs", "".join(parts))


def lifetimes(groups: Sequence[Group], stage: int | None = None) -> str:
    """The page of /lifetime, or of one stage of it, which is a step further down."""
    up = "" if stage is None else "../"
    parts = ["<h1>Lifetimes</h1>\n"]
    for at, group in enumerate(groups, 1):
        lines = [
            f"<li>{lifetime(number, seconds)}</li>\n"
            for number, seconds in enumerate(group.lifetimes)
            if stage in (None, number)
        ]
        title = f"<h2>Group {at}</h2>\n" if len(groups) > 1 else ""
        parts.append(f"{title}<ul>\n{''.join(lines)}</ul>\n" if lines else "")
    parts.append(f'<p><a href="{up}get">Jobs</a></p>\n')
    return _page("Lifetimes", "".join(parts), up)


def _ways(groups: Sequence[Group], shown: Group) -> str:
    """To the other groups, where there are any."""
    if len(groups) < 2:
        return ""
    items = []
    for at, one in enumerate(groups, 1):
        here = ' aria-current="page"' if one.key == shown.key else ""
        items.append(f'<li><a href="get?group={one.key}"{here}>Group {at}: {one.complete}/{one.total}</a></li>\n')
    return f'<nav aria-label="Groups">\n<ul>\n{"".join(items)}</ul>\n</nav>\n'


def _progress(group: Group) -> str:
    bar = f'<progress aria-label="Jobs that are done" value="{group.complete}" max="{group.total or 1}"></progress>'
    return (
        f'<p>{bar}\n<span id="progress_percent">{group.percent}%</span>, '
        f'<span id="progress_total">{group.complete}/{group.total}</span></p>\n'
    )


def _bars(group: Group) -> str:
    rows = []
    for stage, count in enumerate(group.counts):
        of = f'id="stagebar {stage}" aria-label="Stage {stage}" value="{count}" max="{group.total or 1}"'
        bar = f'<td class="wide"><progress {of}></progress></td>'
        rows.append(f'<tr><th scope="row">Stage {stage}</th>{bar}<td class="count">{count}</td></tr>\n')
    return f"<table>\n<caption>Stages</caption>\n<tbody>\n{''.join(rows)}</tbody>\n</table>\n"


def _table(name: str, title: str, rows: Sequence[Row]) -> str:
    return (
        f"<table>\n<caption>{title}: {len(rows)}</caption>\n<thead><tr>{HEAD}</tr></thead>\n"
        f'<tbody id="{name}">\n{"".join(map(_line, rows))}</tbody>\n</table>\n'
    )


def _line(row: Row) -> str:
    number = row.number
    when = strftime("%Y-%m-%d %H:%M:%S", localtime(row.since))
    return (
        f'<tr id="flagged {number}"><td id="jobid {number}">{number}</td><td id="jobstage {number}">{row.stage}</td>'
        f'<td id="filename {number}" class="wide"><bdi>{escape(row.file)}</bdi></td>'
        f'<td id="datecommitted {number}">{when}</td></tr>\n'
    )


def _page(title: str, body: str, up: str = "") -> str:
    return (
        f'<!doctype html>\n<html lang="en" data-events="{up}events">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f'<style>{STYLE}</style>\n<noscript><meta http-equiv="refresh" content="30"></noscript>\n</head>\n<body>\n'
        f"<main>\n{body}</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
