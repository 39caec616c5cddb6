"""What counts as a number in a job's output, and what does not."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.core import metrics
from sjs.core.metrics import MAX_LINE, MAX_METRICS, MAX_NAME, Last, Lines, Number, by_pattern, reader, usual
from sjs.errors import BadRequest

PRINTED: dict[str, dict[str, Number]] = {
    # as programs print them
    "epoch 3 loss=0.12 acc=91.2%": {"epoch": 3, "loss": 0.12, "acc": 91.2},
    "Epoch [1/5], Step [100/600], Loss: 0.3521": {"epoch": 1, "step": 100, "Loss": 0.3521},
    "Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.300039": {"epoch": 1, "Loss": 2.300039},
    "Test set: Average loss: 0.0486, Accuracy: 9843/10000 (98%)": {"loss": 0.0486},
    "1875/1875 [====] - 3s 2ms/step - loss: 0.2957 - val_accuracy: 0.9143": {"loss": 0.2957, "val_accuracy": 0.9143},
    "Epoch 3: 100%|##| 10/10 [00:01<00:00, 9.00it/s, v_num=0, train_loss=0.123]": {
        "epoch": 3,
        "v_num": 0,
        "train_loss": 0.123,
    },
    "{'loss': 0.35, 'learning_rate': 5e-05, 'eval': '0.5', 'epoch': 1.0}": {
        "loss": 0.35,
        "learning_rate": 5e-05,
        "eval": 0.5,
        "epoch": 1.0,
    },
    "[0]\ttrain-rmse:0.52345\teval-rmse:1e-3": {"train-rmse": 0.52345, "eval-rmse": 1e-3},
    "[10]\tvalid_0's binary_logloss: 0.34": {"binary_logloss": 0.34},
    "Iteration 1, loss = 0.69314718": {"iteration": 1, "loss": 0.69314718},
    "[CV 1/5] END C=1, gamma=0.1;, score=0.920 total time=   0.0s": {"C": 1, "gamma": 0.1, "score": 0.92},
    "loss=tensor(0.1234, grad_fn=<MseLossBackward0>) mse=np.float64(0.5)": {"loss": 0.1234, "mse": 0.5},
    "\x1b[32mloss=0.5\x1b[0m": {"loss": 0.5},
    '{"epoch": 1, "val": {"loss": 0.2, "ok": true, "all": [1, 2]}, "who": "me"}': {"epoch": 1, "val.loss": 0.2},
    'INFO {"loss": 0.1}': {"loss": 0.1},
    "{loss=0.1}": {"loss": 0.1},
    # numbers
    "a=nan b=-inf c=Infinity d=1e-3 e=+.5 f=5. g=NaN": {
        "a": math.nan,
        "b": -math.inf,
        "c": math.inf,
        "d": 1e-3,
        "e": 0.5,
        "f": 5.0,
        "g": math.nan,
    },
    "the loss is: 0.5.": {"is": 0.5},
    "acc=0.91±0.02 f1-score: 0.8(best) train/loss: 0.3 mAP@0.5: 0.7": {
        "acc": 0.91,
        "f1-score": 0.8,
        "train/loss": 0.3,
        "mAP@0.5": 0.7,
    },
    "größe=3 a=1,b=2": {"größe": 3, "a": 1, "b": 2},
    # none
    "12:30 time=12:30 eta: 0:12:30 on 2026-01-02 date=2026-01-02": {},
    "version=1.2.3 1.2=3 ip: 10.0.0.1 n=1,234 hex=0x10 n=1_000 frac=1/2": {},
    "http://host:8080/x?a=1&b=2 localhost:8080 train.py:12: /tmp/lr=1 ./run=3": {},
    "python train.py --lr=0.1 -x=2": {},
    "took=3.2s mem=12GB lr=0.1x name=Nancy x=1e": {},
    "x == 5, y != 5, z <= 5, u += 5, v -= 5": {},
    "loss=0.3521e": {},
    "x=" + "1" * MAX_LINE: {},
    "x=\u0663": {},
    "n" * (MAX_NAME + 1) + "=1": {},
    "[" * 100_000: {},
    "{" * 100_000: {},
    '{"a": ' * 100_000: {},
}


def same(found: dict[str, Number], wanted: dict[str, Number]) -> bool:
    return json.dumps(found) == json.dumps(wanted)


@pytest.mark.parametrize("line", PRINTED)
def test_what_a_line_says(line: str) -> None:
    found = dict(usual(line[:MAX_LINE]))
    assert same(found, PRINTED[line]), found


def test_json_that_goes_too_deep_or_too_far_is_left_out() -> None:
    deep: dict[str, Any] = {"x": 1}
    for _ in range(metrics.DEPTH + 1):
        deep = {"d": deep}
    body = {"deep": deep, "long" * MAX_NAME: 1, "big": 10**400, "": 2, "wide": 10**20}
    assert dict(usual(json.dumps(body))) == {"big": math.inf, "wide": 1e20}
    assert dict(usual("[1, 2]")) == {}
    assert dict(usual('{"a": 1')) == {"a": 1}, "one that was cut off is text"


def test_a_persons_expression() -> None:
    assert list(by_pattern(r"(?P<name>\w+) -> (?P<value>\S+)")("a -> 1, b -> 2% c -> x")) == [("b", 2)]
    assert list(by_pattern(r"loss is (?P<loss>\S+)(?: at (?P<step>\d+))?")("loss is 0.5")) == [("loss", 0.5)]
    assert list(by_pattern(r"(?P<name>\w+)=(?P<value>\d+)")("n" * (MAX_NAME + 1) + "=1")) == []
    assert list(reader(None)("loss=1")) == list(reader("")("loss=1")) == [("loss", 1)]
    assert list(reader("(?P<x>[0-9])")("loss=1")) == [("x", 1)]


@pytest.mark.parametrize("text", ["(", "loss=(.*)", "x" * (metrics.MAX_PATTERN + 1), "(?P<a>x{99999999999})"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        by_pattern(text)


@pytest.mark.parametrize("value", [0, -7, 1e-300, 0.1, math.inf, -math.inf])
def test_numbers_go_over_the_wire_as_they_are(value: Number) -> None:
    assert metrics.from_wire(json.loads(json.dumps(metrics.to_wire(value), allow_nan=False))) == value
    assert math.isnan(metrics.from_wire(metrics.to_wire(math.nan)))


def test_what_is_no_number_on_the_wire() -> None:
    for value in ("x", None, [1]):
        with pytest.raises((ValueError, TypeError)):
            metrics.from_wire(value)


@given(st.floats() | st.integers(-(10**15) + 1, 10**15 - 1))
def test_each_number_that_python_prints_is_read_as_it_was(value: float) -> None:
    (found,) = usual(f"x={value!r}")
    assert found[1] == value or (math.isnan(found[1]) and math.isnan(value))


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_lines_do_not_depend_on_where_the_pieces_end(data: bytes, cuts: list[int]) -> None:
    whole, pieces = Lines(), Lines()
    wanted = whole.feed(data) + whole.rest()
    at = 0
    found = []
    for cut in [*sorted(cuts), len(data)]:
        found += pieces.feed(data[at:cut])
        at = max(at, cut)
        ends = max(data[:at].rfind(end) for end in (b"\r", b"\n", b"\x08"))
        assert pieces.held == len(data[:at]) - ends - 1, "the bytes behind the last end of a line"
    assert found + pieces.rest() == wanted
    assert pieces.held == 0


def test_a_line_without_an_end_takes_no_more_memory_than_one_with() -> None:
    lines = Lines()
    for _ in range(10):
        assert lines.feed(b"x" * MAX_LINE) == []
    assert lines.held == 10 * MAX_LINE
    assert lines.feed(b"x\nloss=1\r") == ["x" * MAX_LINE, "loss=1"]
    assert lines.rest() == []


def test_the_last_value_of_each_name_counts_and_there_are_only_so_many() -> None:
    last = Last()
    last.take(iter([("b", 1), ("a", 2), ("b", 3)]))
    assert list(last.values.items()) == [("b", 3), ("a", 2)]
    last.take((f"x{number}", number) for number in range(2 * MAX_METRICS))
    last.take(iter([("a", 5)]))
    assert (len(last.values), last.values["a"]) == (MAX_METRICS, 5)
