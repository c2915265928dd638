import numpy as np


def short_conv(x, weight, bias=None, initial_state=None, reset=None, silu=False):
    batch, length, channels = x.shape
    past = np.zeros((batch, len(weight) - 1, channels)) if initial_state is None else initial_state.copy()
    y = np.empty_like(x)
    for b, t in np.ndindex(batch, length):
        if reset is not None and reset[b, t]:
            past[b] = 0
        window = np.concatenate([past[b], x[b, t : t + 1]])
        y[b, t] = (weight * window).sum(axis=0) + (0 if bias is None else bias)
        past[b] = window[1:]
    return (y / (1 + np.exp(-y)) if silu else y), past
