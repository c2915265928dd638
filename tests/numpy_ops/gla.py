import numpy as np


def gla(q, k, v, g, initial_state=None, reset=None, scale=1.0):
    batch, length, heads, values = v.shape
    h = np.zeros((batch, heads, q.shape[3], values)) if initial_state is None else initial_state.copy()
    o = np.empty_like(v)
    for b, t, n in np.ndindex(batch, length, heads):
        if reset is not None and reset[b, t]:
            h[b, n] = 0
        source = n * k.shape[2] // heads
        gate = np.diag(np.broadcast_to(g[b, t, n], q.shape[3]))
        h[b, n] = gate @ h[b, n] + np.outer(k[b, t, source], v[b, t, n])
        o[b, t, n] = scale * q[b, t, source] @ h[b, n]
    return o, h
