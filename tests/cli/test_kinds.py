from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from sjs.cli import kinds


@pytest.mark.parametrize(
    ("read", "text", "wanted"),
    [
        (kinds.after, "5", (("ok", ((5, 5),)),)),
        (kinds.after, "3,5-8", (("ok", ((3, 3), (5, 8))),)),
        (kinds.after, "afterok:3:5-8", (("ok", ((3, 3), (5, 8))),)),
        (kinds.after, "afterany:1,afternotok:2", (("any", ((1, 1),)), ("notok", ((2, 2),)))),
        (kinds.after, "last,4", (("ok", (kinds.LAST, (4, 4))),)),
        (kinds.after, "afterany:last", (("any", (kinds.LAST,)),)),
        (kinds.backoff, "10s", (10.0, 1.0)),
        (kinds.backoff, "1m:2x", (60.0, 2.0)),
        (kinds.backoff, "1m:1.5", (60.0, 1.5)),
        (kinds.retry_on, "fail,oom,exit:137,lost", ("fail", "oom", "exit:137", "lost")),
        (kinds.retry_on, "signal:SIGKILL,signal:15", ("signal:9", "signal:15")),
        (kinds.signal_number, "usr1", int(signal.SIGUSR1)),
        (kinds.moment, "@12.5", 12.5),
        (kinds.moment, "2026-12-31T14:30:00Z", 1_798_727_400.0),
        (kinds.moment, "2026-12-31 14:30", datetime(2026, 12, 31, 14, 30).timestamp()),
        (kinds.ago, "2026-12-31 14:30", datetime(2026, 12, 31, 14, 30).timestamp()),
    ],
)
def test_what_is_written_so_means_this(read: Callable[[str], Any], text: str, wanted: Any) -> None:
    assert read(text) == wanted


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *[
            (kinds.after, text)
            for text in ("", "x", "3-1", "afterok", "afterok:", "after:3", "afterok:3,4", "first", "²")
        ],
        *[(kinds.backoff, text) for text in ("", "x", "10s:0.5x", "10s:", "10s:nanx", "10s:x2", "0")],
        *[
            (kinds.retry_on, text)
            for text in ("", "exit", "exit:x", "exit:1234", "signal:", "signal:NOPE", "signal:99")
        ],
        *[(kinds.moment, text) for text in ("", "noon", "25:00", "14:60", "@", "2026-13-01", "@1e999", "2h")],
        *[(kinds.ago, text) for text in ("", "yesterday")],
    ],
)
def test_what_means_nothing_is_told_with_what_would(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read(text)


@pytest.mark.parametrize("minutes", [-2, 2])
def test_an_hour_is_the_next_one_to_come_or_the_last_one_that_was(minutes: int) -> None:
    now = datetime.now()
    text = (now + timedelta(minutes=minutes)).strftime("%H:%M:%S")
    coming, past = (datetime.fromtimestamp(read(text)) for read in (kinds.moment, kinds.ago))
    assert (coming.strftime("%H:%M:%S"), past.strftime("%H:%M:%S")) == (text, text)
    assert now < coming <= now + timedelta(days=1, hours=2)
    assert now - timedelta(days=1, hours=2) < past <= datetime.now()


def test_a_duration_is_counted_from_now_or_back() -> None:
    before = time.time()
    assert before + 7_200 <= kinds.from_now("2h") <= time.time() + 7_200
    assert before - 7_200 <= kinds.ago("2h") <= time.time() - 7_200
