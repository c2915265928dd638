import numpy as np


def gated_delta(q, k, v, g, beta, erase=None, initial_state=None, reset=None, scale=1.0):
    batch, length, heads, values = v.shape
    S = np.zeros((batch, heads, values, q.shape[3])) if initial_state is None else initial_state.copy()
    o = np.empty_like(v)
    for b, t, n in np.ndindex(batch, length, heads):
        if reset is not None and reset[b, t]:
            S[b, n] = 0
        key, read, query = (x[b, t, n * k.shape[2] // heads] for x in (k, k if erase is None else erase, q))
        decayed = S[b, n] @ np.diag(np.broadcast_to(g[b, t, n], q.shape[3]))
        S[b, n] = decayed + beta[b, t, n] * np.outer(v[b, t, n] - decayed @ read, key)
        o[b, t, n] = scale * S[b, n] @ query
    return o, S
