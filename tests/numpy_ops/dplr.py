import numpy as np


def dplr(q, k, v, a, b, g, initial_state=None, reset=None, scale=1.0):
    batch, length, heads, values = v.shape
    S = np.zeros((batch, heads, values, q.shape[3])) if initial_state is None else initial_state.copy()
    o = np.empty_like(v)
    for i, t, n in np.ndindex(batch, length, heads):
        if reset is not None and reset[i, t]:
            S[i, n] = 0
        at = i, t, n
        moved = np.diag(np.broadcast_to(g[at], q.shape[3])) + np.outer(a[at], b[at])
        S[i, n] = S[i, n] @ moved + np.outer(v[at], k[at])
        o[at] = scale * S[i, n] @ q[at]
    return o, S
