import numpy as np


def rglru(a, b, initial_state=None, reset=None):
    h = np.zeros(b[:, 0].shape) if initial_state is None else initial_state
    y = np.empty_like(b)
    for t in range(b.shape[1]):
        if reset is not None:
            h = h * ~reset[:, t, None]
        y[:, t] = h = a[:, t] * h + b[:, t]
    return y, h
