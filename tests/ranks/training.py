"""The demo's training with every window's time cut between the ranks: the curve, and how much of each loss differs from
that of one process."""

import mlx.core as mx
import numpy as np

from tools.demo.model import Model
from tools.demo.train import train


def run(group):
    """The losses over time and alone, as `{"over time": [...], "alone": [...]}`."""
    tokens = np.frombuffer(b"the quick brown fox jumps over the lazy dog. " * 40, dtype=np.uint8)
    curves = {}
    for where, ranks in (("over time", group), ("alone", None)):
        mx.random.seed(0)
        model = Model(width=16, hidden=24, depth=2)
        if ranks:
            model.over_time(ranks)
        else:
            # Of this process alone, whatever group it is in.
            ranks = Alone()
        curve = train(model, tokens, tokens[:600], steps=6, batch=2, length=33, group=ranks)
        curves[where] = [loss for _, loss in (*curve.train, *curve.held_out)]
    return curves


class Alone:
    def rank(self):
        return 0

    def size(self):
        return 1
