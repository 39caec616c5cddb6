"""What becomes of an item by what is done with it. Pure: each changes the item, and says the step that it was."""

from __future__ import annotations

from sjs.gateway.records.stages.values import CLAIMED, FREE, RETURN, STUCK, Item, Pipeline, Step

ADDED, CLAIM, TAKEN, FINISHED, RELEASED = "added", "claimed", "taken", "finished", "released"
FAILED, EXPIRED, RETURNED = "failed", "expired", "returned"
MOVED, REQUEUED, UNFLAGGED, CHANGED = "moved", "requeued", "unflagged", "changed"
"""Kinds of steps."""

GIVEN_BACK = (RELEASED, FAILED)


def arrive(item: Item, pipeline: Pipeline, stage: int, now: float) -> None:
    """It is at a stage from now on, and nobody has it."""
    if stage != item.stage:
        item.stage, item.since = stage, now
    _free(item)
    lifetime = pipeline.at(stage).lifetime
    item.due = now + lifetime if pipeline.is_loose and lifetime else None


def claim(item: Item, pipeline: Pipeline, word: str, worker: str, seconds: float | None, now: float) -> Step:
    """Somebody has it: for so long, or for the lifetime of its stage."""
    item.state, item.word, item.worker, item.is_flagged = CLAIMED, word, worker, False
    _lasts(item, pipeline, seconds, now)
    return _step(item, CLAIM, worker, now)


def renew(item: Item, pipeline: Pipeline, seconds: float | None, now: float) -> None:
    """Who has it needs longer; it is late no more."""
    item.is_flagged = False
    _lasts(item, pipeline, seconds, now)


def take(item: Item, pipeline: Pipeline, target: int, who: str, now: float) -> Step:
    """Somebody has it in that it is at another stage."""
    stage = item.stage
    item.since, item.is_flagged = now, False
    arrive(item, pipeline, target, now)
    return Step(item.pipeline, item.number, now, TAKEN, who, stage, target)


def finish(item: Item, pipeline: Pipeline, target: int, now: float) -> Step:
    """The work is done for which it was claimed."""
    stage, word, worker = item.stage, item.word, item.worker or ""
    item.tries, item.is_flagged = 0, False
    arrive(item, pipeline, target, now)
    return Step(item.pipeline, item.number, now, FINISHED, worker, stage, target, word)


def release(item: Item, pipeline: Pipeline, is_failed: bool, detail: str, now: float) -> Step:
    """It is given back. One that has failed goes back as one whose time is over, and stays where that is not so."""
    stage, word, worker = item.stage, item.word, item.worker or ""
    if not is_failed:
        arrive(item, pipeline, stage, now)
    elif not _goes_back(item, pipeline, now):
        _free(item)
        item.state, item.due = STUCK, None
    item.is_flagged = is_failed
    what = FAILED if is_failed else RELEASED
    return Step(item.pipeline, item.number, now, what, worker, stage, item.stage, word, detail)


def expire(item: Item, pipeline: Pipeline, now: float) -> Step:
    """Its time is over. Where it does not go back it stays whose it is, and may still be finished."""
    stage, word, worker = item.stage, item.word, item.worker or ""
    gone = (word is not None or pipeline.at(stage).back is not None) and _goes_back(item, pipeline, now)
    item.is_flagged = True
    if not gone:
        item.due = None
    what = RETURNED if gone else EXPIRED
    return Step(item.pipeline, item.number, now, what, worker, stage, item.stage, word if gone else None)


def move(item: Item, pipeline: Pipeline, target: int, what: str, who: str, now: float) -> Step:
    """Whoever has it, it is free there, as if it were new."""
    stage, word = item.stage, item.word
    item.tries, item.is_flagged, item.since = 0, False, now
    arrive(item, pipeline, target, now)
    return Step(item.pipeline, item.number, now, what, who, stage, target, word)


def change(item: Item, who: str, now: float) -> Step:
    """Something else is said of it, and that is all."""
    return _step(item, CHANGED, who, now)


def unflag(item: Item, who: str, now: float) -> Step:
    """What it was flagged for is seen to."""
    item.is_flagged = False
    if item.state == STUCK:
        _free(item)
        item.tries = 0
    return _step(item, UNFLAGGED, who, now)


def _goes_back(item: Item, pipeline: Pipeline, now: float) -> bool:
    stage = pipeline.at(item.stage)
    if stage.over != RETURN or item.tries >= stage.tries:
        return False
    item.tries += 1
    arrive(item, pipeline, item.stage if stage.back is None else stage.back, now)
    return True


def _free(item: Item) -> None:
    item.state, item.word, item.worker = FREE, None, None


def _lasts(item: Item, pipeline: Pipeline, seconds: float | None, now: float) -> None:
    lasts = seconds if seconds is not None else pipeline.at(item.stage).lifetime
    item.due = now + lasts if lasts else None


def _step(item: Item, what: str, who: str, now: float) -> Step:
    return Step(item.pipeline, item.number, now, what, who, item.stage, item.stage)
