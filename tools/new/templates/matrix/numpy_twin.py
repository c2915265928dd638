import numpy as np


def NAME(q, k, v, g, initial_state=None, reset=None):
    h = np.zeros((*k[:, 0].shape, v.shape[-1])) if initial_state is None else initial_state
    o = np.empty_like(v)
    for t in range(v.shape[1]):
        if reset is not None:
            h = h * ~reset[:, t, None, None, None]
        h = g[:, t, :, None, None] * h + np.einsum("bhk,bhv->bhkv", k[:, t], v[:, t])
        o[:, t] = np.einsum("bhk,bhkv->bhv", q[:, t], h)
    return o, h
