"""Something small that trains: logistic regression by gradient descent with momentum, in plain Python. The same program
runs as a job and, to know what is to come out, here."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

SWEEP = {
    "lr": ["0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "1", "3", "10", "30"],
    "momentum": ["0", "0.5", "0.9"],
    "decay": ["0", "0.01"],
}
"""Sixty settings. With the fastest some run away: their losses are nan."""

PROGRAM = '''
import json, math, os, random, sys


def train(lr, momentum, decay, say):
    """The loss of what was kept back, after each epoch; the last one is returned."""
    luck = random.Random(7)
    points = [[1.0] + [luck.gauss(0, 1) for _ in range(4)] for _ in range(120)]
    labels = [1.0 if p[1] - 2 * p[2] + 0.5 * p[3] + luck.gauss(0, 1) > 0 else 0.0 for p in points]
    weights, speed = [0.0] * 5, [0.0] * 5
    for epoch in range(1, 13):
        gradient = [0.0] * 5
        for point, label in zip(points[:80], labels):
            error = sigmoid(sum(w * x for w, x in zip(weights, point))) - label
            gradient = [g + error * x / 80 for g, x in zip(gradient, point)]
        speed = [momentum * s - lr * (g + decay * w) for s, g, w in zip(speed, gradient, weights)]
        weights = [w + s for w, s in zip(weights, speed)]
        odds = [sum(w * x for w, x in zip(weights, point)) for point in points[80:]]
        loss = sum(cost(z, y) for z, y in zip(odds, labels[80:])) / 40
        if max(map(abs, weights)) > 30:
            loss = math.nan  # it runs away
        say(epoch, loss)
    return loss


def sigmoid(z):
    return 1 / (1 + math.exp(-z)) if z > -700 else 0.0


def cost(z, label):
    return max(z, 0) - z * label + math.log1p(math.exp(-abs(z)))


if __name__ == "__main__":
    options = dict(word[2:].split("=") for word in sys.argv[1:])
    final = train(
        *(float(options[name]) for name in ("lr", "momentum", "decay")),
        lambda epoch, loss: print(f"Epoch [{epoch}/12], val_loss: {loss}", flush=True),
    )
    with open(os.path.join(os.environ["SJS_JOB_DIR"], "result.json"), "w") as file:
        json.dump({"final": {"loss": final}}, file)
'''


def settings() -> list[dict[str, str]]:
    """All of them, the last parameter the fastest."""
    return [dict(zip(SWEEP, values, strict=True)) for values in itertools.product(*SWEEP.values())]


def loss_of(setting: Mapping[str, str]) -> float:
    """What a setting comes to."""
    program: dict[str, Any] = {"__name__": "training"}
    exec(compile(PROGRAM, "train.py", "exec"), program)
    return float(program["train"](*(float(setting[name]) for name in SWEEP), lambda epoch, loss: None))
