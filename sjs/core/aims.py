"""What is best in a sweep: the least of a metric, or the most. Pure."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from sjs.core.metrics import Number
from sjs.errors import BadRequest

_GROW = frozenset(
    ("acc", "accuracy", "auc", "bleu", "f1", "iou", "map", "precision", "r2", "recall", "reward", "score")
)
"""Parts of names of which more is better, as a rule: for these, the least is not taken for granted."""


class Aim(NamedTuple):
    """A metric, and whether the most of it is best."""

    metric: str
    most: bool = False

    def cost(self, value: Number) -> float:
        """What is to be small. Neither nan nor any infinity is a result: each costs more than all that is one."""
        if not math.isfinite(value):
            return math.inf
        return -float(value) if self.most else float(value)

    def __str__(self) -> str:
        return f"{'max' if self.most else 'min'}:{self.metric}"


def parse(text: str, least_by_default: bool = False) -> Aim:
    """`min:loss` or `max:acc`; where the least is the default, `loss` too, unless it sounds as if it were to grow."""
    which, mark, metric = text.partition(":")
    if mark and which in ("min", "max") and metric:
        return Aim(metric, which == "max")
    if not text or mark or not least_by_default or _GROW.intersection(re.split(r"[^a-z0-9]+", text.lower())):
        word = metric or which or "loss"
        raise BadRequest(f"{text!r:.80}: the least of it or the most?", f"min:{word} or max:{word}")
    return Aim(text)
