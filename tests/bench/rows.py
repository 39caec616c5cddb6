"""Which rows there are, in the order of the page."""

from __future__ import annotations

from tests.bench import remote, scale, slurm, streams
from tests.bench.figures import Row
from tests.bench.gap import gap
from tests.bench.gateway import requests
from tests.bench.idle import idle
from tests.bench.profile import profile
from tests.bench.rate import rate
from tests.bench.uneven import uneven

ROWS = (
    Row("rate", "jobs a second that do nothing, through two slots; output and exit code kept", rate),
    Row("profile", "what the keeper does meanwhile", profile),
    Row("gap", "from one job's end to the next one's start, in one slot", gap),
    Row("file", "10,000 commands to one host over ssh, until they are durable", remote.file_of_lines),
    Row("status", "submit host status", remote.status),
    Row("any", "submit any job over 16 hosts", remote.any_job),
    Row("hundred", "submit all status over 100 hosts on one machine", remote.hundred),
    Row("queued", "a million jobs that wait", scale.queued),
    Row("finished", "a million jobs that have ended", scale.finished),
    Row("idle", "keeper and manager with nothing to do", idle),
    Row("follow", "logs -f of a job that writes 10 MB a second", streams.follow),
    Row("fetch", "1 GiB of output over ssh", streams.fetch),
    Row("uneven", "a sweep over machines of which one is slower", uneven),
    Row("gateway", "what is asked over HTTP, a second, of a server that has one processor", requests),
    Row("slurm", "an array of tasks by Slurm, tuned for short ones", slurm.array),
)
