"""The most that each thing may cost. Whoever makes it cost less lowers the number here in the same commit; none goes up
without a word on why."""

from __future__ import annotations

A_JOB = {
    "keeper": 46,
    "keeper for the job, before it is executed": 72,
    "manager": 17,
    "fdatasync": 1.2,
    "statements to take it in": 2.1,
    "statements to run it": 5.3,
    "bytes to the keeper": 306,
}
"""Of one that does nothing (`sh -c true`): system calls, when each has a turn of the manager's for itself, or nearly,
since to be traced makes it slow; what the database and the keeper are told.

How many ends the manager hears of at once is up to chance and to what else the machine does: at best its figures are
half of these.
"""

STATUS = {"connections": 1, "sessions": 1, "messages": 2, "round trips": 2, "of ssh itself": 5, "bytes": 8_500}
"""`submit host status`, over ssh."""

FILE = {"connections": 1, "sessions": 1, "messages": 5, "of ssh itself": 5, "bytes a job": 27}
"""3,000 commands to one host, over ssh."""
