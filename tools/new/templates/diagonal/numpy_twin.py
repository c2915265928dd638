import numpy as np


def NAME(a, x, initial_state=None, reset=None):
    h = np.zeros(x[:, 0].shape) if initial_state is None else initial_state
    y = np.empty_like(x)
    for t in range(x.shape[1]):
        if reset is not None:
            h = h * ~reset[:, t, None]
        y[:, t] = h = a[:, t] * h + (1 - a[:, t]) * x[:, t]
    return y, h
