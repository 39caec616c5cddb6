"""Which setting of a sweep is the best, in words that can be typed."""

from __future__ import annotations

from sjs.core.aims import Aim
from sjs.results.rows import Row, pages
from sjs.results.table import Order, Table, best_line
from sjs.routing import Fleet


def best_text(best: Row, aim: Aim) -> str:
    """The best one, and how to run it again."""
    return f"the best: {best_line(best, aim)}  (again: submit {best.target} rerun {best.job})"


def best_of(fleet: Fleet, sweep: str, aim: Aim) -> str:
    """The best one so far; empty where there is none. Who cannot be asked is said."""
    table = Table(Order(aim, most=1))
    for answers in fleet.stream(lambda target: pages(target, sweep)):
        for answer in answers:
            if answer.error is not None:
                fleet.notice(answer.name, f"what came out there is not known: {answer.error}")
            elif answer.value is not None:
                table.add(answer.value.rows)
    return "" if table.best is None else best_text(table.best, aim)
