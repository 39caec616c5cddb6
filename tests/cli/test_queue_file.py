from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs import wire
from sjs.cli.queue_file import QueueFile, Renumbering, environment_line, is_open_to_others, job_line
from sjs.core.job import Job, Spec, ranges
from sjs.errors import UsageError

NAME = "0123456789abcdef" * 4


def body(number: int, state: str = "queued", **more: Any) -> str:
    return json.dumps({"id": number, "state": state, "command": "x", **more})


def written(folder: Path, *lines: str) -> str:
    path = folder / "queue.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    spec = Spec("a", env_base=NAME, priority=3, after=(("ok", ((1, 5),)),))
    held = Job(7, spec, "held", 1.0, attempt=1, due=9.0)
    path = written(tmp_path, environment_line(NAME, {"A": "1"}), job_line(held, (("ok", ((5, 5),)),)), "")
    with QueueFile(path) as file:
        (entry,) = file.entries()
        assert (file.contents.count, file.contents.lonely) == (1, [7])
        assert file.contents.environments == {NAME: {"A": "1"}}
    assert entry.id == 7
    assert entry.spec == spec.but(after=(("ok", ((5, 5),)),), hold=True, at=9.0)


def test_a_released_job_is_not_held_and_what_does_not_wait_is_left_out(tmp_path: Path) -> None:
    lines = body(0, "succeeded", exit=0), body(1, hold=True), body(2, "running"), body(3, after=[["any", [[1, 2]]]])
    with QueueFile(written(tmp_path, *lines)) as file:
        assert [(one.id, one.spec.hold) for one in file.entries()] == [(1, False), (3, False)]
        assert (file.contents.states.total(), file.contents.count, file.contents.lonely) == (4, 2, [3])


def test_the_key_is_of_the_contents(tmp_path: Path) -> None:
    keys = []
    for lines in ([body(1)], [body(1)], [body(1), body(2)]):
        with QueueFile(written(tmp_path, *lines)) as file:
            keys.append(file.contents.key)
    assert (keys[0] == keys[1], keys[0] == keys[2]) == (True, False)


def test_stdin_is_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(body(4).encode())

    monkeypatch.setattr(sys, "stdin", Stdin)
    with QueueFile("-") as file:
        copy = file._path
        assert [one.id for one in file.entries()] == [4]
    assert not os.path.exists(copy)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{"], "queue.jsonl:1: not a JSON line"),
        (["[]"], "queue.jsonl:1: not a JSON object"),
        ([body(1), body(1)], "queue.jsonl:2: job 1 comes after job 1"),
        ([body(1, "asleep")], "queue.jsonl:1: 'state' must be one of"),
        ([body(-1)], "queue.jsonl:1: 'id' must be a whole number"),
        ([body(1, command=None)], "queue.jsonl:1: a job has either"),
        ([body(1, cpus="x")], "queue.jsonl:1: 'cpus' must be"),
        ([body(1, env_base=NAME)], "queue.jsonl:1: job 1 begins with an environment that is not in"),
        ([json.dumps({"environment": "x", "variables": {}})], "queue.jsonl:1: 'environment' must be a digest"),
        ([json.dumps({"environment": NAME})], "queue.jsonl:1: 'variables' must be an object"),
        (["x" * (wire.MAX_LINE + 1)], "queue.jsonl:1: longer than 4 MiB"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message), QueueFile(written(tmp_path, *lines)):
        pass


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: No such file"), QueueFile(str(tmp_path / "nowhere")):
        pass


families = st.lists(st.sets(st.integers(0, 40), max_size=6), min_size=1, max_size=40)


@given(families, st.integers(1, 7), st.sets(st.integers(0, 39)), st.integers(0, 1000))
def test_each_waits_for_the_same_jobs_by_their_new_ids(
    parents: list[set[int]], size: int, gone: set[int], first: int
) -> None:
    """Job N of the old queue waits for those of lower ids; some are not in the file. Requests hold `size` jobs."""
    wanted = {number: {one for one in found if one < number} for number, found in enumerate(parents)}
    old = [number for number in wanted if number not in gone]
    new = {number: first + place for place, number in enumerate(old)}
    numbers = Renumbering()
    for start in range(0, len(old), size):
        piece = old[start : start + size]
        for index, number in enumerate(piece):
            after = (("ok", tuple(ranges(sorted(wanted[number])))),) if wanted[number] else ()
            found, is_lonely = numbers.after(after, piece[:index])
            assert meant(found, new[number]) == {new[one] for one in wanted[number] if one in new}
            assert is_lonely == any(one not in new for one in wanted[number])
        numbers.add(piece, new[piece[0]])


def meant(after: Any, here: int) -> set[int]:
    """The ids of those for whom a job waits, as its manager understands them."""
    spans = [span for _, found in after for span in found]
    return {one + (here if low < 0 else 0) for low, high in spans for one in range(low, high + 1)}


@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o640, True), (0o604, True)])
def test_whether_others_can_read_a_file(tmp_path: Path, mode: int, is_open: bool) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    with path.open() as stream:
        assert is_open_to_others(stream) is is_open
    assert not is_open_to_others(io.StringIO())
    with open(os.devnull) as null:
        assert not is_open_to_others(null)
